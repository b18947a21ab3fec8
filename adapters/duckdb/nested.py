"""Lists, structs and maps of DuckDB as json text, every leaf exact: DuckDB's own to_json writes decimals as doubles.

The texts are read again by value (reconciliation/nested.py); PostgreSQL's to_json writes the same leaves the same way.
"""

from __future__ import annotations

from typing import Any

_NUMBERS = ("tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint", "uhugeint", "decimal")  # fmt: skip
_INSTANTS = ("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone")


def json_of(value: str, kind: Any) -> str:
    """SQL for the json text of `value`, of the type `kind` (a DuckDB type object); NULL stays NULL."""
    return f"CASE WHEN {value} IS NOT NULL THEN {_written(value, kind, 0)} END"


def _written(value: str, kind: Any, depth: int) -> str:
    """SQL for the json text of a value, `null` where it is NULL."""
    match kind.id:
        case "list" | "array":
            item = f"e{depth}"
            inner = _written(item, _child(kind, "child"), depth + 1)
            whole = f"{value}::{_child(kind, 'child')}[]" if kind.id == "array" else value
            text = f"'[' || array_to_string(list_transform({whole}, lambda {item}: {inner}), ',') || ']'"
        case "struct":
            parts = [
                f"{_literal_key(name)} || {_written(f'struct_extract({value}, {_literal(name)})', child, depth)}"
                for name, child in kind.children
            ]
            text = "'{' || " + " || ',' || ".join(parts) + " || '}'"
        case "map":
            item = f"e{depth}"
            key = f"to_json({_plain(f'{item}.key', _child(kind, 'key'))})::VARCHAR"
            inner = f"{key} || ':' || {_written(f'{item}.value', _child(kind, 'value'), depth + 1)}"
            text = f"'{{' || array_to_string(list_transform(map_entries({value}), lambda {item}: {inner}), ',') || '}}'"
        case _:
            text = _leaf(value, kind)
    return f"CASE WHEN {value} IS NULL THEN 'null' ELSE {text} END"


def _leaf(value: str, kind: Any) -> str:
    if kind.id in _NUMBERS:
        return f"{value}::VARCHAR"
    if kind.id in ("float", "double"):
        return f"CASE WHEN isfinite({value}) THEN {value}::DOUBLE::VARCHAR WHEN isnan({value}) THEN '\"NaN\"' WHEN {value} > 0 THEN '\"Infinity\"' ELSE '\"-Infinity\"' END"
    if kind.id == "boolean":
        return f"{value}::VARCHAR"
    if str(kind).upper() == "JSON":
        return f"{value}::VARCHAR"
    return f"to_json({_plain(value, kind)})::VARCHAR"


def _plain(value: str, kind: Any) -> str:
    """SQL for the text of a leaf, as PostgreSQL's to_json writes it between quotes."""
    if kind.id == "blob":
        return f"'\\x' || lower(hex({value}))"
    if kind.id in _INSTANTS:
        iso = f"replace({value}::VARCHAR, ' ', 'T')"
        return f"regexp_replace({iso}, '\\+00$', '+00:00')" if "zone" in kind.id else iso
    return f"{value}::VARCHAR"


def _child(kind: Any, name: str) -> Any:
    return dict(kind.children)[name]


def _literal_key(name: str) -> str:
    return f"to_json({_literal(name)})::VARCHAR || ':'"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def nested_columns(connection: Any, scan: str) -> dict[str, Any]:
    """Column -> its type, of those that hold lists, structs or maps."""
    found = connection.sql(f"SELECT * FROM {scan} LIMIT 0")  # noqa: S608 - the adapter's own scan
    pairs = zip(found.columns, found.types, strict=True)
    return {name: kind for name, kind in pairs if kind.id in ("list", "array", "struct", "map")}
