# ruff: noqa: S608 - the names of tables are our own
"""The join lane: both sides streamed as canonical texts into one temporary DuckDB file, and joined there by key.

Memory stays bounded (DuckDB spills beside its file); counts are made in SQL and are never capped. A key that stands more
than once is compared as a set of rows, never paired by luck.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.duckdb import joined_sql as sql
from adapters.duckdb.files import ROOM, interruptible, unread
from inventory.model import TableMapping
from reconciliation.adhoc_found import COUNTED
from reconciliation.adhoc_ports import TextSide
from reconciliation.adhoc_rows import Difference, class_of, of_multiset, told_text
from reconciliation.breaks import BreakClass
from reconciliation.compare import both
from reconciliation.dialect import currency_column
from reconciliation.digests import lanes
from reconciliation.encoding import compared, encode_text, key_fields, text_of, value_of
from reconciliation.equality import Equality, Reader
from reconciliation.ports import Pin, PinnedPair

if TYPE_CHECKING:
    import duckdb

MEMORY = "220MB"


class JoinLane:
    """threads: of the temporary DuckDB."""

    def __init__(self, threads: int = 2) -> None:
        self.threads = threads

    @contextmanager
    def joined(
        self,
        mapping: TableMapping,
        source: TextSide,
        target: TextSide,
        pair: PinnedPair,
        buckets: int,
        wanted: Sequence[int],
        equality: Equality,
    ) -> Iterator[JoinedTables]:
        """Raises Unavailable CW4033, CW4004 where a side breaks off or the disk is full."""
        import duckdb

        def filled(folder: str, memory: str, threads: int) -> JoinedTables:
            config = {"threads": threads, "memory_limit": memory, "temp_directory": folder}
            connection = duckdb.connect(str(Path(folder) / f"{memory}.db"), config=config)
            try:
                tables = JoinedTables(connection, mapping, equality)
                tables.load(source, target, pair, buckets, wanted)
                tables.join()
            except BaseException:
                connection.close()
                raise
            return tables

        with tempfile.TemporaryDirectory(prefix="cutwater-join-") as folder:
            try:
                with interruptible():
                    try:
                        found = filled(folder, MEMORY, self.threads)
                    except duckdb.OutOfMemoryException:  # very many columns: once more with room
                        found = filled(folder, ROOM, 1)
                with closing(found.connection):
                    yield found
            except duckdb.Error as error:
                raise unread(error) from error


class JoinedTables:
    """rows, fields: as `Joined` says. All texts are read as `equality` reads them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, mapping: TableMapping, equality: Equality) -> None:
        self.connection, self.mapping, self.equality = connection, mapping, equality
        self.every = compared(mapping)
        at = {item.name: number for number, item in enumerate(self.every)}
        key = tuple(at[name] for name in mapping.key)
        rules = {at[name]: rule for name, rule in equality.pairwise.items()}
        by = currency_column(mapping)
        self.shape = sql.Shape(len(self.every), key, rules, at[by] if by else None)
        self.rows: Counter[str] = Counter()
        self.fields: Counter[str] = Counter()

    def load(self, source: TextSide, target: TextSide, pair: PinnedPair, buckets: int, wanted: Sequence[int]) -> None:
        """Both sides at once."""
        both(
            lambda: self._load("l", source, pair.source, buckets, wanted),
            lambda: self._load("r", target, pair.target, buckets, wanted),
        )

    def _load(self, name: str, side: TextSide, pin: Pin, buckets: int, wanted: Sequence[int]) -> None:
        readers = {number: self.equality.readers.get(item.name) for number, item in enumerate(self.every)}
        cursor = self.connection.cursor()
        try:
            with side.texts(self.mapping, pin, buckets, wanted) as batches:
                cursor.register(f"given_{name}", renamed(batches, {n: read for n, read in readers.items() if read}))
                cursor.execute(f"CREATE TABLE {name} AS SELECT * FROM given_{name}")
        finally:
            cursor.close()

    def join(self) -> None:
        """Makes the tables of what differs, and counts."""
        run = self.connection.execute
        if not self.mapping.key:
            run(f"CREATE TABLE groups AS {sql.multiset(self.shape)}")
            for nl, nr, n in run("SELECT nl, nr, count(*) FROM groups GROUP BY ALL").fetchall():
                cls = of_multiset(int(nl), int(nr))
                self.rows[COUNTED[cls or BreakClass.MISSING_IN_TARGET]] += abs(int(nl) - int(nr)) * int(n)
            return
        run(
            f"CREATE TABLE dups AS SELECT DISTINCT * FROM ({sql.repeating(self.shape, 'l')} UNION ALL {sql.repeating(self.shape, 'r')})"
        )
        for side in ("l", "r"):
            none = run("SELECT count(*) FROM dups").fetchall()[0][0] == 0
            query = f"SELECT rowid AS number, * FROM {side}" if none else sql.alone(self.shape, side)
            run(f"CREATE VIEW lone_{side} AS {query}")
        run(f"CREATE TABLE pairs AS {sql.pairs(self.shape)}")
        run(f"CREATE TABLE doubled AS {sql.doubled(self.shape)}")
        missing_in_target, missing_in_source, differing, *fields = run(sql.counts(self.shape)).fetchall()[0]
        self.rows.update(missing_in_target=missing_in_target, missing_in_source=missing_in_source, differing=differing)
        named = zip((self.every[at].name for at in self.shape.others), fields, strict=True)
        self.fields.update({name: int(n) for name, n in named if n})
        more = run(
            "SELECT count(*) FILTER (nr = 0), count(*) FILTER (nl = 0), count(*) FILTER (nl > 0 AND nr > 0 AND apart), "
            "coalesce(sum(nl - 1) FILTER (nl > 1), 0), coalesce(sum(nr - 1) FILTER (nr > 1), 0) FROM doubled"
        ).fetchall()[0]
        names = ("missing_in_target", "missing_in_source", "differing", "duplicate_in_source", "duplicate_in_target")
        self.rows.update({name: int(n) for name, n in zip(names, more, strict=True)})

    def differences(self, most: int | None) -> Iterator[Difference]:
        """Differing rows of single keys first, then the keys that repeat."""
        left = most
        for item in self._every(most):
            if left is not None:
                if left <= 0:
                    return
                left -= 1
            yield item

    def equal(self, most: int) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """As `Joined.equal`."""
        width = self.shape.width
        rows = self.connection.execute(sql.equal(self.shape, most)).fetchall()
        return [(self._values(row[:width]), self._values(row[width:])) for row in rows]

    def _values(self, texts: Sequence[str | None]) -> dict[str, Any]:
        return {item.name: value_of(item, text) for item, text in zip(self.every, texts, strict=True)}

    def _every(self, most: int | None) -> Iterator[Difference]:
        if not self.mapping.key:
            yield from self._groups(most)
            return
        width, masks = self.shape.width, (max(len(self.shape.others), 1) + sql.MASK_BITS - 1) // sql.MASK_BITS
        for row in _rows(self.connection, sql.listed(self.shape, most)):
            a, b, *rest = row
            yield self._pair(a, b, rest[:masks], rest[masks : masks + width], rest[masks + width :])
        yield from self._doubled()

    def _pair(self, a: Any, b: Any, masks: list[int], mine: list[Any], theirs: list[Any]) -> Difference:
        row = mine if a is not None else theirs
        key, names = self._named(row)
        if a is None or b is None:
            return Difference(BreakClass.MISSING_IN_SOURCE if a is None else BreakClass.MISSING_IN_TARGET, key, names)
        differ = [
            at
            for place, at in enumerate(self.shape.others)
            if int(masks[place // sql.MASK_BITS]) >> place % sql.MASK_BITS & 1
        ]
        fields = {
            self.every[at].name: (told_text(self.every[at], mine[at]), told_text(self.every[at], theirs[at]))
            for at in differ
        }
        return Difference(class_of((self.every[at], mine[at], theirs[at]) for at in differ), key, names, 1, fields)

    def _doubled(self) -> Iterator[Difference]:
        for *row, nl, nr, apart in _rows(self.connection, "SELECT * FROM doubled ORDER BY ALL"):
            full: list[Any] = [None] * self.shape.width
            for at, value in zip(self.shape.key, row, strict=True):
                full[at] = value
            key, names = self._named(full)
            if not nl or not nr:
                yield Difference(BreakClass.MISSING_IN_TARGET if nl else BreakClass.MISSING_IN_SOURCE, key, names)
            for cls, n in ((BreakClass.DUPLICATE_SOURCE, nl), (BreakClass.DUPLICATE_TARGET, nr)):
                if n > 1:
                    yield Difference(cls, key, names, int(n) - 1)
            if nl and nr and apart:
                yield Difference(BreakClass.FIELD_MISMATCH, key, names)

    def _groups(self, most: int | None) -> Iterator[Difference]:
        some = "" if most is None else f" LIMIT {int(most)}"
        for *row, nl, nr in _rows(self.connection, f"SELECT * FROM groups ORDER BY ALL{some}"):
            key, names = self._named(row)
            cls = of_multiset(int(nl), int(nr))
            if cls is not None:
                yield Difference(cls, key, names, abs(int(nl) - int(nr)))

    def _named(self, row: Sequence[str | None]) -> tuple[str, dict[str, str | None]]:
        """The key as `key_text` writes it, and its parts for people."""
        texts = {item.name: row[at] for at, item in enumerate(self.every)}
        fields = key_fields(self.mapping)
        names = {item.name: told_text(item, texts[item.name]) for item in fields}
        if not self.mapping.key:
            return f"row#{lanes(b''.join(encode_text(item, texts[item.name]) for item in fields))[0]:015x}", names
        again = (text_of(item, value_of(item, texts[item.name])) for item in fields)
        return ", ".join(f"{item.name}={text}" for item, text in zip(fields, again, strict=True)), names


def renamed(batches: Any, readers: Mapping[int, Reader]) -> Any:
    """The same batches with columns c0, c1, ...; those with a reader as it reads them."""
    import pyarrow as pa

    schema = pa.schema([(f"c{at}", pa.string()) for at in range(len(batches.schema))])

    def every() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = [
                pa.array([readers[at](value) for value in column.to_pylist()], pa.string())
                if at in readers
                else column.cast(pa.string())
                for at, column in enumerate(batch.columns)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, every())


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[tuple[Any, ...]]:
    """Row by row; the result stays in DuckDB."""
    cursor = connection.cursor()
    try:
        cursor.execute(query)
        while rows := cursor.fetchmany(5_000):
            yield from rows
    finally:
        cursor.close()
