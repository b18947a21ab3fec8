"""The mapping run backwards, as data: which legacy rows an event of the store's outbox becomes.

As plain values (a YAML file), per kind of event a list of writes, carried out in their order::

    status:
      - table: [payhub, payment_status]
        mode: insert                    # upsert (default) | insert (another row there is refused) | update (it must be there)
        key: [payment_id, seq]
        unless: smoke                   # `when` / `unless`: only where that path holds a value / holds none
        columns:
          payment_id: payment_id        # a path into the payload, `a.b` for nested ones
          occurred_at: "@created_at"    # of the event itself: @event_id, @kind, @seq, @created_at, @payload
          reported_by: {constant: CUTWATER}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import sql

from adapters.postgres.connection import Connection
from cutwater.core.errors import BadInput

Mode = Literal["upsert", "insert", "update"]
# Types without their modifier: an explicit cast to varchar(4) would cut silently, the assignment to the column refuses.
_TYPES = """
SELECT a.attname::text, format_type(a.atttypid, -1),
  CASE WHEN a.atttypid = 'numeric'::regtype AND a.atttypmod >= 4 THEN (a.atttypmod - 4) & 1023 END
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace k ON k.oid = c.relnamespace
WHERE k.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
"""


@dataclass(frozen=True)
class Value:
    """Where a column's value comes from: a path into the payload (`@name`: of the event), else a constant as text or NULL."""

    path: str = ""
    constant: str | None = None


@dataclass(frozen=True)
class Write:
    """One row of one table. key: the columns of a unique constraint."""

    table: tuple[str, str]
    columns: Mapping[str, Value]
    key: tuple[str, ...]
    mode: Mode = "upsert"
    when: str = ""
    unless: str = ""

    def applies(self, payload: Mapping[str, Any]) -> bool:
        """Whether the event's payload asks for this row."""
        return (not self.when or _at(payload, self.when) is not None) and (
            not self.unless or _at(payload, self.unless) is None
        )


ReverseMapping = Mapping[str, Sequence[Write]]  # kind of event -> rows


@dataclass(frozen=True)
class Statements:
    """A write as SQL. do: its rowcount tells whether a row was written; same: whether the row that stands there is the same."""

    write: Write
    do: sql.Composed
    same: sql.Composed


def mapping_of(data: Mapping[str, Sequence[Mapping[str, Any]]]) -> ReverseMapping:
    """Reads plain values; raises BadInput (CW3507)."""
    return {kind: tuple(_write(kind, item) for item in items) for kind, items in data.items()}


def compiled(db: Connection, write: Write) -> Statements:
    """The SQL of `write`, with the types of the legacy side's columns; raises BadInput (CW3507)."""
    types = {name: (kind, scale) for name, kind, scale in db.execute(_TYPES, write.table).fetchall()}
    if unknown := sorted(set(write.columns) - set(types)):
        raise _unfit(f"{'.'.join(write.table)} has no column {', '.join(unknown)}")
    table, values = sql.Identifier(*write.table), {n: _expression(v, *types[n]) for n, v in write.columns.items()}
    event = sql.SQL("(SELECT %(payload)s::jsonb AS p, %(event)s::jsonb AS m) AS e")
    rest = [name for name in write.columns if name not in write.key]
    at_key = sql.SQL(" AND ").join(sql.SQL("t.{} = {}").format(sql.Identifier(n), values[n]) for n in write.key)
    alike = [sql.SQL("t.{} IS NOT DISTINCT FROM {}").format(sql.Identifier(n), values[n]) for n in write.columns]
    same = sql.SQL("SELECT 1 FROM {} AS t, {} WHERE {}").format(table, event, sql.SQL(" AND ").join(alike))
    if write.mode == "update":
        pairs = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(n), values[n]) for n in rest)
        return Statements(
            write, sql.SQL("UPDATE {} AS t SET {} FROM {} WHERE {}").format(table, pairs, event, at_key), same
        )
    told = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(n)) for n in rest)
    conflict = sql.SQL("DO UPDATE SET {}").format(told) if rest and write.mode == "upsert" else sql.SQL("DO NOTHING")
    do = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} ON CONFLICT ({}) {}").format(
        table, _names(write.columns), sql.SQL(", ").join(values.values()), event, _names(write.key), conflict
    )
    return Statements(write, do, same)


def _write(kind: str, item: Mapping[str, Any]) -> Write:
    columns = {
        str(name): Value(path=source) if isinstance(source, str) else Value(constant=_text(source["constant"]))
        for name, source in item["columns"].items()
    }
    schema, table = item["table"]
    key, mode = tuple(map(str, item["key"])), item.get("mode", "upsert")
    if mode not in ("upsert", "insert", "update") or not key or not set(key) <= set(columns):
        raise _unfit(f"{kind}: {schema}.{table} needs a key among its columns, and a mode of upsert, insert or update")
    return Write((schema, table), columns, key, mode, item.get("when", ""), item.get("unless", ""))


def _expression(value: Value, kind: str, scale: int | None) -> sql.Composed:
    cast = sql.SQL("::" + kind)  # as PostgreSQL itself writes the type: quoted where it has to be
    if not value.path:
        return sql.SQL("{}").format(sql.Literal(value.constant)) + cast
    if value.path == "@payload":
        return sql.SQL("e.p") + cast
    source = sql.SQL("e.m" if value.path.startswith("@") else "e.p")
    path = sql.SQL("{}::text[]").format(sql.Literal(value.path.removeprefix("@").split(".")))
    if kind in ("json", "jsonb"):
        return sql.SQL("NULLIF({} #> {}, 'null')").format(source, path) + cast
    plain = sql.SQL("({} #>> {})").format(source, path)
    if scale is None:
        return plain + cast
    # Assigned to numeric(p, s) a value would be rounded without a word: here it is no number any more.
    told = sql.Literal(f" has more than {scale} decimals")
    return sql.SQL("(CASE WHEN scale(trim_scale({0}::numeric)) > {1} THEN {0} || {2} ELSE {0} END)::numeric").format(
        plain, sql.Literal(scale), told
    )


def _names(names: Any) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _at(payload: Mapping[str, Any], path: str) -> Any:
    found: Any = payload
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _unfit(what: str) -> BadInput:
    return BadInput(
        "CW3507",
        f"the reverse mapping does not fit the legacy side: {what}",
        state="nothing was written",
        next="mend the mapping, then cutwater wave resume",
    )
