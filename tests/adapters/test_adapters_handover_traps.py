"""Tables made to lose, double or alter a row: each is carried over exactly, or refused before anything is created."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from typing import Any

import psycopg
import pytest
from test_adapters_handover import COLUMNS, Estate

from adapters.iceberg.commits import append
from adapters.iceberg.tables import CreateTables
from adapters.postgres.arrow_reader import read_range
from adapters.postgres.backfill import CopyChunk
from adapters.postgres.replication import CreatePublication
from cutwater.core.config import Project
from cutwater.core.errors import CutwaterError, LeaseHeld, Refused, Unavailable
from inventory.model import ColumnMapping, TableMapping
from waves.ports import Fence

pytestmark = pytest.mark.real


class OneTable(Estate):
    """An estate of one table of the test's own; its names are quoted by the helpers below."""

    def use(self, ddl: str, key: tuple[str, ...], columns: tuple[ColumnMapping, ...], table: str = "odd") -> None:
        self.run(ddl.format(self.name))
        self.mappings = (TableMapping(self.name, table, f"legacy.{self.name}_odd", key, columns),)  # type: ignore[assignment]
        self.plain = [asdict(m) for m in self.mappings]
        self.stream = self.new_stream()

    def source(self, mapping: TableMapping) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.ends.postgres_dsn, options="-c timezone=UTC -c intervalstyle=iso_8601") as db:
            quoted = ['"' + c.name.replace('"', '""') + '"' for c in mapping.columns]
            names = ", ".join(
                f"{q}::text" if c.lake_type == "string" and not c.pg_type.startswith("char") else q
                for q, c in zip(quoted, mapping.columns, strict=True)
            )
            table = f'"{mapping.source_schema}"."{mapping.source_table}"'
            return sorted(db.execute(f"SELECT {names} FROM {table}".encode()).fetchall(), key=repr)


@pytest.fixture
def estate(sandbox_project: Project) -> Iterator[OneTable]:
    made = OneTable(sandbox_project)
    yield made
    made.remove()


ID = ColumnMapping("id", "integer", "int", False)
TEXT = ColumnMapping("text", "text", "string")


def test_a_key_that_the_replica_identity_does_not_carry_is_refused(estate: OneTable) -> None:
    """A DELETE would come without it, and the row would stay in the lake for ever."""
    columns = (ID, ColumnMapping("ref", "text", "string", False), TEXT)
    estate.use("CREATE TABLE {0}.odd (id int PRIMARY KEY, ref text NOT NULL UNIQUE, text text)", ("ref",), columns)
    with pytest.raises(Refused, match="CW3117"):
        estate.prepare()
    estate.run(f"ALTER TABLE {estate.name}.odd REPLICA IDENTITY FULL")
    estate.prepare()
    estate.run(f"INSERT INTO {estate.name}.odd SELECT i, 'r' || i, 'x' FROM generate_series(1, 5) i")
    estate.backfill()
    estate.run(f"ALTER TABLE {estate.name}.odd REPLICA IDENTITY DEFAULT; DELETE FROM {estate.name}.odd WHERE id = 2")
    with pytest.raises(Refused, match="CW3117"):
        estate.stream.poll(estate.fence)


def test_a_table_without_key_needs_the_whole_old_row(estate: OneTable) -> None:
    """With an index as identity an UPDATE comes without its old row: it would be one row more."""
    ddl = "CREATE TABLE {0}.odd (id int NOT NULL UNIQUE, text text); ALTER TABLE {0}.odd REPLICA IDENTITY USING INDEX odd_id_key"
    estate.use(ddl, (), (ID, TEXT))
    with pytest.raises(Refused, match="CW3117"):
        estate.prepare()


def test_a_large_unchanged_value_in_a_column_with_a_comma_in_its_name_is_kept(estate: OneTable) -> None:
    names = ("big, and %, `odd`", "Größe 'x'", "a.b")
    columns = (ID, *(ColumnMapping(name, "text", "string") for name in names), ColumnMapping("n", "integer", "int"))
    listed = ", ".join(f'"{name}" text' for name in names)
    estate.use(f"CREATE TABLE {{0}}.odd (id int PRIMARY KEY, {listed}, n int)", ("id",), columns)
    for name in names:
        estate.run(f'ALTER TABLE {estate.name}.odd ALTER COLUMN "{name}" SET STORAGE EXTERNAL')
    values = "repeat('x' || i, 3000), repeat('y' || i, 3000), repeat('z' || i, 3000)"
    estate.run(f"INSERT INTO {estate.name}.odd SELECT i, {values}, 0 FROM generate_series(1, 5) i")
    estate.prepare()
    estate.backfill()
    estate.run(f"UPDATE {estate.name}.odd SET n = 1 WHERE id < 4")
    estate.stream.fold_now(estate.fence)
    estate.assert_equal()


@pytest.mark.parametrize("name", ["_op", "_LSN", "_has_x", "ID"])
def test_column_names_that_are_ours_or_differ_only_by_case_are_refused(estate: OneTable, name: str) -> None:
    columns = (ID, ColumnMapping(name, "text", "string"))
    estate.use(f'CREATE TABLE {{0}}.odd (id int PRIMARY KEY, "{name}" text)', ("id",), columns)
    with pytest.raises(Refused, match="CW3119"):
        estate.prepare()


def test_a_key_that_may_be_null_is_refused(estate: OneTable) -> None:
    """No range holds a NULL, and no MERGE finds one."""
    estate.use(
        "CREATE TABLE {0}.odd (id int UNIQUE, text text); ALTER TABLE {0}.odd REPLICA IDENTITY FULL",
        ("id",),
        (ColumnMapping("id", "integer", "int"), TEXT),
    )
    with pytest.raises(Refused, match="CW3121"):
        estate.prepare()


def test_a_range_read_while_the_table_is_rewritten_is_not_empty(estate: OneTable) -> None:
    """A rewritten table looks empty to a snapshot from before: the lock comes first, then the snapshot."""
    found: list[int] = []
    mapping = TableMapping(estate.name, "item", "legacy.x", ("id",), COLUMNS)
    reader = threading.Thread(
        target=lambda: found.append(read_range(estate.ends.postgres_dsn, mapping, None, None, "rewrite")[1].num_rows)
    )
    with psycopg.connect(estate.ends.postgres_dsn) as db:
        db.execute(f"ALTER TABLE {estate.name}.item ALTER COLUMN amount TYPE numeric(23,5) USING amount + 0".encode())
        reader.start()
        time.sleep(1.0)
        db.commit()
    reader.join()
    assert found == [500]


def test_rows_that_a_policy_hides_are_not_silently_left_out(estate: OneTable) -> None:
    estate.use("CREATE TABLE {0}.odd (id int PRIMARY KEY, text text)", ("id",), (ID, TEXT))
    estate.run(f"INSERT INTO {estate.name}.odd SELECT i, 'x' FROM generate_series(1, 10) i")
    estate.run(
        f"ALTER TABLE {estate.name}.odd ENABLE ROW LEVEL SECURITY; ALTER TABLE {estate.name}.odd FORCE ROW LEVEL SECURITY;"
        f"CREATE POLICY few ON {estate.name}.odd USING (id < 4)"
    )
    with pytest.raises(CutwaterError):
        read_range(estate.ends.postgres_dsn, estate.mappings[0], None, None, "policy")
    with pytest.raises(CutwaterError, match="CW3104"):
        estate.prepare()


def test_children_by_inheritance_are_refused(estate: OneTable) -> None:
    """A child's changes come under the child's name."""
    ddl = "CREATE TABLE {0}.odd (id int PRIMARY KEY, text text); CREATE TABLE {0}.child () INHERITS ({0}.odd)"
    estate.use(ddl, ("id",), (ID, TEXT))
    with pytest.raises(Refused, match="CW3116"):
        estate.prepare()


PARTITIONED = (
    "CREATE TABLE {0}.odd (id int, text text) PARTITION BY RANGE (id);"
    "CREATE TABLE {0}.odd_1 PARTITION OF {0}.odd FOR VALUES FROM (0) TO (100);"
    "CREATE TABLE {0}.odd_2 PARTITION OF {0}.odd FOR VALUES FROM (100) TO (200)"
)


def test_a_partitioned_table_moves_by_its_root(estate: OneTable) -> None:
    estate.use(PARTITIONED, (), (ColumnMapping("id", "integer", "int"), TEXT))
    whole = "; ".join(f"ALTER TABLE {estate.name}.{name} REPLICA IDENTITY FULL" for name in ("odd", "odd_1", "odd_2"))
    estate.run(whole)
    estate.run(f"INSERT INTO {estate.name}.odd SELECT i * 7, 'x' FROM generate_series(1, 20) i")
    estate.prepare()
    estate.backfill()
    estate.run(
        f"UPDATE {estate.name}.odd SET id = id + 60 WHERE id < 80; DELETE FROM {estate.name}.odd WHERE id > 130;"
        f"CREATE TABLE {estate.name}.odd_3 PARTITION OF {estate.name}.odd FOR VALUES FROM (200) TO (300);"
        f"INSERT INTO {estate.name}.odd VALUES (250, 'later'), (1, NULL)"
    )
    estate.stream.fold_now(estate.fence)
    estate.assert_equal()


def test_partitions_of_another_replica_identity_are_refused(estate: OneTable) -> None:
    """They are decoded by their own identity: a DELETE would come without the columns that the root's promises."""
    estate.use(PARTITIONED, (), (ColumnMapping("id", "integer", "int"), TEXT))
    estate.run(
        f"ALTER TABLE {estate.name}.odd REPLICA IDENTITY FULL; ALTER TABLE {estate.name}.odd_1 REPLICA IDENTITY FULL"
    )
    with pytest.raises(Refused, match="CW3117") as caught:
        estate.prepare()
    assert "odd_2" in caught.value.what
    assert f"{estate.name}.odd_2 REPLICA IDENTITY FULL;" in caught.value.next


def test_an_unlogged_partition_is_refused(estate: OneTable) -> None:
    estate.use(PARTITIONED, (), (ColumnMapping("id", "integer", "int"), TEXT))
    estate.run(
        f"CREATE UNLOGGED TABLE {estate.name}.odd_3 PARTITION OF {estate.name}.odd FOR VALUES FROM (200) TO (300)"
    )
    with pytest.raises(Refused, match="CW3116"):
        estate.prepare()


def test_a_column_of_another_type_stops_the_stream(estate: OneTable) -> None:
    estate.use(
        "CREATE TABLE {0}.odd (id int PRIMARY KEY, text varchar(10))",
        ("id",),
        (ID, ColumnMapping("text", "character varying(10)", "string")),
    )
    estate.prepare()
    estate.backfill()
    estate.run(f"INSERT INTO {estate.name}.odd VALUES (1, 'fits')")
    estate.stream.poll(estate.fence)
    estate.run(
        f"ALTER TABLE {estate.name}.odd ALTER COLUMN text TYPE varchar(20); INSERT INTO {estate.name}.odd VALUES (2, 'x')"
    )
    with pytest.raises(Refused, match="CW3128"):
        estate.stream.poll(estate.fence)


def test_a_lake_table_of_another_wave_is_not_copied_into(estate: OneTable) -> None:
    estate.use("CREATE TABLE {0}.odd (id int PRIMARY KEY, text text)", ("id",), (ID, TEXT))
    estate.prepare()
    with pytest.raises(Refused, match="CW3205"):
        CreateTables(estate.catalog).perform({"mappings": estate.plain}, Fence("another", 1, "test"))


def test_a_batch_that_a_zombie_appended_first_is_not_appended_again(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both runners have peeked the same changes; the earlier one's commit comes between the later one's look and commit."""
    module: Any = import_module("adapters.postgres.change_stream")

    estate.prepare()
    estate.backfill()
    later, fence = estate.new_stream(), Fence(estate.wave, 2, "later")
    estate.run(f"UPDATE {estate.name}.note SET text = 'once' WHERE id = 1")
    real = module.append

    def zombie_first(*args: Any) -> int:
        monkeypatch.setattr(module, "append", real)
        estate.stream._batch(estate.fence, "none")
        return int(real(*args))

    monkeypatch.setattr(module, "append", zombie_first)
    with pytest.raises(Unavailable, match="CW3204"):
        later.poll(fence)
    later.fold_now(fence)
    later.close()
    estate.assert_equal()
    assert estate.catalog.load_table(estate.mappings[1].changes).scan().to_arrow().num_rows == 2


def test_a_range_whose_commit_came_through_after_all_is_not_copied_twice(estate: Estate) -> None:
    estate.prepare()
    copier = CopyChunk(estate.ends.postgres_dsn, estate.catalog)
    args = {"mapping": estate.plain[0], "chunk": {"id": "c1", "lower": None, "upper": None}, "throttle": {}}
    first = copier.perform(args, estate.fence)
    estate.run(f"DELETE FROM {estate.name}.item WHERE id = 1")
    second = copier.perform(args, Fence(estate.wave, 2, "later"))
    assert (second["rows"], second["snapshot"]) == (500, first["snapshot"])
    assert len(estate.lake(estate.mappings[0])) == 500


def test_a_zombie_that_lost_its_race_meets_the_fence(estate: Estate) -> None:
    """The library would try a lost commit again by itself, past the fence."""
    estate.prepare()
    name = estate.mappings[0].target
    rows = estate.catalog.load_table(name).schema().as_arrow().empty_table()
    came: list[int] = []

    def later_runner(_: Any) -> None:
        if not came:
            came.append(append(estate.catalog, name, rows, {}, 2))

    with pytest.raises(LeaseHeld, match="CW3203"):
        append(estate.catalog, name, rows, {}, 1, later_runner)


def test_a_slot_that_somebody_else_read_voids_the_stream(estate: Estate) -> None:
    estate.prepare()
    estate.backfill()
    estate.stream.poll(estate.fence)
    estate.run(f"UPDATE {estate.name}.item SET text = 'taken by another' WHERE id = 1")
    estate.run("SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", estate.wave)
    with pytest.raises(Refused, match="CW3130"):
        estate.stream.poll(estate.fence)


@pytest.mark.parametrize(
    ("kind", "lake", "values"),
    [
        ("character(4)", "string", ("AB", "C", "ABCD")),
        (
            "uuid",
            "string",
            (
                "11111111-aaaa-1111-1111-111111111111",
                "22222222-2222-2222-2222-222222222222",
                "33333333-3333-3333-3333-333333333333",
            ),
        ),
        ("date", "date", ("2024-01-01", "2024-01-02", "1999-12-31")),
        ("numeric(10,2)", "decimal(10,2)", ("1.50", "-2.00", "3")),
        (
            "timestamp with time zone",
            "timestamptz",
            ("2024-01-01 00:00:00.000001+00", "2024-01-02 00:00:00+02", "1999-12-31 00:00:00+00"),
        ),
        ("boolean", "boolean", ("true", "false")),
        ("smallint", "int", ("-32768", "0", "32767")),
        ("bytea", "binary", ("\\x00ff", "\\x", "\\x41")),
    ],
)
def test_repair_finds_keys_of_every_type(estate: OneTable, kind: str, lake: str, values: tuple[str, ...]) -> None:
    from reconciliation.encoding import key_fields, text_of

    columns = (ColumnMapping("k", kind, lake, False), TEXT)
    estate.use(f"CREATE TABLE {{0}}.odd (k {kind} PRIMARY KEY, text text)", ("k",), columns)
    for value in values:
        estate.run(f"INSERT INTO {estate.name}.odd VALUES (%s, 'x')", value)
    estate.prepare()
    estate.backfill()
    estate.stream.fold_now(estate.fence)
    mapping = estate.mappings[0]
    table = estate.catalog.load_table(mapping.target)
    rows = table.scan().to_arrow()
    wrong = rows.set_column(1, "text", [["y"] * rows.num_rows]).cast(rows.schema)
    table.overwrite(wrong)
    keys = [[str(text_of(key_fields(mapping)[0], v))] for v in rows["k"].to_pylist()]
    estate.stream.answer("repair", {"tables": {mapping.target: keys}, "run": "R"}, estate.fence)
    estate.assert_equal()


@pytest.mark.parametrize(
    ("kind", "lake", "value"),
    [
        ("date", "date", "infinity"),
        ("timestamptz", "timestamptz", "infinity"),
        ("timestamptz", "timestamptz", "-infinity"),
        ("numeric(23,5)", "decimal(23,5)", "NaN"),
    ],
)
def test_a_value_that_the_lake_cannot_carry_is_refused_by_the_copy_too(
    estate: OneTable, kind: str, lake: str, value: str
) -> None:
    full = {"timestamptz": "timestamp with time zone"}.get(kind, kind)
    estate.use(f"CREATE TABLE {{0}}.odd (id int PRIMARY KEY, v {kind})", ("id",), (ID, ColumnMapping("v", full, lake)))
    estate.run(f"INSERT INTO {estate.name}.odd VALUES (1, %s)", value)
    estate.prepare()
    with pytest.raises(CutwaterError):
        estate.backfill()


def test_a_publication_that_leaves_something_out_is_not_taken_for_ours(estate: Estate) -> None:
    pairs = [[m.source_schema, m.source_table] for m in estate.mappings]
    listed = ", ".join(".".join(pair) for pair in pairs)
    make = CreatePublication(estate.ends.postgres_dsn)
    for narrowed in (
        f"{listed} WITH (publish = 'insert, update')",
        f"{estate.name}.note, {estate.name}.item WHERE (id < 100)",
    ):
        estate.run(f"CREATE PUBLICATION {estate.wave} FOR TABLE {narrowed}")
        with pytest.raises(Refused, match="CW3122"):
            make.perform({"name": estate.wave, "tables": pairs}, estate.fence)
        estate.run(f"DROP PUBLICATION {estate.wave}")
    make.perform({"name": estate.wave, "tables": pairs}, estate.fence)
    assert make.observe({"name": estate.wave, "tables": pairs}, estate.fence) is not None
