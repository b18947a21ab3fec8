"""Avro by the registry: the Confluent wire format (0x00, 4-byte id, body) to payhub events."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from cutwater.core.errors import Unavailable
from lakehouse.ports import Delivery
from payments.model import Finding, Parsed
from payments.payhub import parse_record

HEADER = 5
_FORGET_SECONDS = 30.0  # how long an unknown id is not asked for again
_MALFORMED = (EOFError, IndexError, KeyError, ValueError, TypeError, ArithmeticError, MemoryError, struct.error)


def schema_id(payload: bytes | None) -> int | None:
    """The schema id of the wire header; None where there is none."""
    if payload is None or len(payload) < HEADER or payload[0] != 0:
        return None
    return int.from_bytes(payload[1:HEADER], "big")


@dataclass(frozen=True)
class Schema:
    """A writer's schema, parsed for fastavro, and its record's name without the namespace."""

    name: str
    parsed: Any


class Registry:
    """Schemas by id over the Confluent API; an id never changes its meaning, so what was read is kept."""

    def __init__(self, url: str, get: Callable[[str], tuple[int, str]] | None = None) -> None:
        self._url = url.rstrip("/")
        self._get = get or _http_get
        self._known: dict[int, Schema] = {}
        self._unknown: dict[int, float] = {}

    def schema(self, ident: int) -> Schema | None:
        """None where the registry does not know the id. Raises Unavailable where it does not answer."""
        found = self._known.get(ident)
        if found is not None:
            return found
        if time.monotonic() - self._unknown.get(ident, -_FORGET_SECONDS) < _FORGET_SECONDS:
            return None
        status, body = self._get(f"{self._url}/schemas/ids/{ident}")
        if status == 404:
            self._unknown[ident] = time.monotonic()
            return None
        if status != 200:
            raise _no_answer(f"HTTP {status} for schema {ident}")
        schema = _read_schema(body)
        if schema is None:
            self._unknown[ident] = time.monotonic()
            return None
        self._known[ident] = schema
        return schema


class AvroParser:
    """The MessageParser of Kafka streams."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def parse(self, delivery: Delivery) -> Parsed:
        """One record a message; whatever is wrong with it is a finding."""
        payload = delivery.payload
        ident = schema_id(payload)
        if ident is None:
            rule = "wire_format" if payload else "empty"
            return _refused(
                rule, "no Confluent wire header (0x00 and a schema id)" if payload else "no value (tombstone)"
            )
        schema = self._registry.schema(ident)
        if schema is None:
            return _refused("unknown_schema", f"the registry has no usable Avro schema {ident}")
        return decode(payload, schema)


def decode(payload: bytes, schema: Schema) -> Parsed:
    """The body behind the wire header by its writer's schema."""
    from fastavro import schemaless_reader

    body = BytesIO(payload)
    body.seek(HEADER)
    try:
        record = schemaless_reader(body, schema.parsed, None)
    except _MALFORMED as error:
        return _refused("avro", f"the value does not follow its schema: {type(error).__name__}")
    if body.tell() != len(payload):
        return _refused("trailing_bytes", f"{len(payload) - body.tell()} bytes behind the record")
    if not isinstance(record, dict):
        return _refused("avro", "the value is not a record")
    return parse_record(schema.name, record)


def _read_schema(body: str) -> Schema | None:
    from fastavro import parse_schema
    from fastavro.schema import SchemaParseException

    try:
        document = json.loads(body)
        if document.get("schemaType", "AVRO") != "AVRO":
            return None
        parsed = parse_schema(json.loads(document["schema"]))
        return Schema(str(parsed["name"]).rpartition(".")[2], parsed)
    except (ValueError, KeyError, TypeError, AttributeError, SchemaParseException):
        return None


def _http_get(url: str) -> tuple[int, str]:
    import httpx

    try:
        answer = httpx.get(url, timeout=10.0, trust_env=False)
    except httpx.HTTPError as error:
        raise _no_answer(type(error).__name__) from error
    return answer.status_code, answer.text


def _no_answer(cause: str) -> Unavailable:
    return Unavailable(
        "CW3303",
        "the schema registry does not answer",
        cause=cause,
        state="no message of this batch was taken; it is read again at the next poll",
        next="cutwater sandbox status",
    )


def _refused(rule: str, text: str) -> Parsed:
    return Parsed("avro", "", (), (Finding("error", rule, "", text),))
