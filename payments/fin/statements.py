"""MT940, 941, 942 and 950: one page of a statement or a report, its balances, its lines and its summary."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from cutwater.core.money import Money
from payments.fin.draft import Draft
from payments.fin.fields import Fields
from payments.fin.lines import StatementLine, read_line
from payments.fin.narrative import inline_codes
from payments.fin.notices import account_of
from payments.fin.values import day_of, money_of
from payments.sheets import Sheet
from payments.values import Findings

# Tag -> (balance type, whether it is of a page between others).
BALANCES = {
    "60F": ("OPBD", False),
    "60M": ("OPBD", True),
    "62F": ("CLBD", False),
    "62M": ("CLBD", True),
    "64": ("CLAV", False),
    "65": ("FWAV", False),
}


@dataclass(slots=True)
class Balance:
    code: str
    intermediate: bool
    amount: Money
    direction: str  # CRDT or DBIT
    day: date | None

    @property
    def signed(self) -> Decimal:
        return self.amount.amount if self.direction == "CRDT" else -self.amount.amount


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
    floors: list[tuple[str, Money]] = field(default_factory=list)
    rest: dict[str, str] = field(default_factory=dict)

    def balance(self, code: str) -> Balance | None:
        return next((item for item in self.balances if item.code == code), None)


def read_page(fields: Fields, findings: Findings) -> Page:
    """Reads a page; a line that cannot be read is an error finding, and the others stay."""
    page = Page()
    _head(page, fields, findings)
    opening, closing = page.balance("OPBD"), page.balance("CLBD")
    page.currency = _currency(page, opening or closing)
    if not page.currency and any(tag == "61" for tag, _ in fields):
        findings.error("missing_currency", ":60F:", "no balance names the currency of the lines")
    for position, (tag, value) in enumerate(fields):
        if tag == "61":
            note = fields[position + 1][1] if position + 1 < len(fields) and fields[position + 1][0] == "86" else ""
            _line(page, value, note, findings)
    if not page.account:
        findings.error("missing_account", ":25:", "the account is not named")
    return page


def _currency(page: Page, balance: Balance | None) -> str:
    if balance is not None:
        return balance.amount.currency
    if page.floors:
        return page.floors[0][1].currency
    return next((money.currency for _, money in page.summary.values()), "")


def _head(page: Page, fields: Fields, findings: Findings) -> None:
    before = ""
    for tag, value in fields:
        if tag == "20":
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
            _floor(page, tag, value, findings)
        elif tag != "61" and not (tag == "86" and before == "61"):
            name, number = f":{tag}:", 2
            while name in page.rest:
                name, number = f":{tag}:[{number}]", number + 1
            page.rest[name] = value
        before = tag


def _balance(page: Page, tag: str, value: str, findings: Findings) -> None:
    text, place = value.strip(), f":{tag}:"
    if text[:1] not in ("C", "D"):
        findings.error("balance", place, "a balance begins with C or D")
        return
    amount = money_of(text[10:], text[7:10], place, findings)
    day = day_of(tag, text[1:7], findings)
    if amount is not None:
        code, intermediate = BALANCES[tag]
        page.balances.append(Balance(code, intermediate, amount, "CRDT" if text[0] == "C" else "DBIT", day))


def _summary(page: Page, tag: str, value: str, findings: Findings) -> None:
    text = value.strip()
    size = next((index for index, char in enumerate(text) if not ("0" <= char <= "9")), len(text))
    amount = money_of(text[size + 3 :], text[size : size + 3], f":{tag}:", findings)
    if amount is not None and 0 < size <= 5:
        page.summary["CRDT" if tag == "90C" else "DBIT"] = (int(text[:size]), amount)


def _floor(page: Page, tag: str, value: str, findings: Findings) -> None:
    text = value.strip()
    mark = text[3:4] if text[3:4] in ("C", "D") else ""
    amount = money_of(text[3 + len(mark) :], text[:3], f":{tag}:", findings)
    if amount is not None:
        page.floors.append((mark, amount))


def _line(page: Page, value: str, note: str, findings: Findings) -> None:
    place = f":61:[{len(page.lines) + 1}]"
    line = read_line(value)
    if line is None:
        findings.error("statement_line", place, "the line is not readable")
        return
    if line.repaired:
        findings.warn("statement_line", place, line.repaired)
    amount = money_of(line.amount, page.currency, place, findings) if page.currency else None
    # RC takes a credit back, so it debits; RD takes a debit back, so it credits. EC, ED: expected, not booked.
    credit = line.mark in ("C", "RD", "EC")
    draft = Draft("booked", ordinal=str(len(page.lines) + 1), message_id=page.reference, amount=amount)
    draft.direction, draft.reversal = "CRDT" if credit else "DBIT", line.mark[0] == "R"
    draft.status = "INFO" if line.mark[0] == "E" else "BOOK"
    draft.account = page.account
    draft.value_date = _value_date(draft, line, place, findings)
    draft.booking_date = _booking(line, draft.value_date, place, findings)
    draft.reference = line.servicer or None
    if line.reference and line.reference != "NONREF":
        draft.instruction_id = line.reference
    if draft.direction == "DBIT":
        draft.debtor_account = page.account or None
    else:
        draft.creditor_account = page.account or None
    _note(draft, line, note)
    page.lines.append(draft)


def _value_date(draft: Draft, line: StatementLine, place: str, findings: Findings) -> date | None:
    """30 February is a day of the banks' interest year: the entry is kept, its date as text."""
    faults = Findings()
    day = day_of("61", line.value_date, faults)
    if day is None:
        findings.warn("date", place, f"{line.value_date!r} is no date")
        draft.rest[":61:date"] = line.value_date
    return day


def _note(draft: Draft, line: StatementLine, note: str) -> None:
    told = {":61:type": line.code, ":61:funds": line.funds, ":61:details": line.details, ":86:": note}
    draft.rest.update({name: value for name, value in told.items() if value})
    if note:
        codes = inline_codes(note)
        draft.end_to_end_id = codes.get("EREF") or codes.get("ROC") or None
        draft.remittance = codes.get("REMI") or note.replace("\n", "")


def _booking(line: StatementLine, value_date: date | None, place: str, findings: Findings) -> date | None:
    """MMDD with the year next to the value date's: a statement crosses the year's end."""
    if not line.entry_date or value_date is None:
        return None
    options = []
    for year in (value_date.year - 1, value_date.year, value_date.year + 1):
        try:
            options.append(date(year, int(line.entry_date[:2]), int(line.entry_date[2:])))
        except ValueError:
            continue
    if not options:
        findings.error("date", place, f"{line.entry_date!r} is no month and day")
        return None
    return min(options, key=lambda day: abs((day - value_date).days))


def sheet_of(page: Page, mt: str, place: str) -> Sheet:
    """The page's arithmetic. MT942 is partial: it tells what has happened since the last."""
    opening, closing = page.balance("OPBD"), page.balance("CLBD")
    booked = [
        item.amount.amount if item.direction == "CRDT" else -item.amount.amount
        for item in page.lines
        if item.amount is not None and item.status == "BOOK"
    ]
    return Sheet(
        place=place,
        account=page.account,
        currency=page.currency,
        sequence=_whole(page.sequence) or None,
        page=_whole(page.page),
        opening=opening.signed if opening else None,
        closing=closing.signed if closing else None,
        opening_intermediate=bool(opening and opening.intermediate),
        closing_intermediate=bool(closing and closing.intermediate),
        opening_day=opening.day if opening else None,
        booked=booked,
        summary={direction: (count, money.amount) for direction, (count, money) in page.summary.items()},
        currencies=frozenset(item.amount.currency for item in page.balances),
        partial=mt in ("941", "942"),
    )


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
