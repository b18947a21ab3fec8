"""The Avro schema of canonical events, generated from the model: one definition, and what may change in it.

Every change raises VERSION and adds the schema's file (`docs/specs/payment-event.v1.avsc`); `broken` says what a
reader of the older version could no longer read. Amounts are decimal(23,5) with a currency, times are UTC microseconds.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, get_args, get_origin, get_type_hints

from cutwater.core.money import FIVE_PLACES, Money
from payments.model import EventKind, PaymentEvent

VERSION = 1
_DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 23, "scale": 5}
_MONEY = {
    "type": "record",
    "name": "Money",
    "fields": [{"name": "amount", "type": _DECIMAL}, {"name": "currency", "type": "string"}],
}
_SIMPLE: dict[Any, Any] = {
    str: "string",
    bool: "boolean",
    EventKind: "string",  # an enumeration could not gain a kind without breaking its readers
    Decimal: "string",
    date: {"type": "int", "logicalType": "date"},
    datetime: {"type": "long", "logicalType": "timestamp-micros"},
}
# What a reader may take for what a writer wrote: Avro's promotions.
_WIDER = {
    ("int", "long"),
    ("int", "float"),
    ("int", "double"),
    ("long", "double"),
    ("float", "double"),
    ("string", "bytes"),
}


def schema() -> dict[str, Any]:
    """The schema of PaymentEvent as JSON data."""
    hints, money = get_type_hints(PaymentEvent), False
    found = []
    for item in fields(PaymentEvent):
        hint = hints[item.name]
        optional = type(None) in get_args(hint)
        base = next(one for one in get_args(hint) if one is not type(None)) if optional else hint
        if base is Money:
            kind: Any = "Money" if money else _MONEY
            money = True
        elif get_origin(base) is not None:
            kind = {"type": "map", "values": "string"}
        else:
            kind = _SIMPLE[base]
        entry: dict[str, Any] = {"name": item.name, "type": ["null", kind] if optional else kind}
        if optional:
            entry["default"] = None
        elif item.default_factory is not MISSING:
            entry["default"] = {}
        found.append(entry)
    return {
        "type": "record", "name": "PaymentEvent", "namespace": "cutwater.payments", "version": VERSION, "fields": found,
    }  # fmt: skip


def record(event: PaymentEvent) -> dict[str, Any]:
    """The event as the schema's record, for any Avro writer."""
    found: dict[str, Any] = {}
    for item in fields(PaymentEvent):
        value = getattr(event, item.name)
        if isinstance(value, Money):
            value = {"amount": value.amount.quantize(FIVE_PLACES), "currency": value.currency}
        elif isinstance(value, Decimal):
            value = f"{value.normalize():f}"
        elif isinstance(value, EventKind):
            value = value.value
        elif item.name == "extra":
            value = dict(value)
        elif isinstance(value, datetime):
            value = value.astimezone(UTC)
        found[item.name] = value
    return found


def broken(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Why `new` may not follow `old`: a field that is gone, renamed or narrowed, or a new one without a default."""
    before = {item["name"]: item for item in old["fields"]}
    after = {item["name"]: item for item in new["fields"]}
    found = [f"{name} is gone or renamed" for name in before if name not in after]
    found += [
        f"{name} is new and has no default" for name in after if name not in before and "default" not in after[name]
    ]
    for name in before.keys() & after.keys():
        if not _takes(after[name]["type"], before[name]["type"]):
            found.append(f"{name} was {_told(before[name]['type'])} and is {_told(after[name]['type'])}")
    return sorted(found)


def _takes(reader: Any, writer: Any) -> bool:
    if isinstance(writer, list):
        return all(_takes(reader, one) for one in writer)
    if isinstance(reader, list):
        return any(_takes(one, writer) for one in reader)
    if reader == writer or (_name(reader), _name(writer)) == ("Money", "Money"):
        return True
    return isinstance(reader, str) and isinstance(writer, str) and (writer, reader) in _WIDER


def _name(kind: Any) -> str:
    return str(kind.get("name", "")) if isinstance(kind, dict) else str(kind)


def _told(kind: Any) -> str:
    if isinstance(kind, list):
        return " or ".join(_told(one) for one in kind)
    return str(kind.get("logicalType") or kind.get("name") or kind["type"]) if isinstance(kind, dict) else str(kind)
