"""One life for every kind of step: validate, start, complete, rollback.

A step is pure. It yields the effects that it needs, as sequences (the effects of one sequence may run at the same
time), and is sent their outcomes. The engine alone executes; after a crash it runs the generator again and feeds back
what the journal recorded (docs/adr/0003-steps-as-generators.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from waves.plan import Plan, StepSpec
from waves.ports import Effect, Outcome

Flow = Generator[Sequence[Effect], list[Outcome], None]


@dataclass(frozen=True)
class Finding:
    """What a step's validation found. severity: `error` stops the wave, `warning` is told. next: the remedy."""

    severity: str
    text: str
    next: str = ""


class Recorded(Protocol):
    """What the journal knows of the wave's present attempt."""

    def outcome(self, effect_id: str) -> Outcome | None:
        """The recorded outcome of an effect, or None."""

    def created(self, step_id: str) -> tuple[str, ...]:
        """Names of the objects that effects of this step made or may have made, in order of the journal."""


@dataclass(frozen=True)
class StepContext:
    """What a step may look at."""

    plan: Plan
    spec: StepSpec
    attempt: int
    recorded: Recorded

    def outcome(self, effect_id: str) -> Outcome | None:
        """The outcome of any step's effect, as recorded."""
        return self.recorded.outcome(effect_id)

    def created(self) -> tuple[str, ...]:
        """What this step has created so far, on either side."""
        return self.recorded.created(self.spec.id)

    def effect_id(self, *parts: str) -> str:
        """`<step>/<part>/...`: stable over restarts, unique within the attempt."""
        return "/".join((self.spec.id, *parts))


class Step(ABC):
    """One kind of step. Subclasses hold no state."""

    kind: ClassVar[str]
    live: ClassVar[bool] = False  # what `start` starts lives in the runner: every run starts it again
    leaves: ClassVar[bool] = False  # its way back leaves what it created for another round; `remove` takes it away
    asks: ClassVar[bool] = False  # its questions are asked again until the wave is READY

    def validate(self, ctx: StepContext) -> list[Finding]:
        """What would stop this step, seen from the plan alone. Outside systems are checked by effects."""
        return []

    @abstractmethod
    def start(self, ctx: StepContext) -> Flow:
        """Everything up to where the step's work is under way or done."""

    def complete(self, ctx: StepContext) -> Flow:
        """What makes the step count as done."""
        yield from nothing()

    def services(self, ctx: StepContext) -> tuple[str, ...]:
        """Names of the services that `start` starts; stopped when the step is rolled back."""
        return ()

    def rollback(self, ctx: StepContext) -> Flow:
        """The way back. Of a step before the cutover: removes what `ctx.created()` names, and nothing else; may be run again."""
        yield from nothing()

    def remove(self, ctx: StepContext) -> Flow:
        """What `rollback` leaves standing on purpose (`leaves`), taken away when the wave is abandoned; may be run again."""
        yield from nothing()


def nothing() -> Iterable[Sequence[Effect]]:
    """No effects."""
    return ()
