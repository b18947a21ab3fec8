"""`cutwater evidence` and `cutwater explain`: verdicts, exit codes, JSON."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from cutwater.cli.explain import CODE_MODULES, catalogue
from cutwater.cli.main import main
from cutwater.state import open_store


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "cutwater.toml").write_text('[project]\nname = "states"\n')
    with open_store(f"sqlite:///{tmp_path / '.cutwater' / 'state.db'}") as store:
        for number in range(3):
            store.journal.append(f"W0{number % 2}", "wave.state", {"number": number})
        store.evidence.add("reconciliation", "W00", {"verdict": "PASS"})
    return tmp_path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    return int(stopped.value.code or 0)


def test_verify_passes_and_prints_an_anchor(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evidence", "verify", "--project", str(project), "--output", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["verdict"], document["records"]) == ("cutwater.evidence.verify/1", "PASS", 4)
    assert run("evidence", "verify", "--project", str(project), "--anchor", document["anchor"]) == 0
    assert "PASS" in capsys.readouterr().out


def test_tampering_is_refused_and_names_the_first_record(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(project / ".cutwater" / "state.db") as database:
        database.execute("DROP TRIGGER journal_no_update")
        database.execute("UPDATE journal SET wave = 'W09' WHERE seq IN (2, 3)")
    database.close()
    assert run("evidence", "verify", "--project", str(project)) == 3
    error = capsys.readouterr().err
    assert "CW2007" in error
    assert "record 2 (wave.state) was edited" in error
    assert run("evidence", "verify", "--project", str(project), "--output", "json") == 3
    captured = capsys.readouterr()
    assert [item["seq"] for item in json.loads(captured.out)["problems"]] == [2, 3]
    assert json.loads(captured.err)["details"]["first"] == 2


def test_an_anchor_of_a_longer_journal_is_refused(project: Path) -> None:
    assert run("evidence", "verify", "--project", str(project), "--anchor", f"9:{'a' * 64}") == 3
    assert run("evidence", "verify", "--project", str(project), "--anchor", "9:a") == 4


def test_an_empty_journal_is_inconclusive(tmp_path: Path) -> None:
    (tmp_path / "cutwater.toml").write_text("")
    assert run("evidence", "verify", "--project", str(tmp_path)) == 7


def test_show_filters(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("evidence", "show", "--project", str(project))
    assert run(*words, "--wave", "W00", "--kind", "wave.state", "--output", "json") == 0
    assert [item["seq"] for item in json.loads(capsys.readouterr().out)["records"]] == [1, 3]
    assert run(*words, "--limit", "2") == 0
    text = capsys.readouterr().out
    assert "2 records shown" in text
    assert max(map(len, text.splitlines())) <= 100


def test_explain_tells_every_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "cw2007") == 0
    assert "altered" in capsys.readouterr().out
    assert run("explain", "--output", "json") == 0
    codes = json.loads(capsys.readouterr().out)["codes"]
    assert [item["code"] for item in codes] == sorted(catalogue())
    assert run("explain", "CW9999") == 4


def test_no_code_means_two_things() -> None:
    from importlib import import_module
    from importlib.util import find_spec

    codes = [code for name in CODE_MODULES if find_spec(name) for code in import_module(name).CODES]
    assert len(codes) == len(set(codes))
    assert all(len(code) == 6 and code.startswith("CW") for code in codes)
