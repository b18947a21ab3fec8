"""The bulk copy: key ranges, each read under its own short snapshot and noted in the commit that holds its rows.

A change to a key is applied later only if its transaction is not visible in the snapshot of that key's range: exact,
resumable (only unfinished ranges are copied again), and no long transaction holds back the legacy side's vacuum.
The rows come by arrow_reader.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from psycopg import sql

from adapters.iceberg.commits import CHUNK, CHUNK_RANGE, PG_SNAPSHOT, append, summaries
from adapters.iceberg.mapping_data import mapping_of
from adapters.postgres.arrow_reader import read_range
from adapters.postgres.connection import connect, translated, where
from cutwater.core.errors import Unavailable
from cutwater.core.hashing import canonical_json
from inventory.model import TableMapping
from waves.ports import Fence, Outcome

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

_WHOLE = ("smallint", "integer", "bigint")


class Bounds:
    """`backfill.bounds` {mapping, max_rows_per_chunk} -> {"chunks": [{"id", "lower", "upper"}]}, half-open, ends open.

    Ranges of the first key column where it is a whole number; any other table is one chunk.
    """

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        mapping = mapping_of(args["mapping"])
        size = max(1, int(args.get("max_rows_per_chunk", 200_000)))
        name = f"{mapping.source_schema}.{mapping.source_table}"
        cuts: list[int] = []
        if mapping.key and next(c.pg_type for c in mapping.columns if c.name == mapping.key[0]) in _WHOLE:
            cuts = self._cuts(mapping, size, fence)
        edges: list[int | None] = [None, *cuts, None]
        chunks = [
            {"id": f"{name}:{i:05d}", "lower": low, "upper": high} for i, (low, high) in enumerate(pairwise(edges))
        ]
        return {"chunks": chunks}

    def _cuts(self, mapping: TableMapping, size: int, fence: Fence) -> list[int]:
        key, table = sql.Identifier(mapping.key[0]), sql.Identifier(mapping.source_schema, mapping.source_table)
        query = sql.SQL(
            "SELECT k FROM (SELECT {k} AS k, row_number() OVER (ORDER BY {k}) AS n FROM {t}) AS numbered WHERE n %% {s} = 1 AND n > 1 ORDER BY k"
        )
        edges = sql.SQL("SELECT min({k}), max({k}), count(*) FROM {t}").format(k=key, t=table)
        with connect(self.dsn, fence.wave) as db, translated(f"finding the ranges of {mapping.asset_id}"):
            low, high, count = db.execute(edges).fetchone() or (None, None, 0)
            if low is None or count <= size:
                return []
            if len(mapping.key) == 1 and high - low < 2 * count:
                # A unique key nearly without gaps: even steps hold at most `size` rows, and nothing is sorted.
                return list(range(low + size, high + 1, size))
            rows = db.execute(query.format(k=key, t=table, s=sql.Literal(size)), ()).fetchall()
        return sorted({int(row[0]) for row in rows})

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a question: asked again, as nothing was copied by its answer yet

    def describe(self, args: Mapping[str, Any]) -> str:
        mapping = mapping_of(args["mapping"])
        return f"cut {mapping.source_schema}.{mapping.source_table} into ranges of at most {args.get('max_rows_per_chunk', 200_000):,} rows"


class _Copied(Exception):
    """The range is in the table already."""


def _not_copied(table: Table, chunk: str) -> None:
    if any(summary.get(CHUNK) == chunk for _, summary in summaries(table)):
        raise _Copied(chunk)


class CopyChunk:
    """`backfill.chunk` {mapping, chunk, throttle}: one range, one snapshot, one commit."""

    def __init__(self, dsn: str, catalog: Catalog) -> None:
        self.dsn, self.catalog = dsn, catalog
        self._one_commit_per_table: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        mapping, chunk = mapping_of(args["mapping"]), args["chunk"]
        self._wait_for_room(args.get("throttle") or {}, fence)
        started = time.monotonic()
        snapshot, rows = read_range(self.dsn, mapping, chunk["lower"], chunk["upper"], fence.wave)
        properties = {
            CHUNK: chunk["id"],
            CHUNK_RANGE: canonical_json({"lower": chunk["lower"], "upper": chunk["upper"]}),
            PG_SNAPSHOT: snapshot,
        }
        try:
            lake = append(
                self.catalog,
                mapping.target,
                rows,
                properties,
                fence.token,
                lambda t: _not_copied(t, chunk["id"]),
                self._lock(mapping.target),
            )
        except _Copied:  # an earlier runner's commit came through meanwhile: its rows and its snapshot count
            found = self.observe(args, fence)
            if found is None:
                raise
            return found
        seconds = Decimal(str(round(time.monotonic() - started, 3)))
        return {
            "rows": rows.num_rows,
            "bytes": rows.nbytes,
            "snapshot": snapshot,
            "lake_snapshot": str(lake),
            "seconds": str(seconds),
        }

    def _lock(self, name: str) -> threading.Lock:
        with self._guard:
            return self._one_commit_per_table.setdefault(name, threading.Lock())

    def _wait_for_room(self, throttle: Mapping[str, Any], fence: Fence) -> None:
        limit = int(throttle.get("max_active_sessions", 0))
        if not limit:
            return
        query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        with connect(self.dsn, fence.wave) as db, translated("looking at the source's load"):
            for _ in range(120):
                row = db.execute(query).fetchone()
                if row is None or row[0] < limit:
                    return
                time.sleep(0.5)
        raise Unavailable(
            "CW3126",
            f"the source has had {limit} or more active sessions for a minute: the copy waits",
            state="this range was not begun",
            next="cutwater wave resume, when it is quieter",
        )

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        table = self.catalog.load_table(mapping_of(args["mapping"]).target)
        for snapshot_id, summary in summaries(table):
            if summary.get(CHUNK) == args["chunk"]["id"]:
                return {
                    "rows": int(summary.get("added-records", 0)),
                    "snapshot": summary[PG_SNAPSHOT],
                    "lake_snapshot": str(snapshot_id),
                    "seconds": "0",
                    "bytes": 0,
                }
        return None

    def describe(self, args: Mapping[str, Any]) -> str:
        chunk = args["chunk"]
        return f"copy {chunk['id']} [{chunk['lower'] if chunk['lower'] is not None else 'first'}, {chunk['upper'] if chunk['upper'] is not None else 'last'}] from {where(self.dsn)}"
