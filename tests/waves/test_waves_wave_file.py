"""The wave file: what is wrong is said with file, line and column, and with what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis.strategies import binary, text
from waves_bench import WAVE

from cutwater.core.errors import BadInput
from waves.wave_file import load_wave, parse_wave
from waves.yaml_marks import MAX_BYTES

PATH = Path("W01.yaml")


def refused(raw: bytes) -> BadInput:
    with pytest.raises(BadInput) as caught:
        parse_wave(raw, PATH)
    return caught.value


def test_a_good_file_and_its_marks() -> None:
    found = parse_wave(WAVE, PATH)
    assert found.spec.wave == "W01"
    assert found.spec.options.chunk_rows == 100
    assert found.spec.gates[1].threshold == "0"
    assert found.spec.approving_roles == ("migration-lead",)
    assert found.where("assets", 1) == "W01.yaml:6:5"
    assert found.where("options", "chunk_rows") == "W01.yaml:14:11"


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        (b"title:", b"titel:", "CW3003", "W01.yaml:2:1 unknown setting titel: did you mean title?"),
        (
            b"chunk_rows",
            b"chunkrows",
            "CW3003",
            "W01.yaml:14:11 unknown setting options.chunkrows: did you mean chunk_rows?",
        ),
        (b"max_age_minutes: 60}\n  - ", b"max_age: 60}\n  - ", "CW3003", "did you mean max_age_minutes?"),
        (b"title: Payments to the lake\n", b"", "CW3003", "title is missing"),
        (b"accepts_writes: readers", b"accepts_writes: iceberg", "CW3003", "W01.yaml:3:1 accepts_writes:"),
        (b"reconciliation.verdict", b"reconciliation.verdikt", "CW3003", "did you mean reconciliation.verdict?"),
        (b"chunk_rows: 100", b"chunk_rows: many", "CW3003", "W01.yaml:14:11 options.chunk_rows:"),
        (b"end: 2026-12-06", b"end: 2026-12-01", "CW3003", "the window ends before it starts"),
        (b"2026-12-05T22:00:00Z", b"2026-12-05T22:00:00", "CW3003", "names no offset"),
        (b"title: Payments", b"title: a\ntitle: Payments", "CW3002", "W01.yaml:3:1 title stands here twice"),
        (
            b"title: Payments to the lake",
            b"title: !!python/object/apply:os.system [x]",
            "CW3002",
            "W01.yaml:2:8 the tag",
        ),
        (b"title: Payments to the lake", b"title: &a x", "CW3002", "anchors and aliases"),
        (b"title: Payments to the lake", b'title: "red \\e[31m"', "CW3002", "W01.yaml:2:8 holds a control character"),
        (b"assets:\n", b"assets: [\n", "CW3002", "W01.yaml:"),
        (b"wave: W01", b"--- \nwave: W01\n---\nwave: W02", "CW3002", "second document"),
    ],
)
def test_a_mistake_is_named_with_its_place(old: bytes, new: bytes, code: str, said: str) -> None:
    assert old in WAVE
    error = refused(WAVE.replace(old, new, 1))
    assert error.code == code
    assert said in f"{error.what}; {error.cause}"
    assert int(error.exit_code) == 4
    assert error.next


def test_every_mistake_is_told_at_once() -> None:
    error = refused(WAVE.replace(b"title:", b"titel:").replace(b"chunk_rows", b"chunkrows"))
    problems = error.details["problems"]
    assert isinstance(problems, list)
    assert len(problems) == 3


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"\xff\xfe", b"a: " + b"[" * 50 + b"]" * 50, b"#" * (MAX_BYTES + 1), b"? [1]\n: 2"]
)
def test_what_is_no_wave_file_is_refused(raw: bytes) -> None:
    assert refused(raw).code in ("CW3002", "CW3003")


@settings(max_examples=150, deadline=None)
@given(binary(max_size=200) | text(max_size=200).map(lambda value: value.encode()))
def test_any_bytes_end_as_a_wave_or_as_bad_input(raw: bytes) -> None:
    found = ""
    try:
        parse_wave(raw, PATH)
    except BadInput as error:
        found = error.code
    assert found in ("", "CW3002", "CW3003")


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "waves").mkdir()
    (tmp_path / "waves" / "W01.yaml").write_bytes(WAVE)
    assert load_wave(tmp_path, "W01").spec.wave == "W01"
    with pytest.raises(BadInput, match="CW3001") as caught:
        load_wave(tmp_path, "W02")
    assert "W01" in caught.value.cause
    with pytest.raises(BadInput, match="CW3001"):
        load_wave(tmp_path, "../W01")
    (tmp_path / "waves" / "W03.yaml").write_bytes(WAVE)
    with pytest.raises(BadInput, match="the file is named W03"):
        load_wave(tmp_path, "W03")
