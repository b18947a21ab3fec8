"""The critical-path method: against brute force on small graphs, and its laws."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutwater.core.errors import BadInput
from waves.schedule import (
    ZERO,
    Link,
    LinkKind,
    Task,
    WorkingTime,
    measured,
    ordered,
    point_of_no_return,
    quantile,
    schedule,
    simulate,
    time_box,
)

START = datetime(2026, 12, 5, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@st.composite
def graphs(draw: st.DrawFn, kinds: tuple[LinkKind, ...] = (LinkKind.FS,), lags: bool = False) -> list[Task]:
    """Up to seven tasks; each depends on some earlier ones."""
    tasks: list[Task] = []
    for number in range(draw(st.integers(1, 7))):
        names = [task.id for task in tasks]
        chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) if names else []
        links = tuple(
            Link(name, draw(st.sampled_from(kinds)), MINUTE * draw(st.integers(0, 9)) if lags else ZERO)
            for name in chosen
        )
        samples = draw(st.lists(st.integers(0, 60).map(lambda n: MINUTE * n), max_size=4))
        tasks.append(Task(f"T{number}", measured(samples), links))
    return tasks


def paths(tasks: list[Task]) -> list[list[Task]]:
    """Every chain of finish-to-start dependencies."""
    by_id = {task.id: task for task in tasks}

    def back(task: Task) -> list[list[Task]]:
        chains = [[task]]
        for link in task.needs:
            chains += [[*chain, task] for chain in back(by_id[link.task])]
        return chains

    return [chain for task in tasks for chain in back(task)]


def length(task: Task) -> timedelta:
    return task.duration.p90 if task.duration else ZERO


@given(graphs())
def test_the_finish_is_the_longest_path(tasks: list[Task]) -> None:
    longest = max(sum((length(task) for task in chain), ZERO) for chain in paths(tasks))
    plan = schedule(tasks, START)
    assert plan.finish - START == longest
    assert sum((length(task) for task in tasks if task.id in plan.path), ZERO) == longest


@given(graphs(tuple(LinkKind), lags=True))
def test_slack_is_never_negative_and_the_critical_path_has_none(tasks: list[Task]) -> None:
    plan = schedule(tasks, START)
    assert all(slot.slack >= ZERO for slot in plan.slots)
    assert all(slot.late_finish <= plan.finish for slot in plan.slots)
    last = plan.slot(plan.path[-1])
    assert last.finish == plan.finish


@given(graphs(tuple(LinkKind), lags=True))
def test_every_dependency_is_kept(tasks: list[Task]) -> None:
    plan = schedule(tasks, START)
    for task in tasks:
        here = plan.slot(task.id)
        for link in task.needs:
            before = plan.slot(link.task)
            if link.kind is LinkKind.FS:
                assert here.start >= before.finish + link.lag
            elif link.kind is LinkKind.SS:
                assert here.start >= before.start + link.lag
            else:
                assert here.finish >= before.finish + link.lag


@given(graphs(tuple(LinkKind), lags=True), st.integers(-5000, 5000))
def test_shifting_the_start_shifts_everything(tasks: list[Task], minutes: int) -> None:
    by = MINUTE * minutes
    one, other = schedule(tasks, START), schedule(tasks, START + by)
    assert [(s.id, s.start + by, s.finish + by, s.slack, s.critical) for s in one.slots] == [
        (s.id, s.start, s.finish, s.slack, s.critical) for s in other.slots
    ]
    assert one.path == other.path


@given(graphs(tuple(LinkKind), lags=True), st.permutations(range(7)))
def test_the_order_in_which_tasks_are_given_moves_nothing(tasks: list[Task], order: list[int]) -> None:
    shuffled = [tasks[place] for place in order if place < len(tasks)]
    one, other = schedule(tasks, START), schedule(shuffled, START)
    assert {(s.id, s.start, s.finish, s.slack) for s in one.slots} == {
        (s.id, s.start, s.finish, s.slack) for s in other.slots
    }


SHIFTS = WorkingTime("shifts", tuple((START + MINUTE * (n * 60), START + MINUTE * (n * 60 + 25)) for n in range(40)))


@given(
    graphs(tuple(LinkKind), lags=True),
    st.sets(st.integers(0, 6)),
    st.dictionaries(st.integers(0, 6), st.integers(0, 300)),
)
def test_working_time_and_fixed_starts_keep_slack_and_order(
    tasks: list[Task], working: set[int], fixed: dict[int, int]
) -> None:
    held = [
        Task(
            task.id,
            task.duration,
            task.needs,
            START + MINUTE * fixed[number] if number in fixed else None,
            SHIFTS if number in working else None,
        )
        for number, task in enumerate(tasks)
    ]
    plan = schedule(held, START)
    assert all(slot.slack >= ZERO for slot in plan.slots)
    for task in held:
        slot = plan.slot(task.id)
        if task.fixed_start is not None:
            assert slot.start >= task.fixed_start
        if task.working is not None:
            assert any(opens <= slot.start <= closes for opens, closes in SHIFTS.intervals)
            assert task.working.add(slot.start, length(task))[1] <= slot.finish


@given(graphs(), st.integers(0, 99))
def test_a_simulation_repeats_and_stays_within_the_extremes(tasks: list[Task], seed: int) -> None:
    one = simulate(tasks, START, runs=20, seed=seed)
    assert one == simulate(tasks, START, runs=20, seed=seed)
    assert START <= one.p50 <= one.p90 <= schedule(tasks, START, percent=100).finish


def test_a_fixed_start_that_is_overrun_says_by_how_much() -> None:
    tasks = [Task("a", time_box(30)), Task("b", time_box(5), (Link("a"),), fixed_start=START + 20 * MINUTE)]
    slot = schedule(tasks, START).slot("b")
    assert slot.start == START + 30 * MINUTE
    assert slot.late_by == 10 * MINUTE


def test_what_follows_an_unmeasured_task_is_a_lower_bound() -> None:
    plan = schedule(
        [Task("a", time_box(5)), Task("b", None, (Link("a"),)), Task("c", time_box(1), (Link("b"),))], START
    )
    assert [slot.at_earliest for slot in plan.slots] == [False, True, True]
    assert plan.unmeasured == ("b",)


def test_start_to_start_and_finish_to_finish() -> None:
    tasks = [
        Task("a", time_box(60)),
        Task("b", time_box(10), (Link("a", LinkKind.SS, 5 * MINUTE),)),
        Task("c", time_box(10), (Link("a", LinkKind.FF, 5 * MINUTE),)),
    ]
    plan = schedule(tasks, START)
    assert plan.slot("b").start == START + 5 * MINUTE
    assert plan.slot("c").finish == START + 65 * MINUTE
    assert plan.path == ("a", "c")
    assert plan.slot("b").slack == 50 * MINUTE


def test_a_cycle_is_named() -> None:
    with pytest.raises(BadInput, match=r"CW5002.*a, b"):
        ordered([Task("a", None, (Link("b"),)), Task("b", None, (Link("a"),)), Task("c")])


def test_unknown_and_double_ids_are_named() -> None:
    with pytest.raises(BadInput, match=r"CW5001.*nowhere"):
        ordered([Task("a", None, (Link("nowhere"),))])
    with pytest.raises(BadInput, match=r"CW5001.*twice"):
        ordered([Task("a"), Task("a")])


def test_working_time_that_ends_too_soon_is_refused() -> None:
    short = WorkingTime("night shift", ((START, START + MINUTE),))
    with pytest.raises(BadInput, match="night shift"):
        schedule([Task("a", time_box(5), working=short)], START)


def test_quantiles_are_values_that_were_seen() -> None:
    samples = tuple(timedelta(seconds=n) for n in (1, 2, 3, 4, 100))
    assert quantile(samples, 50) == timedelta(seconds=3)
    assert quantile(samples, 90) == timedelta(seconds=100)
    assert quantile(samples[:1], 90) == timedelta(seconds=1)
    assert measured([]) is None
    with pytest.raises(ValueError, match="not negative"):
        measured([-MINUTE])


def test_the_point_of_no_return_is_the_earliest_limit_less_rollback_and_margin() -> None:
    rollback = [Task("r1", time_box(20)), Task("r2", time_box(25), (Link("r1"),))]
    limits = {"the window ends": START + 14 * 60 * MINUTE, "CHAPS opens": START + 32 * 60 * MINUTE}
    found = point_of_no_return(limits, rollback, 30 * MINUTE)
    assert found.reason == "the window ends"
    assert found.latest_start == START + (14 * 60 - 75) * MINUTE
    assert found.exact


def test_without_a_measured_rollback_the_point_of_no_return_is_a_bound() -> None:
    found = point_of_no_return({"x": START}, [Task("r1", time_box(20)), Task("r2", None, (Link("r1"),))], ZERO)
    assert not found.exact
    assert found.unmeasured == ("r2",)
    assert found.latest_start == START - 20 * MINUTE
