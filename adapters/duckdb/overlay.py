# ruff: noqa: S608 - relations are made by LakeReader, names are quoted, numbers are integers
"""The lake side of a run that follows a basis: a copy as the basis saw it, and the changes since laid over it.

No fold is waited for. Of a keyed table only the keys that were touched are held, with a few rows that were not: what the
verifier's own slot names, what the lake's change table names, and a random sample. A table without a key, or one that
was rewritten, is laid over as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adapters.duckdb.compare_side import LakeSide
from adapters.duckdb.lake import LakeReader
from adapters.postgres.change_batch import listed
from adapters.postgres.snapshot import PgSnapshot
from cutwater.core.errors import Inconclusive
from inventory.model import ColumnMapping, TableMapping
from reconciliation.basis import Basis
from reconciliation.dialect import quote
from reconciliation.ports import Pin

if TYPE_CHECKING:
    import pyarrow as pa

CAN_BE_UNCHANGED = ("string", "binary")  # as in the fold: only large values are left out of an update
SAMPLE = 64  # untouched rows of each table that are compared again


class OverlaySide(LakeSide):
    """`lay` makes the tables; then they are read as any other side."""

    def __init__(self, reader: LakeReader, basis: Basis) -> None:
        super().__init__(reader)
        self.copies = basis.copies
        self.copied, self.certified = PgSnapshot.parse(basis.copied_at), PgSnapshot.parse(basis.pg_snapshot)
        self._made: dict[str, str] = {}
        self._samples: dict[str, str] = {}

    def get_ready(self, mappings: Sequence[TableMapping]) -> None:
        """What can be done before anybody waits: the copies are opened, and the untouched rows that are compared again drawn."""
        for number, mapping in enumerate(mappings):
            base = self.reader.relation(mapping.target, self._copy(mapping))
            self.reader.schema(mapping.changes)
            if mapping.key:
                self._table(f"sample{number}", _sample(mapping, base))
                self._samples[mapping.target] = f"SELECT * FROM sample{number}"

    def lay(
        self,
        mapping: TableMapping,
        window: tuple[int | None, int | None],
        now: PgSnapshot,
        touched: pa.Table | None,
    ) -> Sequence[tuple[str | None, ...]] | None:
        """Lays what `now` sees of the changes of one table over its copy. window: snapshots of its change table, after the
        first and up to the second. touched: the keys that the source's own stream names since the basis; None: the table is
        laid over as a whole.

        Returns the keys that are held now, as texts that PostgreSQL reads, or None where all are.
        """
        base = self.reader.relation(mapping.target, self._copy(mapping))
        changes = self.reader.added(mapping.changes, *window)
        number, late = len(self._made), f"NOT {self.copied.sql('_xid')} AND {now.sql('_xid')}"
        if not mapping.key:
            self._table(f"overlay{number}", _multiset(mapping, base, changes, late))
            self._made[mapping.target] = f"overlay{number}"
            return None
        self._table(f"last{number}", _last(mapping, changes, late, self.certified.sql("_xid")))
        if touched is not None:
            self._keys(f"keys{number}", mapping, base, f"last{number}", touched)
        held = f"keys{number}" if touched is not None else None
        if held is not None:  # the copy is looked through once
            self._table(f"base{number}", _held(mapping, base, held))
            base = f"base{number}"
        self._table(f"overlay{number}", _laid(mapping, base, f"last{number}", held))
        self._made[mapping.target] = f"overlay{number}"
        return None if held is None else self._texts(held, mapping)

    def _copy(self, mapping: TableMapping) -> int | None:
        if mapping.target not in self.copies:
            raise Inconclusive("CW4017", f"{mapping.target} has no copy in the basis")
        return self.copies[mapping.target]

    def _table(self, name: str, select: str) -> None:
        self.reader.query(f"CREATE OR REPLACE TEMP TABLE {name} AS {select}")

    def _keys(self, name: str, mapping: TableMapping, base: str, last: str, touched: pa.Table) -> None:
        names = ", ".join(quote(item) for item in mapping.key)
        with self.reader.lock:
            self.reader.connection.register("touched_keys", touched)
            try:
                self._table(
                    name,
                    f"SELECT DISTINCT {names} FROM (SELECT {names} FROM touched_keys UNION ALL SELECT {names} FROM {last} WHERE _fresh "
                    f"UNION ALL SELECT {names} FROM ({self._samples.get(mapping.target) or _sample(mapping, base)}))",
                )
            finally:
                self.reader.connection.unregister("touched_keys")

    def _texts(self, name: str, mapping: TableMapping) -> list[tuple[str | None, ...]]:
        types = {item.name: item.lake_type for item in mapping.columns}
        columns = ", ".join(
            f"'\\x' || hex({quote(item)})" if types[item] == "binary" else f"{quote(item)}::VARCHAR"
            for item in mapping.key
        )
        return [tuple(row) for row in self.reader.query(f"SELECT {columns} FROM {name}")]

    def _relation(self, mapping: TableMapping, pin: Pin) -> str:
        found = self._made.get(mapping.target)
        if found is None:
            raise Inconclusive("CW4003", f"{mapping.target} has no pin", state="the table was not compared")
        return found

    def _snapshot(self, mapping: TableMapping, pin: Pin) -> int | None:
        return self.copies.get(mapping.target)


def _sample(mapping: TableMapping, base: str) -> str:
    names = ", ".join(quote(item) for item in mapping.key)
    return f"SELECT {names} FROM {base} USING SAMPLE reservoir({SAMPLE} ROWS)"


def _names(columns: Sequence[ColumnMapping], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{quote(item.name)}" for item in columns)


def _last(mapping: TableMapping, changes: str, late: str, certified: str) -> str:
    """One row per key: its last change; of a column that updates left out, the last value that was told. _fresh: one of its
    changes is none that was certified."""
    by = ", ".join(quote(name) for name in mapping.key)
    newest = f"OVER (PARTITION BY {by} ORDER BY _lsn DESC, _seq DESC)"
    told = newest.removesuffix(")") + " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
    picked = []
    for item in mapping.columns:
        if _loose(mapping, item):
            name = listed(item.name).replace("'", "''")
            value = f"CASE WHEN NOT list_contains(string_split(coalesce(_unchanged, ''), ','), '{name}') THEN struct_pack(v := {quote(item.name)}) END"
            picked.append(f"first_value({value} IGNORE NULLS) {told} AS {quote(item.name)}")
        else:
            picked.append(quote(item.name))
    return f"SELECT _op, bool_or(NOT {certified}) OVER (PARTITION BY {by}) AS _fresh, {', '.join(picked)} FROM (SELECT * FROM {changes} WHERE {late}) QUALIFY row_number() {newest} = 1"


def _loose(mapping: TableMapping, item: ColumnMapping) -> bool:
    return item.lake_type in CAN_BE_UNCHANGED and item.name not in mapping.key


def _laid(mapping: TableMapping, base: str, last: str, held: str | None) -> str:
    """The copy without the keys that changed, and what they are now. held: the keys that `base` is restricted to already."""
    on_base = _on(mapping, "b", "c")
    values = []
    for item in mapping.columns:
        name = quote(item.name)
        if _loose(mapping, item):
            values.append(f"CASE WHEN c.{name} IS NOT NULL THEN c.{name}.v ELSE b.{name} END AS {name}")
        else:
            values.append(f"c.{name}")
    within = f" JOIN {held} AS h ON {_on(mapping, 'c', 'h')}" if held is not None else ""
    return (
        f"SELECT {_names(mapping.columns, 'b.')} FROM {base} AS b "
        f"WHERE NOT EXISTS (SELECT 1 FROM {last} AS c WHERE {on_base}) "
        f"UNION ALL SELECT {', '.join(values)} FROM {last} AS c{within} LEFT JOIN {base} AS b ON {on_base} WHERE c._op <> 'D'"
    )


def _held(mapping: TableMapping, base: str, held: str) -> str:
    """The rows of the copy that have one of the keys."""
    return f"SELECT {_names(mapping.columns, 'b.')} FROM {base} AS b JOIN {held} AS h ON {_on(mapping, 'b', 'h')}"


def _on(mapping: TableMapping, left: str, right: str) -> str:
    return " AND ".join(f"{left}.{quote(name)} = {right}.{quote(name)}" for name in mapping.key)


def _multiset(mapping: TableMapping, base: str, changes: str, late: str) -> str:
    """A table without a key: rows of the copy, and inserted, and not deleted. A count below none is left out here and
    shows as a difference."""
    names = _names(mapping.columns)
    counted = (
        f"SELECT {names}, sum(_n)::BIGINT AS _n FROM (SELECT {names}, 1 AS _n FROM {base} UNION ALL "
        f"SELECT {names}, CASE _op WHEN 'D' THEN -1 ELSE 1 END AS _n FROM {changes} WHERE {late}) GROUP BY ALL"
    )
    return f"SELECT {names} FROM (SELECT *, unnest(range(greatest(_n, 0))) FROM ({counted}))"
