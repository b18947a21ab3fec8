"""A rehearsal on real servers: the estate is copied under traffic, the whole round runs on the copy, the original learns from it."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from cutwater.cli.main import app
from cutwater.commands import inventory, runbook, wave, wave_status
from cutwater.core.config import Project, load_project
from cutwater.state.store import open_store
from sandbox import rehearsal, servers
from sandbox.estate import commands as estate
from sandbox.estate.observe import differences
from waves.rehearsal import REHEARSAL_MEASURED

pytestmark = [pytest.mark.real, pytest.mark.timeout(1500)]
FILES = Path(__file__).resolve().parents[2] / "sandbox" / "project"
GATE = """
  - id: rehearsed
    title: The whole round was rehearsed within 7 days
    query: rehearsal.age_days
    threshold: 7
    max_age_minutes: 60
"""


@pytest.fixture
def project(session_home: Path, tmp_path: Path) -> Iterator[Project]:
    """A sandbox of our own, seeded, its wave planned: a gate asks for a rehearsal."""
    shutil.copytree(FILES, tmp_path / "files")
    path = tmp_path / "files" / "waves" / "W01.yaml"
    path.write_text(path.read_text("utf-8").replace("\noptions:", GATE + "\noptions:", 1), "utf-8")
    words = f'[project]\nname = "reh-{secrets.token_hex(3)}"\nfiles = "files"\n\n[endpoints]\nfrom = "sandbox"\n'
    (tmp_path / "cutwater.toml").write_text(words, "utf-8")
    found = load_project(tmp_path)
    try:
        servers.up(found)
        estate.seed(found, payments=400, days=2, seed=11)
        inventory.discover(found)
        wave.plan_wave(found, "W01", "planner")
        yield found
    finally:
        rehearsal.remove(found, "W01")
        estate.traffic(found, stop=True)
        servers.down(found, delete=True)


def cutwater(project: Project, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*words, "--project", str(project.root)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def of_ours(project: Project) -> list[str]:
    """What a migration would have left on the legacy side."""
    with psycopg.connect(project.endpoints().postgres_dsn) as db:
        return [
            *(f"slot {name}" for (name,) in db.execute("SELECT slot_name FROM pg_replication_slots")),
            *(f"publication {name}" for (name,) in db.execute("SELECT pubname FROM pg_publication")),
            *(
                f"schema {name}"
                for (name,) in db.execute("SELECT nspname FROM pg_namespace WHERE nspname = 'cutwater'")
            ),
        ]


def ids(dsn: str, source: str) -> set[int]:
    with psycopg.connect(dsn) as db:
        return {int(row[0]) for row in db.execute(f"SELECT payment_id FROM {source}".encode())}


def test_a_round_on_a_copy_feeds_the_schedule_and_leaves_the_original_alone(project: Project) -> None:
    estate.traffic(project, rate=20, detach=True)
    status = wave_status.status(project, "W01")
    assert status["rehearsal"]["last"] is None
    assert {gate["gate"]: gate["word"] for gate in status["gates"]}["rehearsed"] == "unknown"

    code, text = cutwater(project, "wave", "rehearse", "W01", "--rate", "20", "--keep", "--output", "json")
    assert code == 0, text
    told = json.loads(text)

    assert of_ours(project) == []
    assert told["plan"] == told["of_plan"], "a copy of the estate gives the same plan"
    assert {"reverse", "fence", "drain", "final", "switch", "smoke", "open"} <= told["steps"].keys() & told[
        "back"
    ].keys()
    assert len(told["dark_ms"]) == len(told["rollback_seconds"]) == 1
    assert int(told["payments"]["accepted_by_the_new_side"]) > 0

    with open_store(project.state_url) as store:
        [record] = store.journal.records("W01", [REHEARSAL_MEASURED])
        assert store.verify() == []
    assert record.payload["rollback_seconds"] == told["rollback_seconds"]
    status = wave_status.status(project, "W01")
    assert status["rehearsal"]["last"]["same_steps"]
    assert status["rehearsal"]["cutover"]["source"].startswith("rehearsed on ")
    assert {gate["gate"]: gate["verdict"] for gate in status["gates"]}["rehearsed"] == "GO"
    assert status["point_of_no_return"]["rollback_basis"] == "measured"
    assert status["point_of_no_return"]["rollback_samples_rehearsed"] == 1
    page = Path(runbook.render(project, "W01", "md").documents[0].path).read_text("utf-8")
    assert "(rehearsed on " in page

    copy = load_project(Path(told["kept"]))
    assert estate.traffic(copy, stop=True)["errors"] == {}
    assert ids(copy.endpoints().store_dsn, "tobe.payment WHERE smoke IS NULL") <= ids(
        copy.endpoints().postgres_dsn, "payhub.payment"
    ), "the copy's legacy side holds what its new side had accepted"
    assert told["changed"] is True
    for expected in (True, False):  # the same round, filed by hand, is filed once
        code, text = cutwater(project, "wave", "rehearse", "W01", "--from", str(copy.root), "--output", "json")
        assert (code, json.loads(text)["changed"]) == (0, expected)
    for expected in (True, False):
        code, text = cutwater(project, "wave", "rehearse", "W01", "--remove", "--output", "json")
        assert (code, json.loads(text)["removed"]) == (0, expected)
    assert not copy.sandbox_dir.exists()

    estate.traffic(project, stop=True)
    assert differences(project) == []
