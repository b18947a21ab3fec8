"""A PostgreSQL table or view as a side of an ad hoc comparison: one exported snapshot, columns cast to their common forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from adapters.postgres.arrow_stream import counted, streamed
from adapters.postgres.compare_side import PostgresSide, translated_call
from adapters.postgres.located_types import columns, filled, spelled
from adapters.postgres.ranges import added, ranges, read
from cutwater.core.errors import BadInput, Unavailable
from inventory.model import TableMapping
from reconciliation.dialect import Marks, quote, repeated
from reconciliation.dialect_postgres import PostgresDialect
from reconciliation.forms import Form
from reconciliation.locations import Location
from reconciliation.ports import BucketDigest, Pin
from reconciliation.readings import digests_from, rows_from, size_of, totals_from

_PIN = "SELECT pg_current_snapshot()::text, pg_export_snapshot(), CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text"
_KIND = "SELECT c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"
_BLOCKS = """
SELECT sum(pg_relation_size(c.oid) / current_setting('block_size')::int8) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind = 'r'
"""
WORKERS = 2  # connections that read one table
_KEY = """
SELECT a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(number, place) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
WHERE n.nspname = %s AND c.relname = %s AND i.indisprimary ORDER BY k.place
"""
_CASTS = {
    "long": "{}::int8", "number": "trim_scale({}::numeric)::text", "uuid": "lower({}::text)", "string": "{}::text", "char": "rtrim({}::text, ' ')",
    "time": "{}::text", "timetz": "{}::text", "interval": "{}::text", "json": "{}::text", "nested": "to_json({})::text",
    "printed": "CASE WHEN {} IS DISTINCT FROM NULL THEN format('%s', {}) END",
    "nanos": "CASE WHEN isfinite({}) THEN (extract(epoch FROM {}) * 1000000)::int8::text || '000' ELSE {}::text END",
    "float": "(CASE WHEN {} = 0 THEN 0 ELSE {} END)::float4",
    "double": "(CASE WHEN {} = 0 THEN 0 ELSE {} END)::float8",
}  # fmt: skip
_INSTANT = "CASE WHEN isfinite({}) THEN (extract(epoch FROM {}) * 1000000)::int8::text ELSE {}::text END"
_WORDS = {
    **_CASTS, "boolean": "{}::text", "binary": "encode({}, 'hex')", "date": "{}::text", "timestamp": _INSTANT, "timestamptz": _INSTANT,
    "double": "CASE WHEN {} = 'NaN' THEN 'NaN' ELSE encode(float8send(CASE WHEN {} = 0 THEN 0 ELSE {} END::float8), 'hex') END",
}  # fmt: skip
# The same numbers may be written with more zeros in it.
_NUMRANGE = (
    "CASE WHEN isempty({0}) THEN 'empty' ELSE numrange(trim_scale(lower({0})), trim_scale(upper({0})), "
    "CASE WHEN lower_inc({0}) THEN '[' ELSE '(' END || CASE WHEN upper_inc({0}) THEN ']' ELSE ')' END)::text END"
)


class LocatedPostgres(PostgresSide):
    """`forms` and `where` are set before it is compared."""

    def __init__(self, place: Location, where: str = "") -> None:
        super().__init__(place.server, "cutwater/compare")
        self.place, self.where = place, where
        self.types: dict[str, str] = {}
        self.key: tuple[str, ...] = ()
        self.forms: dict[str, Form] = {}
        self.derived: dict[str, str] = {}
        self.marks: Marks | None = None
        self.filled: frozenset[str] = frozenset()
        self.moved = 0
        self._pin = Pin("postgres", "", {})
        self._blocks = 0

    @contextmanager
    def pinned(self) -> Iterator[Pin]:
        """Reads names and types, and holds one snapshot. Raises Unavailable CW4031, BadInput CW4032 (no such table)."""
        try:
            with psycopg.connect(
                self.dsn, application_name=self.application, connect_timeout=10, autocommit=True
            ) as db:
                self._lock_table(db)
                number, exported, lsn = db.execute(_PIN).fetchall()[0]
                self.types = columns(db, self.place.name)
                self.filled = filled(db, self.place.name)
                self.key = tuple(str(row[0]) for row in db.execute(_KEY, self.place.name).fetchall())
                self._blocks = int(db.execute(_BLOCKS, self.place.name).fetchall()[0][0] or 0)
                if not self.types:
                    raise BadInput(
                        "CW4032",
                        f"{'.'.join(self.place.name)} is no table or view that this role may see",
                        state="nothing was compared",
                        next="mind the case: names in the URL's fragment are verbatim",
                    )
                try:
                    self._pin = Pin("postgres", f"snapshot {number}, LSN {lsn}", {"snapshot": exported})
                    yield self._pin
                finally:
                    self.close()
        except psycopg.Error as error:
            raise Unavailable(
                "CW4031",
                "the database of one side cannot be read",
                cause=" ".join(str(error).split())[:300],
                state="nothing was compared",
                next="the same command again; the password comes from PGPASSWORD or PGPASSFILE",
            ) from error

    def _lock_table(self, db: psycopg.Connection[Any]) -> None:
        """Begins the transaction. The lock comes before the snapshot: to an older one a table that DDL rewrites looks empty. It
        keeps nobody away but DDL; who may read some columns only cannot have it, and goes without."""
        kind = db.execute(_KIND, self.place.name).fetchone()
        db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if kind is None or kind[0] not in "rpv":
            return
        db.execute("SET LOCAL lock_timeout = '10s'")
        db.execute("SAVEPOINT unlocked")
        try:
            db.execute(f"LOCK TABLE {self._table()} IN ACCESS SHARE MODE".encode())
        except psycopg.errors.InsufficientPrivilege:
            db.execute("ROLLBACK TO SAVEPOINT unlocked")
        db.execute("RELEASE SAVEPOINT unlocked")

    @translated_call
    def totals(self, mapping: TableMapping, pin: Pin) -> dict[str, Any]:
        return totals_from(mapping, added(self._ranged(pin, lambda dialect, table: dialect.totals(table, mapping))))

    @translated_call
    def digests(self, mapping: TableMapping, pin: Pin, buckets: int) -> dict[int, BucketDigest]:
        parts = self._ranged(pin, lambda dialect, table: dialect.digests(table, mapping, buckets))
        return digests_from(added(parts))

    @translated_call
    def _rows(
        self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]
    ) -> Iterator[Mapping[str, Any]]:
        parts = self._ranged(pin, lambda dialect, table: dialect.rows(table, mapping, buckets, wanted))
        return rows_from(mapping, [row for part in parts for row in part])

    def _ranged(self, pin: Pin, query: Callable[[PostgresDialect, str], str]) -> list[list[tuple[Any, ...]]]:
        """The query's rows per range of the table."""
        dialect, parts = self._dialect_at(pin), ranges(self._blocks)
        if len(parts) == 1:
            return [self._read(pin, query(dialect, self._select("")))]
        queries = [query(dialect, self._select(part)) for part in parts]
        found = read(lambda: self._open(str(pin.handle["snapshot"])), queries, WORKERS)
        self.moved += sum(map(size_of, found))
        return found

    def columns(self, mapping: TableMapping, pin: Pin) -> dict[str, str]:
        return {name: self.types[name] for name in self.forms}

    @translated_call
    def repeated(self, mapping: TableMapping) -> int:
        return int(self._read(self._pin, repeated(self._relation(mapping), mapping))[0][0] or 0)

    def described(self, expression: str) -> str:
        """The type of an expression over the table. Raises BadInput CW4034 where the server does not take it."""
        query = f"SELECT ({expression}\n) FROM {self._table()} LIMIT 0"  # noqa: S608 - the user's own expression
        try:
            with self._lock, self._at(self._pin).cursor() as cursor:
                cursor.execute(query.encode(), prepare=True)
                result = cursor.pgresult
                return spelled(cursor.connection, result.ftype(0), result.fmod(0)) if result is not None else "unknown"
        except psycopg.Error as error:
            raise BadInput(
                "CW4034", "the expression of a derived column cannot be evaluated", cause=" ".join(str(error).split())[:300],
                state="nothing was compared", next="write SQL over the source's columns, as after SELECT",
            ) from error  # fmt: skip

    @contextmanager
    def texts(self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]) -> Iterator[Any]:
        """Canonical texts of the compared fields, as Arrow record batches: of the wanted buckets (buckets = 1: of all rows)."""
        query = self._dialect_at(pin).rows(self._relation(mapping), mapping, buckets, wanted)
        with streamed(self.dsn, query, "compare", str(pin.handle["snapshot"])) as batches:
            yield counted(batches, self._count)

    def _count(self, size: int) -> None:
        self.moved += size

    def _read(self, pin: Pin, query: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        # Prepared: the server takes one statement then, so a condition with a semicolon in it cannot leave the transaction.
        with self._lock, self._at(pin).cursor() as cursor:
            cursor.execute(query.encode(), parameters, prepare=True)
            rows = cursor.fetchall()
        self.moved += size_of(rows)
        return rows

    def unchanged(self) -> str:
        """A snapshot does not change."""
        return ""

    def _relation(self, mapping: TableMapping) -> str:
        return self._select("")

    def _select(self, part: str) -> str:
        """SQL that may stand after FROM: the forms of the columns, of the rows in one part of the table."""
        parts = ", ".join(f"{self._written(name)} AS {quote(name)}" for name in self.forms)
        # A comment in the user's condition ends with its line.
        conditions = [f"({self.where}\n)"] * bool(self.where) + [part] * bool(part)
        condition = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"(SELECT {parts} FROM {self._table()}{condition})"  # noqa: S608 - names are quoted; the condition is the user's own SQL

    def _dialect_at(self, pin: Pin) -> PostgresDialect:
        # What an expression makes of a column may be NULL.
        return PostgresDialect(super()._dialect_at(pin).server, self.marks, self.filled - self.derived.keys())

    def _written(self, name: str) -> str:
        column = f"({self.derived[name]}\n)" if name in self.derived else quote(name)
        return written(column, self.types[name], self.forms[name])

    def _table(self) -> str:
        return ".".join(quote(part) for part in self.place.name)


def written(column: str, type_text: str, form: Form) -> str:
    """SQL for what is compared of `column` (SQL, too) of this type."""
    if form.kind in ("decimal", "boolean", "binary", "date", "timestamp", "timestamptz") and not form.untyped:
        wanted = f"numeric({form.precision},{form.scale})"
        return f"{column}::{wanted}" if form.kind == "decimal" and type_text != wanted else column
    if (form.kind == "uuid" and type_text == "uuid") or (form.kind == "char" and type_text.startswith("character(")):
        return f"{column}::text"  # lower case already; the cast drops the padding
    if form.kind == "printed" and type_text == "numrange":
        return _NUMRANGE.replace("{0}", column)
    if form.kind == "nested" and type_text.startswith("real["):
        column = f"{column}::float8[]"  # json would get the shorter digits of a real
    words = _WORDS if form.untyped else _CASTS
    return words[form.kind].replace("{}", column)
