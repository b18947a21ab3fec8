"""The form in which the values of two columns are compared: one that both types have without a loss, or none. Pure.

Numbers compare by value, instants by instant, texts by code points. What has no form is said before anything is scanned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ALIASES = {
    "int": "smallint integer bigint int2 int4 int8 tinyint utinyint usmallint uinteger int long",
    "number": "numeric hugeint ubigint uhugeint",
    "float": "real float4 float",
    "double": "double float8|double precision",
    "string": "text varchar character bpchar name citext string|character varying",
    "uuid": "uuid",
    "date": "date",
    "time": "time|time without time zone",
    "timestamp": "timestamp timestamp_s timestamp_ms|timestamp without time zone",
    "timestamptz": "timestamptz|timestamp with time zone",
    "boolean": "boolean bool",
    "binary": "bytea blob binary varbinary",
    "json": "json jsonb",
    "csv": "csv",
}
_FAMILY = {
    name: family for family, words in _ALIASES.items() for name in [*words.split("|")[0].split(), *words.split("|")[1:]]
}
_NUMERIC = re.compile(r"(?:numeric|decimal)\(\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?\)")
_LENGTH = re.compile(r"\(\s*\d+\s*\)")
SAFE_DIGITS = 38


@dataclass(frozen=True)
class Type:
    """A column's type on one side. family: as in _ALIASES, 'decimal' with its digits, or 'other'. text: as the side says it."""

    family: str
    text: str
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True)
class Form:
    """How two columns are compared. kind: a lake type of the canonical encoding, or `number` (decimal text by value), or
    `verbatim` (the type's own output). untyped: one side is text of a file, so both are written as canonical text."""

    kind: str
    precision: int = 0
    scale: int = 0
    untyped: bool = False

    @property
    def lake_type(self) -> str:
        """The type that the canonical encoding sees."""
        if self.untyped or self.kind in ("number", "uuid", "time", "verbatim"):
            return "string"
        return f"decimal({self.precision},{self.scale})" if self.kind == "decimal" else self.kind

    @property
    def source_type(self) -> str:
        """The PostgreSQL type that goes with it."""
        return f"numeric({self.precision},{self.scale})" if self.lake_type.startswith("decimal") else "text"


def type_of(text: str) -> Type:
    """A type as PostgreSQL's format_type or DuckDB's DESCRIBE writes it."""
    lowered = " ".join(text.strip().lower().split())
    if found := _NUMERIC.fullmatch(lowered):
        scale = int(found[2] or 0)
        return Type("decimal", text, int(found[1]), scale) if scale >= 0 else Type("number", text)
    if lowered.startswith("enum("):
        return Type("string", text)
    return Type(_FAMILY.get(_LENGTH.sub("", lowered).replace("  ", " ").strip(), "other"), text)


def common(source: Type, target: Type) -> Form | None:
    """The form of two types; None where there is none without a loss."""
    families = {source.family, target.family}
    if "csv" in families:
        [other] = families - {"csv"} or {"string"}
        if other in ("other", "json"):
            return None
        kind = "number" if other in ("int", "decimal", "number") else "double" if other == "float" else other
        return Form(kind, untyped=True)
    if families <= {"int"}:
        return Form("long")
    if families <= {"int", "decimal"}:
        whole = max(19 if item.family == "int" else item.precision - item.scale for item in (source, target))
        scale = max(source.scale, target.scale)
        return Form("decimal", whole + scale, scale) if whole + scale <= SAFE_DIGITS else Form("number")
    if families <= {"int", "decimal", "number"}:
        return Form("number")
    if families <= {"float", "double"}:
        return Form("float" if families == {"float"} else "double")
    if families == {"string", "uuid"}:
        return Form("uuid")
    if len(families) == 1 and source.family not in ("other", "json"):
        return Form(source.family)
    return None


def only_width(source: Type, target: Type) -> bool:
    """Whether two types that are compared by value are written differently."""
    return source.text.lower() != target.text.lower() and "csv" not in (source.family, target.family)
