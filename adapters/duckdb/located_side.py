"""Parquet, CSV, DuckDB and Iceberg as sides of an ad hoc comparison."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adapters.duckdb.files import Files
from adapters.duckdb.located_text import written
from adapters.duckdb.nested import nested_columns
from cutwater.core.errors import BadInput, Unavailable
from inventory.model import TableMapping
from reconciliation.dialect import Marks, quote, repeated
from reconciliation.dialect_duckdb import DuckDialect
from reconciliation.forms import Form
from reconciliation.locations import Location
from reconciliation.ports import BucketDigest, Pin
from reconciliation.readings import digests_from, rows_from, size_of, totals_from

_KEY = """
SELECT constraint_column_names FROM duckdb_constraints()
WHERE constraint_type = 'PRIMARY KEY' AND database_name = 'given' AND table_name = ? AND schema_name = ?
"""


class LocatedFiles:
    """A file, a folder of Parquet files, a table of a DuckDB file or of a catalog. `forms` is set before it is compared."""

    def __init__(self, place: Location, where: str = "") -> None:
        self.place, self.where, self.reader = place, where, Files()
        self.types: dict[str, str] = {}
        self.key: tuple[str, ...] = ()
        self.forms: dict[str, Form] = {}
        self.derived: dict[str, str] = {}
        self.marks: Marks | None = None
        self.moved = 0
        self._scan = ""
        self._nested: dict[str, Any] = {}
        self._files: list[Path] = []
        self._stats: dict[Path, tuple[int, ...]] = {}

    @contextmanager
    def pinned(self) -> Iterator[Pin]:
        """The bytes that are read, by name, size and hash. Raises BadInput CW4032 (no such file or table), Unavailable CW4033."""
        try:
            pin = self._iceberg() if self.place.scheme == "iceberg" else self._on_disk()
            described = self.reader.query(f"DESCRIBE FROM {self._scan}")
            self.types = {str(row[0]): "csv" if self.place.scheme == "csv" else str(row[1]) for row in described}
            self._nested = nested_columns(self.reader.connection, self._scan)
            yield pin
        finally:
            self.reader.connection.close()

    def unchanged(self) -> str:
        """What happened to the files since they were pinned, in words; '' where nothing did."""
        for path, before in self._stats.items():
            if not path.exists() or _stat(path) != before:
                return f"{path.name} was changed or removed while it was compared"
        now = self._listed() if self.place.path is not None else self._files
        return "" if now == self._files else "files came or went while they were compared"

    def columns(self, mapping: TableMapping, pin: Pin) -> dict[str, str]:
        return {name: self.types[name] for name in self.forms}

    def totals(self, mapping: TableMapping, pin: Pin) -> dict[str, Any]:
        return totals_from(mapping, self._read(self._dialect.totals(self._relation(), mapping)))

    def digests(self, mapping: TableMapping, pin: Pin, buckets: int) -> dict[int, BucketDigest]:
        return digests_from(self._read(self._dialect.digests(self._relation(), mapping, buckets)))

    def rows(self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        yield from rows_from(mapping, self._read(self._dialect.rows(self._relation(), mapping, buckets, wanted)))

    @contextmanager
    def texts(self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]) -> Iterator[Any]:
        """Canonical texts of the compared fields, as Arrow record batches: of the wanted buckets (buckets = 1: of all rows)."""
        with self.reader.streamed(self._dialect.rows(self._relation(), mapping, buckets, wanted)) as batches:
            yield batches

    def repeated(self, mapping: TableMapping) -> int:
        return int(self._read(repeated(self._relation(), mapping))[0][0] or 0)

    def described(self, expression: str) -> str:
        """The type of an expression over the table. Raises BadInput CW4034 where DuckDB does not take it."""
        try:
            query = f"DESCRIBE SELECT ({expression}\n) FROM {self._scan} AS r"  # noqa: S608 - the user's own expression
            return str(self.reader.query(query)[0][1])
        except Unavailable as error:
            raise BadInput(
                "CW4034", "the expression of a derived column cannot be evaluated", cause=error.cause,
                state="nothing was compared", next="write SQL over the source's columns, as after SELECT",
            ) from error  # fmt: skip

    @property
    def _dialect(self) -> DuckDialect:
        return DuckDialect(self.marks)

    def _read(self, query: str) -> list[tuple[Any, ...]]:
        rows = self.reader.query(query)
        self.moved += size_of(rows)
        return rows

    def _relation(self) -> str:
        parts = ", ".join(f"{self._written(name)} AS {quote(name)}" for name in self.forms)
        condition = f" WHERE ({self.where}\n)" if self.where else ""  # a comment in it ends with its line
        return f"(SELECT {parts} FROM {self._scan} AS r{condition})"  # noqa: S608 - quoted names, the user's own condition

    def _written(self, name: str) -> str:
        if name in self.derived:
            return written(f"({self.derived[name]}\n)", self.types[name], self.forms[name])
        return written(quote(name), self.types[name], self.forms[name], self._nested.get(name))

    def _on_disk(self) -> Pin:
        self._files = self._listed()
        if not self._files:
            raise BadInput(
                "CW4032", f"{self.place.path} does not exist, or holds nothing to read", state="nothing was compared",
                next="mend the path",
            )  # fmt: skip
        self._stats = {path: _stat(path) for path in self._files}
        told = [f"{path.name} {path.stat().st_size} bytes sha256 {_sha256(path)[:16]}" for path in self._files]
        names = "[" + ", ".join(_literal(str(path)) for path in self._files) + "]"
        if self.place.scheme == "parquet":
            self._scan = f"read_parquet({names}, hive_partitioning = false)"
        elif self.place.scheme == "csv":
            self._scan = f"read_csv({names}, {_csv_options(self._files[0])})"
        else:
            self.reader.query(f"ATTACH {_literal(str(self._files[0]))} AS given (READ_ONLY)")
            self._scan = ".".join(quote(part) for part in ("given", *self.place.name))
            found = self.reader.query(
                _KEY, [self.place.name[-1], self.place.name[0] if len(self.place.name) > 1 else "main"]
            )
            self.key = tuple(found[0][0]) if found else ()
        more = f" and {len(told) - 3} more" if len(told) > 3 else ""
        return Pin(self.place.scheme, "; ".join(told[:3]) + more, {})

    def _listed(self) -> list[Path]:
        path = self.place.path
        if path is None or not path.exists():
            return []
        if self.place.scheme == "parquet" and path.is_dir():
            return sorted(item for item in path.rglob("*.parquet") if item.is_file())
        return [path] if path.is_file() else []

    def _iceberg(self) -> Pin:
        from pyiceberg.catalog import load_catalog

        from adapters.duckdb.lake import LakeReader

        name = ".".join(self.place.name)
        try:
            lake = LakeReader(load_catalog(self.place.server))
            number = self.place.snapshot or lake.current(name)
            relation = lake.relation(name, number)
        except (ValueError, KeyError, OSError, ImportError) as error:
            raise Unavailable(
                "CW4033", f"{name} of catalog {self.place.server} cannot be opened", cause=str(error)[:300],
                state="nothing was compared", next="name the catalog in ~/.pyiceberg.yaml or PYICEBERG_CATALOG__...",
            ) from error  # fmt: skip
        self.reader.connection.close()
        self.reader.connection, self._scan = lake.connection, relation
        return Pin("iceberg", f"{name} snapshot {number}", {})


def _csv_options(path: Path) -> str:
    """Every column a text, by the names of the first line; nothing is guessed, skipped, padded or repaired."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file, strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            "CW4032", f"{path.name} is no CSV in UTF-8", cause=str(error)[:200], state="nothing was compared",
            next="write it anew as UTF-8, separated by commas",
        ) from error  # fmt: skip
    if len(set(names)) != len(names) or not all(names):
        raise BadInput(
            "CW4032", f"the first line of {path.name} does not name every column once", cause=", ".join(names)[:200],
            state="nothing was compared", next="name every column in the first line",
        )  # fmt: skip
    columns = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"columns = {{{columns}}}, header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
        "strict_mode = true, null_padding = false, ignore_errors = false, allow_quoted_nulls = false, max_line_size = 16777216"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _stat(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
