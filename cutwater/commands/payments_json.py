"""Messages as JSON (`cutwater.payments.parse/1`): one object a message, written while it is read where it is large."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from cutwater.core.clock import iso
from cutwater.core.money import Money
from payments.model import EventKind, Finding, Parsed, PaymentEvent, Statement, StatementEntry

SCHEMA = "cutwater.payments.parse/1"
_TYPES = {"bacs.std18": "bacs18", "XML": "", "FIN": ""}  # nothing is known of the type
_BANKS = frozenset({"pacs.009", "pacs.010", "MT200", "MT201", "MT202", "MT203", "MT204", "MT205"})
_dump = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode  # any terminal and any surrogate can take it
_TEXTS = (
    "event_key", "uetr", "end_to_end_id", "instruction_id", "transaction_id", "message_id",
)  # fmt: skip
_PARTIES = (
    "debtor_name", "debtor_account", "debtor_agent", "creditor_name", "creditor_account", "creditor_agent", "status",
    "reason",
)  # fmt: skip
_ORIGINAL = (
    "original_message_id", "original_message_type", "original_batch_id", "original_instruction_id",
    "original_end_to_end_id", "original_transaction_id", "original_uetr",
)  # fmt: skip
_ORDERS = frozenset({"pain.001", "pain.008", "MT101"})  # what they order is the instructed amount


@dataclass(frozen=True)
class Place:
    """Where a message stands: its source and its number and offset within it."""

    path: str
    index: int
    offset: int
    sha256: str

    def body(self) -> dict[str, Any]:
        return {"path": self.path, "index": self.index, "offset": self.offset, "sha256": self.sha256 or None}


def type_of(parsed: Parsed) -> str | None:
    """None where nothing tells. A training message is of the type that it trains."""
    if parsed.type == "FIN.TRAINING" and parsed.control.get("mt"):
        return f"MT{parsed.control['mt']}"
    return _TYPES.get(parsed.type, parsed.type) or None


def event_body(event: PaymentEvent, full: bool = False) -> dict[str, Any]:
    """The event's fields by the contract's names; full: every field of the model, and `extra`, beside them."""
    body: dict[str, Any] = {"kind": event.kind.value}
    for name in _TEXTS:
        body[name] = getattr(event, name) or None
    instructed = event.instructed_amount or (event.amount if event.family in _ORDERS else None)
    body["amount"], body["currency"] = _money(event.amount)
    body["instructed_amount"], body["instructed_currency"] = _money(instructed)
    # A booking's value date is the day on which the account is settled.
    settled = event.settlement_date or (event.value_date if event.kind is EventKind.BOOKED else None)
    body["settlement_date"] = settled.isoformat() if settled else None
    for name in _PARTIES + _ORIGINAL:
        body[name] = getattr(event, name)
    for side in ("debtor", "creditor"):
        # Between banks the party is itself an institution: where no other agent stands before it, it is the agent.
        if body[f"{side}_agent"] is None and event.family in _BANKS:
            body[f"{side}_agent"] = getattr(event, f"{side}_id")
    body["original_amount"], body["original_currency"] = _money(event.original_amount)
    day = event.original_settlement_date
    body["original_settlement_date"] = day.isoformat() if day else None
    body["charges_bearer"], body["remittance"] = event.charges_bearer, event.remittance
    if full:
        for item in fields(PaymentEvent):
            body.setdefault(item.name, _plain(getattr(event, item.name)))
    return body


def statement_head(statement: Statement, full: bool = False) -> dict[str, Any]:
    """A statement without its entries."""
    opening, closing = statement.opening, statement.closing
    body: dict[str, Any] = {
        "account": statement.account or None,
        "sequence": _number(statement.sequence),
        "page": _number(statement.page),
        "currency": statement.currency,
        "opening_balance": f"{opening.signed:f}" if opening else None,
        "closing_balance": f"{closing.signed:f}" if closing else None,
    }
    if full:
        body["balances"] = [
            {
                "code": item.code,
                "amount": f"{item.signed:f}",
                "currency": item.amount.currency,
                "date": _plain(item.day),
            }
            for item in statement.balances
        ]
        body["statement_id"], body["copy"] = statement.statement_id or None, statement.copy
        body["totals"], body["extra"] = dict(statement.totals), dict(statement.extra)
    return body


def entry_body(entry: StatementEntry) -> dict[str, Any]:
    """One line of a statement; `details` where it sums up several transactions."""
    amount, currency = _money(entry.amount)
    body: dict[str, Any] = {
        "amount": amount,
        "currency": currency,
        "direction": entry.direction or None,
        "reversal": entry.reversal,
        "booking_date": _plain(entry.booking_date),
        "value_date": _plain(entry.value_date),
        "status": entry.status,
        "references": dict(entry.references),
    }
    if entry.transactions:
        body["details"] = [dict(item) for item in entry.transactions]
    return body


def finding_body(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code, "severity": finding.severity, "path": finding.path, "message": finding.message,
    }  # fmt: skip


def _number(text: str) -> str | None:
    """28C's `00012` and LglSeqNb's `12` are one number."""
    return (text.lstrip("0") or "0") if text.isascii() and text.isdigit() else text or None


def _money(value: Money | None) -> tuple[str | None, str | None]:
    return (f"{value.amount:f}", value.currency) if value is not None else (None, None)


def _plain(value: Any) -> Any:
    if isinstance(value, Money):
        return {"amount": f"{value.amount:f}", "currency": value.currency}
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    return value


class JsonLines:
    """Writes each message as one line. A message in parts is written part by part: its events as they come, its
    statements from a temporary file behind them, and what is known only at its end last."""

    def __init__(self, write: Callable[[str], object], full: bool = False) -> None:
        self._write, self._full = write, full
        self._spool: Any = None
        self._statement = 0
        self._events = 0

    def part(self, place: Place, parsed: Parsed, status: str, findings: tuple[Finding, ...]) -> None:
        """status, findings: those of the whole message; used with its last part alone."""
        if parsed.part == 0 and parsed.last:
            self._whole(place, parsed, status, findings)
            return
        if self._spool is None:
            self._begin(place, parsed)
        for event in parsed.events:
            self._write(("," if self._events else "") + _dump(event_body(event, self._full)))
            self._events += 1
        for statement in parsed.statements:
            self._entries(statement)
        if parsed.last:
            self._end(parsed, status, findings)

    def _head(self, place: Place, parsed: Parsed) -> dict[str, Any]:
        return {"schema": SCHEMA, "source": place.body(), "format": parsed.form or None, "type": type_of(parsed)}

    def _whole(self, place: Place, parsed: Parsed, status: str, findings: tuple[Finding, ...]) -> None:
        body = self._head(place, parsed)
        body["status"] = status
        body["events"] = [event_body(item, self._full) for item in parsed.events]
        body["statements"] = list(_statements(parsed.statements, self._full))
        body["findings"] = [finding_body(item) for item in findings]
        if self._full:
            body.update(_more(parsed))
        self._write(_dump(body) + "\n")

    def _begin(self, place: Place, parsed: Parsed) -> None:
        self._write(_dump(self._head(place, parsed))[:-1] + ',"events":[')
        self._spool = tempfile.SpooledTemporaryFile(8 << 20, mode="w+", encoding="ascii")
        self._statement = self._events = 0

    def _entries(self, statement: Statement) -> None:
        spool = self._spool
        first = statement.number != self._statement
        if first:
            if self._statement:
                spool.write("]},")
            self._statement = statement.number
            spool.write(_dump(statement_head(statement, self._full))[:-1] + ',"entries":[')
        for entry in statement.entries:
            spool.write(("" if first else ",") + _dump(entry_body(entry)))
            first = False

    def _end(self, parsed: Parsed, status: str, findings: tuple[Finding, ...]) -> None:
        spool = self._spool
        if self._statement:
            spool.write("]}")
        self._write('],"statements":[')
        spool.seek(0)
        while piece := spool.read(1 << 20):
            self._write(piece)
        spool.close()
        self._spool = None
        tail: dict[str, Any] = {"findings": [finding_body(item) for item in findings], "status": status}
        if self._full:
            tail.update(_more(parsed))
        self._write("]," + _dump(tail)[1:] + "\n")


def _more(parsed: Parsed) -> dict[str, Any]:
    """What `--full` tells of the message beside its events: its identity, totals, and what no field holds."""
    return {
        "message_id": parsed.message_id or None,
        "sender": parsed.sender,
        "receiver": parsed.receiver,
        "created": _plain(parsed.created),
        "control": dict(parsed.control),
        "extra": dict(parsed.extra),
    }


def _statements(found: tuple[Statement, ...], full: bool) -> Iterator[dict[str, Any]]:
    for statement in found:
        yield {**statement_head(statement, full), "entries": [entry_body(item) for item in statement.entries]}
