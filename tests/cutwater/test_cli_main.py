"""The command line's frame: light imports, nouns, exit codes, messages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cutwater import __version__
from cutwater.cli.main import NOUNS

ROOT = Path(__file__).parents[2]
HEAVY = ("pyspark", "pandas", "boto3", "confluent_kafka", "pyarrow", "duckdb", "pyiceberg", "sqlalchemy")
MODULES = sorted(
    f"cutwater.cli.{path.stem}" for path in (ROOT / "cutwater" / "cli").glob("*.py") if path.stem != "__init__"
)


def cutwater(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in its own process, as a user starts it."""
    start = "from cutwater.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", start, *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


def loaded(program: str) -> set[str]:
    """Which of the heavy packages a program loads."""
    tail = f"\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program + tail], capture_output=True, text=True, check=True, timeout=60)
    return set(ran.stdout.splitlines()[-1].split()) if ran.stdout.strip() else set()


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    assert loaded("import cutwater.cli.main") == set()


def test_no_noun_loads_anything_heavy_until_it_works() -> None:
    assert MODULES, "the nouns are files of their own"
    program = "import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in MODULES)
    found = loaded(program)
    guilty = [name for name in MODULES if loaded(f"import {name}")] if found else []
    assert found == set(), f"loaded by {', '.join(guilty)}"


def test_help_loads_nothing_heavy_and_lists_every_noun() -> None:
    ran = cutwater("--help")
    assert ran.returncode == 0
    listed = re.findall(r"^  (\w+)  ", ran.stdout, re.MULTILINE)
    assert listed == sorted(NOUNS)
    assert "Exit codes: 0 done" in ran.stdout


def test_version() -> None:
    ran = cutwater("--version")
    assert (ran.returncode, ran.stdout) == (0, f"cutwater {__version__}\n")


def test_an_unknown_noun_is_a_usage_error() -> None:
    ran = cutwater("wawe")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert "wawe" in ran.stderr


def test_an_unknown_verb_is_a_usage_error() -> None:
    ran = cutwater("runbook", "print")
    assert ran.returncode == 2
    assert "print" in ran.stderr


def test_outside_a_project_the_message_names_cause_and_next_and_the_exit_code_is_four(tmp_path: Path) -> None:
    ran = cutwater("runbook", "render", "W01", cwd=tmp_path)
    assert ran.returncode == 4
    assert ran.stdout == ""
    lines = ran.stderr.splitlines()
    assert "CW1002" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["next", "more"]
    assert "Traceback" not in ran.stderr


def test_an_error_as_json_is_one_document(tmp_path: Path) -> None:
    ran = cutwater("runbook", "render", "W01", "--output", "json", cwd=tmp_path)
    assert ran.returncode == 4
    assert ran.stdout == ""
    assert json.loads(ran.stderr)["code"] == "CW1002"


def test_an_unknown_output_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "cutwater.toml").write_text("", "utf-8")
    ran = cutwater("runbook", "render", "W01", "--output", "yaml", cwd=tmp_path)
    assert ran.returncode == 4
    assert "CW1006" in ran.stderr


def test_an_unplanned_wave_says_how_to_plan_it(tmp_path: Path) -> None:
    (tmp_path / "cutwater.toml").write_text("", "utf-8")
    ran = cutwater("runbook", "render", "W01", cwd=tmp_path)
    assert ran.returncode == 4
    assert "cutwater wave plan W01" in ran.stderr
    assert re.search(r"^  state  ", ran.stderr, re.MULTILINE)


def test_debug_shows_the_trace(tmp_path: Path) -> None:
    ran = cutwater("runbook", "render", "W01", "--debug", cwd=tmp_path)
    assert ran.returncode == 1
    assert "Traceback" in ran.stderr


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_every_noun_explains_itself(noun: str) -> None:
    module, text = NOUNS[noun]
    path = ROOT / Path(*module.split(".")).with_suffix(".py")
    assert path.is_file(), f"{module} is listed in NOUNS"
    assert text[0].isupper()
    ran = cutwater(noun, "--help")
    assert ran.returncode == 0, ran.stderr
    assert "Usage: cutwater" in ran.stdout
