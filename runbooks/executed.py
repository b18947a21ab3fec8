"""What the journal says was executed: actual times, what was created, and every duration that was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from cutwater.core.clock import parse_iso
from waves.life import ROLLING_BACK
from waves.rehearsal import REHEARSAL_MEASURED, spans
from waves.schedule import Duration, measured
from waves.store import RecordView


@dataclass
class StepRun:
    """One step in the wave's present attempt. created: `<system>:<object>` in the order of the journal.
    services: names of the services that it started."""

    step: str
    started_at: datetime | None = None
    completed_at: datetime | None = None
    created: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    effects: int = 0


@dataclass
class Executed:
    """The fold of a wave's records. Samples are kept over all attempts, steps of the present attempt alone."""

    state: str = ""
    condition: str = ""
    attempt: int = 0
    steps: dict[str, StepRun] = field(default_factory=dict)
    step_samples: dict[str, list[timedelta]] = field(default_factory=dict)  # step id -> seconds of each completion
    action_samples: dict[str, list[timedelta]] = field(default_factory=dict)  # action -> seconds
    back_samples: dict[str, list[timedelta]] = field(default_factory=dict)  # step id -> its way back in a rollback
    rehearsed: dict[str, list[tuple[timedelta, date]]] = field(default_factory=dict)  # measure -> on a copy, and when
    failures: int = 0
    head: int = 0
    moves: list[tuple[datetime, str]] = field(default_factory=list)  # (when, state that was reached)
    _actions: dict[str, str] = field(default_factory=dict)
    _back_at: datetime | None = None  # when the way back of the next step began

    def in_reverse(self) -> list[StepRun]:
        """Steps that began, the last first: the order in which they are undone."""
        begun = [run for run in self.steps.values() if run.started_at is not None]
        return list(reversed(begun))

    def duration(self, measure: str) -> Duration | None:
        """`action:<name>`, `step:<id>` or `back:<id>` (a step's way back); None where nothing was measured."""
        kind, _, name = measure.partition(":")
        book = {"action": self.action_samples, "back": self.back_samples}.get(kind, self.step_samples)
        own, copied = book.get(name, ()), self.rehearsed.get(measure, ())
        return measured([*own, *(took for took, _ in copied)], _source(len(own), copied))


def fold(records: Iterable[RecordView]) -> Executed:
    """The records of one wave in order. A kind or a value that is not known is passed over: the journal outlives us."""
    done = Executed()
    for record in records:
        done.head = max(done.head, record.seq)
        payload = record.payload if isinstance(record.payload, Mapping) else {}
        handler = _HANDLERS.get(record.kind)
        if handler is not None:
            handler(done, record.at, payload)
    return done


def _source(own: int, rehearsed: Sequence[tuple[timedelta, date]]) -> str:
    """Where the samples come from: `rehearsed on 24 Nov 2026; measured in 2 earlier rounds`."""
    told = []
    if rehearsed:
        last = max(day for _, day in rehearsed)
        times = f" ({len(rehearsed)} times, the last)" if len(rehearsed) > 1 else ""
        told.append(f"rehearsed{times} on {last:%d %b %Y}")
    if own:
        told.append(f"measured in {'an earlier round' if own == 1 else f'{own} earlier rounds'}")
    return "; ".join(told)


def seconds(value: object) -> timedelta | None:
    """`"1.250"` or 3 as a duration; None for what is no number of seconds."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0:
        return None
    return timedelta(microseconds=int(amount * 1_000_000))


def runs_seconds(bodies: Sequence[Mapping[str, Any]]) -> list[timedelta]:
    """How long each reconciliation run took, from its first to its last second; a body that does not say is left out."""
    return [took for body in bodies if (took := _run_took(body)) is not None]


def _run_took(body: Mapping[str, Any]) -> timedelta | None:
    try:
        took = parse_iso(str(body["finished_at"])) - parse_iso(str(body["started_at"]))
    except (KeyError, ValueError):
        return None if isinstance(body.get("seconds"), Mapping) else seconds(body.get("seconds"))
    return took if took >= timedelta() else None


def _state(done: Executed, at: datetime, payload: Mapping[str, Any]) -> None:
    done.state = str(payload.get("to", ""))
    if done.state == "PLANNED":
        done.attempt = int(payload.get("attempt", done.attempt + 1))
        done.steps, done.moves, done._actions = {}, [], {}
    done.moves.append((at, done.state))
    done._back_at = at if done.state == ROLLING_BACK else None


def _condition(done: Executed, at: datetime, payload: Mapping[str, Any]) -> None:
    done.condition = str(payload.get("condition", ""))


def _run(done: Executed, payload: Mapping[str, Any]) -> StepRun:
    name = str(payload.get("step", ""))
    return done.steps.setdefault(name, StepRun(name))


def _started(done: Executed, at: datetime, payload: Mapping[str, Any]) -> None:
    run = _run(done, payload)
    run.started_at = run.started_at or at


def _completed(done: Executed, at: datetime, payload: Mapping[str, Any]) -> None:
    run = _run(done, payload)
    run.completed_at = at
    took = seconds(payload.get("seconds")) or (at - run.started_at if run.started_at else None)
    if took is not None:
        done.step_samples.setdefault(run.step, []).append(took)


def _rolled_back(done: Executed, at: datetime, payload: Mapping[str, Any]) -> None:
    name = str(payload.get("step", ""))
    done.steps.pop(name, None)
    if done._back_at is not None:
        done.back_samples.setdefault(name, []).append(at - done._back_at)
        done._back_at = at


def _intent(done: Executed, at: datetime, payload: Mapping[str, Any]) -> None:
    run, action, args = _run(done, payload), str(payload.get("action", "")), payload.get("args")
    done._actions[str(payload.get("effect", ""))] = action
    run.effects += 1
    run.created += [str(name) for name in payload.get("creates", ()) if str(name) not in run.created]
    if action == "service.start" and isinstance(args, Mapping):
        name = str(args.get("name", ""))
        run.services += [] if name in run.services else [name]


def _outcome(done: Executed, at: datetime, payload: Mapping[str, Any]) -> None:
    run, outcome = _run(done, payload), payload.get("outcome")
    if isinstance(outcome, Mapping):
        made = outcome.get("created", ())
        if isinstance(made, list | tuple):
            run.created += [str(name) for name in made if str(name) not in run.created]
    took, action = seconds(payload.get("seconds")), done._actions.get(str(payload.get("effect", "")), "")
    if took is not None and action and not payload.get("observed"):  # what was found done tells no duration
        done.action_samples.setdefault(action, []).append(took)


def _rehearsed(done: Executed, at: datetime, payload: Mapping[str, Any]) -> None:
    for kind, name in (("step", "steps"), ("back", "back")):
        book = payload.get(name)
        for step, values in book.items() if isinstance(book, Mapping) else ():
            found = done.rehearsed.setdefault(f"{kind}:{step}", [])
            found += [(took, at.date()) for took in spans(values)]


def _failed(done: Executed, at: datetime, payload: Mapping[str, Any]) -> None:
    done.failures += 1


_HANDLERS = {
    "wave.state": _state,
    "wave.condition": _condition,
    "step.started": _started,
    "step.completed": _completed,
    "step.rolled_back": _rolled_back,
    "effect.intent": _intent,
    "effect.outcome": _outcome,
    "effect.failed": _failed,
    REHEARSAL_MEASURED: _rehearsed,
}
