"""payhub's events: an already decoded Avro record to a canonical event. Decoding itself is the Kafka adapter's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from cutwater.core.money import Money
from payments.identity import make_event
from payments.model import EventKind, Finding, Parsed, PaymentEvent

SENDER = "PAYHUB"
_KNOWN = {
    "PaymentInitiated": frozenset(
        "event_id uetr payment_id end_to_end_id instruction_id channel debtor_iban creditor_iban amount currency value_date occurred_at".split()
    ),
    "PaymentStatusChanged": frozenset(
        "event_id uetr payment_id seq status reason_code reported_by occurred_at".split()
    ),
}


def parse_record(name: str, record: Mapping[str, Any]) -> Parsed:
    """name: the record's name in its schema, without the namespace. Bad content is a finding, never an exception."""
    build = _BUILDERS.get(name)
    if build is None:
        return _refused(f"payhub:{name[:60]}", "unknown_event_type", name[:60], "no such payhub event is known")
    try:
        event = build(record)
    except KeyError as error:
        return _refused(f"payhub.{name}", "missing_field", str(error.args[0])[:60], "the field is missing")
    except (ValueError, TypeError, ArithmeticError) as error:
        return _refused(
            f"payhub.{name}", "field", "", f"a field cannot be read: {type(error).__name__}: {str(error)[:120]}"
        )
    return Parsed(event.family, event.message_id, (event,), form="api")


def _initiated(record: Mapping[str, Any]) -> PaymentEvent:
    amount, day = record["amount"], record["value_date"]
    if not isinstance(amount, Decimal) or not isinstance(day, date):
        raise TypeError("amount is a decimal and value_date a date")
    extra = _rest(record, "PaymentInitiated")
    extra["channel"] = str(record["channel"])
    extra["payment_id"] = str(record["payment_id"])
    return make_event(
        family="payhub.initiated",
        kind=EventKind.INITIATED,
        sender=SENDER,
        message_id=_text(record, "event_id"),
        ordinal="1",
        uetr=_text(record, "uetr"),
        end_to_end_id=record["end_to_end_id"],
        instruction_id=record["instruction_id"],
        amount=Money(record["currency"], amount),
        value_date=day,
        status=None,
        event_time=_instant(record["occurred_at"]),
        debtor_account=record["debtor_iban"],
        creditor_account=record["creditor_iban"],
        extra=extra,
    )


def _status(record: Mapping[str, Any]) -> PaymentEvent:
    extra = _rest(record, "PaymentStatusChanged")
    extra["seq"] = str(record["seq"])
    extra["payment_id"] = str(record["payment_id"])
    return make_event(
        family="payhub.status",
        kind=EventKind.STATUS,
        sender=SENDER,
        message_id=_text(record, "event_id"),
        ordinal="1",
        uetr=_text(record, "uetr"),
        status=_text(record, "status"),
        reason=record["reason_code"],
        reporter=record["reported_by"],
        event_time=_instant(record["occurred_at"]),
        extra=extra,
    )


_BUILDERS: dict[str, Callable[[Mapping[str, Any]], PaymentEvent]] = {
    "PaymentInitiated": _initiated,
    "PaymentStatusChanged": _status,
}


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record[name]
    if value is None or value == "":
        raise ValueError(f"{name} is empty")
    return str(value)


def _instant(value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TypeError("occurred_at is an instant with a zone")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _rest(record: Mapping[str, Any], name: str) -> dict[str, str]:
    """What the schema has gained since: kept, never dropped."""
    known = _KNOWN[name]
    if len(record) == len(known):
        return {}
    return {key: str(value) for key, value in record.items() if key not in known and value is not None}


def _refused(form: str, rule: str, place: str, text: str) -> Parsed:
    return Parsed(form, "", (), (Finding("error", rule, place, text),), form="api")
