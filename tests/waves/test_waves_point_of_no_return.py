"""The point of no return: its arithmetic, what it rests on, and what is asked for behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from waves_bench import Clock

from adapters.memory.store import MemoryJournal
from cutwater.core.clock import parse_iso
from waves.calendars import load_calendars
from waves.point_of_no_return import (
    Decision,
    RollbackRun,
    decision_record,
    point_of_no_return,
    refuse_late,
    rollback_allowed,
    rollback_runs,
)

WINDOW = {"start": "2026-12-05T22:00:00Z", "end": "2026-12-06T06:00:00Z"}
END = datetime(2026, 12, 6, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def runs(*seconds: int) -> list[RollbackRun]:
    return [RollbackRun(END, timedelta(seconds=item), "this wave", 1) for item in seconds]


def test_measured_rollbacks_go_before_the_estimate() -> None:
    window = {**WINDOW, "rollback_minutes": "50"}
    stated = point_of_no_return(window, [])
    assert (stated.basis, stated.latest_start) == ("estimate", END - timedelta(minutes=50) - HOUR)
    assert "an estimate: none was measured yet" in stated.sentence
    known = point_of_no_return(window, runs(8, 9, 4))
    assert (known.basis, known.latest_start) == ("measured", END - timedelta(seconds=9) - HOUR)
    assert (
        known.sentence
        == "Sun 06 Dec 04:59:51 UTC = the window ends Sun 06 Dec 06:00 UTC, less rollback 9.0 s (p90 of 3 measured), less margin 1 h 00 min"
    )


def test_the_arithmetic_can_be_done_again_from_the_json() -> None:
    found = point_of_no_return(WINDOW, runs(9)).as_dict()
    assert found["latest_start"] == "2026-12-06T04:59:51.000000Z"
    assert (found["rollback_seconds"], found["margin_seconds"], found["limit_reason"]) == (
        "9",
        "3600",
        "the window ends",
    )
    assert (found["is_estimate"], found["rollback_samples_seconds"]) == (False, ["9"])


def test_the_first_limit_decides_and_all_are_told() -> None:
    schemes = load_calendars()
    weekend = point_of_no_return(WINDOW, runs(9), list(schemes.values()))
    assert weekend.reason == "the window ends"
    assert set(weekend.limits) == {"the window ends", "Bacs opens", "CHAPS opens", "T2 opens"}
    night = {"start": "2026-12-07T22:00:00Z", "end": "2026-12-08T08:00:00Z"}
    week = point_of_no_return(night, runs(9), list(schemes.values()), timedelta())
    assert (week.reason, week.latest_start) == ("T2 opens", datetime(2026, 12, 8, 1, 29, 51, tzinfo=UTC))


def test_what_is_not_known_is_said() -> None:
    bare = point_of_no_return(WINDOW, [])
    assert (bare.basis, bare.latest_start) == ("unknown", END - HOUR)
    assert bare.sentence.startswith("before Sun 06 Dec 05:00:00 UTC")
    assert bare.as_dict()["rollback_seconds"] is None
    without = point_of_no_return({}, runs(9))
    assert without.latest_start is None
    assert without.as_dict()["limit"] is None


def test_rollbacks_are_read_from_the_journal() -> None:
    clock = Clock()
    journal = MemoryJournal(clock)

    def state(old: str, new: str, wait: int = 0) -> None:
        clock.now += timedelta(seconds=wait)
        journal.append("W01", "wave.state", {"from": old, "to": new})

    state("CUTTING_OVER", "ROLLING_BACK")
    state("ROLLING_BACK", "DUAL_RUN", 2)  # out of the middle of a cutover: less to undo
    state("CUT_OVER", "ROLLING_BACK")
    journal.append("W01", "step.started", {"step": "x"})
    state("ROLLING_BACK", "DUAL_RUN", 9)
    state("CUT_OVER", "ROLLING_BACK")  # under way: not measured
    journal.append("W01", "rollback.measured", {"seconds": "7.250", "source": "rehearsal"})
    for bad in ("-1", "NaN", "soon", None):
        journal.append("W01", "rollback.measured", {"seconds": bad})
    assert [(item.length.total_seconds(), item.source) for item in rollback_runs(journal.rows)] == [
        (9, "this wave"),
        (7.25, "rehearsal"),
    ]


@pytest.mark.parametrize(
    ("late", "decision", "allowed"),
    [
        (timedelta(), None, True),
        (timedelta(microseconds=1), None, False),
        (HOUR, Decision("fix is worse", "Dee", "decider"), True),
        (HOUR, Decision(" ", "Dee", "decider"), False),
        (HOUR, Decision("why", "", "decider"), False),
    ],
)
def test_behind_the_point_a_decision_is_asked_for(late: timedelta, decision: Decision | None, allowed: bool) -> None:
    point = point_of_no_return(WINDOW, runs(9))
    assert point.latest_start is not None
    found = rollback_allowed(point.latest_start + late, point, decision)
    assert (found.allowed, found.asks) == (allowed, "" if allowed else "decision")
    assert bool(found.warning) == (late > timedelta())


def test_an_estimate_warns_and_untrusted_clocks_ask() -> None:
    point = point_of_no_return({**WINDOW, "rollback_minutes": "5"}, [])
    early = END - 5 * HOUR
    assert "an estimate" in rollback_allowed(early, point).warning
    assert rollback_allowed(early, point, None, "the clocks differ").asks == "decision"
    assert rollback_allowed(early, point_of_no_return({}, [])).allowed


def test_the_refusal_and_the_record_carry_the_arithmetic() -> None:
    point = point_of_no_return(WINDOW, runs(9))
    allowance = rollback_allowed(END, point)
    error = refuse_late("W01", point, allowance)
    assert error.code == "CW3053"
    assert "1 h 00 min ago" in error.cause
    record = decision_record(Decision("r", "Dee", "decider"), point, "hash")
    assert (record["who"], record["plan"]) == ("Dee", "hash")
    assert record["point_of_no_return"]["limit_reason"] == "the window ends"


def test_a_cutover_outside_its_window_counts_the_schemes_that_open_next() -> None:
    schemes = list(load_calendars().values())
    planned = point_of_no_return(WINDOW, runs(9), schemes)
    early = parse_iso(WINDOW["start"]) - timedelta(days=10)
    found = point_of_no_return(WINDOW, runs(9), schemes, cut_over_at=early)
    assert planned.latest_start is not None
    assert found.latest_start is not None
    assert found.latest_start < planned.latest_start
    assert found.limit is not None
    assert found.limit - early < timedelta(days=4)  # over a weekend at the most
    inside = parse_iso(WINDOW["start"]) + timedelta(minutes=5)
    assert point_of_no_return(WINDOW, runs(9), schemes, cut_over_at=inside) == planned
