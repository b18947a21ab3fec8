"""Cards in their schedule: durations from what was measured, else a time box, else none; and the point of no return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runbooks import people, stepcards
from runbooks.catalogue import CUTOVER, ROLLBACK, CardSpec, chosen
from runbooks.executed import Executed, runs_seconds
from runbooks.facts import Facts
from runbooks.model import NOT_MEASURED, Card, DoneStep, NoReturnView, Took
from runbooks.words import clock, count, milliseconds, span
from waves.schedule import (
    ZERO,
    Duration,
    Link,
    Schedule,
    Simulation,
    Task,
    measured,
    point_of_no_return,
    schedule,
    simulate,
    time_box,
)

BASE = datetime(2000, 1, 1, tzinfo=UTC)  # where a schedule without a window starts; only offsets are shown


@dataclass(frozen=True)
class Planned:
    """Cards, their tasks, and what the schedule makes of them."""

    cards: tuple[Card, ...]
    tasks: tuple[Task, ...]
    schedule: Schedule
    simulation: Simulation

    @property
    def path(self) -> tuple[str, ...]:
        """The critical path; empty where a length is not known, because then nobody knows it."""
        return () if self.schedule.unmeasured else self.schedule.path


def took(duration: Duration | None) -> Took:
    """A duration in words: the range p50-p90 with the number of samples, a box, or that it was not measured."""
    if duration is None:
        return Took(NOT_MEASURED, "none")
    p50, p90, number = duration.p50, duration.p90, len(duration.samples)
    figures = (milliseconds(p50), milliseconds(p90), number, duration.source)
    if duration.basis == "estimate":
        return Took(f"~{span(p90)}, estimate", "estimate", *figures)
    if duration.basis == "box":
        return Took(f"box {span(p50)}", "box", *figures)
    text = span(p50) if span(p50) == span(p90) else f"{span(p50)} - {span(p90)}"
    return Took(f"{text}, n={number}", "measured", *figures)


def durations(facts: Facts, done: Executed, spec: CardSpec) -> Duration | None:
    """What was measured in this project goes before what was decided."""
    found: Duration | None = None
    if spec.measure == "reconcile":
        found = measured(runs_seconds(facts.reconciliations), "reconciliation runs of this wave")
    elif spec.measure == "feeds":
        found = done.duration("step:feeds")
    elif spec.measure:
        found = done.duration(spec.measure)
    box = facts.settings.time_boxes.get(spec.id)
    return found or (time_box(box, "runbook.yaml") if box is not None else _estimate(facts, spec))


def _estimate(facts: Facts, spec: CardSpec) -> Duration | None:
    """A step that was neither measured in this wave nor given a time box: other waves of the project, else the sandbox."""
    if others := facts.elsewhere.get(spec.measure):
        return Duration(tuple(sorted(others)), "estimate", "other waves of this project")
    return (
        Duration((timedelta(seconds=spec.estimate),), "estimate", "default: the sandbox estate")
        if spec.estimate
        else None
    )


def planned(facts: Facts, done: Executed, catalogue: Sequence[CardSpec], start: datetime | None) -> Planned:
    """The cards of one catalogue that apply to this wave, in the order of the catalogue."""
    specs = chosen(catalogue, facts.marks, values(facts))
    tasks = tuple(Task(spec.id, durations(facts, done, spec), tuple(map(Link, spec.needs))) for spec in specs)
    begin = start or BASE
    plan, levels = schedule(tasks, begin), _levels(tasks)
    lengths = {task.id: task.duration for task in tasks}
    cards = []
    for spec in specs:
        slot, person = plan.slot(spec.id), people.watcher(facts, spec.duty, spec.role)
        behind = slot.at_earliest and (
            lengths[spec.id] is not None or any(plan.slot(n).at_earliest for n in spec.needs)
        )
        cards.append(
            Card(
                spec.id,
                spec.title,
                person.duty,
                person.name,
                person.deputy,
                spec.do,
                spec.see,
                spec.if_not,
                spec.undo,
                took(lengths[spec.id]),
                spec.needs,
                slot.start if start else None,
                behind,
                "not known" if plan.unmeasured else span(slot.slack) if slot.slack else "none",
                slot.critical and not plan.unmeasured,
                spec.irreversible,
                spec.commands,
                milliseconds(slot.start - begin),
                levels[spec.id],
                spec.sees,
                spec.undos,
            )
        )
    return Planned(tuple(cards), tasks, plan, simulate(tasks, begin))


def cutover(facts: Facts, done: Executed, start: datetime | None) -> Planned:
    return planned(facts, done, stepcards.forward_cards(facts.plan) if facts.by_steps else CUTOVER, start)


def rollback(facts: Facts, done: Executed) -> Planned:
    """The mirror, with times relative to the ruling."""
    return planned(facts, done, stepcards.back_cards(facts.plan) if facts.by_steps else ROLLBACK, None)


def last(facts: Facts, done: Executed, start: datetime | None) -> Planned:
    """What ends the wave, once hypercare is over."""
    after = None if start is None else start + timedelta(days=facts.settings.hypercare_days)
    return planned(facts, done, stepcards.last_cards(facts.plan) if facts.by_steps else (), after)


def values(facts: Facts) -> dict[str, str]:
    """What the catalogue's texts name."""
    kinds = {"api": "API", "kafka": "Kafka", "file": "files", "swift": "SWIFT", "postgres": "database"}
    seen = {facts.kind_of(item) for item in facts.plan.assets}
    channels = ", ".join(text for kind, text in kinds.items() if kind in seen) or "none"
    moved = {"readers": "the readers", "feeds": "the feeds and their readers", "store": "writers and readers"}
    behind = (
        "A change in the stream behind the marker is NO-GO: somebody passed the fence. Roll back."
        if "fence" in facts.marks
        else "No marker in the stream: the runner's log says why. Changes behind it are expected, the writer goes on."
    )
    return {
        "behind": behind,
        "wave": facts.plan.wave,
        "tables": str(facts.tables),
        "feeds": str(len(facts.feeds)),
        "channels": channels,
        "moved": moved.get(facts.plan.accepts_writes, facts.plan.accepts_writes),
    }


def _levels(tasks: Sequence[Task]) -> dict[str, int]:
    levels: dict[str, int] = {}
    for task in tasks:  # the catalogue stands in topological order
        levels[task.id] = max((levels[link.task] + 1 for link in task.needs), default=0)
    return levels


def finish_note(plan: Planned, zone: str) -> str:
    """When the weekend is over, as far as that is known."""
    missing = plan.schedule.unmeasured
    simulated = plan.simulation
    boxed = sum(1 for task in plan.tasks if task.duration is not None and task.duration.basis == "box")
    guessed = sum(1 for task in plan.tasks if task.duration is not None and task.duration.basis == "estimate")
    known = len(plan.tasks) - len(missing) - boxed - guessed
    told = f", {guessed} by estimate" if guessed else ""
    basis = f"{count(known, 'task')} measured in this project, {boxed} by time box{told}, {len(missing)} not measured"
    if missing:
        return f"The end cannot be told: {basis} ({', '.join(missing)}). Times behind them are lower bounds."
    middle, late = clock(simulated.p50, zone), clock(simulated.p90, zone)
    when = f"{middle} (p50 and p90)" if middle == late else f"{middle} (p50) or {late} (p90)"
    return f"Over by {when} in {simulated.runs} seeded draws from the samples; {basis}. Time boxes do not vary."


def done_steps(facts: Facts, done: Executed) -> tuple[DoneStep, ...]:
    """The plan's steps with their actual times."""
    found = []
    for spec in facts.plan.steps:
        run = done.steps.get(spec.id)
        begun, ended = (run.started_at, run.completed_at) if run else (None, None)
        state = "done" if ended else "running" if begun else "open"
        actual = took(measured([ended - begun], "journal") if begun and ended else None)
        if actual.basis == "measured":  # one run of one step is a time, not a range
            actual = Took(actual.text.removesuffix(", n=1"), "measured", actual.p50_ms, actual.p90_ms, 1, "journal")
        found.append(DoneStep(spec.id, spec.title, state, begun, ended, actual, tuple(spec.needs)))
    return tuple(found)


def no_return(facts: Facts, back: Planned, start: datetime | None, end: datetime | None) -> NoReturnView:
    """The latest safe rollback start: the earlier of the window's end and the next opening, less rollback and margin."""
    zone, margin = facts.settings.timezone, timedelta(minutes=facts.settings.margin_minutes)
    if start is None or end is None:
        return NoReturnView(
            "none", None, "Not known: the wave has no window.", "no window", NOT_MEASURED, span(margin), ()
        )
    limits = {"the window ends": end}
    for name in facts.settings.schemes:
        opening = facts.calendars[name].next_opening(start)
        if opening is not None:
            limits[f"{facts.calendars[name].name} opens"] = opening
    found = point_of_no_return(limits, back.tasks, margin)
    limit = f"{found.reason}, {clock(found.limit, zone)}"
    if all(task.duration is None for task in back.tasks):
        text = f"Not known: none of the {len(back.tasks)} rollback tasks is measured or has a time box."
        return NoReturnView("none", None, text, limit, NOT_MEASURED, span(margin), found.unmeasured)
    boxes = sum(1 for task in back.tasks if task.duration is not None and task.duration.basis == "box")
    length = span(found.rollback) if found.rollback > ZERO else NOT_MEASURED
    if found.exact:
        basis = f"{len(back.tasks) - boxes} of {len(back.tasks)} rollback tasks measured, {boxes} by time box; never rehearsed as a whole"
        text = f"A rollback that starts later may end behind the limit. {basis[0].upper()}{basis[1:]}."
        return NoReturnView("exact", found.latest_start, text, limit, length, span(margin), ())
    text = (
        f"The true moment is earlier, by the length of {len(found.unmeasured)} rollback tasks that are not measured "
        f"({', '.join(found.unmeasured)})."
    )
    return NoReturnView("bound", found.latest_start, text, limit, f"at least {length}", span(margin), found.unmeasured)


_BASIS = {
    "measured": ("exact", "p90 of {n} from end to end, {rehearsed} of them rehearsed on a copy"),
    "estimate": ("estimate", "the plan's estimate: no rollback was measured yet"),
    "unknown": ("bound", "neither measured nor estimated: the true moment is earlier"),
}


def computed(facts: Facts) -> NoReturnView:
    """The point of no return as every status shows it (`waves.point_of_no_return`)."""
    point, zone = facts.point, facts.settings.timezone
    if point is None or point.latest_start is None or point.limit is None:
        text = "Not known: the wave has no window."
        return NoReturnView("none", None, text, "no window", NOT_MEASURED, span(ZERO), ())
    known, basis = _BASIS[point.basis]
    basis = basis.format(n=count(len(point.samples), "rollback"), rehearsed=point.rehearsed or "none")
    length = NOT_MEASURED if point.basis == "unknown" else f"{span(point.rollback)} ({basis})"
    text = f"A rollback that starts later may end behind the limit; the command then asks for a decision. {basis[0].upper()}{basis[1:]}."
    limit = f"{point.reason}, {clock(point.limit, zone)}"
    return NoReturnView(known, point.latest_start, text, limit, length, span(point.margin), ())
