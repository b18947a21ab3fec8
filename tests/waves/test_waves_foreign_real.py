"""Somebody else's database, from nothing but its DSN to a reconciled dual run, while its own program writes; and back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from foreign_world import TOTAL, ForeignDatabase, Load

from cutwater import wiring
from cutwater.commands import init, inventory, reconcile, wave, wave_run
from cutwater.core.config import Project, load_project
from cutwater.state.store import open_store

pytestmark = [pytest.mark.real, pytest.mark.timeout(1200)]
WAVE = "W61"


@pytest.fixture
def database(sandbox_project: Project) -> Iterator[ForeignDatabase]:
    made = ForeignDatabase(sandbox_project)
    yield made
    made.drop()


def initialised(folder: Path, database: ForeignDatabase, **more: object) -> init.Initialised:
    return init.init(folder, init.Wish(database.url, WAVE, **more))  # type: ignore[arg-type]


def opened(folder: Path, sandbox: Project, monkeypatch: pytest.MonkeyPatch, database: ForeignDatabase) -> Project:
    """The project that init wrote; the lake is that of the session's sandbox."""
    monkeypatch.setenv("CUTWATER_SOURCE_PASSWORD", database.password)
    project = load_project(folder)
    project.sandbox_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(sandbox.endpoints_file, project.endpoints_file)
    return project


def lake_total(project: Project, snapshot: int) -> int:
    catalog = wiring.catalog(project)
    found = catalog.load_table("legacy.tickets__desk").scan(snapshot_id=snapshot).to_arrow()["cash"].to_pylist()
    catalog.close()
    return sum(found)


def test_from_a_dsn_to_a_reconciled_dual_run_and_back(
    database: ForeignDatabase, sandbox_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shop"
    first = initialised(folder, database)
    for need in first.needs:
        if need.mend.endswith(";"):
            database.as_admin(need.mend)
    again = initialised(folder, database, refresh=True)
    assert again.needs == (), [need.what for need in again.needs]
    assert initialised(folder, database).written == ()
    project = opened(folder, sandbox_project, monkeypatch, database)
    load = Load(database)
    load.start()
    try:
        inventory.discover(project).require()
        wave.plan_wave(project, WAVE)
        wave_run.run(project, WAVE, "dual-run")
        for _ in range(2):
            with open_store(project.state_url) as store:
                ran = reconcile.run(project, WAVE, store)
            assert ran.body["verdict"] == "PASS", json.dumps(
                [ran.body["not_checked"], ran.body["breaks"][:20]], indent=1, default=str
            )
        pins = ran.body["pins"]
        assert lake_total(project, int(pins["snapshots"]["legacy.tickets__desk"])) == TOTAL
    finally:
        load.stop()
        if os.environ.get("KEEP"):
            print(folder)
        wave_run.stop(project, WAVE)
        wave.abandon(project, WAVE, WAVE)
    assert load.failed == "", load.failed
    assert load.done > 20
    assert database.rows("SELECT sum(cash)::int FROM tickets.desk") == [(TOTAL,)]
    assert database.rows("SELECT count(*)::int FROM pg_publication") == [(0,)]
    assert database.rows("SELECT count(*)::int FROM pg_replication_slots WHERE database = current_database()") == [(0,)]
    catalog = wiring.catalog(project)
    left = [name for space in ("legacy", "legacy_changes") for name in catalog.list_tables(space)]
    assert not [name for name in left if "tickets" in name[1] or "lager" in name[1]]
    catalog.close()
