"""The transactions that one entry of a statement sums up, each as a booking of its own: so that each finds its payment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cutwater.core.money import Money
from payments.identity import NOT_PROVIDED, join_key, make_event
from payments.iso20022.fields import UETR
from payments.model import Parsed, PaymentEvent
from payments.statements import CREDIT, DEBIT, StatementEntry
from payments.values import Findings, money

_NAMES = {
    "end_to_end_id": "EndToEndId",
    "instruction_id": "InstrId",
    "transaction_id": "TxId",
    "clearing_reference": "ClrSysRef",
    "original_message_id": "MsgId",
    "original_batch_id": "PmtInfId",
}
_OF_THE_ENTRY = (
    "message_type", "receiver", "batch_id", "status", "event_time", "booking_date", "value_date", "settlement_date",
    "reversal",
)  # fmt: skip


def with_details(parsed: Parsed) -> Iterator[PaymentEvent]:
    """The events of a message or part of one; behind that of an entry those of its several transactions."""
    several = {
        entry.event_key: entry for statement in parsed.statements for entry in statement.entries if entry.transactions
    }
    for event in parsed.events:
        yield event
        entry = several.get(event.event_key)
        if entry is not None:
            yield from _bookings(event, entry)


def _bookings(event: PaymentEvent, entry: StatementEntry) -> Iterator[PaymentEvent]:
    own = _own_references(entry.transactions, event.servicer_reference)
    account = event.debtor_account if event.direction == DEBIT else event.creditor_account
    for number, said in enumerate(entry.transactions, 1):
        told: dict[str, Any] = {name: getattr(event, name) for name in _OF_THE_ENTRY}
        told.update({name: said.get(path) for name, path in _NAMES.items()})
        direction = said.get("CdtDbtInd") or event.direction
        told["direction"], told["amount"] = direction, _amount(said)
        told["creditor_account" if direction == CREDIT else "debtor_account"] = account
        reference = said.get("AcctSvcrRef", "")
        told["servicer_reference"] = reference if reference in own else None
        uetr = said.get("UETR", "")
        yield make_event(
            family=event.family,
            kind=event.kind,
            sender=event.sender,
            message_id=event.message_id,
            ordinal=f"{event.ordinal}.{number}",
            key=f"{event.event_key}|{join_key(f'detail {number}')}",
            uetr=uetr if UETR.fullmatch(uetr) else None,
            **told,
        )


def _own_references(transactions: Iterable[Mapping[str, str]], whole: str | None) -> frozenset[str]:
    """Servicer's references that name one transaction: many banks repeat the entry's in each, which would tie them together."""
    counts = Counter(said.get("AcctSvcrRef", "") for said in transactions)
    return frozenset(
        text for text, count in counts.items() if count == 1 and text != whole and text.upper() not in NOT_PROVIDED
    )


def _amount(said: Mapping[str, str]) -> Money | None:
    return money(said.get("Amt"), said.get("Ccy"), "", Findings())
