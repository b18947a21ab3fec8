"""`cutwater wave`: plan, run, kill -9, resume, approve, edit, abandon, on a world in a file and real processes."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from memory_runner import FileWiring
from waves_bench import ESTATE, PAYMENT, START, WAVE

from cutwater.commands import wave_run
from cutwater.core.config import Project, load_project
from cutwater.core.errors import CutwaterError
from cutwater.jobs.wave_state import history_of
from cutwater.state.store import open_store

Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    (tmp_path / "cutwater.toml").write_text('[project]\nname = "t"\n[endpoints]\nfrom = "sandbox"\n')
    (tmp_path / "waves").mkdir()
    (tmp_path / "waves" / "W01.yaml").write_bytes(WAVE)
    found = load_project(tmp_path)
    with open_store(found.state_url) as store:
        store.snapshots.save(ESTATE.as_dict())
    monkeypatch.setattr(wave_run, "RUNNER", (sys.executable, str(Path(__file__).with_name("memory_runner.py"))))
    monkeypatch.setattr(wave_run, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr("cutwater.commands.wave._wiring", lambda wiring: wiring or FileWiring())
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parent)]))
    yield found
    wave_run.stop(found, "W01")


@pytest.fixture
def cutwater(project: Project, capsys: pytest.CaptureFixture[str]) -> Run:
    from cutwater.cli.main import main

    def run(*words: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = 0
        try:
            main([*words, "--project", str(project.root), "--output", "json"])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, json.loads(out) if out.strip() else None, err

    return run


def world(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.root / "world.json").read_text())
    return found


def until(check: Callable[[], bool], limit: float = 30.0) -> None:
    end = time.monotonic() + limit
    while not check():
        if time.monotonic() > end:
            pytest.fail("it did not come to that in time")
        time.sleep(0.02)


def evidence(project: Project, breaks: int = 0) -> None:
    with open_store(project.state_url) as store:
        store.evidence.add(
            "reconciliation", "W01", {"run": "R-1", "verdict": "FAIL" if breaks else "PASS", "open_breaks": breaks}
        )


def error(err: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(err[err.index("{") :])
    return found


def test_from_plan_to_ready_and_abandoned(cutwater: Run, project: Project) -> None:
    code, planned, _ = cutwater("wave", "plan", "W01")
    assert (code, planned["changed"], planned["attempt"]) == (0, True, 1)
    assert cutwater("wave", "plan", "W01")[1]["changed"] is False
    code, dry, _ = cutwater("wave", "run", "W01", "--dry-run")
    assert code == 0
    assert not (project.root / "world.json").exists()
    assert any(item["effect"] == "prepare/slot" for item in dry["effects"])

    code, ran, err = cutwater("wave", "run", "W01", "--to", "dual-run")
    assert (code, ran["state"], ran["runner_alive"]) == (0, "DUAL_RUN", True), err
    assert cutwater("wave", "run", "W01", "--to", "dual-run")[0] == 6  # a second runner

    code, found, _ = cutwater("wave", "status", "W01")
    words = {item["name"]: item["word"] for item in found["criteria"]}
    assert found["runner"]["alive"]
    assert (words["backfill"], words["gate recon"], words["approval"]) == ("pass", "unknown", "blocked")
    assert found["next"] == "cutwater reconcile run W01"

    code, _, err = cutwater("wave", "approve", "W01", "--as", "A", "--role", "migration-lead")
    assert (code, error(err)["code"]) == (3, "CW3013")  # no evidence: no-go
    evidence(project, breaks=3)
    code, _, err = cutwater("wave", "run", "W01", "--to", "ready")
    assert (code, error(err)["code"]) == (3, "CW3013")
    evidence(project)
    code, _, err = cutwater("wave", "run", "W01", "--to", "ready")
    assert (code, error(err)["code"]) == (3, "CW3014")  # green, not approved
    short = planned["hash"][:12]
    assert cutwater("wave", "approve", "W01", "--as", "A", "--role", "migration-lead", "--plan", "0000beef")[0] == 3
    assert cutwater("wave", "approve", "W01", "--as", "A", "--role", "cook")[0] == 4
    code, given, _ = cutwater("wave", "approve", "W01", "--as", "A", "--role", "migration-lead", "--plan", short)
    assert (code, given["changed"]) == (0, True)
    assert cutwater("wave", "approve", "W01", "--as", "A", "--role", "migration-lead")[1]["changed"] is False
    code, ran, err = cutwater("wave", "run", "W01", "--to", "ready")
    assert (code, ran["state"]) == (0, "READY"), err

    assert cutwater("wave", "abandon", "W01", "--yes", "W01")[0] == 6  # a runner is at work
    assert cutwater("wave", "pause", "W01")[1]["changed"] is True
    assert cutwater("wave", "pause", "W01")[1]["changed"] is False
    assert cutwater("wave", "abandon", "W01", "--yes", "W02")[0] == 3
    code, gone, _ = cutwater("wave", "abandon", "W01", "--yes", "W01")
    assert code == 0
    assert "postgres:slot/cutwater_w01" in gone["removed"]
    assert (world(project)["slots"], world(project)["tables"]) == ([], {})
    assert cutwater("wave", "abandon", "W01", "--yes", "W01")[1]["changed"] is False
    assert cutwater("wave", "run", "W01")[0] == 3  # illegal: it needs a plan
    assert cutwater("wave", "plan", "W01")[1]["attempt"] == 2
    # What the abandoned attempt had shown, and what was said of it, went with it.
    status = cutwater("wave", "status", "W01")[1]
    assert status["approved"] is False
    assert {item["word"] for item in status["gates"]} == {"unknown"}
    with open_store(project.state_url) as store:
        assert store.journal.verify() == []


def test_killed_with_sigkill_it_is_seen_dead_and_resumes(cutwater: Run, project: Project) -> None:
    cutwater("wave", "plan", "W01")
    hold = project.root / "hold"
    hold.touch()
    code, ran, err = cutwater("wave", "run", "W01", "--to", "backfill", "--detach")
    assert code == 0, err
    with open_store(project.state_url) as store:
        until(lambda: any("/chunk/" in name for name in history_of(store, "W01").intents))
    os.kill(ran["pid"], signal.SIGKILL)
    until(lambda: cutwater("wave", "status", "W01")[1]["runner"]["dead"])
    found = cutwater("wave", "status", "W01")[1]
    assert found["next"] == "cutwater wave resume W01"
    hold.unlink()
    code, ran, err = cutwater("wave", "resume", "W01")
    assert (code, ran["state"]) == (0, "BACKFILLING"), err
    assert world(project)["tables"]["legacy.payment"] == {"0": 100, "1": 100, "2": 50}
    assert max(world(project)["deeds"].values()) == 1


def test_ctrl_c_detaches_and_the_runner_goes_on(
    cutwater: Run, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cutwater.cli.wave_lines import Story

    assert cutwater("wave", "plan", "W01")[0] == 0

    def pressed(self: Story, record: Any, history: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Story, "__call__", pressed)
        code, _, err = cutwater("wave", "run", "W01")
    assert code == 130
    assert "Detached: the runner goes on. next: cutwater wave status W01" in err
    until(lambda: cutwater("wave", "status", "W01")[1]["state"] == "DUAL_RUN")


def test_an_edited_plan_is_refused_after_approval(cutwater: Run, project: Project) -> None:
    cutwater("wave", "plan", "W01")
    assert cutwater("wave", "run", "W01")[0] == 0
    evidence(project)
    assert cutwater("wave", "approve", "W01", "--as", "A", "--role", "migration-lead")[0] == 0
    path = project.root / "waves" / "W01.yaml"
    path.write_bytes(WAVE.replace(b"threshold: 0", b"threshold: 5"))
    code, _, err = cutwater("wave", "run", "W01", "--to", "ready")
    assert (code, error(err)["code"]) == (3, "CW3011")
    code, planned, _ = cutwater("wave", "plan", "W01")
    assert (code, planned["voided_approvals"]) == (0, 1)
    code, _, err = cutwater("wave", "run", "W01", "--to", "ready")
    assert (code, error(err)["code"]) == (3, "CW3011")  # the runner still holds the plan before
    cutwater("wave", "pause", "W01")
    code, _, err = cutwater("wave", "resume", "W01", "--to", "ready")
    assert (code, error(err)["code"]) == (3, "CW3014")  # the approval was of the plan before
    path.write_bytes(WAVE.replace(b"chunk_rows: 100", b"chunk_rows: 200"))
    assert cutwater("wave", "plan", "W01")[0] == 3  # its copies were made already


def test_structural_drift_voids_the_approval_and_traffic_does_not(cutwater: Run, project: Project) -> None:
    cutwater("wave", "plan", "W01")
    assert cutwater("wave", "run", "W01")[0] == 0
    evidence(project)
    with open_store(project.state_url) as store:
        busy = replace(PAYMENT, measures={"rows": 12345})
        assets = (busy, *ESTATE.assets[1:])
        store.snapshots.save(replace(ESTATE, id="S2", taken_at=START.replace(hour=13), assets=assets).as_dict())
    assert cutwater("wave", "approve", "W01", "--as", "A", "--role", "migration-lead")[0] == 0
    with open_store(project.state_url) as store:
        other = replace(PAYMENT, structure={**PAYMENT.structure, "relkind": "partitioned"})
        assets = (other, *ESTATE.assets[1:])
        store.snapshots.save(replace(ESTATE, id="S3", taken_at=START.replace(hour=14), assets=assets).as_dict())
    code, _, err = cutwater("wave", "run", "W01", "--to", "ready")
    assert (code, error(err)["code"]) == (3, "CW3018")
    words = {item["name"]: item["word"] for item in cutwater("wave", "status", "W01")[1]["criteria"]}
    assert words["plan"] == "blocked"


def test_a_plan_altered_in_the_store_is_refused(cutwater: Run, project: Project) -> None:
    cutwater("wave", "plan", "W01")
    import sqlite3

    base = sqlite3.connect(project.run_dir / "state.db")
    base.execute("UPDATE plan SET body = replace(body, 'payhub.account', 'payhub.accounts')")
    base.commit()
    base.close()
    code, _, err = cutwater("wave", "run", "W01")
    assert (code, error(err)["code"]) == (3, "CW2008")


def test_what_is_wrong_is_said_with_the_exit_code(cutwater: Run, project: Project) -> None:
    assert cutwater("wave", "plan", "W09")[0] == 4
    assert cutwater("wave", "run", "W01")[0] == 4  # not planned
    assert cutwater("wave", "status", "W01")[0] == 4
    cutwater("wave", "plan", "W01")
    assert cutwater("wave", "approve", "W01", "--as", "A", "--role", "migration-lead")[0] == 3
    assert cutwater("wave", "run", "W01", "--to", "moon")[0] == 4
    for word in ("redy", "completed", "cut-over"):  # what moves payments is asked for by its own name
        assert cutwater("wave", "resume", "W01", "--to", word)[0] == 4
    assert isinstance(wave_run.stop(project, "W01"), bool)


def test_text_screens_are_printed(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    from cutwater.cli.main import main

    for words in (["plan", "W01"], ["show", "W01"], ["status", "W01"], ["status"], ["run", "W01", "--to", "prepared"]):
        with pytest.raises(SystemExit) as end:
            main(["wave", *words, "--project", str(project.root)])
        assert end.value.code == 0
    out = capsys.readouterr().out
    assert "NO-GO" in out
    assert "PREPARED" in out


def test_pause_is_seen_by_a_second_process_and_error_is_rebuilt() -> None:
    from cutwater.core.errors import Refused
    from cutwater.jobs.wave_state import error_from

    first = Refused("CW3013", "no", cause="c", next="n", details={"a": 1})
    again = error_from(first.as_dict())
    assert isinstance(again, Refused)
    assert isinstance(again, CutwaterError)
    assert again.as_dict() == first.as_dict()
