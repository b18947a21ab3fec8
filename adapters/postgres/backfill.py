"""The bulk copy: key ranges, each read under its own short snapshot and noted in the commit that holds its rows.

A change to a key is applied later only if its transaction is not visible in the snapshot of that key's range: exact,
resumable (only unfinished ranges are copied again), and no long transaction holds back the legacy side's vacuum.
Rows come as Arrow through ADBC (COPY in binary form).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from psycopg import sql

from adapters.iceberg.commits import CHUNK, CHUNK_RANGE, PG_SNAPSHOT, append, summaries
from adapters.iceberg.mapping_data import mapping_of
from adapters.iceberg.types import arrow_schema, arrow_type, current_columns
from adapters.postgres.connection import connect, translated, where
from cutwater.core.errors import BadInput, CutwaterError, Unavailable
from cutwater.core.hashing import canonical_json
from inventory.model import TableMapping
from waves.ports import Fence, Outcome

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

_WHOLE = ("smallint", "integer", "bigint")
# Read in their own binary form; everything else is asked for as text, whose form the session's settings pin.
_NATIVE = {"long", "int", "boolean", "date", "timestamptz", "timestamp", "double", "float", "binary"}


# What PostgreSQL itself can hold, seen from 1970 in days and microseconds; beyond stands an overflow: infinity by name.
_ENDLESS = {
    "date": (-2_440_588, 2_145_031_948),
    "timestamptz": (-210_866_803_200_000_000, 9_223_371_331_200_000_000),
    "timestamp": (-210_866_803_200_000_000, 9_223_371_331_200_000_000),
}


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
        with self._lock(mapping.target):
            try:
                lake = append(
                    self.catalog, mapping.target, rows, properties, fence.token, lambda t: _not_copied(t, chunk["id"])
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


def select_list(mapping: TableMapping) -> sql.Composable:
    """The columns in their agreed forms: native where binary COPY is exact, text otherwise (char(n) keeps its blanks)."""
    parts: list[sql.Composable] = []
    for column in mapping.columns:
        name = sql.Identifier(column.name)
        padded = column.pg_type.startswith("character(") or column.lake_type.startswith("decimal")
        parts.append(name if column.lake_type in _NATIVE or padded else sql.SQL("{}::text AS {}").format(name, name))
    return sql.SQL(", ").join(parts)


def read_range(
    dsn: str, mapping: TableMapping, lower: int | None, upper: int | None, name: str
) -> tuple[str, pa.Table]:
    """(pg_snapshot, rows) of `lower <= first key column < upper`; both from one REPEATABLE READ transaction."""
    query = sql.SQL("SELECT {c} FROM {t}").format(
        c=select_list(mapping), t=sql.Identifier(mapping.source_schema, mapping.source_table)
    )
    limits = []
    if lower is not None:
        limits.append(sql.SQL("{} >= {}").format(sql.Identifier(mapping.key[0]), sql.Literal(lower)))
    if upper is not None:
        limits.append(sql.SQL("{} < {}").format(sql.Identifier(mapping.key[0]), sql.Literal(upper)))
    if limits:
        query += sql.SQL(" WHERE ") + sql.SQL(" AND ").join(limits)
    return read_query(dsn, mapping, query.as_string(None), name)


def read_query(
    dsn: str, mapping: TableMapping, query: str, name: str, exported: str | None = None
) -> tuple[str, pa.Table]:
    """Runs `query` by ADBC in a REPEATABLE READ transaction (in the `exported` snapshot, if given)."""
    import adbc_driver_manager
    import adbc_driver_postgresql.dbapi as adbc

    try:
        with adbc.connect(_named(dsn, name)) as db, db.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            if exported is not None:
                cursor.execute("SET TRANSACTION SNAPSHOT " + sql.Literal(exported).as_string(None))
            else:
                # The lock first, then the snapshot: to an older snapshot a table rewritten by DDL looks empty.
                cursor.execute(lock_statement([mapping]).as_string(None))
            cursor.execute("SELECT pg_current_snapshot()::text")
            snapshot = str(cursor.fetchall()[0][0])
            cursor.execute(query)
            return snapshot, _carried(cursor.fetch_arrow_table(), mapping)
    except adbc_driver_manager.Error as error:
        raise _explained(error, mapping) from error


def lock_statement(mappings: Sequence[TableMapping]) -> sql.Composed:
    """Keeps DDL away from what is read; writers go on."""
    tables = sql.SQL(", ").join(sql.Identifier(m.source_schema, m.source_table) for m in mappings)
    return sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(tables)


def _named(dsn: str, name: str) -> str:
    from psycopg.conninfo import make_conninfo

    settings = " ".join(
        (
            "-c timezone=UTC",
            "-c datestyle=ISO",
            "-c intervalstyle=iso_8601",
            "-c row_security=off",  # a policy that hides rows is an error, not a shorter table
            "-c bytea_output=hex",
            "-c extra_float_digits=3",
            "-c statement_timeout=600s",
        )
    )
    return make_conninfo(dsn, application_name=f"cutwater/{name}"[:63], options=settings)


def _carried(rows: pa.Table, mapping: TableMapping) -> pa.Table:
    """Casts to the lake's types, exactly; a value that does not fit is an error, never rounded."""
    import pyarrow as pa

    columns = []
    for declared, column in zip(mapping.columns, rows.columns, strict=True):
        plain = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        plain = plain.storage if isinstance(plain, pa.ExtensionArray) else plain
        try:
            if declared.lake_type in _ENDLESS:
                _refuse_endless(plain, *_ENDLESS[declared.lake_type])
            columns.append(plain.cast(arrow_type(declared.lake_type), safe=True))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise BadInput(
                "CW3127",
                f"{mapping.asset_id}.{declared.name} holds a value that {declared.lake_type} cannot carry",
                cause=str(error).splitlines()[0][:120],
                state="this range was not copied; nothing was rounded",
                next="map the column to a wider type, then plan again",
            ) from error
    return pa.Table.from_arrays(columns, schema=arrow_schema(current_columns(mapping)))


def _refuse_endless(column: pa.Array, first: int, last: int) -> None:
    """Infinity comes from the driver as an ordinary day or instant that nobody wrote."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_temporal(column.type):
        return
    found = pc.min_max(column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())).as_py()
    if found["min"] is not None and not first <= found["min"] <= found["max"] <= last:
        raise pa.ArrowInvalid("infinity, or beyond what an instant can carry")


def _explained(error: Exception, mapping: TableMapping) -> CutwaterError:
    text = str(error).splitlines()[0]
    lowered = text.lower()
    if "password" in lowered or "authentication" in lowered:
        return BadInput(
            "CW3101",
            "PostgreSQL refuses the login (backfill)",
            cause=text,
            state="this range was not copied",
            next="mend the DSN, then cutwater wave resume",
        )
    if "no space left" in lowered:
        return Unavailable(
            "CW3103",
            "a disk is full (backfill)",
            cause=text,
            state="this range was not copied",
            next="free space, then cutwater wave resume",
        )
    return Unavailable(
        "CW3107",
        f"the backfill of {mapping.asset_id} stopped: the source broke off",
        cause=text,
        state="source unchanged; finished ranges stay in the lake; this one was not committed",
        money="nothing switched; customers are on the old platform",
        next="cutwater wave resume",
    )
