# ruff: noqa: S608 - the names of tables are our own
"""One DuckDB in the process for files, and the copy in which differences are planted."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cutwater.core.errors import BadInput, Unavailable
from inventory.model import TableMapping
from reconciliation.dialect import Marks, quote
from reconciliation.dialect_duckdb import DuckDialect
from reconciliation.encoding import Field, compared, text_of
from reconciliation.ports import BucketDigest, Pin
from reconciliation.readings import digests_from, rows_from

if TYPE_CHECKING:
    import duckdb


ROOM = "2GB"


class Files:
    """One in-process DuckDB; the same words as `LakeReader` has."""

    def __init__(self, threads: int = 2, memory: str = "256MB") -> None:
        import duckdb

        config = {"threads": threads, "memory_limit": memory, "autoinstall_known_extensions": False}
        self.connection: duckdb.DuckDBPyConnection = duckdb.connect(":memory:", config=config)
        self.connection.execute("SET TimeZone = 'UTC'")
        self.lock = threading.RLock()
        self.marks: Marks | None = None  # of the copies' digests
        self._copies = 0

    def query(self, text: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows. Raises Unavailable CW4033 with DuckDB's words."""
        import duckdb

        with self.lock:
            try:
                if len(duckdb.extract_statements(text)) != 1:
                    raise BadInput("CW4034", "the condition is more than one statement", state="nothing was compared")
                with interruptible():
                    return self._rows(text, parameters)
            except duckdb.Error as error:
                raise unread(error) from error

    def _rows(self, text: str, parameters: list[Any] | None) -> list[tuple[Any, ...]]:
        """Once more with room where it was too little: a table of 1,600 columns needs as many vectors per thread."""
        import duckdb

        try:
            return list(self.connection.execute(text, parameters).fetchall())
        except duckdb.OutOfMemoryException:
            self.connection.execute(f"SET memory_limit = '{ROOM}'")
            self.connection.execute("SET threads = 1")
            return list(self.connection.execute(text, parameters).fetchall())

    @contextmanager
    def streamed(self, text: str) -> Iterator[Any]:
        """The rows as Arrow batches, read while the reader goes on. Raises Unavailable CW4033 with DuckDB's words."""
        import duckdb
        import pyarrow

        cursor = self.connection.cursor()
        try:
            cursor.execute("SET TimeZone = 'UTC'")
            yield cursor.sql(text).to_arrow_reader(10_000)
        except (duckdb.Error, pyarrow.ArrowException) as error:
            raise unread(error) from error
        finally:
            cursor.close()

    @contextmanager
    def copy_of(self, mapping: TableMapping, rows: Sequence[Mapping[str, Any]]) -> Iterator[PlantedSide]:
        """A copy of some rows in memory, as canonical texts: no store's types have every value of the other's."""
        import pyarrow

        fields = compared(mapping)
        columns = [pyarrow.array([text_of(item, row[item.name]) for row in rows], pyarrow.string()) for item in fields]
        with self.lock:
            self._copies += 1
            name = f"planted_{self._copies}"
            self.connection.register("planting", pyarrow.table(columns, [item.name for item in fields]))
            self.query(f"CREATE TABLE {name} AS SELECT * FROM planting")
            self.connection.unregister("planting")
        try:
            yield PlantedSide(self, name, self.marks)
        finally:
            self.query(f"DROP TABLE IF EXISTS {name}")


@contextmanager
def interruptible() -> Iterator[None]:
    """DuckDB makes an error of its own out of Ctrl-C in the middle of a query."""
    import duckdb

    try:
        yield
    except (RuntimeError, duckdb.Error) as error:
        text = str(error)
        if text == "Query interrupted" or ("Python exception" in text and text.rstrip().endswith("KeyboardInterrupt")):
            raise KeyboardInterrupt from error
        raise


def unread(error: Exception) -> Unavailable:
    """What DuckDB could not read, in its own words."""
    return Unavailable(
        "CW4033",
        "the data of one side cannot be read",
        cause=" ".join(str(error).split())[:300],
        state="nothing was changed; what was not read counts as not checked",
        next="mend the file or the condition, then the same command again",
    )


class _Texts(DuckDialect):
    def text(self, field: Field) -> str:
        return quote(field.name)


class PlantedSide:
    """The copy. It has no totals: rows are found by their digests."""

    def __init__(self, files: Files, name: str, marks: Marks | None) -> None:
        self.files, self.name, self._dialect = files, name, _Texts(marks)

    def columns(self, mapping: TableMapping, pin: Pin) -> dict[str, str]:
        return {item.name: item.lake_type for item in mapping.columns}

    def totals(self, mapping: TableMapping, pin: Pin) -> dict[str, Any]:
        return {}

    def digests(self, mapping: TableMapping, pin: Pin, buckets: int) -> dict[int, BucketDigest]:
        return digests_from(self.files.query(self._dialect.digests(self.name, mapping, buckets)))

    def rows(self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        yield from rows_from(mapping, self.files.query(self._dialect.rows(self.name, mapping, buckets, wanted)))

    @contextmanager
    def texts(self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]) -> Iterator[Any]:
        """As `LocatedFiles.texts`."""
        with self.files.streamed(self._dialect.rows(self.name, mapping, buckets, wanted)) as batches:
            yield batches
