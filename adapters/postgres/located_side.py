"""A PostgreSQL table or view as a side of an ad hoc comparison: one exported snapshot, columns cast to their common forms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from adapters.postgres.compare_side import PostgresSide
from cutwater.core.errors import BadInput, Unavailable
from inventory.model import TableMapping
from reconciliation.dialect import quote, repeated
from reconciliation.forms import Form
from reconciliation.locations import Location
from reconciliation.ports import Pin

_PIN = "SELECT pg_current_snapshot()::text, pg_export_snapshot(), CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text"
_COLUMNS = """
SELECT a.attname, CASE WHEN t.typtype = 'e' THEN 'text' WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod)
  ELSE format_type(a.atttypid, a.atttypmod) END
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_KEY = """
SELECT a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(number, place) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
WHERE n.nspname = %s AND c.relname = %s AND i.indisprimary ORDER BY k.place
"""
_CASTS = {
    "long": "{}::int8", "number": "trim_scale({}::numeric)::text", "uuid": "lower({}::text)", "string": "{}::text",
    "time": "{}::text", "float": "(CASE WHEN {} = 0 THEN 0 ELSE {} END)::float4",
    "double": "(CASE WHEN {} = 0 THEN 0 ELSE {} END)::float8",
}  # fmt: skip
_INSTANT = "CASE WHEN isfinite({}) THEN (extract(epoch FROM {}) * 1000000)::int8::text ELSE {}::text END"
_WORDS = {
    **_CASTS, "boolean": "{}::text", "binary": "encode({}, 'hex')", "date": "{}::text", "timestamp": _INSTANT, "timestamptz": _INSTANT,
    "double": "CASE WHEN {} = 'NaN' THEN 'NaN' ELSE encode(float8send(CASE WHEN {} = 0 THEN 0 ELSE {} END::float8), 'hex') END",
}  # fmt: skip


class LocatedPostgres(PostgresSide):
    """`forms` and `where` are set before it is compared."""

    def __init__(self, place: Location, where: str = "") -> None:
        super().__init__(place.server, "cutwater/compare")
        self.place, self.where = place, where
        self.types: dict[str, str] = {}
        self.key: tuple[str, ...] = ()
        self.forms: dict[str, Form] = {}

    @contextmanager
    def pinned(self) -> Iterator[Pin]:
        """Reads names and types, and holds one snapshot. Raises Unavailable CW4031, BadInput CW4032 (no such table)."""
        try:
            with psycopg.connect(
                self.dsn, application_name=self.application, connect_timeout=10, autocommit=True
            ) as db:
                db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                number, exported, lsn = db.execute(_PIN).fetchall()[0]
                self.types = {str(name): str(kind) for name, kind in db.execute(_COLUMNS, self.place.name).fetchall()}
                self.key = tuple(str(row[0]) for row in db.execute(_KEY, self.place.name).fetchall())
                if not self.types:
                    raise BadInput(
                        "CW4032",
                        f"{'.'.join(self.place.name)} is no table or view that this role may see",
                        state="nothing was compared",
                        next="mind the case: names in the URL's fragment are verbatim",
                    )
                try:
                    yield Pin("postgres", f"snapshot {number}, LSN {lsn}", {"snapshot": exported})
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

    def columns(self, mapping: TableMapping, pin: Pin) -> dict[str, str]:
        return {name: self.types[name] for name in self.forms}

    def repeated(self, mapping: TableMapping) -> int:
        query = repeated(self._relation(mapping), mapping)
        return int(self._read(Pin("postgres", "", {"snapshot": self._snapshot}), query)[0][0] or 0)

    def _read(self, pin: Pin, query: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        # Prepared: the server takes one statement then, so a condition with a semicolon in it cannot leave the transaction.
        with self._lock, self._at(pin).cursor() as cursor:
            cursor.execute(query.encode(), parameters, prepare=True)
            return cursor.fetchall()

    def unchanged(self) -> str:
        """A snapshot does not change."""
        return ""

    def _relation(self, mapping: TableMapping) -> str:
        table = ".".join(quote(part) for part in self.place.name)
        parts = ", ".join(f"{_written(name, form)} AS {quote(name)}" for name, form in self.forms.items())
        condition = f" WHERE ({self.where}\n)" if self.where else ""  # a comment in it ends with its line
        return f"(SELECT {parts} FROM {table}{condition})"  # noqa: S608 - names are quoted; the condition is the user's own SQL


def _written(name: str, form: Form) -> str:
    if form.untyped:
        return _WORDS[form.kind].replace("{}", quote(name))
    if form.kind == "decimal":
        return f"{quote(name)}::numeric({form.precision},{form.scale})"
    return _CASTS.get(form.kind, "{}").replace("{}", quote(name))
