"""What was touched in the source since a snapshot, told by the verifier's own slot: never by the copier's.

The copier's stream decides what the lake holds; a loss in it must not be repeated by what judges it. So a publication and a
slot of their own are made before the basis is compared, and peeked at once, at the fence. Keys are enough: the rows
themselves are read from the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg import sql

from adapters.postgres import pgoutput as wire
from adapters.postgres.change_batch import typed_column
from adapters.postgres.connection import Connection, connect, translated
from adapters.postgres.snapshot import PgSnapshot, int_to_lsn, widen
from cutwater.core.errors import Inconclusive
from inventory.model import TableMapping

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 1_000_000  # messages of one look; beyond, comparing everything is no slower
_PEEK = """
SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, %s, 'proto_version', '1', 'publication_names', %s)
"""
# A rewrite (ALTER ... TYPE, VACUUM FULL, TRUNCATE) gives a table or a partition another file; what it changed is in no stream.
_STORAGE = """
SELECT n.nspname, c.relname, coalesce((SELECT string_agg(coalesce(pg_relation_filenode(t.relid), 0)::text, ',' ORDER BY t.relid)
    FROM pg_partition_tree(c.oid) t), pg_relation_filenode(c.oid)::text, '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN unnest(%s::text[], %s::text[]) AS w(s, t) ON w.s = n.nspname AND w.t = c.relname
"""
_ROWS = (b"I", b"U", b"D", b"T")  # messages that say what became of a row
Key = tuple[str | None, ...]


@dataclass
class Touched:
    """keys: asset -> keys (texts, in the mapping's order) of rows that were inserted, updated or deleted. emptied: assets
    that were truncated. seen: transactions that the basis did not see."""

    keys: dict[str, set[Key]] = field(default_factory=dict)
    emptied: set[str] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    settled: int = 0  # position up to which the basis has seen every transaction

    def arrow(self, mapping: TableMapping) -> pa.Table:
        """The keys of one table in the lake's types."""
        import pyarrow as pa

        found = sorted(self.keys.get(mapping.asset_id, ()), key=str)
        types = {item.name: item.lake_type for item in mapping.columns}
        columns = list(zip(*found, strict=True)) or [()] * len(mapping.key)
        arrays = [
            typed_column(mapping, name, types[name], texts) for name, texts in zip(mapping.key, columns, strict=True)
        ]
        return pa.table(arrays, list(mapping.key))


def storage(dsn: str, wave: str, mappings: Sequence[TableMapping]) -> dict[str, str]:
    """Asset -> the files that the table stands in: another answer later means that it was rewritten."""
    schemas, tables = [m.source_schema for m in mappings], [m.source_table for m in mappings]
    with connect(dsn, f"{wave}/check") as db, translated("looking at the tables' storage"):
        rows = db.execute(_STORAGE, (schemas, tables)).fetchall()
    found = {(str(schema), str(table)): str(nodes) for schema, table, nodes in rows}
    return {m.asset_id: found.get((m.source_schema, m.source_table), "") for m in mappings}


def touched(
    dsn: str, wave: str, slot: str, publication: str, mappings: Sequence[TableMapping], since: PgSnapshot
) -> Touched:
    """Every key whose row a transaction touched that `since` does not see, up to what is flushed now.

    Raises Inconclusive (CW4017) where the slot is gone or has too much to tell.
    """
    with connect(dsn, f"{wave}/check") as db, translated(f"reading slot {slot}", "the slot has not moved"):
        found = db.execute(
            "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s AND plugin = 'pgoutput'", (slot,)
        ).fetchone()
        if found is None or found[0] == "lost":
            raise Inconclusive("CW4017", f"the verifier's slot {slot} is {'gone' if found is None else 'lost'}")
        _same_tables(db, publication, mappings)
        row = db.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
        next_xid = int(row[0]) + (1 << 20) if row else 0
        messages = db.execute(_PEEK, (slot, MOST, publication)).fetchall()
        if len(messages) >= MOST:
            raise Inconclusive("CW4017", f"the verifier's slot {slot} tells of {len(messages):,} changes and more")
        reader = _Reader({(m.source_schema, m.source_table): m for m in mappings}, since, next_xid)
        for (data,) in messages:
            if not (reader.skips and data[:1] in _ROWS):  # most of what is told again is what the basis has seen
                reader.take(wire.decode(bytes(data)))
        if reader.found.settled:  # nobody asks for it again: every later basis has seen it, too
            at = int_to_lsn(reader.found.settled)
            db.execute("SELECT pg_replication_slot_advance(%s, %s::pg_lsn)", (slot, at))
    return reader.found


def _same_tables(db: Connection, publication: str, mappings: Sequence[TableMapping]) -> None:
    """A publication that somebody narrowed would hide what it no longer tells of."""
    rows = db.execute(
        "SELECT schemaname::text, tablename::text FROM pg_publication_tables WHERE pubname = %s", (publication,)
    ).fetchall()
    missing = {(m.source_schema, m.source_table) for m in mappings} - {(str(a), str(b)) for a, b in rows}
    if missing:
        names = ", ".join(".".join(item) for item in sorted(missing))
        raise Inconclusive("CW4017", f"the verifier's publication {publication} no longer tells of {names}")


class _Reader:
    """Keys out of decoded messages. Without a key nothing is noted: such a table is compared as a whole."""

    def __init__(self, tables: Mapping[tuple[str, str], TableMapping], since: PgSnapshot, next_xid: int) -> None:
        self.tables, self.since, self.next_xid = tables, since, next_xid
        self.found = Touched()
        self._at: dict[int, tuple[TableMapping, list[int]]] = {}
        self.skips = False  # is the transaction under way one that `since` sees?
        self._settling = True

    def take(self, message: wire.Decoded) -> None:
        match message:
            case wire.Begin(_, _, xid32):
                xid = widen(xid32, self.next_xid)
                self.skips = self.since.sees(xid)
                if not self.skips:
                    self.found.seen.add(xid)
                    self._settling = False
            case wire.Commit(_, end):
                if self._settling:
                    self.found.settled = end
            case wire.Relation():
                self._relation(message)
            case wire.Insert(oid, new):
                self._note(oid, new)
            case wire.Update(oid, old, new):
                self._note(oid, new)
                if old is not None:
                    self._note(oid, old)
            case wire.Delete(oid, old):
                self._note(oid, old)
            case wire.Truncate(oids):
                self.found.emptied |= {self._at[oid][0].asset_id for oid in oids if oid in self._at and not self.skips}
            case _:
                pass

    def _relation(self, message: wire.Relation) -> None:
        mapping = self.tables.get((message.schema, message.table))
        if mapping is None:
            return
        names = [name for name, *_ in message.columns]
        if not set(mapping.key) <= set(names):
            raise Inconclusive("CW4017", f"{mapping.asset_id} has lost a column of its key")
        self._at[message.oid] = (mapping, [names.index(name) for name in mapping.key])

    def _note(self, oid: int, row: tuple[wire.Value, ...]) -> None:
        if self.skips or oid not in self._at:
            return
        mapping, places = self._at[oid]
        if not places:
            return
        key: list[str | None] = []
        for place in places:
            value: Any = row[place]
            if value is wire.UNCHANGED:
                raise Inconclusive("CW4017", f"a key of {mapping.asset_id} is not in the stream: it is stored apart")
            key.append(value)
        self.found.keys.setdefault(mapping.asset_id, set()).add(tuple(key))


def narrowed(relation: str, mapping: TableMapping, keys: Sequence[Key]) -> str:
    """SQL that may stand after FROM: the rows of `relation` that have one of these keys; values quoted by the driver."""
    types = {item.name: item.pg_type for item in mapping.columns}
    places = range(len(mapping.key))
    columns = list(zip(*keys, strict=True)) or [() for _ in places]
    arrays = [
        f"{sql.Literal(list(texts)).as_string(None)}::text[]::{types[name]}[]"
        for name, texts in zip(mapping.key, columns, strict=True)
    ]
    on = " AND ".join(f"t.{_quoted(name)} = k.k{at}" for at, name in zip(places, mapping.key, strict=True))
    names = ", ".join(f"k{at}" for at in places)
    return f"(SELECT t.* FROM {relation} AS t JOIN unnest({', '.join(arrays)}) AS k({names}) ON {on})"  # noqa: S608


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)
