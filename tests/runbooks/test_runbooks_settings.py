"""runbook.yaml: optional, strict, and one wave may differ from the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from cutwater.core.config import load_project
from cutwater.core.errors import BadInput
from runbooks.settings import Settings, load_settings


def write(folder: Path, text: str) -> Path:
    (folder / "runbook.yaml").write_text(text, "utf-8")
    return folder


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(tmp_path, "W01") == Settings()


def test_a_waves_own_settings_go_over_the_others(tmp_path: Path) -> None:
    write(tmp_path, "margin_minutes: 30\nbridge: one\nwaves:\n  W02:\n    bridge: two\n")
    assert load_settings(tmp_path, "W01").bridge == "one"
    assert load_settings(tmp_path, "W02").bridge == "two"
    assert load_settings(tmp_path, "W02").margin_minutes == 30


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("margin_minute: 30", "margin_minute"),
        ("timezone: Mars/Olympus", "no time zone"),
        ("time_boxes: {C01: -5}", "greater than or equal to 0"),
        ("duties: {cook: chef}", "duties.cook"),
        ("- a", "name: value"),
        ("waves: [W01]", "name: value"),
        ("waves: {W01: {bridge: [1]}}", "bridge"),
        ("a: [", "not YAML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match="CW5006") as caught:
        load_settings(write(tmp_path, text), "W01")
    assert said in f"{caught.value.what} {caught.value.cause}"


def test_the_projects_own_file_is_valid() -> None:
    project = load_project(Path(__file__).parents[2])
    assert load_settings(project.files_dir, "W01").time_boxes
