"""What is compared of a column of DuckDB, Parquet, Iceberg or CSV, as SQL in DuckDB's dialect."""

from __future__ import annotations

from typing import Any

from adapters.duckdb.nested import json_of
from reconciliation.forms import Form

_NOT_NEGATIVE = "CASE WHEN {0} = 0 THEN 0 ELSE {0} END"
# As PostgreSQL prints an interval in its style iso_8601: no sign of its own for the whole, what is zero is left out.
_INTERVAL = """CASE WHEN {0} IS NULL THEN NULL WHEN datepart('year', {0}) = 0 AND datepart('month', {0}) = 0 AND datepart('day', {0}) = 0
  AND datepart('hour', {0}) = 0 AND datepart('minute', {0}) = 0 AND datepart('microsecond', {0}) = 0 THEN 'PT0S' ELSE
  'P' || CASE WHEN datepart('year', {0}) <> 0 THEN datepart('year', {0}) || 'Y' ELSE '' END
  || CASE WHEN datepart('month', {0}) <> 0 THEN datepart('month', {0}) || 'M' ELSE '' END
  || CASE WHEN datepart('day', {0}) <> 0 THEN datepart('day', {0}) || 'D' ELSE '' END
  || CASE WHEN datepart('hour', {0}) <> 0 OR datepart('minute', {0}) <> 0 OR datepart('microsecond', {0}) <> 0 THEN 'T' ELSE '' END
  || CASE WHEN datepart('hour', {0}) <> 0 THEN datepart('hour', {0}) || 'H' ELSE '' END
  || CASE WHEN datepart('minute', {0}) <> 0 THEN datepart('minute', {0}) || 'M' ELSE '' END
  || CASE WHEN datepart('microsecond', {0}) <> 0 THEN CASE WHEN datepart('microsecond', {0}) < 0 THEN '-' ELSE '' END
     || regexp_replace(abs(datepart('microsecond', {0})) // 1000000 || '.' || lpad((abs(datepart('microsecond', {0})) % 1000000)::VARCHAR, 6, '0'), '[.]?0+$', '')
     || 'S' ELSE '' END END"""
_CASTS = {
    "long": "CAST({0} AS BIGINT)", "uuid": "lower(CAST({0} AS VARCHAR))", "char": "rtrim(CAST({0} AS VARCHAR), ' ')",
    "float": f"CAST({_NOT_NEGATIVE} AS FLOAT)", "double": f"CAST({_NOT_NEGATIVE} AS DOUBLE)", "timestamp": "CAST({0} AS TIMESTAMP)",
    "nanos": "CASE WHEN isfinite({0}) THEN epoch_ns({0})::VARCHAR ELSE {0}::VARCHAR END",
}  # fmt: skip
_TEXTS = ("string", "time", "timetz", "json", "printed", "interval", "nested")
_BITS = (
    f"CASE WHEN isnan({{0}}) THEN 'NaN' ELSE lower(lpad(to_hex(({_NOT_NEGATIVE})::DOUBLE::BIT::UBIGINT), 16, '0')) END"
)
_INSTANT = "CASE WHEN isfinite({0}) THEN epoch_us({0})::VARCHAR ELSE {0}::VARCHAR END"
# What a CSV's text is, where it is of that type; where it is not it stays as it is and differs.
_WORDS = {
    "double": ("DOUBLE", _BITS), "date": ("DATE", "{0}::VARCHAR"), "timestamp": ("TIMESTAMP", _INSTANT), "nanos": ("TIMESTAMP_NS", _CASTS["nanos"]),
    "timestamptz": ("TIMESTAMPTZ", _INSTANT), "boolean": ("BOOLEAN", "{0}::VARCHAR"), "time": ("TIME", "{0}::VARCHAR"),
    "uuid": ("UUID", "{0}::VARCHAR"),
}  # fmt: skip


def written(column: str, type_text: str, form: Form, kind: Any = None) -> str:
    """SQL for what is compared of `column` (SQL, too) of this type, `csv` being a text of a file; kind: the type object of a
    list, a struct or a map."""
    if form.kind == "nested" and kind is not None:
        return json_of(column, kind)
    if type_text.upper() == "INTERVAL":
        return _INTERVAL.replace("{0}", column)
    if form.untyped:
        return _of_a_file(column, form) if type_text == "csv" else _beside_a_file(column, form)
    if form.kind == "number":
        return _number(f"CAST({column} AS VARCHAR)")
    if form.kind == "uuid" and type_text == "UUID":
        return f"CAST({column} AS VARCHAR)"  # lower case already
    if form.kind == "decimal":
        return f"CAST({column} AS DECIMAL({form.precision},{form.scale}))"
    if form.kind in _TEXTS:
        return f"CAST({column} AS VARCHAR)"
    return _CASTS.get(form.kind, "{0}").replace("{0}", column)


def _of_a_file(column: str, form: Form) -> str:
    if form.kind == "number":
        return _number(column)
    if form.kind == "binary":
        return f"lower({column})"
    if form.kind == "char":
        return f"rtrim({column}, ' ')"
    if form.kind not in _WORDS:
        return column
    name, text = _WORDS[form.kind]
    return f"coalesce({text.replace('{0}', f'TRY_CAST({column} AS {name})')}, {column})"


def _beside_a_file(column: str, form: Form) -> str:
    if form.kind == "number":
        return _number(f"CAST({column} AS VARCHAR)")
    if form.kind == "binary":
        return f"lower(hex({column}))"
    if form.kind == "char":
        return f"rtrim(CAST({column} AS VARCHAR), ' ')"
    return _WORDS[form.kind][1].replace("{0}", column) if form.kind in _WORDS else f"CAST({column} AS VARCHAR)"


def _number(text: str) -> str:
    """Digits by value: no plus sign, no leading or trailing zeros; what is no plain number stays as it is."""
    lead = f"regexp_replace(regexp_replace({text}, '^[+]', ''), '^(-?)0+([0-9])', '\\1\\2')"
    short = f"CASE WHEN contains({lead}, '.') THEN regexp_replace({lead}, '[.]?0+$', '') ELSE {lead} END"
    plain = f"CASE WHEN {short} = '-0' THEN '0' ELSE {short} END"
    return f"CASE WHEN regexp_full_match({text}, '[+-]?[0-9]+([.][0-9]+)?') THEN {plain} ELSE {text} END"
