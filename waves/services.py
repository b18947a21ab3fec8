"""The wave's services: polled one by one in lanes of their own, so that a slow or broken one holds up no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cutwater.core.errors import CutwaterError, Unavailable
from waves.gates import ServiceView
from waves.ports import Fence, Outcome, Service, ServiceStatus
from waves.store import RequestView

Factory = Callable[[Sequence[str]], Sequence[Service]]


@dataclass
class Ask:
    """One request on its way through the lanes that have not declined it yet."""

    request: RequestView
    waiting: list[str]


@dataclass
class Lane:
    """One service, what it is doing, and how it does."""

    service: Service
    future: Future[Any] | None = None
    ask: Ask | None = None  # set while `future` is an answer, not a poll
    due: float = 0.0
    failures: int = 0
    parked: CutwaterError | None = None  # Refused, BadInput or a defect: a person has to act
    error: CutwaterError | None = None  # the last Unavailable, while it lasts
    status: ServiceStatus | None = None
    at: datetime | None = None
    begun: datetime | None = None  # of the poll under way
    told: str = ""  # the error that was last told of
    caught_up_at: datetime | None = None


@dataclass
class Answered:
    """A request that came to its end."""

    request: RequestView
    answer: Outcome | None
    error: CutwaterError | None


@dataclass
class ServicePool:
    """Polls, answers requests, keeps the last status. Used by the engine's thread alone.

    interval: seconds between two polls of an idle service. backoff_cap: longest wait after Unavailable, in seconds.
    """

    factory: Factory
    fence: Fence
    executor: Executor
    timer: Callable[[], float]
    clock: Callable[[], datetime]
    interval: float = 0.5
    backoff_cap: float = 30.0
    lanes: dict[str, Lane] = field(default_factory=dict)
    asks: list[Ask] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)

    def add(self, names: Sequence[str]) -> None:
        """Starts services that are not there yet."""
        missing = [name for name in names if name not in self.lanes]
        if missing:
            for service in self.factory(missing):
                self.lanes[service.name] = Lane(service)

    def remove(self, names: Iterable[str]) -> None:
        """Stops services; one in the middle of a poll ends it first."""
        for name in names:
            lane = self.lanes.pop(name, None)
            if lane is not None:
                if lane.future is not None:
                    wait([lane.future])
                lane.service.close()

    def close(self) -> None:
        """Stops all."""
        self.remove(list(self.lanes))

    def ask(self, request: RequestView) -> None:
        """Puts a request to the services, in order, until one takes it."""
        if all(item.request.id != request.id for item in self.asks):
            self.asks.append(Ask(request, list(self.lanes)))

    def revive(self) -> None:
        """Parked services may be polled again."""
        for lane in self.lanes.values():
            lane.parked, lane.failures, lane.due = None, 0, 0.0

    def failed(self) -> list[tuple[str, CutwaterError]]:
        """Services that wait for a person."""
        return [(name, lane.parked) for name, lane in self.lanes.items() if lane.parked is not None]

    def views(self) -> list[ServiceView]:
        """How each service was last seen; one that never came through a poll is there too, and is not caught up."""
        seen = [
            (name, lane, lane.status or ServiceStatus(name, lag="not polled yet")) for name, lane in self.lanes.items()
        ]
        return [
            ServiceView(
                name,
                lane.at or self.clock(),
                status.caught_up and lane.error is None and lane.parked is None,
                status.lag,
                dict(status.detail),
                str(lane.parked or lane.error or ""),
                lane.caught_up_at,
            )
            for name, lane, status in seen
        ]

    def changed_trouble(self) -> list[tuple[str, str]]:
        """Services whose error is another one than when this was last asked, with it; empty where it is gone."""
        found = []
        for name, lane in self.lanes.items():
            trouble = str(lane.parked or lane.error or "")
            if trouble != lane.told:
                lane.told = trouble
                found.append((name, trouble))
        return found

    def busy(self) -> bool:
        """Whether some service has more to do at once and nobody is at it yet."""
        lanes = self.lanes.values()
        return any(lane.status is not None and lane.status.busy and lane.future is None for lane in lanes)

    def futures(self) -> list[Future[Any]]:
        """What can be waited for."""
        return [lane.future for lane in self.lanes.values() if lane.future is not None]

    def pump(self) -> list[tuple[str, ServiceStatus]]:
        """Takes in what is finished and gives out what is due; returns the polls that finished."""
        polls: list[tuple[str, ServiceStatus]] = []
        for name, lane in self.lanes.items():
            if lane.future is not None and lane.future.done():
                self._take(name, lane, polls)
        self._give_up()
        for name, lane in self.lanes.items():
            if lane.future is None:
                self._give(name, lane)
        return polls

    def _give(self, name: str, lane: Lane) -> None:
        ask = next((item for item in self.asks if item.waiting[:1] == [name]), None)
        if ask is not None:
            lane.ask = ask
            lane.future = self.executor.submit(lane.service.answer, ask.request.kind, ask.request.payload, self.fence)
        elif lane.parked is None and self.timer() >= lane.due:
            lane.begun = self.clock()
            lane.future = self.executor.submit(lane.service.poll, self.fence)

    def _take(self, name: str, lane: Lane, polls: list[tuple[str, ServiceStatus]]) -> None:
        future, ask = lane.future, lane.ask
        lane.future = lane.ask = None
        if future is None:
            return
        error = settled_error(future, name)
        if ask is not None:
            ask.waiting.remove(name)
            answer = None if error is not None else future.result()
            if error is not None or answer is not None:
                self.asks.remove(ask)
                self.answered.append(Answered(ask.request, answer, error))
            return
        if error is None:
            lane.status, lane.at = future.result(), self.clock()
            lane.failures, lane.error = 0, None
            lane.caught_up_at = lane.begun if lane.status.caught_up else lane.caught_up_at
            lane.due = 0.0 if lane.status.busy else self.timer() + self.interval
            polls.append((name, lane.status))
        elif isinstance(error, Unavailable):
            lane.failures, lane.error = lane.failures + 1, error
            lane.due = self.timer() + min(self.backoff_cap, self.interval * 2**lane.failures)
        else:
            lane.parked = error

    def _give_up(self) -> None:
        for ask in self.asks:
            ask.waiting = [name for name in ask.waiting if name in self.lanes]
        for ask in [item for item in self.asks if not item.waiting]:
            self.asks.remove(ask)
            error = Unavailable(
                "CW3017",
                f"no service of the runner answers a request of kind {ask.request.kind}",
                cause=f"running: {', '.join(self.lanes) or 'none'}",
                next="run the wave to dual-run first",
            )
            self.answered.append(Answered(ask.request, None, error))


def settled_error(future: Future[Any], what: str) -> CutwaterError | None:
    """A finished future's error as ours; None where it succeeded. What is no Exception (an interrupt) is raised."""
    error = future.exception()
    if error is None or isinstance(error, CutwaterError):
        return error
    if not isinstance(error, Exception):
        raise error
    if _lost_database(error):
        return Unavailable(
            "CW3027",
            f"{what}: a database went away in the middle",
            cause=str(error).splitlines()[0],
            state="nothing was recorded as done; it is looked for before it is done again",
            next="cutwater doctor names the system; the runner tries again by itself",
        )
    wrapped = CutwaterError(
        "CW3020",
        f"{what} failed in a way that it does not declare",
        cause=f"{type(error).__name__}: {error}",
        state="nothing was recorded as done",
        next="cutwater wave status, then resume; the runner's log holds the trace",
    )
    wrapped.__cause__ = error
    return wrapped


def _lost_database(error: Exception) -> bool:
    """Whether a driver says that its server went away or does not answer (the lake's catalog is a database, too)."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
    return isinstance(error, ConnectionError)
