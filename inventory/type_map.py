"""PostgreSQL's types as the lake's: exact or not at all. What has no exact counterpart is a finding, never a guess."""

from __future__ import annotations

import re

# Source: PostgreSQL's format_type spellings; Iceberg's primitive types. int2 widens to int: exact.
_PLAIN = {
    "bigint": "long",
    "integer": "int",
    "smallint": "int",
    "boolean": "boolean",
    "text": "string",
    "character varying": "string",
    "character": "string",
    "uuid": "string",
    "json": "string",
    "jsonb": "string",
    "date": "date",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "bytea": "binary",
    "double precision": "double",
    "real": "float",
}
_SHORT = {
    "int8": "bigint",
    "int4": "integer",
    "int2": "smallint",
    "bool": "boolean",
    "varchar": "character varying",
    "char": "character",
    "bpchar": "character",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "float8": "double precision",
    "float4": "real",
    "decimal": "numeric",
}
_NUMERIC = re.compile(r"numeric\((\d+)(?:,\s*(-?\d+))?\)")
# typmod: `character varying(35)`, `timestamp(3) with time zone`
_LENGTH = re.compile(r"\((\d+)\)")
_LAKE = re.compile(r"(long|int|boolean|string|date|timestamptz|timestamp|binary|double|float|decimal\(\d+,\d+\))")


def lake_type(pg_type: str, enum: bool = False) -> str | None:
    """The Iceberg type that holds every value of a PostgreSQL type (as format_type writes it); None: there is none.

    enum: the type is an enumeration, kept as its label. numeric needs a declared precision of at most 38.
    """
    if enum:
        return "string"
    name = pg_type.strip().lower()
    name = name.replace("decimal", "numeric", 1) if name.startswith("decimal") else name
    if found := _NUMERIC.fullmatch(name):
        precision, scale = int(found[1]), int(found[2] or 0)
        return f"decimal({precision},{scale})" if 0 <= scale <= precision <= 38 else None
    base = _LENGTH.sub("", name).replace("  ", " ").strip()
    return _PLAIN.get(_SHORT.get(base, base))


def is_lake_type(name: str) -> bool:
    """Whether `name` is one of the lake's types that a mapping may ask for."""
    return _LAKE.fullmatch(name) is not None
