"""Who may decide, at the command line: a rollback past its latest safe start, a cutover outside its window."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waves_bench import ESTATE, WAVE

from cutwater.commands import wave_cutover
from cutwater.commands.wave_run import Ran
from cutwater.core.config import Project, load_project
from cutwater.jobs.wave_state import history_of, put_row
from cutwater.state.store import open_store

Run = Callable[..., tuple[int, Any, dict[str, Any]]]
ROLES = b"""  migration-lead: Lee Lead
  database-owner: Dee Base
  cutover-manager: Cy Manager
  night-manager: nobody
deciders: [cutover-manager, night-manager]
approvals: [migration-lead, database-owner]
approvers: 2
"""
LATE = WAVE.replace(b"  migration-lead: nobody\n", ROLES).replace(b"2026-12-0", b"2020-12-0")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "cutwater.toml").write_text('[project]\nname = "t"\n[endpoints]\nfrom = "sandbox"\n')
    (tmp_path / "waves").mkdir()
    (tmp_path / "waves" / "W01.yaml").write_bytes(LATE)
    found = load_project(tmp_path)
    with open_store(found.state_url) as store:
        store.snapshots.save(ESTATE.as_dict())

    def carried(project: Project, store: Any, history: Any, *rest: Any) -> Ran:
        return Ran("W01", "r", 1, history.state, str(rest[1]), True, True, True, "log")

    monkeypatch.setattr(wave_cutover, "carry", carried)  # what a decision lets through is not what is tested here
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


def moved(project: Project, *states: str) -> None:
    with open_store(project.state_url) as store:
        for old, new in itertools.pairwise(states):
            store.journal.append("W01", "wave.state", {"from": old, "to": new})
        put_row(store, history_of(store, "W01"))


def decisions(project: Project) -> list[tuple[str, str, str]]:
    with open_store(project.state_url) as store:
        found = [record.payload for record in store.journal.records("W01", ["decision.recorded"])]
    return [(item["who"], item["role"], item["reason"]) for item in found]


ROLLBACK = ("wave", "rollback", "W01", "--decision", "payments are lost")
OUTSIDE = ("wave", "cutover", "W01", "--outside-window", "the scheme moved its weekend")


@pytest.mark.parametrize("words", [ROLLBACK, OUTSIDE], ids=["rollback", "cutover"])
@pytest.mark.parametrize(
    ("who", "role", "exit_code", "code", "cause"),
    [
        ("", "cutover-manager", 4, "CW3042", ""),
        ("nobody", "cutover-manager", 4, "CW3042", ""),
        ("Cy Manager", "", 4, "CW3042", ""),
        ("Cy Manager", "king", 3, "CW3056", "cutover-manager, night-manager"),
        ("Lee Lead", "migration-lead", 3, "CW3056", "cutover-manager, night-manager"),
        ("Lee Lead", "cutover-manager", 3, "CW3057", "the plan names Cy Manager"),
        ("Lee Lead", "night-manager", 3, "CW3057", "the plan names nobody"),
    ],
)
def test_a_decision_that_does_not_count_is_refused_and_not_recorded(
    project: Project, cutwater: Run, words: tuple[str, ...], who: str, role: str, exit_code: int, code: str, cause: str
) -> None:
    cutwater("wave", "plan", "W01")
    moved(project, "DUAL_RUN", "READY", *(("CUTTING_OVER", "CUT_OVER") if words is ROLLBACK else ()))
    found, _, error = cutwater(*words, "--as", who, "--role", role)
    assert (found, error["code"]) == (exit_code, code)
    assert cause in error["cause"]
    assert error["next"], "it says which command would count"
    assert decisions(project) == []


@pytest.mark.parametrize("words", [ROLLBACK, OUTSIDE], ids=["rollback", "cutover"])
def test_the_holder_of_a_deciding_role_decides_and_stands_in_the_journal(
    project: Project, cutwater: Run, words: tuple[str, ...]
) -> None:
    cutwater("wave", "plan", "W01")
    moved(project, "DUAL_RUN", "READY", *(("CUTTING_OVER", "CUT_OVER") if words is ROLLBACK else ()))
    code, _, error = cutwater(*words[:3])
    assert (code, error["code"]) == (3, "CW3053" if words is ROLLBACK else "CW3041")
    assert cutwater(*words, "--as", "cy  MANAGER", "--role", "cutover-manager")[0] == 0
    assert decisions(project) == [("cy  MANAGER", "cutover-manager", words[-1])]


@pytest.mark.parametrize("words", [ROLLBACK, OUTSIDE], ids=["rollback", "cutover"])
def test_the_maker_decides_only_where_one_checker_is_enough(
    project: Project, cutwater: Run, words: tuple[str, ...]
) -> None:
    cutwater("wave", "plan", "W01", "--as", "Cy Manager")
    moved(project, "DUAL_RUN", "READY", *(("CUTTING_OVER", "CUT_OVER") if words is ROLLBACK else ()))
    code, _, error = cutwater(*words, "--as", "Cy Manager", "--role", "cutover-manager")
    assert (code, error["code"], decisions(project)) == (3, "CW3058", [])
    (project.root / "waves" / "W01.yaml").write_bytes(LATE.replace(b"approvers: 2\n", b""))
    if words is ROLLBACK:  # the plan by which it was cut over stands: who may go back is not changed after the fact
        code, _, error = cutwater("wave", "plan", "W01", "--as", "Cy Manager")
        assert (code, error["code"]) == (3, "CW3012")
        moved(project, "CUT_OVER", "ROLLING_BACK", "DUAL_RUN")
    cutwater("wave", "plan", "W01", "--as", "Cy Manager")
    if words is ROLLBACK:
        moved(project, "DUAL_RUN", "READY", "CUTTING_OVER", "CUT_OVER")
    assert cutwater(*words, "--as", "Cy Manager", "--role", "cutover-manager")[0] == 0


def test_without_deciders_those_who_approve_decide(project: Project, cutwater: Run) -> None:
    path = project.root / "waves" / "W01.yaml"
    path.write_bytes(LATE.replace(b"deciders: [cutover-manager, night-manager]\n", b""))
    cutwater("wave", "plan", "W01")
    moved(project, "DUAL_RUN", "READY", "CUTTING_OVER", "CUT_OVER")
    code, _, error = cutwater(*ROLLBACK, "--as", "Cy Manager", "--role", "cutover-manager")
    assert (code, error["cause"]) == (3, "the wave file names database-owner, migration-lead")
    assert cutwater(*ROLLBACK, "--as", "Dee Base", "--role", "database-owner")[0] == 0


def test_a_decider_is_one_of_the_roles(project: Project, cutwater: Run) -> None:
    (project.root / "waves" / "W01.yaml").write_bytes(LATE.replace(b"[cutover-manager, night", b"[king, night"))
    code, _, error = cutwater("wave", "plan", "W01")
    assert (code, error["code"]) == (4, "CW3003")
    assert "deciders names king" in error["what"]
