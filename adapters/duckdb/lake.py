"""The lake's files at a stated Iceberg snapshot as DuckDB relations: PyIceberg plans, DuckDB reads the Parquet files."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from cutwater.core.errors import Inconclusive, Unavailable
from reconciliation.dialect import quote

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


class LakeReader:
    """One in-process DuckDB connection and a view per (table, snapshot).

    Files with deletes, files of an older schema and files outside the local file system are read by PyIceberg itself
    (by field id, deletes applied) and handed over as Arrow: slower, and right.
    """

    def __init__(self, catalog: Catalog, threads: int = 2, memory: str = "1GB") -> None:
        import duckdb

        self.catalog = catalog
        self.connection: duckdb.DuckDBPyConnection = duckdb.connect(
            ":memory:", config={"threads": threads, "memory_limit": memory, "autoinstall_known_extensions": False}
        )
        self.connection.execute("SET TimeZone = 'UTC'")
        self._views: dict[tuple[str, int | None], str] = {}
        self._tables: dict[str, Table] = {}
        self._numbers = itertools.count()
        self._arrow: list[Any] = []  # keeps the registered Arrow tables alive
        self.lock = threading.RLock()

    def table(self, name: str, fresh: bool = False) -> Table:
        """The Iceberg table; `fresh` asks the catalog again. Raises Unavailable CW4005."""
        from pyiceberg.exceptions import NoSuchTableError

        if fresh or name not in self._tables:
            try:
                self._tables[name] = self.catalog.load_table(name)
            except (NoSuchTableError, OSError) as error:
                raise Unavailable("CW4005", f"{name} could not be opened in the lake", cause=str(error)) from error
        return self._tables[name]

    def reopen(self, catalog: Catalog) -> None:
        """Goes on with another connection to the catalog: the one that it had may have been idle for long."""
        self.catalog.close()
        self.catalog = catalog

    def current(self, name: str) -> int | None:
        """The newest snapshot id; None for a table that was never written."""
        snapshot = self.table(name, fresh=True).current_snapshot()
        return None if snapshot is None else int(snapshot.snapshot_id)

    def schema(self, name: str) -> dict[str, str]:
        """Column names and Iceberg types."""
        return {item.name: str(item.field_type) for item in self.table(name).schema().fields}

    def relation(self, name: str, snapshot: int | None) -> str:
        """SQL that may stand after FROM: the rows of `name` at `snapshot`."""
        with self.lock:
            found = self._views.get((name, snapshot))
            if found is None:
                found = f"v{len(self._views)}"
                self._define(found, name, snapshot)
                self._views[(name, snapshot)] = found
            return found

    def added(self, name: str, since: int | None, until: int | None) -> str:
        """SQL that may stand after FROM: the rows that were appended after `since`, up to and including `until`.

        Raises Inconclusive (CW4017) where that cannot be told, or DuckDB must not read the files by itself.
        """
        from adapters.iceberg.added import added_files

        with self.lock:
            table = self.table(name)
            if until is not None and table.snapshot_by_id(until) is None:
                table = self.table(name, fresh=True)
            files = added_files(table, since, until)
            paths = None if files is None else _local(table, [item.file_path for item in files])
            if paths is None:
                raise Inconclusive("CW4017", f"what came to {name} since snapshot {since} cannot be told")
            view = f"added{next(self._numbers)}"
            if paths:
                self._read_parquet(view, table, paths)
            else:
                self._arrow.append(table.schema().as_arrow().empty_table())
                self.connection.register(view, self._arrow[-1])
            return view

    def query(self, text: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises Unavailable CW4005 with DuckDB's words."""
        import duckdb

        with self.lock:
            try:
                return list(self.connection.execute(text, parameters).fetchall())
            except duckdb.Error as error:
                raise Unavailable(
                    "CW4005", "the lake's files could not be read", cause=" ".join(str(error).split())[:300]
                ) from error

    def close(self) -> None:
        """Lets go of DuckDB's memory and of the catalog's connections; the reader is of no more use."""
        self.connection.close()
        self.catalog.close()

    def _define(self, view: str, name: str, snapshot: int | None) -> None:
        table = self.table(name)
        if snapshot is not None and table.snapshot_by_id(snapshot) is None:
            table = self.table(name, fresh=True)
        paths = None if snapshot is None else _plain_files(table, snapshot)
        if paths:
            self._read_parquet(view, table, paths)
            return
        arrow = table.schema().as_arrow().empty_table() if snapshot is None else _by_field_id(table, snapshot)
        self._arrow.append(arrow)
        self.connection.register(view, arrow)

    def _read_parquet(self, view: str, table: Table, paths: list[str]) -> None:
        stored = _stored_names(table)
        columns = ", ".join(f"{quote(stored[item.field_id])} AS {quote(item.name)}" for item in table.schema().fields)
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        self.query(
            f"CREATE VIEW {view} AS SELECT {columns} FROM read_parquet([{listed}], hive_partitioning = false)"  # noqa: S608 - names quoted, paths escaped
        )


def _by_field_id(table: Table, snapshot: int) -> Any:
    """The rows of a snapshot under the names and types of today's schema; a column that is newer is NULL."""
    import pyarrow

    scan = table.scan(snapshot_id=snapshot)
    found, wanted = scan.to_arrow(), table.schema().as_arrow()
    names = {item.field_id: item.name for item in scan.projection().fields}
    columns = []
    for item, field in zip(table.schema().fields, wanted, strict=True):
        known = names.get(item.field_id)
        columns.append(pyarrow.nulls(len(found), field.type) if known is None else found[known].cast(field.type))
    return pyarrow.table(columns, wanted.names)


def _stored_names(table: Table) -> dict[int, str]:
    """Field id -> the column's name in the Parquet files: Iceberg spells blanks, dots and the like as `_x20`."""
    from pyiceberg.schema import sanitize_column_names

    return {item.field_id: item.name for item in sanitize_column_names(table.schema()).fields}


def _plain_files(table: Table, snapshot: int) -> list[str] | None:
    """Local paths of the snapshot's data files; None where DuckDB must not read them by itself."""
    tasks = list(table.scan(snapshot_id=snapshot).plan_files())
    return None if any(task.delete_files for task in tasks) else _local(table, [task.file.file_path for task in tasks])


def _local(table: Table, addresses: list[str]) -> list[str] | None:
    """Local paths of data files that DuckDB may read by the names of today's schema; else None."""
    if len(table.schemas()) > 1 or any(ord(letter) > 0xFFFF for item in table.schema().fields for letter in item.name):
        return None  # beyond the first plane PyIceberg and Iceberg's Java spell a column's name in the file differently
    paths = []
    for text in addresses:
        address = urlparse(text)
        if address.scheme not in ("", "file"):
            return None
        paths.append(unquote(address.path) if address.scheme else text)
    return paths
