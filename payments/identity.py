"""Identity of events: event key, content hash, payment key. Source of the rules: docs/specs/feed-intake.md.

The same content gives the same bytes, and so the same hash, whatever the parser or the channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, TypedDict, Unpack, cast

from cutwater.core.clock import iso
from cutwater.core.money import Money
from payments.model import EventKind, PaymentEvent


class Told(TypedDict, total=False):
    """What a message may say of a payment, apart from its identity; see payments.model.PaymentEvent."""

    end_to_end_id: str | None
    instruction_id: str | None
    amount: Money | None
    value_date: date | None
    status: str | None
    reason: str | None
    reporter: str | None
    event_time: datetime | None
    debtor_account: str | None
    creditor_account: str | None
    batch_id: str | None
    message_type: str | None
    receiver: str | None
    transaction_id: str | None
    clearing_reference: str | None
    servicer_reference: str | None
    own_id: str | None
    instructed_amount: Money | None
    exchange_rate: Decimal | None
    settlement_date: date | None
    requested_date: date | None
    booking_date: date | None
    direction: str | None
    reversal: bool | None
    debtor_name: str | None
    debtor_id: str | None
    debtor_agent: str | None
    creditor_name: str | None
    creditor_id: str | None
    creditor_agent: str | None
    ultimate_debtor_name: str | None
    ultimate_creditor_name: str | None
    instructing_agent: str | None
    instructed_agent: str | None
    charges_bearer: str | None
    remittance: str | None
    purpose: str | None
    service_level: str | None
    local_instrument: str | None
    category_purpose: str | None
    mandate_id: str | None
    original_message_id: str | None
    original_message_type: str | None
    original_batch_id: str | None
    original_instruction_id: str | None
    original_end_to_end_id: str | None
    original_transaction_id: str | None
    original_uetr: str | None
    original_amount: Money | None
    original_settlement_date: date | None
    underlying: bool | None


NOT_PROVIDED = frozenset({"", "NOTPROVIDED", "NONREF", "NOREF"})


def join_key(*parts: str) -> str:
    """The parts joined by `|`; a `|` within a part is escaped so that two keys never meet by accident."""
    joined = "|".join(parts)
    if "%" in joined or joined.count("|") >= len(parts):  # looked at once it is joined: a key is made for every event
        return "|".join([part.replace("%", "%25").replace("|", "%7C") for part in parts])
    return joined


def payment_key(
    uetr: str | None,
    sender: str,
    reference: str | None,
    value_date: date | None,
    amount: Money | None,
    last_resort: str,
) -> str:
    """The UETR in lower case, else (sender, InstrId, value date, currency, amount), else `last_resort`.

    last_resort: unique to the event; taken where the message has no reference worth the name.
    """
    if uetr:
        return uetr.lower()
    if reference and reference.upper() not in NOT_PROVIDED:
        day = value_date.isoformat() if value_date else ""
        currency, number = (amount.currency, f"{amount.amount:.5f}") if amount else ("", "")
        return join_key("ref", sender, reference, day, currency, number)
    return last_resort


def make_event(
    *,
    family: str,
    kind: EventKind,
    sender: str,
    message_id: str,
    ordinal: str,
    key: str = "",
    fallback: str = "",
    uetr: str | None = None,
    extra: Mapping[str, str] | None = None,
    **told: Unpack[Told],
) -> PaymentEvent:
    """Builds an event with its key, hash and payment key.

    key: the event key where the family has a rule of its own (statement entries); else it is made of the four parts.
    fallback: the payment key where there is no UETR; else the ranked fall-back of `payment_key`. `extra` becomes the
    event's own: it is not changed afterwards.
    """
    uetr = uetr.lower() if uetr else None
    return assembled(
        cast("dict[str, Any]", told), family, kind, sender, message_id, ordinal,
        key or join_key(family, sender, message_id, ordinal), fallback, uetr, extra if extra is not None else {},
    )  # fmt: skip


def assembled(
    told: dict[str, Any],
    family: str,
    kind: EventKind,
    sender: str,
    message_id: str,
    ordinal: str,
    key: str,
    fallback: str,
    uetr: str | None,
    extra: Mapping[str, str],
) -> PaymentEvent:
    """As `make_event`, by place and with the key given: what the readers of many transactions call. uetr: in lower case.

    `told` becomes the event's own: it may be read, but not changed afterwards.
    """
    payment = uetr or fallback
    if not payment:
        reference, day, amount = told.get("instruction_id"), told.get("value_date"), told.get("amount")
        payment = payment_key(None, sender, reference, day, amount, "") or join_key("event", key)
    for value in told.values():  # most have nothing to leave out, and a new dictionary is dear
        if value is None:
            told = {name: value for name, value in told.items() if value is not None}
            break
    told["event_key"] = key
    told["family"] = family
    told["kind"] = kind
    told["sender"] = sender
    told["message_id"] = message_id
    told["ordinal"] = ordinal
    told["payment_key"] = payment
    told["uetr"] = uetr
    told["extra"] = extra
    return event_of(told)


def event_of(values: dict[str, Any]) -> PaymentEvent:
    """An event of these fields, the others at their defaults. `values` becomes the event's own: it is not used again.

    Why not the constructor: it sets fifty attributes one by one, five times the cost of reading the message.
    """
    event = object.__new__(PaymentEvent)
    object.__setattr__(event, "__dict__", values)
    return event


_IDENTITY = frozenset(
    ("event_key", "content_hash", "family", "kind", "sender", "message_id", "ordinal", "payment_key", "uetr", "extra")
)


def hash_of(event: PaymentEvent) -> str:
    """The hash of what an event says."""
    said = {name: value for name, value in vars(event).items() if value is not None and name not in _IDENTITY}
    return content_hash(event.family, event.kind, event.uetr, said, event.extra)


_AWAY = frozenset({"message_type", "receiver"})  # the same payment in another version or through another hop's header


def content_hash(
    family: str, kind: str, uetr: str | None, said: Mapping[str, Any], extra: Mapping[str, str] | None
) -> str:
    """SHA-256 (hex) of the canonical content: all that the event says, without its key, channel and receive time.

    The content is `name 1E value` of every field that says something and `+path 1E value` of `extra`, sorted by name and
    joined by 1F: amounts with five places, times in UTC. A field that is added later changes no hash where it is silent.
    """
    items = {
        name: value if value.__class__ is str else canonical(value) for name, value in said.items() if name not in _AWAY
    }
    items["family"], items["kind"] = family, str(kind)
    if uetr:
        items["uetr"] = uetr
    if extra:
        items.update(("+" + path, value) for path, value in extra.items())
    content = "\x1f".join([f"{name}\x1e{value}" for name, value in sorted(items.items())])
    if content.count("\x1e") + content.count("\x1f") != 2 * len(items) - 1:
        items = {_escaped(name): _escaped(value) for name, value in items.items()}
        content = "\x1f".join([f"{name}\x1e{items[name]}" for name in sorted(items)])
    return sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def canonical(value: Any) -> str:
    """One field's value as text: the same value gives the same text whatever the parser."""
    if isinstance(value, Money):
        return f"{value.currency} {value.amount:.5f}"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _escaped(text: str) -> str:
    # The mark in front keeps an escaped text apart from one that merely looks like it.
    if "\x1e" not in text and "\x1f" not in text:
        return text
    return "\x1e" + text.replace("\\", "\\\\").replace("\x1e", "\\e").replace("\x1f", "\\f")
