"""Parquet, CSV, DuckDB and Iceberg as sides of an ad hoc comparison, and the copy in which differences are planted."""

from __future__ import annotations

import csv
import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutwater.core.errors import BadInput, Unavailable
from inventory.model import TableMapping
from reconciliation.dialect import quote, repeated
from reconciliation.dialect_duckdb import DuckDialect
from reconciliation.encoding import Field, compared, text_of
from reconciliation.forms import Form
from reconciliation.locations import Location
from reconciliation.ports import BucketDigest, Pin, TableSide
from reconciliation.readings import digests_from, rows_from, totals_from

if TYPE_CHECKING:
    import duckdb

_DIALECT = DuckDialect()
_NOT_NEGATIVE = "CASE WHEN {} = 0 THEN 0 ELSE {} END"
_CASTS = {
    "long": "CAST({} AS BIGINT)", "uuid": "lower(CAST({} AS VARCHAR))", "string": "CAST({} AS VARCHAR)", "time": "CAST({} AS VARCHAR)",
    "float": f"CAST({_NOT_NEGATIVE} AS FLOAT)", "double": f"CAST({_NOT_NEGATIVE} AS DOUBLE)",
    "timestamp": "CAST({} AS TIMESTAMP)",
}  # fmt: skip
_BITS = "CASE WHEN isnan({0}) THEN 'NaN' ELSE lower(lpad(to_hex((CASE WHEN {0} = 0 THEN 0 ELSE {0} END)::DOUBLE::BIT::UBIGINT), 16, '0')) END"
_INSTANT = "CASE WHEN isfinite({0}) THEN epoch_us({0})::VARCHAR ELSE {0}::VARCHAR END"
# What a CSV's text is, where it is of that type; where it is not it stays as it is and differs.
_WORDS = {
    "double": ("DOUBLE", _BITS), "date": ("DATE", "{0}::VARCHAR"), "timestamp": ("TIMESTAMP", _INSTANT),
    "timestamptz": ("TIMESTAMPTZ", _INSTANT), "boolean": ("BOOLEAN", "{0}::VARCHAR"), "time": ("TIME", "{0}::VARCHAR"),
    "uuid": ("UUID", "{0}::VARCHAR"),
}  # fmt: skip


class Files:
    """One in-process DuckDB; the same words as `LakeReader` has."""

    def __init__(self, threads: int = 2, memory: str = "1GB") -> None:
        import duckdb

        config = {"threads": threads, "memory_limit": memory, "autoinstall_known_extensions": False}
        self.connection: duckdb.DuckDBPyConnection = duckdb.connect(":memory:", config=config)
        self.connection.execute("SET TimeZone = 'UTC'")
        self.lock = threading.RLock()

    def query(self, text: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows. Raises Unavailable CW4033 with DuckDB's words."""
        import duckdb

        with self.lock:
            try:
                if len(duckdb.extract_statements(text)) != 1:
                    raise BadInput("CW4034", "the condition is more than one statement", state="nothing was compared")
                return list(self.connection.execute(text, parameters).fetchall())
            except duckdb.Error as error:
                raise Unavailable(
                    "CW4033",
                    "the data of one side cannot be read",
                    cause=" ".join(str(error).split())[:300],
                    state="nothing was changed; what was not read counts as not checked",
                    next="mend the file or the condition, then the same command again",
                ) from error

    @contextmanager
    def copy_of(self, mapping: TableMapping, rows: Sequence[Mapping[str, Any]]) -> Iterator[TableSide]:
        """A copy of some rows in memory, as canonical texts: no store's types have every value of the other's."""
        import pyarrow

        fields = compared(mapping)
        columns = [pyarrow.array([text_of(item, row[item.name]) for row in rows], pyarrow.string()) for item in fields]
        with self.lock:
            self.connection.register("planting", pyarrow.table(columns, [item.name for item in fields]))
            self.query("CREATE OR REPLACE TEMP TABLE planted AS SELECT * FROM planting")
            self.connection.unregister("planting")
        try:
            yield PlantedSide(self)
        finally:
            self.query("DROP TABLE IF EXISTS planted")


class _Texts(DuckDialect):
    def text(self, field: Field) -> str:
        return quote(field.name)


class PlantedSide:
    """The copy. It has no totals: rows are found by their digests."""

    def __init__(self, files: Files) -> None:
        self.files = files

    def columns(self, mapping: TableMapping, pin: Pin) -> dict[str, str]:
        return {item.name: item.lake_type for item in mapping.columns}

    def totals(self, mapping: TableMapping, pin: Pin) -> dict[str, Any]:
        return {}

    def digests(self, mapping: TableMapping, pin: Pin, buckets: int) -> dict[int, BucketDigest]:
        return digests_from(self.files.query(_Texts().digests("planted", mapping, buckets)))

    def rows(self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        yield from rows_from(mapping, self.files.query(_Texts().rows("planted", mapping, buckets, wanted)))


class LocatedFiles:
    """A file, a folder of Parquet files, a table of a DuckDB file or of a catalog. `forms` is set before it is compared."""

    key: tuple[str, ...] = ()

    def __init__(self, place: Location, where: str = "") -> None:
        self.place, self.where, self.reader = place, where, Files()
        self.types: dict[str, str] = {}
        self.forms: dict[str, Form] = {}
        self._scan = ""
        self._files: list[Path] = []
        self._stats: dict[Path, tuple[int, ...]] = {}

    @contextmanager
    def pinned(self) -> Iterator[Pin]:
        """The bytes that are read, by name, size and hash. Raises BadInput CW4032 (no such file or table), Unavailable CW4033."""
        try:
            pin = self._iceberg() if self.place.scheme == "iceberg" else self._on_disk()
            described = self.reader.query(f"DESCRIBE FROM {self._scan}")
            self.types = {str(row[0]): "csv" if self.place.scheme == "csv" else str(row[1]) for row in described}
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
        return totals_from(mapping, self.reader.query(_DIALECT.totals(self._relation(), mapping)))

    def digests(self, mapping: TableMapping, pin: Pin, buckets: int) -> dict[int, BucketDigest]:
        return digests_from(self.reader.query(_DIALECT.digests(self._relation(), mapping, buckets)))

    def rows(self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        yield from rows_from(mapping, self.reader.query(_DIALECT.rows(self._relation(), mapping, buckets, wanted)))

    def repeated(self, mapping: TableMapping) -> int:
        query = repeated(self._relation(), mapping)
        return int(self.reader.query(query)[0][0] or 0)

    def _relation(self) -> str:
        csv_side = self.place.scheme == "csv"
        parts = ", ".join(f"{_written(name, form, csv_side)} AS {quote(name)}" for name, form in self.forms.items())
        condition = f" WHERE ({self.where}\n)" if self.where else ""  # a comment in it ends with its line
        return f"(SELECT {parts} FROM {self._scan} AS r{condition})"  # noqa: S608 - quoted names, the user's own condition

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


def _written(name: str, form: Form, csv_side: bool) -> str:
    column = quote(name)
    if form.kind == "number" and (csv_side or not form.untyped):
        return _number(f"CAST({column} AS VARCHAR)")
    if form.untyped and csv_side:
        if form.kind == "binary":
            return f"lower({column})"
        if form.kind not in _WORDS:
            return column
        kind, text = _WORDS[form.kind]
        return f"coalesce({text.replace('{0}', f'TRY_CAST({column} AS {kind})')}, {column})"
    if form.untyped:
        if form.kind == "number":
            return _number(f"CAST({column} AS VARCHAR)")
        if form.kind == "binary":
            return f"lower(hex({column}))"
        return _WORDS[form.kind][1].replace("{0}", column) if form.kind in _WORDS else f"CAST({column} AS VARCHAR)"
    if form.kind == "decimal":
        return f"CAST({column} AS DECIMAL({form.precision},{form.scale}))"
    return _CASTS.get(form.kind, "{}").replace("{}", column)


def _number(text: str) -> str:
    """Digits by value: no plus sign, no leading or trailing zeros; what is no plain number stays as it is."""
    lead = f"regexp_replace(regexp_replace({text}, '^[+]', ''), '^(-?)0+([0-9])', '\\1\\2')"
    short = f"CASE WHEN contains({lead}, '.') THEN regexp_replace({lead}, '[.]?0+$', '') ELSE {lead} END"
    plain = f"CASE WHEN {short} = '-0' THEN '0' ELSE {short} END"
    return f"CASE WHEN regexp_full_match({text}, '[+-]?[0-9]+([.][0-9]+)?') THEN {plain} ELSE {text} END"


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
