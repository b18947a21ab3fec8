"""Rows of the source as Arrow, through ADBC (COPY in binary form), in the lake's types, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from psycopg import sql

from adapters.iceberg.types import arrow_schema, arrow_type, current_columns
from cutwater.core.errors import BadInput, CutwaterError, Unavailable
from inventory.model import TableMapping
from inventory.type_map import needs_printing

if TYPE_CHECKING:
    import adbc_driver_manager
    import pyarrow as pa

# Read in their own binary form. Everything else is asked for as text, whose form the session's settings pin; numerics
# too, which the server prints faster than the driver can.
_NATIVE = {"long", "int", "boolean", "date", "timestamptz", "timestamp", "double", "float", "binary"}


# What PostgreSQL itself can hold, seen from 1970 in days and microseconds; beyond stands an overflow: infinity by name.
_ENDLESS = {
    "date": (-2_440_588, 2_145_031_948),
    "timestamptz": (-210_866_803_200_000_000, 9_223_371_331_200_000_000),
    "timestamp": (-210_866_803_200_000_000, 9_223_371_331_200_000_000),
}
# Batches that stay in the processor's cache and in memory that the allocator keeps.
BATCH_BYTES = str(1 << 20)


def select_list(mapping: TableMapping) -> sql.Composable:
    """The columns in their agreed forms: native where binary COPY is exact, text otherwise (char(n) keeps its blanks)."""
    parts: list[sql.Composable] = []
    for column in mapping.columns:
        name = sql.Identifier(column.name)
        padded = column.pg_type.startswith("character(")  # as text it would lose its blanks
        if column.lake_type in _NATIVE or padded:
            parts.append(name)
        elif needs_printing(column.pg_type, column.lake_type):
            # As the change stream prints it. DISTINCT FROM: a composite of NULLs is NULL to IS NULL, and is a value.
            printed = sql.SQL("CASE WHEN {0} IS DISTINCT FROM NULL THEN format('%s', {0}) END AS {0}")
            parts.append(printed.format(name))
        else:
            parts.append(sql.SQL("{0}::text AS {0}").format(name))
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
    from adbc_driver_manager import AdbcConnection, Error

    try:
        with AdbcConnection(database(session(dsn, name))) as db:
            db.set_autocommit(False)
            run(db, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            if exported is not None:
                run(db, "SET TRANSACTION SNAPSHOT " + sql.Literal(exported).as_string(None))
            else:
                # The lock first, then the snapshot: to an older snapshot a table rewritten by DDL looks empty.
                run(db, lock_statement([mapping]).as_string(None))
            snapshot = str(run(db, "SELECT pg_current_snapshot()::text")[0][0].as_py())
            return snapshot, _carried(run(db, query), mapping)
    except Error as error:
        raise _explained(error, mapping) from error


@lru_cache(maxsize=8)
def database(uri: str) -> adbc_driver_manager.AdbcDatabase:
    """Where connections are made from; holds no connection itself, but the server's catalogue of types, once."""
    import adbc_driver_postgresql

    return adbc_driver_postgresql.connect(uri)


def run(db: adbc_driver_manager.AdbcConnection, statement: str) -> pa.Table:
    import pyarrow as pa
    from adbc_driver_manager import AdbcStatement

    with AdbcStatement(db) as prepared:
        prepared.set_options(**{"adbc.postgresql.batch_size_hint_bytes": BATCH_BYTES})
        prepared.set_sql_query(statement)
        stream, _ = prepared.execute_query()
        return pa.RecordBatchReader.from_stream(stream).read_all()


def lock_statement(mappings: Sequence[TableMapping]) -> sql.Composed:
    """Keeps DDL away from what is read; writers go on."""
    tables = sql.SQL(", ").join(sql.Identifier(m.source_schema, m.source_table) for m in mappings)
    return sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(tables)


def session(dsn: str, name: str) -> str:
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
        try:
            if declared.lake_type in _ENDLESS:
                _refuse_endless(column, *_ENDLESS[declared.lake_type])
            columns.append(column.cast(arrow_type(declared.lake_type), safe=True))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise BadInput(
                "CW3127",
                f"{mapping.asset_id}.{declared.name} holds a value that {declared.lake_type} cannot carry",
                cause=str(error).splitlines()[0][:120],
                state="this range was not copied; nothing was rounded",
                next=wider(mapping, declared.name),
            ) from error
    return pa.Table.from_arrays(columns, schema=arrow_schema(current_columns(mapping)))


def wider(mapping: TableMapping, column: str) -> str:
    """The remedy for a value that the column's carrier cannot hold."""
    said = f"mappings: {mapping.asset_id}: fields: {column}: lake_type: string"
    return f"say in the wave file {said}; then cutwater wave abandon, and plan again"


def _refuse_endless(column: pa.ChunkedArray, first: int, last: int) -> None:
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
