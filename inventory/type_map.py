"""PostgreSQL's types as the lake's: an exact counterpart where Iceberg has one, else a stated carrier. Never a guess.

The carrier of what Iceberg lacks is text: the value as PostgreSQL itself prints it under the settings that every session
of ours pins (ISO dates, ISO intervals, UTC, hex bytea, floats by their shortest exact digits). What PostgreSQL prints it
reads back as the same value: that is what a dump relies on. docs/guides/your-database.md holds the table for people.
"""

from __future__ import annotations

import re

TEXT = "string"  # the carrier

# Source: PostgreSQL's format_type spellings; Iceberg's primitive types. int2 widens to int: exact.
_EXACT = {
    "bigint": "long",
    "integer": "int",
    "smallint": "int",
    "boolean": "boolean",
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
# Types whose cast to text is what they print. Not so: inet (always adds its mask), xml (keeps its declaration), boolean
# ("true" for "t"), char(n) (drops its blanks), and any type of a user who has made a cast of his own.
_CASTS_AS_PRINTED = frozenset(
    {
        "text",
        "character varying",
        "uuid",
        "json",
        "jsonb",
        "numeric",
        "bigint",
        "integer",
        "smallint",
        "date",
        "timestamp with time zone",
        "timestamp without time zone",
        "time without time zone",
        "time with time zone",
        "interval",
        "double precision",
        "real",
        "bytea",
    }
)
_NUMERIC = re.compile(r"numeric\((\d+)(?:,\s*(-?\d+))?\)")
# typmod: `character varying(35)`, `timestamp(3) with time zone`, `numeric(18,2)`
_MODIFIER = re.compile(r"\(\d+(?:,\s*-?\d+)?\)")
_LAKE = re.compile(r"(long|int|boolean|string|date|timestamptz|timestamp|binary|double|float|decimal\(\d+,\d+\))")


def lake_type(pg_type: str, enum: bool = False, *, grouped: bool = False) -> str:
    """The Iceberg type that carries a PostgreSQL type (as format_type writes it; of a domain, its base type).

    enum: the type is an enumeration, kept as its label. grouped: the column identifies its row (a key, or a table without
    one): a float is then kept as text, because Spark takes -0.0 and 0.0 for one value where it groups and joins.
    """
    if enum:
        return TEXT
    name = _spelled(pg_type)
    if found := _NUMERIC.fullmatch(name):
        precision, scale = int(found[1]), int(found[2] or 0)
        return f"decimal({precision},{scale})" if 0 <= scale <= precision <= 38 else TEXT
    exact = _EXACT.get(_plain(name), TEXT)
    return TEXT if grouped and exact in ("double", "float") else exact


def needs_printing(pg_type: str, lake: str) -> bool:
    """Whether text has to be asked for through the type's own output function, because its cast gives another form."""
    return lake == TEXT and _plain(_spelled(pg_type)) not in _CASTS_AS_PRINTED


def is_lake_type(name: str) -> bool:
    """Whether `name` is one of the lake's types that a mapping may ask for."""
    return _LAKE.fullmatch(name) is not None


def _spelled(pg_type: str) -> str:
    name = pg_type.strip()
    name = name.lower() if '"' not in name else name
    return name.replace("decimal", "numeric", 1) if name.startswith("decimal") else name


def _plain(name: str) -> str:
    base = _MODIFIER.sub("", name).replace("  ", " ").strip()
    return _SHORT.get(base, base)
