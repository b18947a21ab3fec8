"""What the engine asks of the outside world. Adapters implement it; `cutwater.wiring` maps names to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cutwater.core.errors import Unavailable

Outcome = dict[str, Any]  # plain JSON values: it goes to the journal


@dataclass(frozen=True)
class Fence:
    """The lease's token. Each action checks inside its effect that no later token exists (see `check`)."""

    wave: str
    token: int
    run_id: str


@dataclass(frozen=True)
class Effect:
    """One thing to be done outside. `id` is stable over restarts and unique within the plan's attempt.

    action: the name of the action that carries it out. args: plain JSON values. title: for people.
    creates: names of the objects that it makes, `<system>:<object>`, for `abandon`'s list.
    """

    id: str
    action: str
    args: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    creates: tuple[str, ...] = ()


class Waiting(Unavailable):
    """Nothing is wrong, the answer is not there yet (a feed still catches up). The engine keeps polling the services
    and asks again, without counting a failure; `what` says what is waited for."""


class Action(Protocol):
    """Carries out one kind of effect. Runs in a worker thread while the engine keeps polling the started services."""

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        """Do it. Raises Waiting (not yet), Unavailable (try again), Refused or BadInput (a person has to act)."""

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        """Has it already happened? Its outcome, or None. Asked after a crash between intent and outcome."""

    def describe(self, args: Mapping[str, Any]) -> str:
        """One line for a dry run: what would be done, to which object."""


@dataclass(frozen=True)
class ServiceStatus:
    """One poll's result. busy: there is more to do at once. caught_up: the own marker of the last poll was seen."""

    name: str
    busy: bool = False
    caught_up: bool = False
    applied: int = 0  # changes or messages taken in by this poll
    lag: str = ""  # for people, with its unit
    detail: Mapping[str, Any] = field(default_factory=dict)


class Service(Protocol):
    """What lives for weeks: a change stream, a feed tap. Its position is in the lake, never in memory alone."""

    name: str

    def poll(self, fence: Fence) -> ServiceStatus:
        """One bounded piece of work. Raises as `Action.perform`; after Unavailable it may be polled again."""

    def answer(self, kind: str, payload: Mapping[str, Any], fence: Fence) -> Outcome | None:
        """A request of an operator or of reconciliation (`pin`, `repair`); None where it is not this service's."""

    def close(self) -> None:
        """Let go of connections."""
