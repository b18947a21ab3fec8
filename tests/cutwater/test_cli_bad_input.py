"""What people give by mistake ends as a message that says what to mend, never as an error that cutwater does not know."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cutwater.cli.main import main
from cutwater.commands import init
from cutwater.core.errors import BadInput, CutwaterError
from cutwater.jobs.reconciling import settings_of
from runbooks.settings import load_settings
from waves.calendars import load_calendars


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "cutwater.toml").write_text('[project]\nname = "t"\n')
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit code and error code."""
    with pytest.raises(SystemExit) as end:
        main([*words, "--output", "json"])
    err = capsys.readouterr().err
    return int(end.value.code or 0), str(json.loads(err[err.index("{") :])["code"])


def test_a_state_store_that_is_no_database(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / ".cutwater").mkdir()
    (root / ".cutwater" / "state.db").write_bytes(b"this is a letter, not a database\n" * 200)
    for words in (("wave", "status"), ("evidence", "verify"), ("wave", "status", "W01")):
        assert told(capsys, *words, "--project", str(root)) == (4, "CW2019")


def test_a_damaged_state_store(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evidence", "verify", "--project", str(root)])
    capsys.readouterr()
    path = root / ".cutwater" / "state.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\x5a" * (len(whole) - 4096))
    assert told(capsys, "evidence", "verify", "--project", str(root)) == (4, "CW2019")


@pytest.mark.parametrize(
    ("name", "code"), [("reconcile.yaml", "CW4007"), ("runbook.yaml", "CW5006"), ("calendars/own.yaml", "CW5004")]
)
def test_yaml_that_is_not_utf_8(root: Path, name: str, code: str) -> None:
    from cutwater.core.config import load_project

    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(b"title: caf\xe9\n")
    project = load_project(root)
    readers = {
        "reconcile.yaml": lambda: settings_of(project),
        "runbook.yaml": lambda: load_settings(root, "W01"),
        "calendars/own.yaml": lambda: load_calendars(root / "calendars"),
    }
    with pytest.raises(BadInput) as caught:
        readers[name]()
    assert caught.value.code == code
    assert name in str(caught.value.as_dict())


def test_a_project_that_is_a_file_or_a_folder_of_the_settings_name(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "wave", "status", "--project", str(root / "cutwater.toml")) == (4, "CW1002")
    (tmp_path / "odd" / "cutwater.toml").mkdir(parents=True)
    assert told(capsys, "wave", "status", "--project", str(tmp_path / "odd")) == (4, "CW1003")


@pytest.mark.parametrize("folder", ["/proc/x", "/dev/null/x"])
def test_init_into_a_folder_that_cannot_be_made(folder: str) -> None:
    with pytest.raises(CutwaterError) as caught:
        init._write(Path(folder), {"cutwater.toml": "x"}, False)
    assert caught.value.code == "CW1025"


def test_an_argument_that_is_no_text(root: Path) -> None:
    start = "from cutwater.cli.main import main; main()"
    words = [b"wave", b"approve", b"W01", b"--as", b"\xff\xfe", b"--role", b"r", b"--project", os.fsencode(root)]
    ran = subprocess.run(
        [sys.executable.encode(), b"-c", start.encode(), *words], capture_output=True, check=False, timeout=60
    )
    assert ran.returncode == 4, ran.stderr
    assert b"CW1009" in ran.stderr
