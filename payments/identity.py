"""Identity of events: event key, content hash, payment key. Source of the rules: docs/specs/feed-intake.md.

The canonical content is a JSON array in a fixed order, ASCII only, amounts with five places and times in UTC: the
same content gives the same bytes whatever the parser or the channel. One function makes it for all families.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from hashlib import sha256
from typing import TypedDict, Unpack

from cutwater.core.clock import iso
from cutwater.core.money import Money
from payments.model import EventKind, PaymentEvent

_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


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


NOT_PROVIDED = frozenset({"", "NOTPROVIDED", "NONREF", "NOREF"})


def join_key(*parts: str) -> str:
    """The parts joined by `|`; a `|` within a part is escaped so that two keys never meet by accident."""
    if any("|" in part or "%" in part for part in parts):
        parts = tuple(part.replace("%", "%25").replace("|", "%7C") for part in parts)
    return "|".join(parts)


def bic11(text: str) -> str:
    """A BIC of 8 characters is its head office: `XXX` is appended. Anything else stays as it is, in upper case."""
    value = text.strip().upper()
    return value + "XXX" if len(value) == 8 else value


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
    fallback: the payment key where there is no UETR; else the ranked fall-back of `payment_key`.
    """
    uetr = uetr.lower() if uetr else None
    own = key or join_key(family, sender, message_id, ordinal)
    payment = uetr or fallback
    if not payment:
        reference, day, amount = told.get("instruction_id"), told.get("value_date"), told.get("amount")
        payment = payment_key(None, sender, reference, day, amount, join_key("event", own))
    return PaymentEvent(
        event_key=own,
        content_hash=content_hash(family, kind, uetr, told, extra),
        family=family,
        kind=kind,
        sender=sender,
        message_id=message_id,
        ordinal=ordinal,
        payment_key=payment,
        uetr=uetr,
        extra=dict(extra) if extra else {},
        **told,
    )


def content_hash(family: str, kind: EventKind, uetr: str | None, told: Told, extra: Mapping[str, str] | None) -> str:
    """SHA-256 (hex) of the canonical content: all that the event says, without its key, channel and receive time."""
    amount, day, at = told.get("amount"), told.get("value_date"), told.get("event_time")
    content = [
        family,
        kind,
        uetr,
        told.get("end_to_end_id"),
        told.get("instruction_id"),
        amount.currency if amount else None,
        f"{amount.amount:.5f}" if amount else None,
        day.isoformat() if day else None,
        told.get("status"),
        told.get("reason"),
        told.get("reporter"),
        iso(at) if at else None,
        told.get("debtor_account"),
        told.get("creditor_account"),
        told.get("batch_id"),
        extra or None,
    ]
    return sha256(_encode(content).encode("ascii")).hexdigest()
