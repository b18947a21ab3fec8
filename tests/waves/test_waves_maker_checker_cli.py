"""Maker and checker, the point of no return, held payments and a wrong clock, as the command line shows them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from waves_bench import ESTATE, WAVE

from cutwater.commands import wave_status
from cutwater.core.clock import utc_now
from cutwater.core.config import Project, load_project
from cutwater.jobs.wave_state import history_of, put_row
from cutwater.state.store import Store, open_store

Run = Callable[..., tuple[int, Any, dict[str, Any]]]
TWO = WAVE.replace(b"  migration-lead: nobody\n", b"  migration-lead: nobody\n  database-owner: nobody\n").replace(
    b"gates:", b"approvals: [migration-lead, database-owner]\napprovers: 2\ngates:"
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "cutwater.toml").write_text('[project]\nname = "t"\n[endpoints]\nfrom = "sandbox"\n')
    (tmp_path / "waves").mkdir()
    (tmp_path / "waves" / "W01.yaml").write_bytes(TWO)
    found = load_project(tmp_path)
    with open_store(found.state_url) as store:
        store.snapshots.save(ESTATE.as_dict())
    monkeypatch.setenv("CUTWATER_USER", "Ann Maker")
    return found


@pytest.fixture
def cutwater(project: Project, capsys: pytest.CaptureFixture[str]) -> Run:
    from cutwater.cli.main import main

    def run(*words: str) -> tuple[int, Any, dict[str, Any]]:
        capsys.readouterr()
        code = 0
        try:
            main([*words, "--project", str(project.root), "--output", "json"])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, json.loads(out) if out.strip() else None, json.loads(err[err.index("{") :]) if code else {}

    return run


def state(store: Store, *moves: str) -> None:
    """Moves the wave by its journal, as the engine would."""
    for old, new in itertools.pairwise(moves):
        store.journal.append("W01", "wave.state", {"from": old, "to": new})
    put_row(store, history_of(store, "W01"))


def green(project: Project) -> None:
    with open_store(project.state_url) as store:
        state(store, "CATCHING_UP", "DUAL_RUN")
        store.evidence.add("reconciliation", "W01", {"run": "R-1", "verdict": "PASS", "open_breaks": 0})


def test_two_checkers_and_none_of_them_the_maker(cutwater: Run, project: Project) -> None:
    code, planned, _ = cutwater("wave", "plan", "W01")
    assert code == 0
    green(project)

    def approve(who: str, role: str, *more: str) -> tuple[int, Any, str]:
        code, given, error = cutwater("wave", "approve", "W01", "--as", who, "--role", role, *more)
        return code, given, str(error.get("code", ""))

    assert approve("ann  MAKER", "migration-lead")[::2] == (3, "CW3050")
    assert approve("Bo", "migration-lead", "--plan", "0000beef")[::2] == (3, "CW3052")
    code, given, _ = approve("Bo", "migration-lead", "--plan", planned["hash"][:12])
    assert (code, given["changed"], given["missing"]) == (0, True, "database-owner")
    assert given["made_by"] == ["Ann Maker"]
    assert approve("BO", "database-owner")[::2] == (3, "CW3051")
    assert approve(" bo ", "migration-lead")[1]["changed"] is False
    found = cutwater("wave", "status", "W01")[1]
    assert (found["approved"], found["approvals"]["missing"]) == (False, "database-owner")
    assert found["next"].startswith("cutwater wave approve W01 --as PERSON --role database-owner")
    assert approve("Cy", "database-owner")[1]["missing"] == ""
    assert cutwater("wave", "status", "W01")[1]["approved"] is True
    with open_store(project.state_url) as store:
        said = store.journal.records("W01", ["approval.given"])[-1].payload
        evidence = store.evidence.latest("reconciliation", "W01")
        assert evidence is not None
        assert (said["entered_by"], said["gates"][0]["evidence"]) == ("Ann Maker", evidence.id)
        bound = next(r for r in store.journal.records() if r.kind == "evidence.added").payload["body_sha256"]
        assert said["gates"][0]["hash"] == bound


def test_who_plans_it_again_is_a_maker_too(cutwater: Run, project: Project) -> None:
    path = project.root / "waves" / "W01.yaml"
    cutwater("wave", "plan", "W01")
    assert cutwater("wave", "plan", "W01", "--as", "Bo")[1]["changed"] is False  # Ann made it, and stays its maker
    path.write_bytes(TWO.replace(b"threshold: 0", b"threshold: 1"))
    cutwater("wave", "plan", "W01", "--as", "Bo")
    path.write_bytes(TWO)
    cutwater("wave", "plan", "W01", "--as", "Bo")  # the first plan once more, by somebody else
    assert cutwater("wave", "status", "W01")[1]["made_by"] == ["Ann Maker", "Bo"]
    green(project)
    for who in ("Ann Maker", "Bo"):
        code, _, error = cutwater("wave", "approve", "W01", "--as", who, "--role", "migration-lead")
        assert (code, error["code"]) == (3, "CW3050")


def test_every_status_shows_the_latest_safe_rollback_start(
    cutwater: Run, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    from cutwater.cli.main import main

    path = project.root / "waves" / "W01.yaml"
    path.write_bytes(TWO.replace(b"06:00:00Z}", b"06:00:00Z, rollback_minutes: 50}"))
    cutwater("wave", "plan", "W01")
    point = cutwater("wave", "status", "W01")[1]["point_of_no_return"]
    assert (point["latest_start"], point["rollback_basis"]) == ("2026-12-06T04:10:00.000000Z", "estimate")
    assert point["limits"]["CHAPS opens"] == "2026-12-07T06:00:00.000000Z"
    with open_store(project.state_url) as store:
        state(store, "READY", "CUTTING_OVER", "CUT_OVER", "ROLLING_BACK", "DUAL_RUN")
    point = cutwater("wave", "status", "W01")[1]["point_of_no_return"]
    assert (point["rollback_basis"], len(point["rollback_samples_seconds"])) == ("measured", 1)
    with pytest.raises(SystemExit):
        main(["wave", "status", "W01", "--project", str(project.root)])
    assert "Last safe rollback start" in capsys.readouterr().out


def test_behind_it_the_status_says_so(project: Project, cutwater: Run) -> None:
    path = project.root / "waves" / "W01.yaml"
    path.write_bytes(TWO.replace(b"2026-12-05", b"2020-12-05").replace(b"2026-12-06", b"2020-12-06"))
    cutwater("wave", "plan", "W01")
    assert cutwater("wave", "status", "W01")[1]["point_of_no_return"]["passed"] is True


def test_a_clock_five_minutes_off_makes_the_gates_unknown(project: Project, cutwater: Run) -> None:
    cutwater("wave", "plan", "W01")
    green(project)
    words = {item["gate"]: item["word"] for item in wave_status.status(project, "W01")["gates"]}
    assert words == {"recon": "pass", "breaks": "pass"}
    for off in (timedelta(minutes=5), timedelta(minutes=-5)):
        found = wave_status.status(project, "W01", lambda off=off: utc_now() + off)  # type: ignore[misc]
        assert {item["word"] for item in found["gates"]} == {"unknown"}
        assert next(item for item in found["criteria"] if item["name"] == "clock")["word"] == "late"
        assert abs(found["clock_skew_ms"]) > 290_000


def test_the_ledger_of_held_payments_is_shown_masked(
    project: Project, cutwater: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    from cutwater.cli.main import main

    at = datetime(2026, 12, 5, 23, tzinfo=UTC)
    account = "GB33BUKB20201555555555"
    with open_store(project.state_url) as store:
        for key in ("k1", "k2"):
            body = {"amount": "12.50", "currency": "GBP", "debtor": "Somebody"}
            store.held.hold("W01", key, account, at, "api", body)
        store.held.released("W01", "k1", "3f2c0e1a-0000-4000-8000-000000000001")
        store.held.record_proof("W01")
    code, found, _ = cutwater("wave", "held", "W01")
    assert code == 0
    assert (found["proof"]["held"], found["proof"]["released"], found["proof"]["open"]) == (2, 1, 1)
    assert found["proof"]["by_currency"]["GBP"]["open"] == {"count": 1, "sum": "12.50"}
    assert found["proved"]["seq"] > 0
    with pytest.raises(SystemExit):
        main(["wave", "held", "W01", "--project", str(project.root)])
    text = capsys.readouterr().out
    assert "held 2 = released 1 + returned 0 + open 1" in text
    for shown in (text, json.dumps(found)):
        assert account not in shown
        assert "Somebody" not in shown
    assert cutwater("wave", "held", "no name!")[0] == 4
