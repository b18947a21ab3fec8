"""What is said next has to be what helps next, and has to fit into 100 columns."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.connection import translated
from cutwater.cli.main import main
from cutwater.cli.wave import _print_status
from cutwater.commands import init, wave_status
from cutwater.commands.wave import plan_wave
from cutwater.core.config import Project, load_project
from cutwater.core.errors import CutwaterError, Unavailable
from cutwater.core.output import Output
from cutwater.jobs.wave_state import history_of, put_row
from cutwater.state.store import open_store
from waves.gates import GateResult, next_step, refuse

sys.path.append(str(Path(__file__).parents[1] / "waves"))
from waves_bench import ESTATE, WAVE


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "cutwater.toml").write_text('[project]\nname = "t"\n')
    (tmp_path / "waves").mkdir()
    (tmp_path / "waves" / "W01.yaml").write_bytes(WAVE)
    found = load_project(tmp_path)
    with open_store(found.state_url) as store:
        store.snapshots.save(ESTATE.as_dict())
    plan_wave(found, "W01", "Ann")
    return found


def moved(project: Project, old: str, new: str) -> None:
    with open_store(project.state_url) as store:
        store.journal.append("W01", "wave.state", {"from": old, "to": new})
        put_row(store, history_of(store, "W01"))


def test_a_database_that_does_not_answer_is_nothing_to_resume(tmp_path: Path) -> None:
    wish = init.Wish("postgresql://u:p@127.0.0.1:9/shop")
    with pytest.raises(Unavailable) as caught:
        init.init(tmp_path / "shop", wish)
    assert "wave resume" not in caught.value.next
    assert "same command again" in caught.value.next
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize(
    ("queries", "wanted"),
    [
        (["stream.lag_seconds"], "wait until the stream has caught up: cutwater wave status W01"),
        (["feeds.lag_messages"], "wait until the feeds have caught up: cutwater wave status W01"),
        (["reconciliation.verdict", "feeds.complete"], "cutwater reconcile run W01"),
        (["reconciliation.verdict", "stream.lag_seconds"], "wait until the stream has caught up"),
        (["rollback.rehearsed"], "cutwater wave rehearse W01"),
    ],
)
def test_a_gate_that_says_no_names_what_helps(queries: list[str], wanted: str) -> None:
    bad = [GateResult("g", "", "NO-GO", "fail", "", "", "", 0, "no", query=query) for query in queries]
    assert refuse("W01", bad).next.startswith(wanted)
    assert next_step("W01", queries) == refuse("W01", bad).next


def test_a_statement_that_is_refused_says_what_to_do() -> None:
    with pytest.raises(CutwaterError) as caught, translated("asking"):
        raise psycopg.errors.UndefinedTable('relation "x" does not exist')
    assert (caught.value.code, bool(caught.value.next), bool(caught.value.money)) == ("CW3106", True, True)


def test_a_completed_wave_is_done_and_keeps_no_wal(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    moved(project, "CUT_OVER", "COMPLETED")
    found = wave_status.status(project, "W01")
    words = {item["name"]: item["word"] for item in found["criteria"]}
    assert words["streams"] == "pass"
    assert not [name for name in words if name.startswith("gate ")]
    with pytest.raises(SystemExit):
        main(["wave", "status", "W01", "--project", str(project.root)])
    text = capsys.readouterr().out
    assert "NO-GO" not in text
    assert "WAL" not in text


def test_status_fits_into_100_columns(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    moved(project, "READY", "CUT_OVER")
    found = wave_status.status(project, "W01")
    assert len(found["point_of_no_return"]["text"]) > 70
    found["money"] = "a long sentence about money and where it is now " * 4
    _print_status(Output("text"), found)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    assert text.splitlines()[-1] == f"next: {found['next']}"
