"""The Avro events of the hub's two topics: schemas, and values with the Confluent header (0x00 and the schema's number)."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from cutwater.core.clock import iso, parse_iso
from sandbox.estate.model import TOPIC_INITIATED, TOPIC_STATUS, Payment, Status, initiated_id, status_id

_STRING, _INSTANT = "string", {"type": "long", "logicalType": "timestamp-micros"}
_COMMON = [("event_id", _STRING), ("uetr", _STRING), ("payment_id", "long")]
_FIELDS: dict[str, tuple[str, list[tuple[str, object]]]] = {
    TOPIC_INITIATED: (
        "PaymentInitiated",
        [
            *_COMMON,
            ("end_to_end_id", _STRING),
            ("instruction_id", _STRING),
            ("channel", _STRING),
            ("debtor_iban", _STRING),
            ("creditor_iban", _STRING),
            ("amount", {"type": "bytes", "logicalType": "decimal", "precision": 23, "scale": 5}),
            ("currency", _STRING),
            ("value_date", {"type": "int", "logicalType": "date"}),
            ("occurred_at", _INSTANT),
        ],
    ),
    TOPIC_STATUS: (
        "PaymentStatusChanged",
        [
            *_COMMON,
            ("seq", "int"),
            ("status", _STRING),
            ("reason_code", ["null", _STRING]),
            ("reported_by", _STRING),
            ("occurred_at", _INSTANT),
        ],
    ),
}
TOPICS = tuple(_FIELDS)


def schema_text(topic: str) -> str:
    """The topic's Avro schema as the registry takes it."""
    name, fields = _FIELDS[topic]
    body = [{"name": key, "type": kind} for key, kind in fields]
    return json.dumps({"type": "record", "name": name, "namespace": "payhub.payment.v1", "fields": body})


def event_type(topic: str) -> str:
    """The record's name: what the outbox calls the type of an event."""
    return _FIELDS[topic][0]


def initiated(payment: Payment) -> dict[str, Any]:
    """The initiated event as native values."""
    return {
        "event_id": initiated_id(payment.uetr),
        "uetr": payment.uetr,
        "payment_id": payment.payment_id,
        "end_to_end_id": payment.end_to_end_id,
        "instruction_id": payment.instruction_id,
        "channel": payment.channel,
        "debtor_iban": payment.debtor.iban,
        "creditor_iban": payment.creditor.iban,
        "amount": payment.amount,
        "currency": payment.currency,
        "value_date": payment.value_date,
        "occurred_at": payment.created_at,
    }


def status_changed(payment: Payment, status: Status) -> dict[str, Any]:
    """A status event as native values."""
    return {
        "event_id": status_id(payment.uetr, status.seq),
        "uetr": payment.uetr,
        "payment_id": payment.payment_id,
        "seq": status.seq,
        "status": status.status,
        "reason_code": status.reason,
        "reported_by": status.reported_by,
        "occurred_at": status.occurred_at,
    }


def to_json(event: Mapping[str, Any]) -> str:
    """The outbox's payload: amounts as text, dates and times as ISO text."""
    return json.dumps({key: _text(value) for key, value in event.items()}, separators=(",", ":"))


def _text(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date | Decimal):
        return str(value)
    return value


def from_json(topic: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `to_json`, from a payload that PostgreSQL has parsed."""
    event = dict(payload)
    event["occurred_at"] = parse_iso(str(payload["occurred_at"]))
    if topic == TOPIC_INITIATED:
        event["amount"] = Decimal(str(payload["amount"]))
        event["value_date"] = date.fromisoformat(str(payload["value_date"]))
    return event


@cache
def _parsed(topic: str) -> Any:
    import fastavro

    return fastavro.parse_schema(json.loads(schema_text(topic)))


def encode(topic: str, schema_id: int, event: Mapping[str, Any]) -> bytes:
    """The message's value: header and Avro binary."""
    import fastavro

    out = io.BytesIO()
    out.write(b"\x00" + schema_id.to_bytes(4, "big"))
    fastavro.schemaless_writer(out, _parsed(topic), event)
    return out.getvalue()


def decode(topic: str, value: bytes) -> dict[str, Any]:
    """The inverse of `encode`; the schema's number is not looked at."""
    import fastavro

    return dict(fastavro.schemaless_reader(io.BytesIO(value[5:]), _parsed(topic), None))
