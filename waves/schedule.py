"""The wave's schedule: own critical-path method over tasks, and the latest moment at which a rollback is still safe.

Times are aware UTC, durations are `timedelta`. A duration is known (measured samples, or a time box that a person
decided) or it is None: then the task counts as zero and everything behind it is a lower bound (`at_earliest`).
Dependencies: FS (starts after the other finished), SS (starts after the other started), FF (finishes after the other
finished), each with a lag that may be negative. A fixed start locks a task until then.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cutwater.core.errors import BadInput

ZERO = timedelta()


class LinkKind(StrEnum):
    """How a task depends on an earlier one."""

    FS = "FS"
    SS = "SS"
    FF = "FF"


@dataclass(frozen=True, order=True)
class Link:
    """Depends on the task `task`."""

    task: str
    kind: LinkKind = LinkKind.FS
    lag: timedelta = ZERO


@dataclass(frozen=True)
class Duration:
    """How long something takes. basis: `measured` (samples, sorted) or `box` (one value that a person decided)."""

    samples: tuple[timedelta, ...]
    basis: str = "measured"
    source: str = ""

    @property
    def p50(self) -> timedelta:
        return quantile(self.samples, 50)

    @property
    def p90(self) -> timedelta:
        return quantile(self.samples, 90)


def measured(samples: Iterable[timedelta], source: str = "") -> Duration | None:
    """A duration from samples; None where there are none."""
    kept = tuple(sorted(samples))
    if kept and kept[0] < ZERO:
        raise ValueError("a duration is not negative")
    return Duration(kept, "measured", source) if kept else None


def time_box(minutes: int, source: str = "") -> Duration:
    """A duration that a person decided: a plan, not a measurement."""
    return Duration((timedelta(minutes=minutes),), "box", source)


def quantile(samples: Sequence[timedelta], percent: int) -> timedelta:
    """The nearest-rank quantile of sorted samples: always a value that was seen."""
    rank = max(1, -(-len(samples) * percent // 100))
    return samples[rank - 1]


@dataclass(frozen=True)
class WorkingTime:
    """When a task may be worked on: disjoint intervals, sorted. Outside them its clock stands still."""

    name: str
    intervals: tuple[tuple[datetime, datetime], ...]

    def add(self, start: datetime, amount: timedelta) -> tuple[datetime, datetime]:
        """(start moved into working time, finish after `amount` of it). Raises BadInput where the intervals end."""
        side = bisect_right if amount else bisect_left  # no work at all may stand at a closing time
        begin: datetime | None = None
        for opens, closes in self.intervals[side(self.intervals, start, key=lambda item: item[1]) :]:
            here = max(start, opens)
            begin = here if begin is None else begin
            if closes - here >= amount:
                return begin, here + amount
            amount -= closes - here
        raise BadInput(
            "CW5003",
            f"the working time {self.name} ends before the work does",
            cause=f"{amount} are left over",
            next="extend the working time, or move the task",
        )

    def subtract(self, finish: datetime, amount: timedelta) -> datetime:
        """The latest start from which `amount` of work is done by `finish`; the first opening where there is none."""
        side = bisect_left if amount else bisect_right
        for opens, closes in reversed(self.intervals[: side(self.intervals, finish, key=lambda item: item[0])]):
            here = min(finish, closes)
            if here - opens >= amount:
                return here - amount
            amount -= here - opens
        return self.intervals[0][0]


@dataclass(frozen=True)
class Task:
    """One task of a schedule. duration: None where nobody measured or decided it."""

    id: str
    duration: Duration | None = None
    needs: tuple[Link, ...] = ()
    fixed_start: datetime | None = None
    working: WorkingTime | None = None


@dataclass(frozen=True)
class Slot:
    """Where a task stands. slack: by how much it may slip before the end slips. driver: the task that sets its start
    (empty: the schedule's or its fixed start). at_earliest: something before it (or itself) is not measured.
    late_by: by how much its predecessors overrun its fixed start.
    """

    id: str
    start: datetime
    finish: datetime
    late_start: datetime
    late_finish: datetime
    slack: timedelta
    critical: bool
    driver: str = ""
    at_earliest: bool = False
    late_by: timedelta = ZERO


@dataclass(frozen=True)
class Schedule:
    """Slots in topological order; `path` is the chain of drivers that ends at `finish`."""

    start: datetime
    finish: datetime
    slots: tuple[Slot, ...]
    path: tuple[str, ...]
    unmeasured: tuple[str, ...]

    def slot(self, task_id: str) -> Slot:
        return next(item for item in self.slots if item.id == task_id)


def ordered(tasks: Sequence[Task]) -> list[Task]:
    """Topological order; among equals the given order holds. Raises BadInput on a cycle, a double or an unknown id."""
    known = {task.id: task for task in tasks}
    if len(known) != len(tasks):
        twice = sorted({task.id for task in tasks if sum(other.id == task.id for other in tasks) > 1})
        raise BadInput(
            "CW5001", f"task {', '.join(twice)} stands twice in the schedule", next="give each task its own id"
        )
    for task in tasks:
        for link in task.needs:
            if link.task not in known:
                raise BadInput(
                    "CW5001", f"task {task.id} depends on {link.task}, which is not there", next="mend its `needs`"
                )
    done: dict[str, Task] = {}
    waiting = list(tasks)
    while waiting:
        ready = next((task for task in waiting if all(link.task in done for link in task.needs)), None)
        if ready is None:
            raise BadInput(
                "CW5002",
                f"the tasks {', '.join(task.id for task in waiting)} wait for each other",
                cause="their dependencies form a cycle",
                next="take one dependency out",
            )
        done[ready.id] = ready
        waiting.remove(ready)
    return list(done.values())


@dataclass(frozen=True)
class _Early:
    start: datetime
    finish: datetime
    driver: str
    late_by: timedelta


def _early(tasks: Sequence[Task], start: datetime, lengths: Mapping[str, timedelta]) -> dict[str, _Early]:
    """The forward pass over tasks in topological order."""
    early: dict[str, _Early] = {}
    for task in tasks:
        length, begin, driver, hold = lengths[task.id], start, "", start
        for link in sorted(task.needs):
            before = early[link.task]
            if link.kind is LinkKind.FF:
                hold = max(hold, before.finish + link.lag)
                bound = _back(task, before.finish + link.lag, length)
            else:
                bound = (before.finish if link.kind is LinkKind.FS else before.start) + link.lag
            if bound > begin:
                begin, driver = bound, link.task
        late_by = ZERO
        if task.fixed_start is not None:
            late_by = max(ZERO, begin - task.fixed_start)
            if task.fixed_start >= begin:
                begin, driver = task.fixed_start, ""
        finish = begin + length
        if task.working is not None:
            begin, finish = task.working.add(begin, length)
        early[task.id] = _Early(begin, max(finish, hold), driver, late_by)
    return early


def _back(task: Task, finish: datetime, length: timedelta) -> datetime:
    return finish - length if task.working is None else task.working.subtract(finish, length)


def _late(
    tasks: Sequence[Task], end: datetime, lengths: Mapping[str, timedelta]
) -> dict[str, tuple[datetime, datetime]]:
    """The backward pass: (latest start, latest finish) per task."""
    finishes = {task.id: end for task in tasks}
    starts: dict[str, datetime] = {}
    capped: dict[str, datetime] = {}
    for task in reversed(tasks):
        late = _back(task, finishes[task.id], lengths[task.id])
        if task.id in capped:
            late = min(late, _back(task, capped[task.id], ZERO))
        starts[task.id] = late
        for link in task.needs:
            if link.kind is LinkKind.FS:
                finishes[link.task] = min(finishes[link.task], late - link.lag)
            elif link.kind is LinkKind.FF:
                finishes[link.task] = min(finishes[link.task], finishes[task.id] - link.lag)
            else:
                capped[link.task] = min(capped.get(link.task, end), late - link.lag)
    return {task.id: (starts[task.id], finishes[task.id]) for task in tasks}


def schedule(tasks: Sequence[Task], start: datetime, percent: int = 90) -> Schedule:
    """Forward and backward pass with every duration at its quantile `percent`. Deterministic."""
    order = ordered(tasks)
    lengths = {task.id: ZERO if task.duration is None else quantile(task.duration.samples, percent) for task in order}
    early = _early(order, start, lengths)
    end = max((item.finish for item in early.values()), default=start)
    late = _late(order, end, lengths)
    open_ended: dict[str, bool] = {}
    for task in order:
        open_ended[task.id] = task.duration is None or any(open_ended[link.task] for link in task.needs)
    path = _path(order, early, end)
    slots = tuple(
        Slot(
            task.id,
            early[task.id].start,
            early[task.id].finish,
            *late[task.id],
            slack=late[task.id][0] - early[task.id].start,
            critical=task.id in path,
            driver=early[task.id].driver,
            at_earliest=open_ended[task.id],
            late_by=early[task.id].late_by,
        )
        for task in order
    )
    return Schedule(start, end, slots, path, tuple(task.id for task in order if task.duration is None))


def _path(order: Sequence[Task], early: Mapping[str, _Early], end: datetime) -> tuple[str, ...]:
    """From the last task that finishes at the end, back along the drivers."""
    last = next((task.id for task in reversed(order) if early[task.id].finish == end), "")
    path: list[str] = []
    while last:
        path.append(last)
        last = early[last].driver
    return tuple(reversed(path))


@dataclass(frozen=True)
class Simulation:
    """Finish times of `runs` draws, seeded. unmeasured: tasks that counted as zero in every draw."""

    runs: int
    seed: int
    p50: datetime
    p90: datetime
    unmeasured: tuple[str, ...]


def simulate(tasks: Sequence[Task], start: datetime, runs: int = 400, seed: int = 1) -> Simulation:
    """Draws each duration from its own samples (no distribution is assumed) and takes the finish of every draw."""
    order = ordered(tasks)
    dice = random.Random(seed)  # noqa: S311 - a simulation that must repeat, not a secret
    ends: list[timedelta] = []
    for _ in range(runs):
        lengths = {task.id: ZERO if task.duration is None else dice.choice(task.duration.samples) for task in order}
        early = _early(order, start, lengths)
        ends.append(max((item.finish for item in early.values()), default=start) - start)
    ends.sort()
    unmeasured = tuple(task.id for task in order if task.duration is None)
    return Simulation(runs, seed, start + quantile(ends, 50), start + quantile(ends, 90), unmeasured)


@dataclass(frozen=True)
class NoReturn:
    """The point of no return. latest_start: the last moment at which a rollback ends before `limit` minus `margin`.
    exact: False where rollback tasks are not measured: the true moment is earlier. reason: what `limit` is.
    """

    latest_start: datetime
    limit: datetime
    reason: str
    rollback: timedelta
    margin: timedelta
    exact: bool
    unmeasured: tuple[str, ...]


def point_of_no_return(
    limits: Mapping[str, datetime], rollback: Sequence[Task], margin: timedelta, percent: int = 90
) -> NoReturn:
    """Latest safe rollback start = the earliest limit (window's end, next scheme opening) - rollback - margin.

    The rollback's length is its critical path with every duration at p90 (cutover.md: rehearsed p90).
    """
    reason, limit = min(limits.items(), key=lambda item: (item[1], item[0]))
    ran = schedule(rollback, limit, percent)
    length = ran.finish - ran.start
    return NoReturn(limit - length - margin, limit, reason, length, margin, not ran.unmeasured, ran.unmeasured)
