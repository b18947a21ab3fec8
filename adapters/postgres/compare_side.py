"""The source side of a comparison: PostgreSQL, read under an exported snapshot, hashing pushed down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import psycopg
from psycopg import sql

from cutwater.core.errors import BadInput, Inconclusive, Unavailable
from inventory.model import TableMapping
from reconciliation.dialect import quote
from reconciliation.dialect_postgres import PostgresDialect
from reconciliation.ports import BucketDigest, Pin
from reconciliation.readings import digests_from, rows_from, totals_from

_Call = TypeVar("_Call", bound=Callable[..., Any])
# The planner takes the bucket for a column with as many values as rows and would sort them all: hash instead.
_SETTINGS = (
    "SET LOCAL enable_sort = off",
    "SET LOCAL jit = off",
    "SET LOCAL work_mem = '64MB'",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'iso_8601'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 3",
    "SET LOCAL row_security = off",
    "SET LOCAL statement_timeout = '10min'",
    "SET LOCAL lock_timeout = '10s'",
)


def translated_call(call: _Call) -> _Call:
    """A method of a side whose database faults are ours; after each the transaction is closed."""

    @wraps(call)
    def wrapper(self: PostgresSide, mapping: TableMapping, *args: Any) -> Any:
        try:
            return call(self, mapping, *args)
        except psycopg.Error as error:
            self.close()
            raise Unavailable(
                "CW4004",
                f"{mapping.source_schema}.{mapping.source_table} could not be read in the source",
                cause=" ".join(str(error).split())[:300],
                state="nothing was changed; the table counts as not checked",
                next="the same command again",
            ) from error

    return cast(_Call, wrapper)


class PostgresSide:
    """One read-only REPEATABLE READ transaction per pin, on one connection; `close` ends it.

    A pin's handle names the exported snapshot: {"snapshot": "00000003-0000001B-1"}.
    """

    def __init__(self, dsn: str, application: str = "cutwater/reconcile") -> None:
        self.dsn, self.application = dsn, application
        self._connection: psycopg.Connection[Any] | None = None
        self._snapshot = ""
        self._dialect = PostgresDialect()
        self._lock = threading.RLock()

    @translated_call
    def columns(self, mapping: TableMapping, pin: Pin) -> dict[str, str]:
        query = (
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a "
            "WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped "
            "AND (a.attgenerated = '' OR a.attname = ANY (%s)) ORDER BY a.attnum"  # others follow from what is compared
        )
        carried = [item.name for item in mapping.columns]
        return {str(name): str(kind) for name, kind in self._read(pin, query, (self._named(mapping), carried))}

    @translated_call
    def totals(self, mapping: TableMapping, pin: Pin) -> dict[str, Any]:
        return totals_from(mapping, self._read(pin, self._dialect_at(pin).totals(self._relation(mapping), mapping)))

    @translated_call
    def digests(self, mapping: TableMapping, pin: Pin, buckets: int) -> dict[int, BucketDigest]:
        query = self._dialect_at(pin).digests(self._relation(mapping), mapping, buckets)
        return digests_from(self._read(pin, query))

    def rows(self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        yield from self._rows(mapping, pin, buckets, wanted)

    @translated_call
    def _rows(
        self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]
    ) -> Iterator[Mapping[str, Any]]:
        query = self._dialect_at(pin).rows(self._relation(mapping), mapping, buckets, wanted)
        return rows_from(mapping, self._read(pin, query))

    def close(self) -> None:
        """Ends the transaction, so that the source's xmin horizon moves on."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection, self._snapshot = None, ""

    def _relation(self, mapping: TableMapping) -> str:
        """SQL that may stand after FROM: what is compared of the table."""
        return self._named(mapping)

    def _named(self, mapping: TableMapping) -> str:
        return f"{quote(mapping.source_schema)}.{quote(mapping.source_table)}"

    def _dialect_at(self, pin: Pin) -> PostgresDialect:
        with self._lock:
            self._at(pin)
            return self._dialect

    def _read(self, pin: Pin, query: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        with self._lock, self._at(pin).cursor() as cursor:
            cursor.execute(query.encode(), parameters)
            return cursor.fetchall()

    def _at(self, pin: Pin) -> psycopg.Connection[Any]:
        snapshot = str(pin.handle.get("snapshot", ""))
        if not snapshot:
            raise Inconclusive("CW4003", "the source has no pin", state="nothing was compared")
        if self._connection is None or self._snapshot != snapshot:
            self.close()
            self._connection = self._open(snapshot)
            self._snapshot = snapshot
        return self._connection

    def _open(self, snapshot: str) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self.dsn, application_name=self.application, connect_timeout=10, autocommit=True)
        try:
            self._begin(connection, snapshot)
        except BaseException:
            connection.close()
            raise
        self._dialect = PostgresDialect(connection.info.server_version)
        return connection

    def _begin(self, connection: psycopg.Connection[Any], snapshot: str) -> None:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
        for setting in _SETTINGS:
            connection.execute(setting)
        found = connection.execute("SHOW server_encoding").fetchone()
        if found is None or found[0] != "UTF8":
            raise BadInput("CW4006", f"the source database's encoding is {found[0] if found else 'unknown'}, not UTF8")
