"""Progress in a pipe is lines, on a terminal bars, with JSON nothing; always beside the result."""

from __future__ import annotations

import io

import pytest

from cutwater.core.progress import Lines, Silent, progress_for


def test_a_pipe_gets_a_line_per_quarter_and_one_at_the_end() -> None:
    stream = io.StringIO()
    task = Lines(stream).task("payment", total=100)
    for _ in range(100):
        task.advance(1)
    assert stream.getvalue().splitlines() == [f"  payment: {n} of 100 rows" for n in (25, 50, 75, 100)]


def test_an_unknown_total_says_nothing_until_time_passes() -> None:
    stream = io.StringIO()
    task = Lines(stream).task("events", unit="events")
    task.advance(10)
    assert stream.getvalue() == ""
    task.total(20)
    task.advance(10, note="throttled: source lag")
    assert stream.getvalue() == "  events: 20 of 20 events throttled: source lag\n"


def test_half_a_minute_brings_a_line_though_little_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("cutwater.core.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    task = Lines(stream).task("payment", total=1_000_000)
    task.advance(1)
    now[0] = 31.0
    task.advance(1)
    assert stream.getvalue() == "  payment: 2 of 1,000,000 rows\n"


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_for(quiet=True) as progress:
        assert isinstance(progress, Silent)
        progress.say("hello")
        task = progress.task("x", 1)
        task.total(2)
        task.advance()
    out, err = capsys.readouterr()
    assert out == err == ""


def test_without_a_terminal_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_for() as progress:
        assert isinstance(progress, Lines)
        progress.say("[not markup]")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "[not markup]\n"
