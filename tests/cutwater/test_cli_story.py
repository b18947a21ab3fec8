"""What a person sees while a run waits: a service's trouble at once and once, an ordinary wait now and then."""

from __future__ import annotations

import pytest

from cutwater.cli.wave_lines import Story


def test_trouble_is_told_once_and_its_end_too(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story()
    for _ in range(3):
        story.waits("file:bacs still catches up", "feed:file:bacs: CW3209 a disk is full (feed:file:bacs)")
    story.waits("file:bacs still catches up", "")
    lines = capsys.readouterr().err.splitlines()
    assert [line[9:] for line in lines] == [
        "  ! feed:file:bacs: CW3209 a disk is full (feed:file:bacs); it is tried again by itself",
        "  the services are well again",
    ]


def test_an_ordinary_wait_is_told_after_some_patience(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cutwater.cli import wave_lines

    now = 100.0
    monkeypatch.setattr(wave_lines.time, "monotonic", lambda: now)
    story = Story()
    story.waits("file:bacs still catches up, 12 messages behind", "")
    assert capsys.readouterr().err == ""
    now = 111.0
    for behind in (9, 5):  # the second comes too soon after the first was told
        story.waits(f"file:bacs still catches up, {behind} messages behind", "")
    assert [line[9:] for line in capsys.readouterr().err.splitlines()] == [
        "  .. file:bacs still catches up, 9 messages behind"
    ]
