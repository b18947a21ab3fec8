"""Values that a column's type allows and the lake's exact counterpart cannot hold: looked for before anything is planned.

Such a column is carried as text. Tables too large to be read whole are judged by the server's own statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from adapters.postgres.connection import Connection
from inventory.model import Asset, parts_of
from inventory.type_map import lake_type

# What the lake's types end at: PostgreSQL's infinity, days before Christ and after the year 9999, numeric's NaN.
_TESTS = {
    "date": "({0} < DATE '0001-01-01' OR {0} > DATE '9999-12-31')",
    "timestamp": "({0} < TIMESTAMP '0001-01-01' OR {0} > TIMESTAMP '9999-12-31 23:59:59.999999')",
    "timestamptz": "({0} < TIMESTAMPTZ '0001-01-01 00:00Z' OR {0} > TIMESTAMPTZ '9999-12-31 23:59:59.999999Z')",
    "decimal": "({0} = 'NaN')",
}
_SUSPECT = r"infinity|nan| bc\y|\y\d{5,}-"


def unbearable(db: Connection, asset: Asset) -> list[str]:
    """Names of the columns that hold such a value; a table that cannot be read has none that we know of."""
    columns = [(str(item["name"]), test) for item in _columns(asset) if (test := _test(item)) is not None]
    if not columns or asset.measures.get("volume") is None:
        return []
    schema, table = parts_of(asset.name)
    try:
        if not asset.measures.get("exact"):
            return _by_statistics(db, schema, table, [name for name, _ in columns])
        tests = sql.SQL(", ").join(
            sql.SQL("bool_or({})").format(sql.SQL(test).format(sql.Identifier(name))) for name, test in columns
        )
        found = db.execute(sql.SQL("SELECT {} FROM {}").format(tests, sql.Identifier(schema, table))).fetchone() or ()
    except psycopg.Error:
        return []  # a lock, a time limit, a right: the copy itself will say so, by column and remedy
    return [name for (name, _), seen in zip(columns, found, strict=True) if seen]


def _columns(asset: Asset) -> Sequence[Mapping[str, Any]]:
    found = asset.structure.get("columns")
    return found if isinstance(found, list | tuple) else ()


def _test(column: Mapping[str, Any]) -> str | None:
    carrier = lake_type(str(column.get("base") or column["type"]), bool(column.get("enum")))
    return None if column.get("generated") else _TESTS.get(carrier.split("(")[0])


def _by_statistics(db: Connection, schema: str, table: str, names: list[str]) -> list[str]:
    query = (
        "SELECT attname::text FROM pg_stats WHERE schemaname = %s AND tablename = %s AND attname = ANY (%s) "
        "AND concat(most_common_vals::text, histogram_bounds::text) ~* %s"
    )
    return [str(row[0]) for row in db.execute(query, (schema, table, names, _SUSPECT)).fetchall()]
