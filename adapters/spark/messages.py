"""The parser as a `mapInArrow` function: (payload, envelope) in, event rows out. Nothing of Spark is imported here.

    frame.select("payload", "stream", "position").mapInArrow(event_rows, EVENT_ROWS)

A message that cannot be read is a row, too, without an event: `status` is `rejected` and `findings` says why. So every
payload has at least one row, and what comes out can be counted against what went in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any, get_args, get_type_hints

from cutwater.core.money import FIVE_PLACES, Money
from payments.formats.base import Options
from payments.model import Parsed, PaymentEvent
from payments.registry import read

ENVELOPE = ("stream", "position")  # carried through where the input has them
_MESSAGE = ("format", "message_type", "message_id", "message_status", "findings")
_HINTS = get_type_hints(PaymentEvent)
_FIELDS = tuple(item.name for item in fields(PaymentEvent) if item.name not in ("message_type", "message_id", "extra"))
_dump = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode


def _base(name: str) -> Any:
    options = [item for item in get_args(_HINTS[name]) if item is not type(None)]
    return options[0] if options else _HINTS[name]


def _columns() -> list[tuple[str, str]]:
    """(name, Spark type) of an event row; money is two columns."""
    found = [(name, "string") for name in ENVELOPE + _MESSAGE]
    for name in _FIELDS:
        base = _base(name)
        if base is Money:
            found += [(name, "decimal(23,5)"), (name.replace("amount", "currency"), "string")]
        else:
            found.append((name, {date: "date", datetime: "timestamp", bool: "boolean"}.get(base, "string")))
    return [*found, ("event_message_id", "string"), ("extra", "string")]


COLUMNS = tuple(_columns())
EVENT_ROWS = ", ".join(f"`{name}` {kind}" for name, kind in COLUMNS)  # the schema that mapInArrow is given


def arrow_schema() -> Any:
    """The same columns for Arrow."""
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "decimal(23,5)": pa.decimal128(23, 5),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "boolean": pa.bool_(),
    }
    return pa.schema([(name, kinds[kind]) for name, kind in COLUMNS])


def event_rows(batches: Iterator[Any]) -> Iterator[Any]:
    """Arrow batches with a column `payload` (binary) to batches of COLUMNS, in order."""
    import pyarrow as pa

    form = arrow_schema()
    for batch in batches:
        rows: list[dict[str, Any]] = []
        names = set(batch.schema.names)
        carried = {name: batch.column(name).to_pylist() for name in ENVELOPE if name in names}
        for number, payload in enumerate(batch.column("payload").to_pylist()):
            envelope = {
                name: None if values[number] is None else str(values[number]) for name, values in carried.items()
            }
            rows.extend(_rows(payload or b"", envelope))
        yield pa.RecordBatch.from_pylist(rows, schema=form)


def _rows(payload: bytes, envelope: dict[str, str | None]) -> Iterator[dict[str, Any]]:
    for parsed in read(BytesIO(payload), Options(hint=envelope.get("stream") or "", part=1 << 30)):
        message = {
            **envelope,
            "format": parsed.form or None,
            "message_type": parsed.type or None,
            "message_id": parsed.message_id or None,
            "message_status": parsed.status,
            "findings": _findings(parsed),
        }
        for event in parsed.events:
            yield {**message, **_row(event)}
        if not parsed.events:
            yield message


def _findings(parsed: Parsed) -> str | None:
    found = [
        {"code": item.code, "severity": item.severity, "path": item.path, "message": item.message}
        for item in parsed.findings
    ]
    return _dump(found) if found else None


def _row(event: PaymentEvent) -> dict[str, Any]:
    row: dict[str, Any] = {
        "event_message_id": event.message_id,
        "extra": _dump(dict(event.extra)) if event.extra else None,
    }
    for name in _FIELDS:
        value = getattr(event, name)
        if isinstance(value, Money):
            row[name.replace("amount", "currency")] = value.currency
            value = value.amount.quantize(FIVE_PLACES)
        elif isinstance(value, Decimal):
            value = f"{value:f}"
        elif name == "kind":
            value = event.kind.value
        row[name] = value
    return row
