"""Identity of events: event key, content hash, payment key. Source of the rules: docs/specs/feed-intake.md.

The canonical content is a JSON array in a fixed order, ASCII only, amounts with five places and times in UTC: the
same content gives the same bytes whatever the parser or the channel. One function makes it for all families.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from hashlib import sha256

from cutwater.core.clock import iso
from cutwater.core.money import Money
from payments.model import EventKind, PaymentEvent

_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
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
    end_to_end_id: str | None = None,
    instruction_id: str | None = None,
    amount: Money | None = None,
    value_date: date | None = None,
    status: str | None = None,
    reason: str | None = None,
    reporter: str | None = None,
    event_time: datetime | None = None,
    debtor_account: str | None = None,
    creditor_account: str | None = None,
    batch_id: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> PaymentEvent:
    """Builds an event with its key, hash and payment key.

    key: the event key where the family has a rule of its own (statement entries); else it is made of the four parts.
    fallback: the payment key where there is no UETR; else the ranked fall-back of `payment_key`.
    """
    uetr = uetr.lower() if uetr else None
    own = key or join_key(family, sender, message_id, ordinal)
    return PaymentEvent(
        own,
        content_hash(
            family,
            kind,
            uetr,
            end_to_end_id,
            instruction_id,
            amount,
            value_date,
            status,
            reason,
            reporter,
            event_time,
            debtor_account,
            creditor_account,
            batch_id,
            extra,
        ),
        family,
        kind,
        sender,
        message_id,
        ordinal,
        (uetr or fallback) or payment_key(None, sender, instruction_id, value_date, amount, join_key("event", own)),
        uetr,
        end_to_end_id,
        instruction_id,
        amount,
        value_date,
        status,
        reason,
        reporter,
        event_time,
        debtor_account,
        creditor_account,
        batch_id,
        dict(extra) if extra else {},
    )


def content_hash(
    family: str,
    kind: EventKind,
    uetr: str | None,
    end_to_end_id: str | None,
    instruction_id: str | None,
    amount: Money | None,
    value_date: date | None,
    status: str | None,
    reason: str | None,
    reporter: str | None,
    event_time: datetime | None,
    debtor_account: str | None,
    creditor_account: str | None,
    batch_id: str | None,
    extra: Mapping[str, str] | None,
) -> str:
    """SHA-256 (hex) of the canonical content: all that the event says, without its key, channel and receive time."""
    return sha256(
        _encode(
            [
                family,
                kind,
                uetr,
                end_to_end_id,
                instruction_id,
                amount.currency if amount else None,
                f"{amount.amount:.5f}" if amount else None,
                value_date.isoformat() if value_date else None,
                status,
                reason,
                reporter,
                iso(event_time) if event_time else None,
                debtor_account,
                creditor_account,
                batch_id,
                extra or None,
            ]
        ).encode("ascii")
    ).hexdigest()
