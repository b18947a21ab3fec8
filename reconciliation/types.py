"""A column's type as a side writes it, read into a family: what decides how two columns can be compared. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ALIASES = {
    "int": "smallint integer bigint int2 int4 int8 tinyint utinyint usmallint uinteger int long oid",
    "number": "numeric hugeint ubigint uhugeint money bignum",
    "float": "real float4 float",
    "double": "double float8|double precision",
    "string": 'text varchar name citext string "char"|character varying',
    "char": "character bpchar",
    "uuid": "uuid",
    "date": "date",
    "time": "time|time without time zone",
    "timetz": "timetz|time with time zone",
    "timestamp": "timestamp timestamp_s timestamp_ms|timestamp without time zone",
    "nanos": "timestamp_ns",
    "timestamptz": "timestamptz|timestamp with time zone",
    "boolean": "boolean bool",
    "binary": "bytea blob binary varbinary",
    "json": "json jsonb",
    "csv": "csv",
    # Types of one product, carried as the text that they print.
    "printed": "inet cidr macaddr macaddr8 bit xml point line lseg box path polygon circle tsvector tsquery pg_lsn "
    "int4range int8range numrange daterange tsrange tstzrange int4multirange int8multirange nummultirange "
    "datemultirange tsmultirange tstzmultirange hstore ltree|bit varying",
}
_FAMILY = {
    name: family for family, words in _ALIASES.items() for name in [*words.split("|")[0].split(), *words.split("|")[1:]]
}
_NUMERIC = re.compile(r"(?:numeric|decimal)\(\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?\)")
_LENGTH = re.compile(r"\(\s*\d+\s*\)")
_ELEMENT = re.compile(r"(?:\[\d*\])+$")


@dataclass(frozen=True)
class Type:
    """A column's type on one side. family: as in _ALIASES, or `decimal` with its digits, `interval`, `list` with its
    innermost element, `struct`, `map`, or `other`. name: without lengths, in lower case. text: as the side says it."""

    family: str
    text: str
    precision: int = 0
    scale: int = 0
    name: str = ""
    element: Type | None = None


def type_of(text: str) -> Type:
    """A type as PostgreSQL's format_type or DuckDB's DESCRIBE writes it; types that a user made are handed in as
    `composite NAME` and `range NAME`."""
    lowered = " ".join(text.strip().lower().split())
    if found := _ELEMENT.search(lowered):
        inner = type_of(text.strip()[: -len(found[0])])
        return Type("list", text, name=f"{inner.name}[]", element=inner)
    if found := _NUMERIC.fullmatch(lowered):
        scale, precision = int(found[2] or 0), int(found[1])
        return Type("decimal", text, max(precision, scale), scale, "decimal") if scale >= 0 else Type("number", text)
    if lowered.startswith("range "):
        return Type("printed", text, name=lowered)
    if lowered.startswith("enum("):
        return Type("string", text, name="string")
    for family, start in (("struct", "struct("), ("struct", "composite "), ("map", "map("), ("interval", "interval")):
        if lowered.startswith(start):
            return Type(family, text, name=lowered)
    name = " ".join(_LENGTH.sub(" ", lowered).split())
    return Type(_FAMILY.get(name, "other"), text, name="bit" if name == "bit varying" else name)
