"""The hand-over from copy to stream on a real server, under writes: nothing lost, doubled or altered."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import psycopg
import pytest

from adapters.iceberg.catalog import open_catalog
from adapters.iceberg.tables import CreateTables, DropTables
from adapters.postgres.backfill import Bounds, CopyChunk
from adapters.postgres.checks import PostgresCheck
from adapters.postgres.replication import CreatePublication, CreateSlot, Drop
from adapters.spark.fold import FoldingStream
from cutwater.core.config import Project
from cutwater.core.errors import BadInput, CutwaterError, LeaseHeld, Refused, Unavailable
from inventory.model import ColumnMapping, TableMapping
from waves.ports import Fence

pytestmark = pytest.mark.real

COLUMNS = (
    ColumnMapping("id", "bigint", "long", False),
    ColumnMapping("amount", "numeric(23,5)", "decimal(23,5)"),
    ColumnMapping("at", "timestamp with time zone", "timestamptz"),
    ColumnMapping("day", "date", "date"),
    ColumnMapping("text", "text", "string"),
    ColumnMapping("code", "character(4)", "string"),
    ColumnMapping("flag", "boolean", "boolean"),
    ColumnMapping("raw", "bytea", "binary"),
    ColumnMapping("doc", "jsonb", "string"),
    ColumnMapping("big", "text", "string"),
)
DDL = """
CREATE TABLE {schema}.{table} ({key}, amount numeric(23,5), at timestamptz, day date, text text, code char(4), flag boolean,
  raw bytea, doc jsonb, big text)
"""


class Estate:
    """A schema of our own in the shared sandbox, and the wave's parts over it."""

    def __init__(self, project: Project) -> None:
        self.project, self.ends = project, project.endpoints()
        self.name = "h" + secrets.token_hex(4)
        self.wave = self.name
        self.fence = Fence(self.wave, 1, "test")
        self.catalog = open_catalog(self.ends)
        self.run(f"CREATE SCHEMA {self.name}")
        self.run(DDL.format(schema=self.name, table="item", key="id bigint PRIMARY KEY"))
        self.run(DDL.format(schema=self.name, table="note", key="id bigint"))
        self.run(f"ALTER TABLE {self.name}.note REPLICA IDENTITY FULL")
        self.run(f"ALTER TABLE {self.name}.item ALTER COLUMN big SET STORAGE EXTERNAL")
        for table in ("item", "note"):
            self.run(
                f"INSERT INTO {self.name}.{table} SELECT i, i * 1.00001, now() + i * interval '1 ms', current_date - i::int, "
                "'é' || i, 'AB', i % 2 = 0, decode(md5(i::text), 'hex'), jsonb_build_object('n', i), "
                "CASE WHEN i % 10 = 0 THEN repeat('x' || i, 3000) END FROM generate_series(1, 500) AS i"
            )
        self.mappings = (
            TableMapping(self.name, "item", f"legacy.{self.name}_item", ("id",), COLUMNS),
            TableMapping(self.name, "note", f"legacy.{self.name}_note", (), COLUMNS),
        )
        self.plain = [asdict(m) for m in self.mappings]
        self.stream = self.new_stream()

    def new_stream(self) -> FoldingStream:
        return FoldingStream(self.project, self.ends.postgres_dsn, self.catalog, self.wave, self.wave, self.mappings)

    def run(self, statement: str, *args: Any) -> None:
        with psycopg.connect(self.ends.postgres_dsn, autocommit=True) as db:
            db.execute(statement.encode(), args or None)

    def prepare(self) -> None:
        PostgresCheck(self.ends.postgres_dsn).perform({"tables": self.plain, "wave": self.wave}, self.fence)
        CreateTables(self.catalog).perform({"mappings": self.plain}, self.fence)
        pairs = [[m.source_schema, m.source_table] for m in self.mappings]
        CreatePublication(self.ends.postgres_dsn).perform({"name": self.wave, "tables": pairs}, self.fence)
        CreateSlot(self.ends.postgres_dsn).perform({"name": self.wave}, self.fence)

    def backfill(self, rows: int = 70) -> list[dict[str, Any]]:
        copier, outcomes = CopyChunk(self.ends.postgres_dsn, self.catalog), []
        for plain in self.plain:
            bounds = Bounds(self.ends.postgres_dsn).perform({"mapping": plain, "max_rows_per_chunk": rows}, self.fence)
            for chunk in bounds["chunks"]:
                outcomes.append(copier.perform({"mapping": plain, "chunk": chunk, "throttle": {}}, self.fence))
        return outcomes

    def source(self, mapping: TableMapping) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.ends.postgres_dsn, options="-c timezone=UTC") as db:
            names = ", ".join(f"{c.name}::text" if c.pg_type in ("jsonb",) else c.name for c in mapping.columns)
            rows = db.execute(f"SELECT {names} FROM {mapping.source_schema}.{mapping.source_table}".encode()).fetchall()
        return sorted(rows, key=repr)

    def lake(self, mapping: TableMapping) -> list[tuple[Any, ...]]:
        rows = self.catalog.load_table(mapping.target).scan().to_arrow().to_pylist()
        return sorted((tuple(row[c.name] for c in mapping.columns) for row in rows), key=repr)

    def assert_equal(self) -> None:
        for mapping in self.mappings:
            ours, theirs = (sorted(map(normal, side)) for side in (self.lake(mapping), self.source(mapping)))
            assert ours == theirs, mapping.target

    def remove(self) -> None:
        self.stream.close()
        names = [name for m in self.mappings for name in (m.target, m.changes)]
        DropTables(self.catalog).perform({"tables": names, "names": names}, self.fence)
        Drop(self.ends.postgres_dsn, "slot").perform({"name": self.wave}, self.fence)
        Drop(self.ends.postgres_dsn, "publication").perform({"name": self.wave}, self.fence)
        self.run(f"DROP SCHEMA {self.name} CASCADE")
        self.catalog.close()


def normal(row: tuple[Any, ...]) -> str:
    return repr(tuple(v.isoformat() if hasattr(v, "isoformat") else v for v in row)).replace("UTC", "")


@pytest.fixture
def estate(sandbox_project: Project) -> Iterator[Estate]:
    made = Estate(sandbox_project)
    yield made
    made.remove()


def test_a_copy_made_under_writes_and_its_stream_end_as_the_source(estate: Estate) -> None:
    estate.prepare()
    stop = threading.Event()

    def write() -> None:
        n = 0
        with psycopg.connect(estate.ends.postgres_dsn) as db:
            while not stop.is_set():
                n += 1
                for table in ("item", "note"):
                    name = f"{estate.name}.{table}"
                    db.execute(
                        f"INSERT INTO {name} (id, amount, text, code) VALUES (%s, %s, 'new', 'Z')".encode(),
                        (1000 + n, n),
                    )
                    db.execute(f"UPDATE {name} SET amount = amount + 1, flag = NULL WHERE id = %s".encode(), (n % 500,))
                    db.execute(f"UPDATE {name} SET big = 'y' WHERE id = %s".encode(), ((n * 20) % 500,))
                    db.execute(f"DELETE FROM {name} WHERE id = %s".encode(), ((n * 7) % 500,))
                if n % 5 == 0:
                    db.rollback()
                db.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        outcomes = estate.backfill()
        estate.stream.poll(estate.fence)
    finally:
        stop.set()
        writer.join()
    assert len({outcome["snapshot"] for outcome in outcomes}) > 1
    estate.stream.fold_now(estate.fence)
    estate.assert_equal()
    estate.run(f"UPDATE {estate.name}.item SET text = 'after' WHERE id % 3 = 0")
    estate.run(f"UPDATE {estate.name}.note SET text = 'after' WHERE id % 3 = 0")
    estate.run(f"INSERT INTO {estate.name}.note SELECT * FROM {estate.name}.note WHERE id < 20")
    estate.run(f"DELETE FROM {estate.name}.note WHERE ctid = (SELECT min(ctid) FROM {estate.name}.note WHERE id < 20)")
    estate.stream.fold_now(estate.fence)
    estate.assert_equal()


def test_a_moved_primary_key_is_a_delete_and_an_insert(estate: Estate) -> None:
    estate.prepare()
    estate.run(f"UPDATE {estate.name}.item SET id = 5000 WHERE id = 3")
    estate.backfill()
    estate.run(f"UPDATE {estate.name}.item SET id = 5001 WHERE id = 4")
    estate.run(f"UPDATE {estate.name}.item SET id = 4, text = 'reused' WHERE id = 5")
    estate.stream.fold_now(estate.fence)
    estate.assert_equal()


def test_a_moved_key_with_a_large_unchanged_value_is_refused(estate: Estate) -> None:
    estate.prepare()
    estate.backfill()
    estate.run(f"UPDATE {estate.name}.item SET id = 5000 WHERE id = 10")
    with pytest.raises(Refused, match="CW3123"):
        estate.stream.poll(estate.fence)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("TRUNCATE {0}.item", "CW3131"),
        ("ALTER TABLE {0}.item ADD COLUMN extra int; UPDATE {0}.item SET extra = 1 WHERE id = 1", "CW3128"),
    ],
)
def test_truncate_and_ddl_stop_the_stream_before_them(estate: Estate, statement: str, code: str) -> None:
    estate.prepare()
    estate.backfill()
    estate.run(f"UPDATE {estate.name}.item SET text = 'before' WHERE id = 1")
    estate.run(statement.format(estate.name))
    for _ in range(2):
        with pytest.raises(Refused, match=code):
            estate.stream.poll(estate.fence)


def test_a_stream_killed_between_two_tables_loses_and_doubles_nothing(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    import adapters.postgres.change_stream as module

    estate.prepare()
    estate.backfill()
    estate.run(f"UPDATE {estate.name}.item SET text = 'a' WHERE id < 50")
    estate.run(f"UPDATE {estate.name}.note SET text = 'a' WHERE id < 50")
    real, calls = module.append, []

    def dies_at_the_second(*args: Any) -> int:
        calls.append(args[1])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, "append", dies_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            estate.stream.poll(estate.fence)
    estate.stream.close()
    estate.stream = estate.new_stream()
    estate.run(f"UPDATE {estate.name}.item SET text = 'b' WHERE id < 5")
    estate.stream.fold_now(estate.fence)
    estate.assert_equal()
    changes = estate.catalog.load_table(estate.mappings[1].changes).scan().to_arrow()
    assert changes.num_rows == 2 * 49


def test_a_range_that_was_copied_is_known_and_a_zombie_writes_nothing(estate: Estate) -> None:
    estate.prepare()
    copier = CopyChunk(estate.ends.postgres_dsn, estate.catalog)
    args = {"mapping": estate.plain[0], "chunk": {"id": "c1", "lower": None, "upper": 100}, "throttle": {}}
    later = Fence(estate.wave, 2, "later")
    assert copier.observe(args, estate.fence) is None
    done = copier.perform(args, later)
    assert copier.observe(args, later) is not None
    assert done["rows"] == 99
    with pytest.raises(LeaseHeld, match="CW3203"):
        copier.perform({**args, "chunk": {"id": "c2", "lower": 100, "upper": None}}, estate.fence)


def test_repair_brings_a_lost_and_an_altered_row_back(estate: Estate) -> None:
    estate.prepare()
    estate.backfill()
    estate.stream.fold_now(estate.fence)
    table = estate.catalog.load_table(estate.mappings[0].target)
    table.delete("id in (7, 8)")
    estate.run(f"DELETE FROM {estate.name}.item WHERE id = 9")
    asked = {estate.mappings[0].target: [["7"], ["8"], ["9"]], estate.mappings[1].target: []}
    estate.stream.answer("repair", {"tables": asked, "run": "R1"}, estate.fence)
    estate.assert_equal()


def test_what_would_break_production_is_refused_before_anything_is_created(estate: Estate) -> None:
    estate.run(f"ALTER TABLE {estate.name}.note REPLICA IDENTITY DEFAULT")
    with pytest.raises(CutwaterError, match="CW3117") as caught:
        estate.prepare()
    assert "REPLICA IDENTITY FULL" in caught.value.next
    estate.run(f"ALTER TABLE {estate.name}.note REPLICA IDENTITY FULL")
    estate.run(
        f"ALTER TABLE {estate.name}.item ALTER COLUMN code SET NOT NULL; ALTER TABLE {estate.name}.item REPLICA IDENTITY FULL"
    )
    doubled = [{**estate.plain[0], "key": ["code"]}]
    with pytest.raises(CutwaterError, match="CW3121"):
        PostgresCheck(estate.ends.postgres_dsn).perform({"tables": doubled, "wave": estate.wave}, estate.fence)


def test_an_open_transaction_that_blocks_the_slot_is_named(estate: Estate) -> None:
    with psycopg.connect(estate.ends.postgres_dsn, application_name="payroll") as db:
        db.execute(f"UPDATE {estate.name}.item SET text = 'open' WHERE id = 1".encode())
        with pytest.raises(Unavailable, match="CW3125") as caught:
            CreateSlot(estate.ends.postgres_dsn).perform({"name": estate.wave, "wait_seconds": 1}, estate.fence)
    assert "payroll" in caught.value.cause
    with psycopg.connect(estate.ends.postgres_dsn) as db:
        found = db.execute("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", (estate.wave,)).fetchone()
    assert found is None


def test_a_wrong_password_and_a_stopped_server_say_what_to_do(estate: Estate) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(estate.ends.postgres_dsn)
    wrong = psycopg.conninfo.make_conninfo(**{**parts, "password": "wrong-and-secret"})
    with pytest.raises(BadInput, match="CW3101") as caught:
        PostgresCheck(wrong).perform({"tables": [], "wave": "w"}, estate.fence)
    assert "wrong-and-secret" not in str(caught.value.as_dict())
    gone = psycopg.conninfo.make_conninfo(**{**parts, "port": 1})
    with pytest.raises(Unavailable, match="CW3102"):
        PostgresCheck(gone).perform({"tables": [], "wave": "w"}, estate.fence)


def test_a_slot_that_somebody_dropped_voids_the_stream(estate: Estate) -> None:
    estate.prepare()
    Drop(estate.ends.postgres_dsn, "slot").perform({"name": estate.wave}, estate.fence)
    with pytest.raises(Refused, match="CW3130") as caught:
        estate.stream.poll(estate.fence)
    assert "abandon" in caught.value.next


def test_a_pin_whose_marker_a_poll_has_read_already_is_answered(estate: Estate) -> None:
    estate.prepare()
    estate.backfill()
    with psycopg.connect(estate.ends.postgres_dsn) as db:
        (snapshot,) = db.execute("SELECT pg_current_snapshot()::text").fetchone() or ("",)
    marker = estate.stream.emit_marker()
    estate.stream.poll(estate.fence)
    answer = estate.stream.answer("pin", {"pg_snapshot": snapshot, "marker": marker}, estate.fence)
    assert answer is not None
    assert set(answer["tables"]) == {m.target for m in estate.mappings}


def test_a_pin_older_than_the_copy_is_not_answered_with_a_newer_state(estate: Estate) -> None:
    estate.prepare()
    estate.backfill()
    with psycopg.connect(estate.ends.postgres_dsn) as db:
        (snapshot,) = db.execute("SELECT pg_current_snapshot()::text").fetchone() or ("",)
    estate.run(f"UPDATE {estate.name}.item SET text = 'later' WHERE id = 1")
    estate.stream.fold_now(estate.fence)
    with pytest.raises(Unavailable, match="CW3210"):
        estate.stream.answer("pin", {"pg_snapshot": snapshot, "marker": estate.stream.emit_marker()}, estate.fence)


def test_a_pin_that_nobody_waits_for_any_more_does_not_hold_up_the_stream(estate: Estate) -> None:
    late = {"pg_snapshot": "1:1:", "marker": "never written", "until": "2026-01-01T00:00:00Z"}
    with pytest.raises(Unavailable, match="CW3133"):
        estate.stream.answer("pin", late, estate.fence)


def test_a_pin_whose_marker_an_earlier_runner_has_read_is_answered_all_the_same(estate: Estate) -> None:
    """The runner was killed after it had read on; the next one would wait for a marker that never comes again."""
    estate.prepare()
    estate.backfill()
    estate.stream.fold_now(estate.fence)
    marker = estate.stream.emit_marker()
    estate.stream.poll(estate.fence)
    estate.stream.close()
    with psycopg.connect(estate.ends.postgres_dsn) as db:
        snapshot = str(db.execute("SELECT pg_current_snapshot()::text").fetchone()[0])  # type: ignore[index]
    estate.stream = estate.new_stream()
    estate.run(f"UPDATE {estate.name}.item SET amount = amount + 1 WHERE id <= 10")
    answer = estate.stream.answer("pin", {"pg_snapshot": snapshot, "marker": marker}, estate.fence)
    assert answer is not None
    assert answer["pg_snapshot"] == snapshot
