"""PostgreSQL's share of the inventory: catalogs, counts, and samples that are judged and forgotten.

Reads without harm (postgres.md): a named session, time limits, every statement its own short read-only transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from adapters.postgres.connection import Connection, connect, explain, translated
from inventory.model import Asset, AssetKind, Edge, Finding, qualified
from inventory.pii import of_fields
from inventory.ports import Discovery

SMALL_ROWS = 1_000_000  # tables up to so many rows are counted; larger ones are estimated
SMALL_BYTES = 512 << 20
SAMPLE_ROWS = 200
_Row = dict[str, Any]


@dataclass(frozen=True)
class PostgresDiscoverer:
    """Looks at one database. schemas: () for all but the system's and cutwater's own."""

    dsn: str
    schemas: tuple[str, ...] = ()
    small_rows: int = SMALL_ROWS

    @property
    def kind(self) -> AssetKind:
        return AssetKind.POSTGRES

    def discover(self, now: datetime) -> Discovery:
        """Raises Unavailable or BadInput where the server cannot be reached or refuses the login."""
        with connect(self.dsn, "inventory", statement_seconds=30, lock_seconds=2) as connection:
            connection.execute("SET default_transaction_read_only = on")
            with translated("cutwater/inventory"):
                return self._looked(connection, now)

    def _looked(self, connection: Connection, now: datetime) -> Discovery:
        seen = _rows(connection, "tables", schemas=list(self.schemas))
        tables = [row for row in seen if row["locked_by"] is None]
        oids = [row["oid"] for row in tables]
        columns, constraints, rest = (
            _by_table(_rows(connection, name, oids=oids)) for name in ("columns", "constraints", "rest")
        )
        not_checked = {
            _name(row): f"session {row['locked_by']} holds or awaits an exclusive lock on it"
            for row in seen
            if row["locked_by"] is not None
        }
        assets: list[Asset] = []
        edges: list[Edge] = []
        findings: list[Finding] = []
        for row in tables:
            oid = row["oid"]
            name = _name(row)
            structure = _structure(row, columns[oid], constraints[oid], rest[oid])
            measures = self._measures(connection, row, columns[oid], rest[oid], not_checked)
            sure = "0.98" if measures["exact"] else "0.90" if row["readable"] else "0.60"
            assets.append(
                Asset(
                    f"postgres:{name}",
                    AssetKind.POSTGRES,
                    name,
                    structure=structure,
                    measures=measures,
                    evidence="catalogs, count, sample" if measures["exact"] else "catalogs, row estimate",
                    last_seen=now,
                    confidence=sure,
                )
            )
            edges += _fk_edges(name, constraints[oid])
            findings += _findings(name, row, structure)
            if row["readable"]:
                edges += _told_by_rows(connection, row, {item["name"] for item in columns[oid]})
        return Discovery(tuple(assets), tuple(edges), tuple(findings), _system(connection), not_checked)

    def _measures(
        self, connection: Connection, row: _Row, columns: list[_Row], rest: list[_Row], not_checked: dict[str, str]
    ) -> dict[str, object]:
        estimate = row["estimate"] if row["estimate"] >= 0 else None
        count, pii = None, {}
        if row["readable"]:
            try:
                if (estimate or 0) <= self.small_rows and row["bytes"] <= SMALL_BYTES:
                    count = _count(connection, row)
                pii = of_fields(_sample(connection, row, columns))
            except psycopg.Error as error:  # one table's trouble (a lock, a time limit) leaves the others readable
                not_checked[_name(row)] = str(explain(error, "cutwater/inventory", "nothing was changed"))
        else:
            not_checked[_name(row)] = "no SELECT right: not counted, not sampled"
        return {
            "volume": count if count is not None else estimate,
            "unit": "rows",
            "exact": count is not None,
            "rows_estimate": estimate,
            "bytes": row["bytes"],
            "partitions": row["partitions"],
            "writes": {key: row[key] or 0 for key in ("inserted", "updated", "deleted")},
            "grants": {item["name"]: item["detail"] for item in rest if item["kind"] == "grant"},
            "pii": pii,
        }


def _structure(row: _Row, columns: list[_Row], constraints: list[_Row], rest: list[_Row]) -> dict[str, object]:
    """What voids an approval when it changes."""
    keys: defaultdict[str, list[_Row]] = defaultdict(list)
    for item in constraints:
        keys[item["type"]].append(item)
    return {
        "columns": [
            {key: item[key] for key in ("name", "type", "nullable", "identity", "generated", "default")}
            | ({"enum": item["labels"]} if item["labels"] else {})
            | ({"base": item["base"]} if item["base"] else {})
            for item in columns
        ],
        "primary_key": keys["p"][0]["columns"] if keys["p"] else [],
        "unique": [item["columns"] for item in keys["u"]],
        "foreign_keys": [
            {
                "name": item["name"],
                "columns": item["columns"],
                "references": _target(item),
                "target_columns": item["target_columns"],
            }
            for item in keys["f"]
        ],
        "relkind": "partitioned" if row["partitioned"] else "table",
        "replica_identity": row["replica_identity"],
        "partition_key": row["partition_key"] or "",
        "unlogged": row["unlogged"],
        "triggers": [{"name": item["name"], "enabled": item["detail"]} for item in rest if item["kind"] == "trigger"],
        "sequences": [{"name": item["name"], "column": item["detail"]} for item in rest if item["kind"] == "sequence"],
    }


def _findings(name: str, row: _Row, structure: Mapping[str, object]) -> Iterator[Finding]:
    identity, keyed = row["replica_identity"], bool(structure["primary_key"])
    if identity == "mixed":
        yield Finding(
            f"postgres:{name}",
            "blocked",
            "its partitions have another replica identity: their changes would lack columns",
        )
    elif identity == "nothing" or (identity == "default" and not keyed):
        yield Finding(
            f"postgres:{name}", "blocked", "no replica identity: UPDATE and DELETE would fail once it is published"
        )
    elif not keyed:
        yield Finding(f"postgres:{name}", "late", "no primary key: its rows are a multiset, one snapshot copies it")
    if row["unlogged"]:
        yield Finding(f"postgres:{name}", "blocked", "unlogged: its changes are not in the stream")
    if not row["readable"]:
        yield Finding(f"postgres:{name}", "unknown", "no SELECT right")


def _fk_edges(name: str, constraints: list[_Row]) -> Iterator[Edge]:
    for item in constraints:
        if item["type"] == "f" and _target(item) != name:
            yield Edge(f"postgres:{name}", f"postgres:{_target(item)}", "fk", f"constraint {item['name']}")


def _told_by_rows(connection: Connection, row: _Row, columns: set[str]) -> Iterator[Edge]:
    """Edges that the rows themselves name: an outbox names its topics, a batch register its feeds."""
    name = _name(row)
    if "outbox" in row["name"] and "topic" in columns:
        for topic in _distinct(connection, row, "topic"):
            yield Edge(f"postgres:{name}", f"kafka:{topic}", "writes", f"values of {name}.topic")
    if {"feed", "file_name"} <= columns:
        for feed in _distinct(connection, row, "feed"):
            yield Edge(f"file:{feed}", f"postgres:{name}", "feeds", f"values of {name}.feed")


def _distinct(connection: Connection, row: _Row, column: str) -> list[str]:
    """The different values among the first 10,000 rows: at most 100, as text."""
    query = sql.SQL(
        "SELECT DISTINCT {0}::text FROM (SELECT {0} FROM {1} LIMIT 10000) s WHERE {0} IS NOT NULL LIMIT 100"
    )
    return sorted(str(item[0]) for item in connection.execute(query.format(sql.Identifier(column), _table(row))))


def _count(connection: Connection, row: _Row) -> int:
    found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(_table(row))).fetchone()
    return int(found[0]) if found else 0


def _sample(connection: Connection, row: _Row, columns: list[_Row]) -> dict[str, list[str | None]]:
    """Some values of every column; only textual ones are fetched, none longer than a BIC or IBAN needs."""
    textual = [item["name"] for item in columns if item["textual"] and not item["labels"]]
    values: dict[str, list[str | None]] = {item["name"]: [] for item in columns}
    if textual:
        fields = sql.SQL(", ").join(sql.SQL("left({}::text, 64)").format(sql.Identifier(name)) for name in textual)
        query = sql.SQL("SELECT {} FROM {} LIMIT {}").format(fields, _table(row), sql.Literal(SAMPLE_ROWS))
        for found in connection.execute(query):
            for name, value in zip(textual, found, strict=True):
                values[name].append(value.strip() if value is not None else None)
    return values


def _system(connection: Connection) -> dict[str, object]:
    found = connection.execute(_query("system").encode()).fetchone()
    return dict(found[0]) if found else {}


def _name(row: _Row) -> str:
    return qualified(str(row["schema"]), str(row["name"]))


def _target(constraint: _Row) -> str:
    """The table that a foreign key refers to; empty for other constraints."""
    return qualified(constraint["target_schema"], constraint["target_table"]) if constraint["target_table"] else ""


def _table(row: _Row) -> sql.Identifier:
    return sql.Identifier(row["schema"], row["name"])


def _rows(connection: Connection, query: str, **values: object) -> list[_Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return list(cursor.execute(_query(query).encode(), values))


def _by_table(rows: list[_Row]) -> defaultdict[int, list[_Row]]:
    found: defaultdict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        found[row["oid"]].append(row)
    return found


@cache
def _query(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"discovery_{name}.sql").read_text("utf-8")
