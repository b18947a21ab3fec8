"""SIGTERM, pause and kill -9 of the real runner process while the route is dark, on a world in a file."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from waves_bench import ESTATE, WAVE, WAY_BACK

from cutwater.commands import doctor, wave, wave_run, wave_status
from cutwater.core.config import Project, load_project
from cutwater.core.errors import Refused
from cutwater.jobs.wave_state import history_of
from cutwater.state.store import open_store
from waves import life

ROLES = b"  migration-lead: nobody\n  database-owner: nobody\n"
SECTION = b"cutover:\n  grace_seconds: 1\n  outbox: [payhub, outbox, published_at]\n  smoke: [api]\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    (tmp_path / "cutwater.toml").write_text('[project]\nname = "t"\n[endpoints]\nfrom = "sandbox"\n')
    (tmp_path / "waves").mkdir()
    text = WAVE.replace(b"accepts_writes: readers", b"accepts_writes: store") + SECTION + WAY_BACK
    text = text.replace(b"start: 2026-12-05T22", b"start: 2020-12-05T22").replace(b"end: 2026-12", b"end: 2090-12")
    text = text.replace(b"  migration-lead: nobody\n", ROLES).replace(
        b"gates:", b"approvals: [migration-lead, database-owner]\ngates:"
    )
    (tmp_path / "waves" / "W01.yaml").write_bytes(text)
    (tmp_path / "smoke").mkdir()
    (tmp_path / "smoke" / "api.yaml").write_text("- {name: send, path: /}\n")
    found = load_project(tmp_path)
    with open_store(found.state_url) as store:
        store.snapshots.save(ESTATE.as_dict())
    monkeypatch.setattr(wave_run, "RUNNER", (sys.executable, str(Path(__file__).with_name("memory_runner.py"))))
    monkeypatch.setattr(wave_run, "LOOK_SECONDS", 0.02)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parent)]))
    yield found
    for gate in tmp_path.glob("hold.*"):
        gate.unlink()
    with suppress(Refused):
        wave_run.stop(found, "W01")


def until(check: Callable[[], bool], limit: float = 60.0) -> None:
    end = time.monotonic() + limit
    while not check():
        if time.monotonic() > end:
            pytest.fail("it did not come to that in time")
        time.sleep(0.02)


def route(project: Project) -> str:
    found: dict[str, Any] = json.loads((project.root / "world.json").read_text())
    return str(found["cutover"]["route"][0])


def status(project: Project) -> dict[str, Any]:
    return wave_status.status(project, "W01")


def in_the_dark(project: Project, action: str) -> tuple[int, int]:
    """A runner that waits in front of `action` while the route is dark: (its pid, the request that it carries out)."""
    gate = project.root / f"hold.{action}"
    gate.touch()
    wave.plan_wave(project, "W01", "the maker")
    wave_run.run(project, "W01", "dual-run")
    with open_store(project.state_url) as store:
        store.evidence.add("reconciliation", "W01", {"run": "R-1", "verdict": "PASS", "open_breaks": 0})
    for who, role in (("one", "migration-lead"), ("two", "database-owner")):
        wave.approve(project, "W01", who, role)
    ran = wave_run.run(project, "W01", "ready")
    with open_store(project.state_url) as store:
        request = store.requests.ask("W01", "advance", {"to": life.CUT})
        until(
            lambda: any(
                record.payload.get("action") == action for record in store.journal.records("W01", ["effect.intent"])
            )
        )
    assert route(project) == "dark"
    found = status(project)["dark"]
    assert (found["alone"], found["next"]) == (False, "cutwater wave status W01")
    return ran.pid, int(request)


def gone(project: Project) -> bool:
    return not status(project)["runner"]["alive"]


def test_sigterm_before_the_store_may_write_goes_back(project: Project) -> None:
    pid, request = in_the_dark(project, "reconcile.final")
    os.kill(pid, signal.SIGTERM)
    (project.root / "hold.reconcile.final").unlink()
    until(lambda: gone(project))
    found = status(project)
    assert (found["state"], found["condition"], found["dark"], route(project)) == ("DUAL_RUN", "", None, "legacy")
    with open_store(project.state_url) as store:
        row = store.requests.result(request)
        assert (row.state, (row.answer or {}).get("code")) == ("failed", "CW3064"), "whoever asked for it is told"
        assert history_of(store, "W01").last_run["reason"] == "stop"


def test_a_pause_once_the_store_may_write_goes_forward(project: Project) -> None:
    in_the_dark(project, "smoke.run")
    with open_store(project.state_url) as store:
        store.requests.ask("W01", "pause")
    (project.root / "hold.smoke.run").unlink()
    until(lambda: gone(project))
    found = status(project)
    assert (found["state"], found["condition"], found["dark"], route(project)) == ("CUT_OVER", "PAUSED", None, "tobe")
    assert wave_run.pause(project, "W01")["changed"] is False


def test_killed_in_the_dark_everybody_is_told_and_resume_goes_on(project: Project) -> None:
    pid, _ = in_the_dark(project, "reconcile.final")
    os.kill(pid, signal.SIGKILL)
    until(lambda: gone(project))
    found = status(project)["dark"]
    assert "DARK" in found["text"]
    assert "NO RUNNER IS ALIVE" in found["text"]
    assert (found["alone"], found["next"]) == (True, "cutwater wave resume W01")
    check = next(item for item in doctor.doctor(project) if item.name == "route")
    assert (check.state, check.fix) == ("fail", "cutwater wave resume W01")
    with pytest.raises(Refused) as refused:
        wave_run.pause(project, "W01")
    assert refused.value.code == "CW3065"
    (project.root / "hold.reconcile.final").unlink()
    assert wave_run.resume(project, "W01").state == "CUT_OVER"
    assert (status(project)["dark"], route(project)) == (None, "tobe")


def test_a_second_sigterm_ends_it_at_once(project: Project) -> None:
    pid, _ = in_the_dark(project, "reconcile.final")
    os.kill(pid, signal.SIGTERM)
    until(lambda: not _takes_it(pid))
    found = status(project)
    assert (found["state"], found["dark"]["alone"], route(project)) == ("CUTTING_OVER", True, "dark")


def _takes_it(pid: int) -> bool:
    """Sends one more as long as it is there: the first may not have been heard yet."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    found = Path(f"/proc/{pid}/stat")
    return found.exists() and found.read_text().rpartition(")")[2].split()[0] != "Z"
