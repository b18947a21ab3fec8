"""MT940: one BOOKED event a statement line, and the statement's own equation."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from payments.entries import EntryKeys, check_balance
from payments.fin.blocks import Fin
from payments.model import EventKind, PaymentEvent
from payments.values import Findings, fin_date, money

_LINE = re.compile(
    r"(?P<value>[0-9]{6})(?P<entry>[0-9]{4})?(?P<mark>R?[CD]|E[CD])(?P<funds>[A-Z])?(?P<amount>[0-9]+,[0-9]*)"
    r"(?P<type>[A-Z][A-Z0-9]{3})(?P<reference>[^\n]*?)(?://(?P<servicer>[^\n]*))?(?:\n(?P<details>.*))?",
    re.DOTALL,
)
_BALANCE = re.compile(r"([CD])([0-9]{6})([A-Z]{3})([0-9]+,[0-9]*)\s*")
_REFERENCE = re.compile(r"/(?:ROC|EREF)/([^/\n]+)")


def statement_events(
    fin: Fin, message_id: str, pairs: list[tuple[str, str]], control: dict[str, str], findings: Findings
) -> list[PaymentEvent]:
    """Lines of one page; `28C` gives statement number and page."""
    account = (
        next((value for tag, value in pairs if tag in ("25", "25P")), "").partition("\n")[0].replace(" ", "").upper()
    )
    sequence, _, page = next((value for tag, value in pairs if tag in ("28", "28C")), "").strip().partition("/")
    if not account:
        findings.error("missing_account", ":25:", "the account is not named")
    control.update(account=account, statement=sequence, page=page)
    opening = _balance(pairs, ("60F", "60M"), findings)
    closing = _balance(pairs, ("62F", "62M"), findings)
    currency = opening[0] if opening else closing[0] if closing else ""
    number = f"{_plain(sequence)}/{_plain(page)}" if page else _plain(sequence)
    reader = _Lines(fin, message_id, account, number or message_id, currency, findings)
    for position, (tag, value) in enumerate(pairs):
        if tag == "61":
            note = pairs[position + 1][1] if position + 1 < len(pairs) and pairs[position + 1][0] == "86" else ""
            reader.take(value, note)
    control["entries.actual"] = str(len(reader.events))
    check_balance(
        control, "MT940", opening[1] if opening else None, closing[1] if closing else None, reader.signed, findings
    )
    return reader.events


class _Lines:
    def __init__(
        self, fin: Fin, message_id: str, account: str, sequence: str, currency: str, findings: Findings
    ) -> None:
        self._fin, self._id, self._account, self._sequence = fin, message_id, account, sequence
        self._currency, self._findings = currency, findings
        self._keys = EntryKeys("MT940")
        self.events: list[PaymentEvent] = []
        self.signed: list[Decimal] = []

    def take(self, line: str, note: str) -> None:
        place = f":61:[{len(self.events) + 1}]"
        match = _LINE.fullmatch(line)
        if match is None:
            return self._findings.error("statement_line", place, "the line is not readable")
        amount = money(match["amount"], self._currency, place, self._findings, comma=True)
        mark = match["mark"].removeprefix("E")
        # RC takes a credit back, so it debits; RD takes a debit back, so it credits.
        direction = "CRDT" if mark in ("C", "RD") else "DBIT"
        expected = match["mark"].startswith("E")  # ED/EC: expected, not booked
        if amount is not None and not expected:
            self.signed.append(amount.amount if direction == "CRDT" else -amount.amount)
        value_date = fin_date(match["value"], place, self._findings)
        reference, servicer = match["reference"].strip(), (match["servicer"] or "").strip()
        extra = {
            "CdtDbtInd": direction,
            ":61:type": match["type"],
            **self._extra(match, servicer, value_date, note, place),
        }
        told = _REFERENCE.search(note)
        self.events.append(
            self._keys.entry(
                account=self._account,
                sequence=self._sequence,
                reference=servicer or None,
                family="MT940",
                kind=EventKind.BOOKED,
                sender=self._fin.sender,
                message_id=self._id,
                ordinal=str(len(self.events) + 1),
                end_to_end_id=told[1].strip() if told else None,
                instruction_id=reference if reference and reference != "NONREF" else None,
                amount=amount,
                value_date=value_date,
                status="INFO" if expected else "BOOK",
                debtor_account=self._account if direction == "DBIT" else None,
                creditor_account=self._account if direction == "CRDT" else None,
                batch_id=self._id or None,
                extra=extra,
            )
        )

    def _extra(
        self, match: re.Match[str], servicer: str, value_date: date | None, note: str, place: str
    ) -> dict[str, str]:
        booked = _booking(match["entry"], value_date, place, self._findings) if match["entry"] else ""
        found = {
            ":61:funds": match["funds"],
            ":61:details": match["details"],
            "RvslInd": "true" if match["mark"].startswith("R") else "",
            "BookgDt": booked,
            ":86:": note,
            "AcctSvcrRef": servicer,
        }
        return {name: value for name, value in found.items() if value}


def _balance(pairs: list[tuple[str, str]], tags: tuple[str, str], findings: Findings) -> tuple[str, Decimal] | None:
    """(currency, signed amount) of the first balance field among `tags`."""
    for tag, value in pairs:
        if tag in tags:
            match = _BALANCE.fullmatch(value)
            amount = money(match[4], match[3], f":{tag}:", findings, comma=True) if match else None
            if match is None:
                findings.error("balance", f":{tag}:", "the balance is not readable")
            if match is None or amount is None:
                return None
            return amount.currency, amount.amount if match[1] == "C" else -amount.amount
    return None


def _booking(monthday: str, value_date: date | None, place: str, findings: Findings) -> str:
    """The booking date: MMDD with the year next to the value date's (a statement crosses the year's end)."""
    if value_date is None:
        return monthday
    options = []
    for year in (value_date.year - 1, value_date.year, value_date.year + 1):
        try:
            options.append(date(year, int(monthday[:2]), int(monthday[2:])))
        except ValueError:
            continue
    if not options:
        findings.error("date", place, f"{monthday!r} is no month and day")
        return monthday
    return min(options, key=lambda day: abs((day - value_date).days)).isoformat()


def _plain(digits: str) -> str:
    return digits.lstrip("0") or digits[:1]
