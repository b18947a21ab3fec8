"""The engine: takes a frozen plan from the state that the journal tells of to a target, and serves what lives on.

It alone executes. Steps yield effects; the journal has an intent before and an outcome after each; on resume the
steps' generators run again and are fed the recorded outcomes. See docs/guides/engine.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cutwater.core.errors import CutwaterError, LeaseHeld, Refused
from waves import life
from waves.dark import BACK, way_out
from waves.executors import EffectExecutor, LiveExecutor, Stopped
from waves.gates import NoGo, Questions
from waves.history import History
from waves.plan import Plan, StepSpec
from waves.ports import Action, Fence
from waves.questions import EngineQuestions
from waves.services import Factory, ServicePool
from waves.settle import Retry, plain
from waves.steps import BEFORE_KINDS, CUTOVER_KINDS, STEPS, Flow, StepContext
from waves.store import EngineStore
from waves.window import check_window

# The state that a wave has while, or once, a step of a kind is at work; `prepare` and `approval` count when complete.
STATE_AT_START = {
    "backfill": life.BACKFILLING,
    "stream": life.CATCHING_UP,
    "feeds": life.CATCHING_UP,
    "dual_run": life.DUAL_RUN,
    "reverse": life.CUTTING_OVER,
}
# target -> kinds of steps that must be complete for it.
KINDS_FOR = {
    "prepared": ("prepare",),
    "backfill": ("prepare", "backfill"),
    "caught-up": ("prepare", "backfill", "stream", "feeds"),
    "dual-run": ("prepare", "backfill", "stream", "feeds"),  # and dual_run started
    "ready": BEFORE_KINDS,
    life.CUT: (*BEFORE_KINDS, *CUTOVER_KINDS),
    life.COMPLETE: (*BEFORE_KINDS, *CUTOVER_KINDS, "retire"),
}

ASKED_ANEW = timedelta(minutes=15)  # a gate that was asked longer ago is asked again before it gets dark

Watcher = Callable[[str, Mapping[str, object]], None]


@dataclass(frozen=True)
class Machine:
    """What the engine runs on; tests replace all of it. pause waits so many seconds (or until a stop)."""

    effects: Executor
    services: Executor
    timer: Callable[[], float]
    pause: Callable[[float], object]
    clock: Callable[[], datetime]
    retry: Retry = field(default_factory=Retry)
    tick: float = 0.2
    service_interval: float = 0.5
    effect_wait: float = 0.5
    dark_seconds: float = 300.0  # how long a polite stop may take to find its way out of the dark


class Engine:
    """One wave, one run, one fence."""

    def __init__(
        self,
        store: EngineStore,
        plan: Plan,
        actions: Mapping[str, Action],
        services: Factory,
        fence: Fence,
        machine: Machine,
        watch: Watcher = lambda event, facts: None,
    ) -> None:
        self.store, self.plan, self.fence, self.machine, self.watch = store, plan, fence, machine, watch
        self.history = History.of(plan.wave, store.journal.records(plan.wave))
        self._began = self.history.last_seq
        self.target = ""
        self.stop_reason = ""
        self.asked = ""  # why somebody wants it to stop; heeded at once unless payments wait in the dark
        self._asked_at: float | None = None
        self._advancing = False
        self.deaf = False
        self.wishes: list[Any] = []  # requests for another target, taken up by `serve`
        self.granting = 0  # the request that is being carried out: it stands in the store as pending until its end
        self._looked_at = float("-inf")
        self.pool = ServicePool(
            services, fence, machine.services, machine.timer, machine.clock, machine.service_interval
        )
        asks = Questions(
            plan.wave, store.evidence, self.pool.views, machine.clock, store.journal, self._skew, plan.work_hash
        )
        self.questions = EngineQuestions(plan, store, self.history, self.pool, asks, self.append)
        self.executor = LiveExecutor(
            self,
            self.history,
            actions,
            self.questions.table(),
            fence,
            machine.effects,
            machine.timer,
            machine.pause,
            machine.retry,
            machine.tick,
            machine.effect_wait,
        )

    # -- what the executor asks of its host ---------------------------------------------------------------------

    @property
    def stopping(self) -> str:
        """Why no new effect may begin. A polite stop in the dark turns the cutover back, or lets it come to its end."""
        if self.asked and not self.stop_reason:
            if not self._must_go_on():
                self.stop_reason = self.asked
            elif self.history.state == life.CUTTING_OVER and way_out(self.history) == BACK:
                return self.asked  # to the next safe point; `_leave` opens the route again
        return self.stop_reason

    def _must_go_on(self) -> bool:
        """Nobody is left in the dark by a polite stop, for as long as there is somebody who can lead out of it."""
        if self._asked_at is None:
            self._asked_at = self.machine.timer()
        in_time = self.machine.timer() - self._asked_at < self.machine.dark_seconds
        able = self._advancing and self.history.condition != life.FAILED
        return able and in_time and bool(way_out(self.history))

    def append(self, kind: str, payload: dict[str, Any]) -> None:
        """One fenced record; the history follows it."""
        record = self.store.journal.append(
            self.plan.wave, kind, payload, run_id=self.fence.run_id, fence=self.fence.token
        )
        self.history.apply(record)
        self.watch(kind, payload)

    def tell(self, event: str, **facts: object) -> None:
        self.watch(event, facts)

    def pump(self) -> None:
        """Services, requests and whoever watches. Raises the error of a service that waits for a person."""
        self._attend()
        failed = self.pool.failed()
        if failed:
            raise failed[0][1]

    def stop(self, reason: str) -> None:
        """Polite: no new effect and no new poll as soon as nobody waits in the dark; callable from a signal handler."""
        self.asked = self.asked or reason

    def halt(self, reason: str) -> None:
        """At the next safe point, wherever that is: the wave is somebody else's."""
        self.stop_reason = self.stop_reason or reason

    # -- the life of a run -----------------------------------------------------------------------------------------

    def advance(self, target: str) -> None:
        """Carries the wave to `target` (one of `life.RUNNER_TARGETS`).

        Raises Stopped at a safe point after pause or stop; NoGo where a gate or an approval says no (the wave is not
        marked as failed); any other error of ours after it was recorded as the wave's condition FAILED. What goes wrong
        while the route is dark is raised once the way back was gone: the wave is in its dual run again.
        """
        self.target = target
        life.check_verb(self.plan.wave, life.VERB_OF.get(target, "run"), self.history.state)
        if target == life.BACK:
            life.check_not_retired(self.plan.wave, self.history.retired)
        self._same_plan()
        self._advancing = True
        try:
            self._carry(target)
        except Stopped:
            self._leave()
            raise
        finally:
            self._advancing = False

    def _carry(self, target: str) -> None:
        try:
            self._clear_condition()
            self._restore()
            if target == life.BACK:
                self._way_back("asked for")
            else:
                self._walk(target)
        except LeaseHeld:  # a zombie does nothing more, least of all a way back
            raise
        except NoGo as error:
            self._retreat(error)
            raise
        except CutwaterError as error:
            if not self._retreat(error):
                self.fail(error)
            raise

    def serve(self) -> None:
        """Polls the services and answers requests until a stop. Errors of services become the condition FAILED."""
        told: set[str] = set()
        while not self.stopping:
            self._attend()
            for name, error in self.pool.failed():
                if name not in told:
                    told.add(name)
                    self.fail(error, service=name)
            if self.wishes and not self.stopping:
                told.clear()
                self._grant(self.wishes.pop(0))
                continue
            self._idle()

    def close(self, reason: str = "") -> None:
        """Ends the run: services are let go, a pause becomes the wave's condition, the request that asked is answered."""
        why = self.stop_reason or reason or "done"
        self.pool.close()
        if why == "pause":
            self.append("wave.condition", {"condition": life.PAUSED})
        self.append("run.ended", {"reason": why})
        for request in self.store.requests.pending(self.plan.wave) if self.stop_reason else ():
            if request.kind in ("pause", "stop"):  # also one that was asked while the first was being heeded
                self.store.requests.answer(request.id, {"reason": why, "state": self.history.state})
                self.append("request.answered", {"request": request.id, "kind": request.kind})

    def fail(self, error: CutwaterError, service: str = "") -> None:
        """Records the condition FAILED with the error's facts."""
        facts = {"condition": life.FAILED, "error": plain(error.as_dict())}
        self.append("wave.condition", {**facts, "service": service} if service else facts)

    # -- the way back ----------------------------------------------------------------------------------------------

    def _retreat(self, error: CutwaterError) -> bool:
        """Nobody is left in the dark: a cutover that fails before its route opened goes back by itself."""
        opened = any(self.history.started(spec.id) for spec in self.plan.steps if spec.kind == "open")
        if self.history.state != life.CUTTING_OVER or opened or self.stop_reason:
            return False
        try:
            self._way_back(f"{error.code} {error.what}")
        except CutwaterError as second:
            self.fail(second)
            raise second from error
        return True

    def _leave(self) -> None:
        """After a polite stop: opens the route again where it is dark. Raises Refused CW3064 once it is open."""
        if self.stop_reason or not self._must_go_on():
            self.stop_reason = self.stop_reason or self.asked
            return
        try:
            self._way_back(f"asked to {self.asked} while the route was dark")
        except CutwaterError as error:
            self.fail(error)
            raise
        self.stop_reason = self.asked
        raise turned_back(self.plan.wave, self.asked)

    def _way_back(self, reason: str) -> None:
        """Compiled from the journal: each step of the cutover that left a trace goes its own way back, the last first."""
        begun = self.machine.timer()
        if self.history.state != life.ROLLING_BACK:
            self.append("rollback.started", {"reason": reason})
            self._state(life.ROLLING_BACK)
        for spec in reversed(self.plan.steps):
            # A completion that has only drained leaves nothing to undo: the next one drains again.
            if spec.kind in (*CUTOVER_KINDS, "retire") and spec.id in self.history.steps:
                self.rollback_step(spec)
        self.append("rollback.done", {"seconds": f"{self.machine.timer() - begun:.3f}"})
        self._state(life.DUAL_RUN)

    def rollback_step(self, spec: StepSpec) -> None:
        """One step's way back: removes what it created, or leaves it for another round; its effects may be done anew."""
        step = STEPS[spec.kind]
        created = list(dict.fromkeys(self.history.created(spec.id)))
        self.pool.remove(step.services(self._context(spec)))
        self._drive(spec, step.rollback(self._context(spec)))
        left = list(dict.fromkeys([*self.history.left.get(spec.id, ()), *created])) if step.leaves else []
        self.append("step.rolled_back", {"step": spec.id, "removed": [] if step.leaves else created, "left": left})

    def abandon(self) -> list[str]:
        """Compiled from the journal: every step with a trace in it is rolled back, the last first.

        Returns the names of the objects removed by this call. Done already, it does nothing.
        """
        life.check_verb(self.plan.wave, "abandon", self.history.state)
        if self.history.state == life.ABANDONED:
            return []
        self.deaf = True  # nobody can pause what is on its way out: the next abandon would have to finish it anyway
        try:
            if not self.history.abandoning:
                self.append("abandon.started", {"objects": [name for _, name in self.history.objects()]})
            removed: list[str] = []
            for spec in reversed(self.plan.steps):
                if spec.id in self.history.left:
                    removed += self._remove_left(spec)
                elif spec.id in self.history.steps:
                    removed += dict.fromkeys(self.history.created(spec.id))
                    self.rollback_step(spec)
            self._state(life.ABANDONED)
        except CutwaterError as error:
            self.fail(error)
            raise
        return removed

    def _remove_left(self, spec: StepSpec) -> list[str]:
        """What a step's way back left standing for another round goes too: there will be none."""
        names = list(self.history.left[spec.id])
        self._drive(spec, STEPS[spec.kind].remove(self._context(spec)))
        self.append("step.rolled_back", {"step": spec.id, "removed": names, "left": []})
        return names

    # -- inside ----------------------------------------------------------------------------------------------------

    def _walk(self, target: str) -> None:
        if self.history.abandoning:
            raise Refused(
                "CW3012",
                f"wave {self.plan.wave} is being abandoned",
                cause="an abandon was begun and not finished",
                state="some of its objects are gone already",
                next=f"cutwater wave abandon {self.plan.wave}",
            )
        self._may_cut_over(target)
        for spec in self.plan.steps:
            if spec.kind in KINDS_FOR[target]:
                self._whole(spec)
            elif spec.kind == "dual_run" and target == "dual-run":
                self._begin(spec)
        if target == "ready" and self.history.state != life.READY:
            self._reach(life.READY)
        elif target == life.CUT:
            self._reach_at_least(life.CUT_OVER)
        elif target == life.COMPLETE:
            self._reach_at_least(life.COMPLETED)
        elif target != "ready":
            self._reach_at_least(life.TARGETS[target])

    def _may_cut_over(self, target: str) -> None:
        if target in (life.CUT, life.COMPLETE) and not any(spec.kind == "open" for spec in self.plan.steps):
            raise NoGo(
                "CW3040",
                f"the plan of wave {self.plan.wave} ends with its dual run: it says nothing of a cutover",
                state="the wave stays where it is, its streams keep running",
                next=f"add a cutover section to the wave file, then cutwater wave plan {self.plan.wave}",
            )

    def _whole(self, spec: StepSpec) -> None:
        """One step from where it is to its completion."""
        step = STEPS[spec.kind]
        if self.history.completed(spec.id) and not (step.asks and self._asks_anew()):
            return
        self._safe_point()
        begun = self.machine.timer()
        self._begin(spec)
        self._drive(spec, step.complete(self._context(spec)))
        if not self.history.completed(spec.id):
            self.append("step.completed", {"step": spec.id, "seconds": f"{self.machine.timer() - begun:.3f}"})
        if spec.kind == "prepare":
            self._reach_at_least(life.PREPARED)

    def _asks_anew(self) -> bool:
        """Evidence is asked for until the wave is READY, and once more at the moment of its cutover."""
        state = self.history.state
        return state in life.BEFORE_CUTOVER and (state != life.READY or self.target == life.CUT)

    def _begin(self, spec: StepSpec) -> None:
        """validate and start; the wave's state follows."""
        step, ctx = STEPS[spec.kind], self._context(spec)
        if spec.kind == "fence" and f"{spec.id}/dark" not in self.history.intents:
            self._last_look()
        if not self.history.started(spec.id):
            self._safe_point()
            findings = [item for item in step.validate(ctx) if item.severity == "error"]
            if findings:
                raise Refused(
                    "CW3021",
                    f"step {spec.id} refuses to start",
                    cause="; ".join(item.text for item in findings),
                    state="nothing of this step was done",
                    next=findings[0].next,
                )
            if spec.kind in STATE_AT_START:
                self._reach_at_least(STATE_AT_START[spec.kind])
            self.append("step.started", {"step": spec.id})
        self._drive(spec, step.start(ctx))

    def _last_look(self) -> None:
        """Nothing is dark yet. What was asked when the cutover began may be long ago: its window, the approvals, old gates."""
        check_window(self.plan, self.machine.clock(), self.store.journal)
        self.questions.still(self.machine.clock() - ASKED_ANEW)

    def _drive(self, spec: StepSpec, flow: Flow) -> None:
        drive(spec, flow, self.executor)

    def _same_plan(self) -> None:
        """A run executes the plan that it began with; one that was saved since needs a run of its own."""
        saved = self.store.journal.records(self.plan.wave, kinds=["plan.saved"])
        if saved and saved[-1].seq > self._began and saved[-1].payload["plan"] != self.plan.hash:
            raise NoGo(
                "CW3011",
                f"this runner of wave {self.plan.wave} holds the plan before",
                cause=f"it runs {self.plan.hash[:12]}, current is {saved[-1].payload['plan'][:12]}",
                state="the wave stays where it is, its streams keep running",
                next=f"cutwater wave pause {self.plan.wave}, then resume: it takes up the current plan",
            )

    def _restore(self) -> None:
        """Starts again what lived in an earlier run of this wave."""
        for spec in self.plan.steps:
            if self.history.retired and spec.kind in ("stream", "reverse"):
                continue  # what they read may be gone
            if STEPS[spec.kind].live and self.history.started(spec.id):
                self._drive(spec, STEPS[spec.kind].start(self._context(spec)))

    def _skew(self) -> timedelta | None:
        try:
            return self.store.skew(self.machine.clock)
        except CutwaterError:  # nobody can say: gates are unknown
            return None

    def _context(self, spec: StepSpec) -> StepContext:
        return StepContext(self.plan, spec, self.history.attempt, self.history)

    def _safe_point(self) -> None:
        if reason := self.stopping:
            raise Stopped(reason)
        self.pump()

    def _reach_at_least(self, state: str) -> None:
        """Moves forward, one legal state after the other; a wave that is further on stays where it is."""
        order = life.FORWARD
        while order.index(self.history.state) < order.index(state):
            self._state(order[order.index(self.history.state) + 1])

    def _reach(self, state: str) -> None:
        self._state(state)

    def _state(self, new: str) -> None:
        old = self.history.state
        life.check_move(self.plan.wave, old, new)
        self.append("wave.state", {"from": old, "to": new, "attempt": self.history.attempt})

    def _clear_condition(self) -> None:
        self.pool.revive()
        if self.history.condition:
            self.append("wave.condition", {"condition": ""})

    def _idle(self) -> None:
        if self.pool.busy():
            return
        futures = self.pool.futures()
        if futures:
            wait(futures, timeout=self.machine.tick, return_when="FIRST_COMPLETED")
        else:
            self.machine.pause(self.machine.tick)

    def _attend(self) -> None:
        """One round of services and requests."""
        if self.stop_reason:  # not a polite one that is on its way out of the dark: what it waits for lives here
            return
        for name, status in self.pool.pump():
            self.watch("service.polled", {"service": name, "applied": status.applied, "lag": status.lag})
        for name, trouble in self.pool.changed_trouble():
            self.watch("service.trouble" if trouble else "service.well", {"service": name, "what": trouble})
        for done in self.pool.answered:
            if done.error is not None:
                self.store.requests.fail(done.request.id, plain(done.error.as_dict()))
            else:
                self.store.requests.answer(done.request.id, plain(done.answer))
            self.append("request.answered", {"request": done.request.id, "kind": done.request.kind})
        self.pool.answered.clear()
        if not self.deaf and self.machine.timer() - self._looked_at >= self.machine.tick:
            self._looked_at = self.machine.timer()
            self._requests(self.store.requests.pending(self.plan.wave))
            self.watch("heartbeat", {})

    def _requests(self, pending: Iterable[Any]) -> None:
        for request in pending:
            if request.kind in ("pause", "stop"):
                self.stop(request.kind)
            elif request.kind == "advance":
                if request.id != self.granting and all(item.id != request.id for item in self.wishes):
                    self.wishes.append(request)
            else:
                self.pool.ask(request)

    def _grant(self, request: Any) -> None:
        """A live run is asked for another target."""
        self.granting = request.id
        try:
            self.advance(str(request.payload.get("to") or self.target))
        except Stopped:
            return  # the request stays open: the next run takes it up
        except CutwaterError as error:
            self.store.requests.fail(request.id, plain(error.as_dict()))
        else:
            self.store.requests.answer(request.id, {"state": self.history.state})
        self.append("request.answered", {"request": request.id, "kind": request.kind})


def turned_back(wave: str, asked: str) -> Refused:
    """The end of a cutover that somebody politely stopped in the dark."""
    return Refused(
        "CW3064",
        f"the cutover of {wave} was turned back: its runner was asked to {asked} while the route was dark",
        cause="the store could not write yet, so the way back was the shorter one",
        state=f"{wave} is in its dual run again, no runner is left",
        money="customers are on the old platform; the route is open",
        next=f"cutwater wave resume {wave}, then cutwater wave run {wave} --to ready",
    )


def drive(spec: StepSpec, flow: Flow, executor: EffectExecutor) -> None:
    """Runs a step's generator, giving its effects to an executor and sending the outcomes back in."""
    try:
        effects = next(flow)
        while True:
            effects = flow.send(executor.run(spec, effects))
    except StopIteration:
        return
    finally:
        flow.close()


def walk_dry(plan: Plan, history: History, executor: EffectExecutor) -> None:
    """Every step of the plan through another executor: what a dry run does."""
    for spec in plan.steps:
        ctx = StepContext(plan, spec, max(1, history.attempt), history)
        step = STEPS[spec.kind]
        drive(spec, step.start(ctx), executor)
        drive(spec, step.complete(ctx), executor)
