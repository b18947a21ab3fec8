"""MT940, 941, 942 and 950: one page of a statement or a report, its balances, its lines and its summary."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from cutwater.core.money import Money
from payments.fin.draft import Draft
from payments.fin.fields import Fields
from payments.fin.lines import StatementLine, read_line
from payments.fin.narrative import inline_codes, plus_codes, subfields
from payments.fin.party import account_of
from payments.fin.values import day_of, known_day, money_of, offset_time
from payments.sheets import Sheet
from payments.statements import CREDIT, DEBIT, Balance
from payments.values import Findings

# An intermediate balance, of a page between others, keeps its tag as its code.
BALANCES = {"60F": "OPBD", "60M": "60M", "62F": "CLBD", "62M": "62M", "64": "CLAV", "65": "FWAV"}
OPENING, CLOSING = ("OPBD", "60M"), ("CLBD", "62M")


@dataclass(slots=True)
class Page:
    """One message. sequence, page: of :28C:, as written. summary: direction -> (count, sum) as told by 90C and 90D."""

    reference: str = ""
    account: str = ""
    servicer: str = ""
    sequence: str = ""
    page: str = ""
    currency: str = ""
    balances: list[Balance] = field(default_factory=list)
    lines: list[Draft] = field(default_factory=list)
    summary: dict[str, tuple[int, Money]] = field(default_factory=dict)
    extra: Draft = field(default_factory=lambda: Draft(""))

    def balance(self, codes: tuple[str, ...]) -> Balance | None:
        return next((item for item in self.balances if item.code in codes), None)


def read_page(fields: Fields, findings: Findings) -> Page:
    """Reads a page; a line that cannot be read is an error finding, and the others stay."""
    page = Page()
    _head(page, fields, findings)
    if not page.currency:
        balance = page.balance(OPENING) or page.balance(CLOSING)
        page.currency = balance.amount.currency if balance else ""
    if not page.currency and any(tag == "61" for tag, _ in fields):
        findings.error("missing_currency", ":60F:", "no balance names the currency of the lines")
    for position, (tag, value) in enumerate(fields):
        if tag == "61":
            note = fields[position + 1][1] if position + 1 < len(fields) and fields[position + 1][0] == "86" else ""
            _line(page, value, note, findings)
    if not page.account:
        findings.error("missing_account", ":25:", "the account is not named")
    return page


def _head(page: Page, fields: Fields, findings: Findings) -> None:
    before = ""
    for tag, value in fields:
        if tag == "61" or (tag == "86" and before == "61"):
            pass  # a line with its note: read one by one behind the head
        elif tag == "20":
            page.reference = value.strip()
        elif tag in ("25", "25P"):
            page.account, page.servicer = account_of(value), value.partition("\n")[2].strip()
        elif tag in ("28", "28C"):
            page.sequence, _, page.page = value.strip().partition("/")
        elif tag in BALANCES:
            _balance(page, tag, value, findings)
        elif tag in ("90C", "90D"):
            _summary(page, tag, value, findings)
        elif tag == "34F":
            page.currency = page.currency or value.strip()[:3]
            page.extra.keep(tag, value)
        elif tag == "13D":
            page.extra.told["created"] = offset_time(tag, value)
            page.extra.keep(tag, value)
        else:
            page.extra.keep(tag, value)
        before = tag


def _balance(page: Page, tag: str, value: str, findings: Findings) -> None:
    text, place = value.strip(), f":{tag}:"
    if text[:1] not in ("C", "D"):
        findings.error("balance", place, "a balance begins with C or D")
        return
    amount = money_of(text[10:], text[7:10], place, findings)
    day = day_of(tag, text[1:7], findings)
    if amount is not None:
        page.balances.append(Balance(BALANCES[tag], amount, CREDIT if text[0] == "C" else DEBIT, day))


def _summary(page: Page, tag: str, value: str, findings: Findings) -> None:
    text = value.strip()
    size = next((index for index, char in enumerate(text) if not ("0" <= char <= "9")), len(text))
    amount = money_of(text[size + 3 :], text[size : size + 3], f":{tag}:", findings)
    if amount is not None and 0 < size <= 5:
        page.summary[CREDIT if tag == "90C" else DEBIT] = (int(text[:size]), amount)


def _line(page: Page, value: str, note: str, findings: Findings) -> None:
    place = f":61:[{len(page.lines) + 1}]"
    line = read_line(value)
    if line is None:
        findings.error("statement_line", place, f"{value[:30]!r} is not readable as a statement line")
        return
    if line.repaired:
        findings.warn("statement_line", place, line.repaired)
    # RC takes a credit back, so it debits; RD takes a debit back, so it credits. EC, ED: expected, not booked.
    credit = line.mark in ("C", "RD", "EC")
    extra: dict[str, str] = {}
    told: dict[str, Any] = {
        "direction": CREDIT if credit else DEBIT,
        "status": "INFO" if line.mark[0] == "E" else "BOOK",
    }  # what is silent is left out: the events are made of it as it is
    if line.mark[0] == "R":
        told["reversal"] = True
    amount = money_of(line.amount, page.currency, place, findings) if page.currency else None
    if amount is not None:
        told["amount"] = amount
    if (day := _value_date(extra, line, place, findings)) is not None:
        told["value_date"] = day
        if (booked := _booking(line, day, place, findings)) is not None:
            told["booking_date"] = booked
    if line.servicer:
        told["servicer_reference"] = line.servicer
    if line.reference and line.reference not in ("NONREF", "KREF+", "NONREF+"):
        told["instruction_id"] = line.reference
    if page.account:
        told["creditor_account" if credit else "debtor_account"] = page.account
    draft = Draft("BOOKED", str(len(page.lines) + 1), None, page.reference, told, extra)
    _note(draft, line, note)
    page.lines.append(draft)


def _value_date(extra: dict[str, str], line: StatementLine, place: str, findings: Findings) -> date | None:
    """30 February is a day of the banks' interest year: the entry is kept, its date as text."""
    day = known_day(line.value_date)
    if day is None:
        findings.warn("date", place, f"{line.value_date!r} is no date")
        extra[":61:date"] = line.value_date
    return day


def _note(draft: Draft, line: StatementLine, note: str) -> None:
    extra = draft.extra
    if line.code:
        extra[":61:type"] = line.code
    if line.funds:
        extra[":61:funds"] = line.funds
    if line.details:
        extra[":61:details"] = line.details
    if not note:
        return
    extra[":86:"] = note
    told, numbered = draft.told, subfields(note)
    text = numbered.get("text", note)
    codes = inline_codes(text) if "/" in text and not numbered else {}
    if "+" in text:
        codes = {**plus_codes(text), **codes}
    if found := codes.get("EREF") or codes.get("ROC"):
        told["end_to_end_id"] = found
    if found := codes.get("REMI") or codes.get("SVWZ") or text.strip("\n"):
        told["remittance"] = found
    if codes.get("MREF"):
        told["mandate_id"] = codes["MREF"]
    if numbered:
        _other_side(draft, numbered)


def _other_side(draft: Draft, numbered: dict[str, str]) -> None:
    """Who paid, or was paid, by the subfields 30 to 33 and 38."""
    side = "debtor" if draft.told["direction"] == CREDIT else "creditor"
    name = (numbered.get("32", "") + numbered.get("33", "")).strip()
    account = (numbered.get("38") or numbered.get("31") or "").replace(" ", "")
    for field_name, value in (("name", name), ("account", account), ("agent", numbered.get("30", "").strip())):
        if value:
            draft.told[f"{side}_{field_name}"] = value


def _booking(line: StatementLine, value_date: date, place: str, findings: Findings) -> date | None:
    """MMDD with the year next to the value date's: a statement crosses the year's end."""
    if not line.entry_date:
        return None
    if line.value_date.endswith(line.entry_date):
        return value_date
    month, day = int(line.entry_date[:2]), int(line.entry_date[2:])
    options = []
    for year in (value_date.year - 1, value_date.year, value_date.year + 1):
        try:
            options.append(date(year, month, day))
        except ValueError:
            continue
    if not options:
        findings.warn("date", place, f"{line.entry_date!r} is no month and day")
        return None
    return min(options, key=lambda item: abs((item - value_date).days))


def sheet_of(page: Page, mt: str, place: str) -> Sheet:
    """The page's arithmetic. MT941 and MT942 are partial: they tell what has happened since the last."""
    opening, closing = page.balance(OPENING), page.balance(CLOSING)
    booked = []
    for item in page.lines:
        amount = item.told.get("amount")
        if amount is not None and item.told["status"] == "BOOK":
            booked.append(amount.amount if item.told["direction"] == CREDIT else -amount.amount)
    return Sheet(
        place=place,
        account=page.account,
        currency=page.currency,
        sequence=_whole(page.sequence) or None,
        page=_whole(page.page),
        opening=opening.signed if opening else None,
        closing=closing.signed if closing else None,
        opening_intermediate=bool(opening and opening.code == "60M"),
        closing_intermediate=bool(closing and closing.code == "62M"),
        opening_day=opening.day if opening else None,
        booked=booked,
        summary={direction: (count, money.amount) for direction, (count, money) in page.summary.items()},
        currencies=frozenset(item.amount.currency for item in page.balances),
        partial=mt in ("941", "942"),
    )


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
