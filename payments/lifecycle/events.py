"""Canonical events to the life cycle's facts: what each is, and by which links it finds its payment."""

from __future__ import annotations

from datetime import datetime

from payments.identity import NOT_PROVIDED, join_key
from payments.lifecycle.facts import Fact, Step
from payments.model import EventKind, PaymentEvent

_BY_KIND = {
    EventKind.STATUS: Step.STATUS,
    EventKind.BOOKED: Step.BOOKED,
    EventKind.RETURNED: Step.RETURNED,
    EventKind.REVERSED: Step.REVERSED,
    EventKind.RECALLED: Step.RECALL,
    EventKind.ANSWERED: Step.ANSWER,
    EventKind.QUERIED: Step.QUERY,
    EventKind.NOTIFIED: Step.EXPECTED,
    EventKind.CHARGED: Step.CHARGED,
}
# INITIATED and BOOKED by family: an order of a customer, a leg between banks, a collection; an advice or an entry.
_BY_FAMILY = {
    "pain.001": Step.ORDERED,
    "MT101": Step.ORDERED,
    "bacs.std18": Step.ORDERED,
    "csv": Step.ORDERED,
    "payhub.initiated": Step.ORDERED,
    "pain.008": Step.COLLECTED,
    "pacs.003": Step.COLLECTED,
    "pacs.010": Step.COLLECTED,
    "MT104": Step.COLLECTED,
    "MT204": Step.COLLECTED,
    "camt.054": Step.ADVISED,
    "MT900": Step.ADVISED,
    "MT910": Step.ADVISED,
}
_ORDERS = frozenset({Step.ORDERED, Step.COLLECTED})
_BOOKINGS = frozenset({Step.BOOKED, Step.ADVISED})


def step_of(event: PaymentEvent) -> Step:
    """What the event is in the life of its payment."""
    found = _BY_FAMILY.get(event.family)
    if found is not None and event.kind in (EventKind.INITIATED, EventKind.BOOKED):
        return found
    if event.kind is EventKind.INITIATED:
        return Step.COVER if event.underlying else Step.SENT
    if event.kind is EventKind.STATUS and _about_batch(event):
        return Step.BATCH_STATUS
    return _BY_KIND.get(event.kind, Step.OTHER)


def _about_batch(event: PaymentEvent) -> bool:
    """A status of a message or a batch, with no transaction in it."""
    return event.original_message_id is not None and not (
        event.uetr
        or event.instruction_id
        or event.end_to_end_id
        or event.transaction_id
        or event.original_instruction_id
        or event.original_end_to_end_id
        or event.original_transaction_id
    )


def fact_of(event: PaymentEvent, known: datetime) -> Fact:
    """known: when the event was learnt of: when its message was received."""
    step = step_of(event)
    amount, instructed = event.amount, event.instructed_amount
    value_date = event.value_date or event.settlement_date or event.requested_date
    message = event.original_message_id if step is Step.BATCH_STATUS else event.message_id
    return Fact(
        key=event.event_key,
        content=event.content_hash,
        step=step,
        own=event.payment_key,
        links=_links(event, step),
        known=known,
        at=event.event_time,
        uetr=event.uetr,
        family=event.family,
        sender=event.sender,
        receiver=event.receiver or event.instructed_agent or "",
        reporter=event.reporter or event.sender,
        status=event.status or "",
        reason=event.reason or "",
        amount=amount.amount if amount else None,
        currency=amount.currency if amount else "",
        instructed=instructed.amount if instructed else None,
        instructed_currency=instructed.currency if instructed else "",
        direction=event.direction or "",
        account=(event.debtor_account if event.direction == "DBIT" else event.creditor_account) or "",
        value_date=value_date.isoformat() if value_date else "",
        reference=event.servicer_reference or "",
        scheme=event.local_instrument or event.service_level or "",
        batches=_batches(event) if step in _ORDERS or step is Step.SENT else (),
        about=_batch(message or "", event.original_batch_id or "") if step is Step.BATCH_STATUS else "",
    )


def _batch(message: str, batch: str) -> str:
    return join_key("b", message, batch)


def _batches(event: PaymentEvent) -> tuple[str, ...]:
    """The message's and the batch's: a status may speak of either."""
    if not event.message_id:
        return ()
    whole = _batch(event.message_id, "")
    return (whole, _batch(event.message_id, event.batch_id)) if event.batch_id else (whole,)


def _links(event: PaymentEvent, step: Step) -> tuple[str, ...]:
    """The UETR binds firmly. What carries none is bound by its own payment key, and loosely by what it shares with others:
    (message, reference) as statuses quote it; end-to-end id with account, amount and day, never alone; servicer's reference
    with its account. A reference that MT has cut (`...+`) is none: three payments may share it."""
    links: list[str] = []
    if event.uetr:
        links.append(f"u|{event.uetr}")
    else:
        links.append(f"k|{event.payment_key}")
    message = event.original_message_id or (event.message_id if step in _ORDERS or step is Step.SENT else None)
    references = (event.instruction_id, event.end_to_end_id, event.transaction_id)
    if _usable(message):
        links.extend(join_key("m", message or "", item or "") for item in references if _usable(item))
    links.extend(_by_amount(event, step))
    account = event.debtor_account if event.direction == "DBIT" else event.creditor_account
    if step in _BOOKINGS and _usable(event.servicer_reference):
        links.append(join_key("a", account or "", event.servicer_reference or ""))
    return tuple(dict.fromkeys(links))


def _by_amount(event: PaymentEvent, step: Step) -> list[str]:
    told = event.amount if step in _BOOKINGS else (event.instructed_amount or event.amount)
    day = event.value_date or event.settlement_date or event.requested_date
    if told is None or day is None or step not in _ORDERS | _BOOKINGS | {Step.SENT, Step.RETURNED}:
        return []
    if step is Step.RETURNED or not _usable(event.end_to_end_id):
        return []
    tail = (event.end_to_end_id or "", told.currency, f"{told.amount:.5f}", day.isoformat())
    sides = (("e", event.debtor_account), ("c", event.creditor_account))
    return [join_key(name, account, *tail) for name, account in sides if account]


def _usable(reference: str | None) -> bool:
    return bool(reference) and (reference or "").upper() not in NOT_PROVIDED and not (reference or "").endswith("+")
