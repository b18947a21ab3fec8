"""The columns of a PostgreSQL table or view with types that can be compared: domains, enumerations and arrays of them
resolved to what they are made of, composites and ranges of a user named as such."""

from __future__ import annotations

from typing import Any

import psycopg

_COLUMNS = """
SELECT a.attname, a.atttypid, a.atttypmod FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
# A constraint that was added NOT VALID (from version 18 on) says nothing of the rows that are there.
_FILLED = """
SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT EXISTS (
  SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'n' AND NOT k.convalidated AND a.attnum = ANY (k.conkey))
"""
_TYPE = """
SELECT typtype, typbasetype, typtypmod, typcategory, typelem, format_type(oid, %s), typnamespace = 'pg_catalog'::regnamespace
FROM pg_type WHERE oid = %s
"""


def columns(db: psycopg.Connection[Any], name: tuple[str, ...]) -> dict[str, str]:
    """Column -> type, as `reconciliation.types.type_of` reads it; {} where there is no such table for this role."""
    return {str(column): spelled(db, oid, modifier) for column, oid, modifier in db.execute(_COLUMNS, name).fetchall()}


def filled(db: psycopg.Connection[Any], name: tuple[str, ...]) -> frozenset[str]:
    """The columns of a table that hold no NULL, as the server guarantees it."""
    return frozenset(str(row[0]) for row in db.execute(_FILLED, name).fetchall())


def spelled(db: psycopg.Connection[Any], oid: int, modifier: int) -> str:
    """One type by its oid and its modifier (-1: none)."""
    found = db.execute(_TYPE, (modifier, oid)).fetchone()
    if found is None:
        return "unknown"
    kind, base, base_modifier, category, element, text, built_in = found
    if kind == "d":
        return spelled(db, base, base_modifier)
    if kind == "e":
        return "text"
    if category == "A" and element:
        return spelled(db, element, modifier) + "[]"
    if kind == "c":
        return f"composite {text}"
    return f"range {text}" if kind in "rm" and not built_in else str(text)
