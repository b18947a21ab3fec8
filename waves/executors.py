"""Two executors of the same plan: the live one journals and carries out, the dry one only tells."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from cutwater.core.errors import CutwaterError, Refused, Unavailable
from waves.gates import NoGo
from waves.history import History
from waves.plan import StepSpec
from waves.ports import Action, Effect, Fence, Outcome, Waiting
from waves.services import settled_error
from waves.settle import Carried, Retry, carry_out, plain


class Stopped(Exception):
    """The engine reached a safe point after a pause or a stop was asked for."""


class EffectExecutor(Protocol):
    """Takes the effects that a step yields and gives their outcomes back, in order."""

    def run(self, spec: StepSpec, effects: Sequence[Effect]) -> list[Outcome]: ...


class Host(Protocol):
    """What the live executor asks of the engine."""

    @property
    def stopping(self) -> str:
        """Why no new effect may begin; empty while everything goes on."""

    def pump(self) -> None:
        """Services, requests, heartbeat. Raises the error of a service that needs a person."""

    def append(self, kind: str, payload: dict[str, Any]) -> None:
        """One record of this wave, fenced."""

    def tell(self, event: str, **facts: object) -> None:
        """Progress for whoever watches."""


Question = Callable[[Effect], Outcome]  # answered by the engine itself, asked anew each time; raises NoGo


@dataclass
class Try:
    """One effect under way. failed: how many tries ended in Unavailable."""

    effect: Effect
    look_first: bool
    failed: int = 0
    due: float = 0.0


@dataclass
class LiveExecutor:
    """Intent before, outcome after; recorded outcomes are fed back instead of done again.

    tick: longest time in seconds without looking after services and requests.
    """

    host: Host
    history: History
    actions: Mapping[str, Action]
    questions: Mapping[str, Question]
    fence: Fence
    pool: Executor
    timer: Callable[[], float]
    pause: Callable[[float], object]  # waits so many seconds; tests do not
    retry: Retry = field(default_factory=Retry)
    tick: float = 0.2
    wait_seconds: float = 0.5  # between two tries of an effect that waits

    def run(self, spec: StepSpec, effects: Sequence[Effect]) -> list[Outcome]:
        """Raises the first failure once all that was under way has ended, and Stopped at a safe point."""
        done: dict[str, Outcome] = {}
        todo: deque[Try] = deque()
        for effect in effects:
            self._consistent(spec, effect)
            known = self.history.outcome(effect.id)
            if effect.action in self.questions:
                done[effect.id] = self._ask(effect)
            elif known is not None:
                done[effect.id] = known
            else:
                todo.append(Try(effect, effect.id in self.history.tried))
        if todo:
            self._all(spec, todo, done)
        return [done[effect.id] for effect in effects]

    def _ask(self, effect: Effect) -> Outcome:
        """The engine's own answer, now. Unavailable is met with patience, as for effects."""
        failed = 0
        while True:
            future = self.pool.submit(self.questions[effect.action], effect)
            wait([future])
            error = settled_error(future, f"effect {effect.id}")
            if error is None:
                answer: Outcome = plain(future.result())
                return answer
            failed += 1
            if not isinstance(error, Unavailable) or failed >= self.retry.tries or self.host.stopping:
                raise error
            self.host.tell("effect.waiting", effect=effect.id, reason=error.what)
            self.pause(self.retry.delay(failed))

    def _all(self, spec: StepSpec, todo: deque[Try], done: dict[str, Outcome]) -> None:
        limit = max(1, int(spec.params.get("parallel", 2)))
        running: dict[Future[Carried], Try] = {}
        failure: CutwaterError | None = None
        while todo or running:
            if failure is None and not self.host.stopping:
                self._launch(spec, todo, running, limit)
            elif not running:
                break
            self._rest(running, todo)
            for future in [item for item in running if item.done()]:
                error = self._take(spec, running.pop(future), future, todo, done)
                failure = failure or error
            try:
                self.host.pump()
            except CutwaterError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        if todo:
            raise Stopped(self.host.stopping)

    def _launch(self, spec: StepSpec, todo: deque[Try], running: dict[Future[Carried], Try], limit: int) -> None:
        for _ in range(len(todo)):
            if len(running) >= limit:
                return
            item = todo.popleft()
            if item.due > self.timer():
                todo.append(item)
                continue
            effect = item.effect
            if effect.id not in self.history.intents:
                self.host.append(
                    "effect.intent",
                    {
                        "step": spec.id,
                        "effect": effect.id,
                        "action": effect.action,
                        "args": plain(effect.args),
                        "creates": list(effect.creates),
                    },
                )
            action = self._action(effect)
            running[self.pool.submit(carry_out, action, effect, self.fence, item.look_first, self.timer)] = item

    def _rest(self, running: dict[Future[Carried], Try], todo: deque[Try]) -> None:
        if running:
            wait(running, timeout=self.tick, return_when=FIRST_COMPLETED)
        elif todo:
            ahead = min(item.due for item in todo) - self.timer()
            if ahead > 0:
                self.pause(min(self.tick, ahead))

    def _take(
        self, spec: StepSpec, item: Try, future: Future[Carried], todo: deque[Try], done: dict[str, Outcome]
    ) -> CutwaterError | None:
        effect = item.effect
        error = settled_error(future, f"effect {effect.id}")
        if error is None:
            carried = future.result()
            self.host.append(
                "effect.outcome",
                {
                    "step": spec.id,
                    "effect": effect.id,
                    "outcome": carried.outcome,
                    "seconds": carried.seconds,
                    "observed": carried.observed,
                },
            )
            done[effect.id] = carried.outcome
            return None
        if isinstance(error, Waiting):
            item.due, item.look_first = self.timer() + self.wait_seconds, True
            todo.append(item)
            reason = f"{error.what}, {error.cause}" if error.cause else error.what
            self.host.tell("effect.waiting", step=spec.id, effect=effect.id, reason=reason)
            return None
        return self._failed(spec, item, error, todo)

    def _failed(self, spec: StepSpec, item: Try, error: CutwaterError, todo: deque[Try]) -> CutwaterError | None:
        """Puts it back for another try, or returns the error that ends the step."""
        effect = item.effect
        item.failed += 1
        again = isinstance(error, Unavailable) and item.failed < self.retry.tries
        delay = self.retry.delay(item.failed) if again else 0.0
        if not isinstance(error, NoGo):
            self.host.append(
                "effect.failed",
                {
                    "step": spec.id,
                    "effect": effect.id,
                    "error": plain(error.as_dict()),
                    "try": item.failed,
                    "again_in_seconds": f"{delay:.1f}" if again else "",
                },
            )
        if again:
            item.due, item.look_first = self.timer() + delay, True
            todo.append(item)
            return None
        return error

    def _action(self, effect: Effect) -> Action:
        try:
            return self.actions[effect.action]
        except KeyError:
            raise CutwaterError(
                "CW3016",
                f"no action {effect.action} is wired",
                cause=f"{effect.id} asks for it",
                next="cutwater doctor",
            ) from None

    def _consistent(self, spec: StepSpec, effect: Effect) -> None:
        if not self.history.same_intent(effect.id, plain(effect.args)):
            raise Refused(
                "CW3015",
                f"effect {effect.id} is not what the journal says was begun",
                cause="its arguments differ from the recorded intent: the plan or the code changed since",
                state=f"step {spec.id} stands where it stood",
                next="cutwater wave abandon, then plan and run anew",
            )


# What a dry run assumes where a later effect depends on an answer that only a live run gets.
ASSUMED: dict[str, Outcome] = {
    "backfill.bounds": {"chunks": [{"id": "each", "lower": None, "upper": None}]},
    "route.read": {"side": "legacy", "epoch": 0},
}


@dataclass
class DryRunExecutor:
    """Writes one line per effect and touches nothing, neither outside nor in the journal."""

    history: History
    actions: Mapping[str, Action]
    lines: list[tuple[str, str, str]] = field(default_factory=list)  # (step, effect, what would be done)

    def run(self, spec: StepSpec, effects: Sequence[Effect]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for effect in effects:
            known = self.history.outcome(effect.id)
            outcomes.append(known if known is not None else ASSUMED.get(effect.action, {}))
            if known is None:
                action = self.actions.get(effect.action)
                text = action.describe(effect.args) if action is not None else effect.title
                self.lines.append((spec.id, effect.id, text or effect.title or effect.action))
        return outcomes
