"""cutwater.toml: found from below, references resolved, mistakes named, secrets never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cutwater.core.config import Endpoints, cache_home, data_home, find_project, load_project
from cutwater.core.errors import BadInput, Unavailable


def write(root: Path, text: str) -> Path:
    (root / "cutwater.toml").write_text(text, "utf-8")
    return root


def test_the_nearest_parent_holds_the_project(tmp_path: Path) -> None:
    write(tmp_path, '[project]\nname = "outer"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_project(below).name == "outer"
    write(tmp_path / "a", '[project]\nname = "inner"\n')
    assert find_project(below).name == "inner"


def test_defaults_name_the_folder_the_sandbox_and_a_local_store(tmp_path: Path) -> None:
    project = load_project(write(tmp_path, ""))
    assert project.name == tmp_path.name
    assert project.endpoints_from == "sandbox"
    assert project.state_url == f"sqlite:///{tmp_path.resolve()}/.cutwater/state.db"


def test_two_projects_of_one_name_have_two_sandboxes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "two"
    for folder in (one, other):
        folder.mkdir()
        write(folder, '[project]\nname = "same"\n')
    assert load_project(one).sandbox_dir != load_project(other).sandbox_dir


def test_a_sandbox_that_is_down_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUTWATER_HOME", str(tmp_path / "home"))
    with pytest.raises(Unavailable) as caught:
        load_project(write(tmp_path, "")).endpoints()
    assert caught.value.next == "cutwater sandbox up"
    assert caught.value.state


def test_the_sandboxs_endpoints_leave_out_what_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUTWATER_HOME", str(tmp_path / "home"))
    project = load_project(write(tmp_path, ""))
    project.sandbox_dir.mkdir(parents=True)
    body = {"postgres_dsn": "postgresql://o:hidden@h/p", "private": {"admin": "x"}}
    project.endpoints_file.write_text(json.dumps(body), "utf-8")
    ends = project.endpoints()
    assert ends.postgres_dsn.endswith("@h/p")
    assert "hidden" not in repr(ends)
    assert "hidden" not in f"{ends}"


def test_a_reference_is_read_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, '[endpoints]\nfrom = "settings"\npostgres_dsn = "postgresql://u:${PW}@h/d"\n')
    monkeypatch.setenv("PW", "p")
    assert load_project(tmp_path).endpoints() == Endpoints(postgres_dsn="postgresql://u:p@h/d")
    monkeypatch.delenv("PW")
    with pytest.raises(BadInput, match=r"CW1005.*PW is not set"):
        load_project(tmp_path).endpoints()


@pytest.mark.parametrize(
    ("text", "code"), [("[project", "CW1003"), ('[endpoints]\npostgress_dsn = "x"\n', "CW1004"), (None, "CW1002")]
)
def test_a_mistake_is_named(tmp_path: Path, text: str | None, code: str) -> None:
    if text is not None:
        write(tmp_path, text)
    with pytest.raises(BadInput) as caught:
        load_project(tmp_path)
    assert caught.value.code == code
    assert caught.value.next


def test_homes_follow_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUTWATER_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("CUTWATER_CACHE", str(tmp_path / "c"))
    assert (data_home(), cache_home()) == (tmp_path / "h", tmp_path / "c")
    monkeypatch.delenv("CUTWATER_HOME")
    monkeypatch.delenv("CUTWATER_CACHE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert (data_home(), cache_home()) == (tmp_path / "data" / "cutwater", tmp_path / "cache" / "cutwater")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('project = "x"\n', "project is a table"),
        ("endpoints = 3\n", "endpoints is a table"),
        ("[state]\nurl = 7\n", "[state] url is no text"),
        ('[project]\nfiles = ["a"]\n', "[project] files is no text"),
        ('[projct]\nname = "x"\n', "no setting [projct]"),
        ('[project]\nnmae = "x"\n', "no setting nmae"),
        ('[project]\nname = ""\n', "is no name"),
        (
            '[project]\nname = "../../elsewhere"\n',
            "is no name",
        ),  # it becomes a folder's name, which `down --delete` removes
        ('[project]\nname = "red\\u001b[31m"\n', "is no name"),
        ('[endpoints]\nfrom = "sandbx"\n', "from 'sandbx' is unknown"),
    ],
)
def test_a_value_of_the_wrong_kind_is_bad_input_with_its_place(tmp_path: Path, text: str, named: str) -> None:
    write(tmp_path, text)
    with pytest.raises(BadInput) as caught:
        load_project(tmp_path)
    assert caught.value.code == "CW1008"
    assert named in caught.value.what
    assert "\x1b" not in caught.value.what
    assert caught.value.next
