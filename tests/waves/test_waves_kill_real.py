"""kill -9 between two journal records, on real servers and under writes; then resume: both sides equal, nothing twice.

A seeded one runs in `make test`; every gap of the run belongs to `make test-long`.
"""

from __future__ import annotations

import random
import secrets
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from adapters.iceberg.mapping_data import mapping_of
from cutwater import wiring
from cutwater.commands import inventory, wave, wave_run
from cutwater.core.config import Project, load_project
from cutwater.core.errors import CutwaterError, Inconclusive
from cutwater.jobs.wave_state import current_plan, history_of
from cutwater.state.store import open_store

pytestmark = [pytest.mark.real, pytest.mark.timeout(3000)]
RUNNER = (sys.executable, str(Path(__file__).with_name("crashing_runner.py")))
RECORDS = 40  # at least as many as a run of this wave writes; the last gaps may lie behind its end
HANDFUL = [(random.Random(7).randrange(2, 26), "after")]
EVERY = [(n, when) for n in range(1, RECORDS + 1) for when in ("before", "after")]
WAVE = "W07"


class World:
    """A schema of our own in the shared sandbox, a project of our own with one wave over it, and somebody who writes."""

    def __init__(self, sandbox: Project, folder: Path) -> None:
        self.sandbox, self.schema = sandbox, "k" + secrets.token_hex(3)
        (folder / "waves").mkdir(parents=True)
        (folder / "cutwater.toml").write_text('[project]\nname = "killed"\n')
        self.project = load_project(folder)
        self.project.sandbox_dir.mkdir(parents=True)
        shutil.copy(sandbox.endpoints_file, self.project.endpoints_file)  # the session's servers, a state of our own
        (folder / "waves" / f"{WAVE}.yaml").write_text(
            f"wave: {WAVE}\ntitle: kill test\naccepts_writes: readers\nassets: ['postgres:{self.schema}.*']\n"
            "options: {chunk_rows: 100, parallel: 2}\n"
        )
        self.run(f"CREATE SCHEMA {self.schema}")
        self.run(f"CREATE TABLE {self.schema}.a{self.schema} (id bigint PRIMARY KEY, amount numeric(18,2), note text)")
        self.run(f"CREATE TABLE {self.schema}.b{self.schema} (id bigint, note text)")
        self.run(f"ALTER TABLE {self.schema}.b{self.schema} REPLICA IDENTITY FULL")
        self.run(f"INSERT INTO {self.schema}.a{self.schema} SELECT i, i, 'n' || i FROM generate_series(1, 250) AS i")
        self.run(f"INSERT INTO {self.schema}.b{self.schema} SELECT i % 20, 'n' FROM generate_series(1, 60) AS i")

    def run(self, statement: str) -> None:
        with psycopg.connect(self.sandbox.endpoints().postgres_dsn, autocommit=True) as db:
            db.execute(statement.encode())

    def write(self, stop: threading.Event) -> None:
        n = 0
        with psycopg.connect(self.sandbox.endpoints().postgres_dsn, autocommit=True) as db:
            while not stop.wait(0.02):
                n += 1
                db.execute(
                    f"UPDATE {self.schema}.a{self.schema} SET amount = amount + 0.01 WHERE id = {n % 250 + 1}".encode()
                )
                db.execute(
                    f"INSERT INTO {self.schema}.a{self.schema} VALUES ({1000 + n}, {n}, NULL) ON CONFLICT DO NOTHING".encode()
                )
                db.execute(
                    f"DELETE FROM {self.schema}.b{self.schema} WHERE ctid = (SELECT min(ctid) FROM {self.schema}.b{self.schema})".encode()
                )
                db.execute(f"INSERT INTO {self.schema}.b{self.schema} VALUES ({n % 20}, 'n')".encode())

    def assert_both_sides_equal(self) -> None:
        with open_store(self.project.state_url) as store:
            plan = current_plan(store, history_of(store, WAVE))
            assert store.journal.verify() == []
        mappings = [mapping_of(item) for item in plan.mappings]
        with wiring.pinner(self.project, plan.as_dict()).pinned(mappings) as pair:
            catalog = wiring.catalog(self.project)
            for mapping in mappings:
                table = catalog.load_table(mapping.target)
                rows = table.scan(snapshot_id=pair.target.handle["snapshots"][mapping.target]).to_arrow().to_pylist()
                lake = sorted(repr(tuple(row[c.name] for c in mapping.columns)) for row in rows)
                with psycopg.connect(self.sandbox.endpoints().postgres_dsn) as db:
                    db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    db.execute(f"SET TRANSACTION SNAPSHOT '{pair.source.handle['snapshot']}'".encode())
                    source = db.execute(
                        f"SELECT * FROM {mapping.source_schema}.{mapping.source_table}".encode()
                    ).fetchall()
                assert lake == sorted(map(repr, source)), mapping.target
                changes = catalog.load_table(mapping.changes).scan().to_arrow()
                assert changes.num_rows == len(
                    set(zip(changes["_lsn"].to_pylist(), changes["_seq"].to_pylist(), strict=True))
                )
            catalog.close()

    def remove(self) -> None:
        wave_run.stop(self.project, WAVE)
        wave.abandon(self.project, WAVE, WAVE)
        with psycopg.connect(self.sandbox.endpoints().postgres_dsn) as db:
            left = db.execute(
                "SELECT slot_name::text FROM pg_replication_slots WHERE slot_name = 'cutwater_w07' "
                "UNION ALL SELECT pubname::text FROM pg_publication WHERE pubname = 'cutwater_w07'"
            ).fetchall()
        assert left == []
        catalog = wiring.catalog(self.project)
        assert not [name for name in catalog.list_tables("legacy") if self.schema in name[1]]
        catalog.close()
        self.run(f"DROP SCHEMA {self.schema} CASCADE")


@pytest.fixture
def world(sandbox_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(wave_run, "RUNNER", RUNNER)
    made = World(sandbox_project, tmp_path / "project")
    yield made
    shutil.rmtree(tmp_path, ignore_errors=True)


def killed_and_resumed(world: World, at: int, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    writer = threading.Thread(target=world.write, args=(stop,))
    inventory.discover(world.project)
    wave.plan_wave(world.project, WAVE)
    writer.start()
    try:
        monkeypatch.setenv("CRASH_AT", str(at))
        monkeypatch.setenv("CRASH_WHEN", when)
        died = False
        try:
            wave_run.run(world.project, WAVE, "dual-run")
        except CutwaterError as error:
            if error.code != "CW3019":  # only a death was ordered
                raise
            died = True
        monkeypatch.delenv("CRASH_AT")
        if died:
            wave_run.resume(world.project, WAVE, "dual-run")
        try:
            world.assert_both_sides_equal()
        except Inconclusive:  # killed while it brought the lake to the pin: no verdict, and none is made up
            wave_run.resume(world.project, WAVE, "dual-run")
            world.assert_both_sides_equal()
    finally:
        stop.set()
        writer.join()
        world.remove()


@pytest.mark.parametrize(("at", "when"), HANDFUL)
def test_a_killed_run_resumes_to_equal_sides(world: World, at: int, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_and_resumed(world, at, when, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize(("at", "when"), EVERY)
def test_every_gap_between_two_records(world: World, at: int, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_and_resumed(world, at, when, monkeypatch)
