"""Canonical encoding v1: one row, one unambiguous sequence of bytes (docs/specs/canonical-encoding.md).

This is the reference in Python; `dialect_postgres` and `dialect_duckdb` compile the same bytes to SQL. A field is its
kind's tag, then `!` for NULL, or the value: text and binary carry their length in bytes (`s5:GB-12`), all other kinds
are words of a closed alphabet that end in `;` (`i42;`). So no two different rows share an encoding.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from cutwater.core.errors import BadInput
from inventory.model import ColumnMapping, FieldClass, TableMapping
from inventory.type_map import needs_printing

VERSION = 1
EPOCH_DAY = date(1970, 1, 1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])


class Kind(StrEnum):
    """What a value is; the value of the member is its tag in the encoding."""

    INT = "i"
    DECIMAL = "n"
    TEXT = "s"
    DATE = "d"  # days since 1970-01-01
    INSTANT = "t"  # microseconds since 1970-01-01T00:00:00Z
    LOCAL = "l"  # a timestamp without a zone: microseconds since 1970-01-01T00:00:00
    BOOL = "b"  # 0 | 1
    BINARY = "x"  # lower-case hex
    FLOAT = "f"  # the IEEE 754 bytes in lower-case hex, NaN by name: exact where decimal digits differ between stores


LENGTH_PREFIXED = frozenset({Kind.TEXT, Kind.BINARY})
_SIMPLE = {
    "int": Kind.INT,
    "long": Kind.INT,
    "string": Kind.TEXT,
    "uuid": Kind.TEXT,
    "date": Kind.DATE,
    "timestamptz": Kind.INSTANT,
    "timestamp": Kind.LOCAL,
    "boolean": Kind.BOOL,
    "binary": Kind.BINARY,
    "double": Kind.FLOAT,
    "float": Kind.FLOAT,
}
_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_PG_NUMERIC = re.compile(r"numeric\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_PG_CHAR = re.compile(r"(character|char|bpchar)(\(\d+\))?$")


@dataclass(frozen=True)
class Field:
    """One compared column. scale: decimal places of the lake's type; pg_scale: of the source's, None where unbounded.

    padded: a PostgreSQL char(n), whose trailing blanks are no part of the value. uuid: compared in lower case.
    printed: carried as the text that the type's own output function gives, which its cast to text does not.
    width: bytes of a float, 4 or 8.
    """

    name: str
    kind: Kind
    scale: int = 0
    pg_scale: int | None = None
    padded: bool = False
    uuid: bool = False
    printed: bool = False
    width: int = 8


def field_of(column: ColumnMapping) -> Field:
    """The canonical kind of a column; raises BadInput CW4001 for a type that v1 does not know."""
    lake, source = column.lake_type.strip().lower(), column.pg_type.strip().lower()
    if found := _DECIMAL.fullmatch(lake):
        declared = _PG_NUMERIC.fullmatch(source)
        return Field(column.name, Kind.DECIMAL, int(found[2]), int(declared[2]) if declared else None)
    kind = _SIMPLE.get(lake)
    if kind is None:
        raise BadInput(
            "CW4001",
            f"column {column.name} has the type {column.lake_type}, which encoding v{VERSION} does not know",
            state="the table was not compared",
            next="see docs/specs/canonical-encoding.md, then mend the mapping",
        )
    padded = bool(_PG_CHAR.fullmatch(source))
    return Field(
        column.name,
        kind,
        padded=padded,
        uuid="uuid" in (lake, source),
        printed=not padded and needs_printing(column.pg_type, lake),
        width=4 if lake == "float" else 8,
    )


@lru_cache(maxsize=512)
def compared(mapping: TableMapping) -> tuple[Field, ...]:
    """The fields that are compared, in the mapping's order: all but the ignored ones; the key always."""
    return tuple(
        field_of(item)
        for item in mapping.columns
        if item.field_class is not FieldClass.IGNORED or item.name in mapping.key
    )


@lru_cache(maxsize=512)
def key_fields(mapping: TableMapping) -> tuple[Field, ...]:
    """The fields of the key in the key's order; of a table without one, every compared field."""
    every = {item.name: item for item in compared(mapping)}
    return tuple(every[name] for name in mapping.key) if mapping.key else tuple(every.values())


def text_of(field: Field, value: Any) -> str | None:
    """The canonical text of one value; None stays None. Raises BadInput CW4002 where the value is of another type."""
    if value is None:
        return None
    try:
        return _WRITERS[field.kind](field, value)
    except (TypeError, ValueError, AttributeError, InvalidOperation):
        raise BadInput(
            "CW4002", f"column {field.name}: a {type(value).__name__} is no value of kind {field.kind.name}"
        ) from None


def value_of(field: Field, text: str | None) -> Any:
    """The inverse of `text_of`; a word that Python's types cannot hold (infinity, NaN, year 10000) stays text."""
    return None if text is None else reader_of(field)(text)


def reader_of(field: Field) -> Callable[[str], Any]:
    """From canonical text to Python's exact type, for one column."""
    read: Callable[[str], Any] = _READERS[field.kind]
    if field.kind is Kind.TEXT:
        return str

    def careful(text: str) -> Any:
        try:
            return read(text)
        except (ValueError, OverflowError, InvalidOperation):
            return text

    return careful


def encode_text(field: Field, text: str | None) -> bytes:
    """The encoding of one canonical text."""
    tag = field.kind.value.encode()
    if text is None:
        return tag + b"!"
    body = text.encode("utf-8")
    return tag + b"%d:" % len(body) + body if field.kind in LENGTH_PREFIXED else tag + body + b";"


def encode_row(fields: Sequence[Field], row: Mapping[str, Any]) -> bytes:
    """The encoding of one row of Python values."""
    return b"".join(encode_text(item, text_of(item, row[item.name])) for item in fields)


def decode_row(fields: Sequence[Field], data: bytes) -> dict[str, Any]:
    """The row again: what proves that the encoding is unambiguous. Raises ValueError on anything else."""
    row: dict[str, Any] = {}
    at = 0
    for item in fields:
        if data[at : at + 1] != item.kind.value.encode():
            raise ValueError(f"the tag of {item.name} was expected at byte {at}")
        at += 1
        if data[at : at + 1] == b"!":
            row[item.name], at = None, at + 1
        elif item.kind in LENGTH_PREFIXED:
            colon = data.index(b":", at)
            end = colon + 1 + int(data[at:colon])
            row[item.name], at = value_of(item, data[colon + 1 : end].decode("utf-8")), end
        else:
            end = data.index(b";", at)
            row[item.name], at = value_of(item, data[at:end].decode("ascii")), end + 1
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes are left over")
    return row


def _text(field: Field, value: Any) -> str:
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        raise TypeError
    text = value.lower() if field.uuid else value
    return text.rstrip(" ") if field.padded else text


def _int(field: Field, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return str(value)


def _decimal(field: Field, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal):
        raise TypeError
    if not value.is_finite():
        return "NaN" if value.is_nan() else "-Infinity" if value.is_signed() else "Infinity"
    rounded = value.quantize(Decimal(1).scaleb(-field.scale), context=_WIDE)
    exact = rounded if rounded == value else value.normalize(_WIDE)  # what does not fit is shown, never rounded away
    return format(abs(exact) if exact == 0 else exact, "f")


def _date(field: Field, value: Any) -> str:
    if isinstance(value, str):
        return _endless(value)
    if isinstance(value, datetime):
        raise TypeError
    days: int = (value - EPOCH_DAY).days
    return str(days)


def _instant(field: Field, value: Any) -> str:
    return _endless(value) if isinstance(value, str) else str((value - EPOCH) // MICROSECOND)


def _local(field: Field, value: Any) -> str:
    return _endless(value) if isinstance(value, str) else str((value - EPOCH.replace(tzinfo=None)) // MICROSECOND)


def _endless(value: str) -> str:
    if value not in ("infinity", "-infinity"):
        raise ValueError(value)
    return value


def _bool(field: Field, value: Any) -> str:
    if not isinstance(value, bool):
        raise TypeError
    return "1" if value else "0"


def _binary(field: Field, value: Any) -> str:
    return bytes(value).hex()


def _float(field: Field, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, float):
        raise TypeError
    return "NaN" if value != value else struct.pack(_FORM[field.width], value).hex()


def _read_float(text: str) -> float:
    return float("nan") if text == "NaN" else float(struct.unpack(_FORM[len(text) // 2], bytes.fromhex(text))[0])


_FORM = {4: ">f", 8: ">d"}
_WRITERS: dict[Kind, Callable[[Field, Any], str]] = {
    Kind.INT: _int,
    Kind.DECIMAL: _decimal,
    Kind.TEXT: _text,
    Kind.DATE: _date,
    Kind.INSTANT: _instant,
    Kind.LOCAL: _local,
    Kind.BOOL: _bool,
    Kind.BINARY: _binary,
    Kind.FLOAT: _float,
}
_READERS: dict[Kind, Any] = {
    Kind.INT: int,
    Kind.DECIMAL: Decimal,
    Kind.TEXT: str,
    Kind.DATE: lambda text: EPOCH_DAY + timedelta(days=int(text)),
    Kind.INSTANT: lambda text: EPOCH + int(text) * MICROSECOND,
    Kind.LOCAL: lambda text: EPOCH.replace(tzinfo=None) + int(text) * MICROSECOND,
    Kind.BOOL: {"0": False, "1": True}.__getitem__,
    Kind.BINARY: bytes.fromhex,
    Kind.FLOAT: _read_float,
}
