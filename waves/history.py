"""What the journal says of a wave: its records, folded. The journal is the truth; everything else is derived from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cutwater.core.hashing import canonical_json
from waves import life
from waves.ports import Outcome
from waves.store import RecordView


@dataclass
class StepRecord:
    """What became of one step in the present attempt."""

    started_at: datetime | None = None
    completed_at: datetime | None = None
    created: list[str] = field(default_factory=list)  # of every intent and outcome, in order


@dataclass
class History:
    """The fold. `apply` takes the next record; records of earlier attempts fall away at PLANNED."""

    wave: str
    state: str = life.NEW
    condition: str = ""
    error: dict[str, Any] = field(default_factory=dict)  # of condition FAILED
    attempt: int = 0
    plan_hash: str = ""
    abandoning: bool = False
    steps: dict[str, StepRecord] = field(default_factory=dict)
    left: dict[str, list[str]] = field(default_factory=dict)  # step -> what its way back left standing, on purpose
    intents: dict[str, dict[str, Any]] = field(
        default_factory=dict
    )  # effect id -> intent, of the present life of its step
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    tried: set[str] = field(
        default_factory=set
    )  # effect ids with an intent in this attempt, also from before a rollback
    last_run: dict[str, Any] = field(default_factory=dict)
    last_seq: int = 0
    updated_at: datetime | None = None
    entered: dict[str, datetime] = field(default_factory=dict)  # state -> when, in this attempt
    gates: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, wave: str, records: Iterable[RecordView]) -> History:
        """The fold of a wave's records in order."""
        history = cls(wave)
        for record in records:
            history.apply(record)
        return history

    def apply(self, record: RecordView) -> None:
        """Takes one more record in."""
        self.last_seq, self.updated_at = record.seq, record.at
        handler = _HANDLERS.get(record.kind)
        if handler is not None:
            handler(self, record, record.payload)

    def outcome(self, effect_id: str) -> Outcome | None:
        return self.outcomes.get(effect_id)

    def created(self, step_id: str) -> tuple[str, ...]:
        return tuple(self.steps[step_id].created) if step_id in self.steps else ()

    def started(self, step_id: str) -> bool:
        return step_id in self.steps and self.steps[step_id].started_at is not None

    def completed(self, step_id: str) -> bool:
        return step_id in self.steps and self.steps[step_id].completed_at is not None

    @property
    def retiring(self) -> bool:
        """Whether the completion has begun; see waves/steps/retire.py."""
        return any(name.startswith("retire/") for name in self.intents)

    @property
    def retired(self) -> bool:
        """Whether the completion has begun to remove what a way back would read."""
        return "retire/slot" in self.intents or "retire/services" in self.intents

    def unsettled(self) -> list[str]:
        """Effects with an intent and without an outcome."""
        return [effect for effect in self.intents if effect not in self.outcomes]

    def objects(self) -> list[tuple[str, str]]:
        """(step, object) of everything that this attempt created and has not removed: the list of `abandon`."""
        made = {step: list(dict.fromkeys(record.created)) for step, record in self.steps.items()}
        for step, names in self.left.items():
            made[step] = list(dict.fromkeys([*made.get(step, ()), *names]))
        return [(step, name) for step, names in made.items() for name in names]

    def same_intent(self, effect_id: str, args: object) -> bool:
        """Whether the journal's intent (if there is one) has these arguments."""
        known = self.intents.get(effect_id)
        return known is None or canonical_json(known["args"]) == canonical_json(args)

    def _state(self, record: RecordView, payload: dict[str, Any]) -> None:
        self.state = payload["to"]
        if self.state == life.PLANNED:
            self.attempt = int(payload.get("attempt", self.attempt + 1))
            self.steps, self.intents, self.outcomes, self.tried, self.left = {}, {}, {}, set(), {}
            self.entered, self.gates, self.abandoning = {}, {}, False
            self.condition, self.error = "", {}
        if payload.get("plan"):
            self.plan_hash = payload["plan"]
        if self.state == life.ABANDONED:
            self.abandoning, self.condition, self.error = False, "", {}
        self.entered[self.state] = record.at

    def _plan(self, record: RecordView, payload: dict[str, Any]) -> None:
        self.plan_hash = payload["plan"]

    def _condition(self, record: RecordView, payload: dict[str, Any]) -> None:
        self.condition, self.error = payload["condition"], dict(payload.get("error") or {})

    def _run(self, record: RecordView, payload: dict[str, Any]) -> None:
        if record.kind == "run.started":
            self.last_run = {"run": record.run_id, "at": record.at, **payload, "ended": False}
        else:
            self.last_run = {**self.last_run, "ended": True, "reason": payload.get("reason", "")}

    def _abandon(self, record: RecordView, payload: dict[str, Any]) -> None:
        self.abandoning = True

    def _step(self, record: RecordView, payload: dict[str, Any]) -> None:
        step = self.steps.setdefault(payload["step"], StepRecord())
        if record.kind == "step.started":
            step.started_at = record.at
        elif record.kind == "step.completed":
            step.completed_at = record.at
        else:  # rolled back: the step's present life is over, its effects may be done anew
            prefix = payload["step"] + "/"
            del self.steps[payload["step"]]
            if payload.get("left"):
                self.left[payload["step"]] = list(payload["left"])
            else:
                self.left.pop(payload["step"], None)
            for book in (self.intents, self.outcomes):
                for effect in [name for name in book if name.startswith(prefix)]:
                    del book[effect]

    def _intent(self, record: RecordView, payload: dict[str, Any]) -> None:
        self.intents[payload["effect"]] = payload
        self.tried.add(payload["effect"])
        self.steps.setdefault(payload["step"], StepRecord()).created.extend(payload.get("creates", ()))

    def _outcome(self, record: RecordView, payload: dict[str, Any]) -> None:
        self.outcomes[payload["effect"]] = payload["outcome"]
        made: Sequence[str] = payload["outcome"].get("created", ())
        step = self.steps.setdefault(payload["step"], StepRecord())
        step.created.extend(name for name in made if isinstance(name, str) and name not in step.created)

    def _gate(self, record: RecordView, payload: dict[str, Any]) -> None:
        self.gates[payload["gate"]] = {**payload, "at": record.at}


_HANDLERS = {
    "wave.state": History._state,
    "wave.condition": History._condition,
    "plan.saved": History._plan,
    "run.started": History._run,
    "run.ended": History._run,
    "abandon.started": History._abandon,
    "step.started": History._step,
    "step.completed": History._step,
    "step.rolled_back": History._step,
    "effect.intent": History._intent,
    "effect.outcome": History._outcome,
    "gate.evaluated": History._gate,
}
