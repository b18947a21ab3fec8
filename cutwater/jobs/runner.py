"""One supervised process per wave: holds its lease, carries it to a target, then serves its streams for weeks.

`python -m cutwater.jobs.runner --project DIR --wave W01 --to dual-run [--run ID]`. Started by `cutwater wave run`;
ends on a pause, a stop, SIGTERM, or when nothing lives on. Its exit code is that of its error.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import structlog

from cutwater.core.clock import Clock, utc_now
from cutwater.core.config import Project, load_project
from cutwater.core.errors import CutwaterError, Exit, LeaseHeld, Unavailable
from cutwater.core.ids import new_id
from cutwater.core.redaction import redact
from cutwater.jobs import cutover_actions
from cutwater.jobs.wave_state import Heartbeat, current_plan, history_of, put_row, runs_dir
from cutwater.state.records import Lease
from cutwater.state.store import Store, open_store
from waves import life
from waves.engine import Engine, Machine
from waves.executors import Stopped
from waves.gates import NoGo
from waves.held import Receiver
from waves.plan import Plan
from waves.ports import Action, Fence, Service
from waves.settle import plain

LEASE_SECONDS = 30
EFFECT_THREADS = 8  # the bound is each step's `parallel`; this only has to be no smaller
STOP_SECONDS = 60.0  # beyond the way out of the dark, for the effect that is under way; then the process ends as it is
SERVICE_THREADS = 12  # lanes that share a tap wait for each other in their threads


class Wiring(Protocol):
    """`cutwater.wiring`, or what a test puts in its place."""

    def actions(self, project: Project, plan: Plan) -> Mapping[str, Action]: ...

    def services(self, project: Project, plan: Plan, names: Sequence[str]) -> Sequence[Service]: ...

    def held_receiver(self, project: Project) -> Receiver: ...


class Keeper(threading.Thread):
    """Renews the lease while the runner lives; tells the engine to stop when it was lost."""

    def __init__(
        self, store: Store, lease: Lease, lost: Callable[[str], None], every: float = LEASE_SECONDS / 3
    ) -> None:
        super().__init__(name="lease", daemon=True)
        self.store, self.lease, self.lost, self.every, self.ended = store, lease, lost, every, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(self.every):
            try:
                self.lease = self.store.leases.renew(self.lease)
            except LeaseHeld:
                self.lost("the lease was lost")
                return
            except Unavailable:
                continue  # the store is busy: the lease has two more chances, and every append is fenced anyway


class Watch:
    """The runner's log (JSON lines), its heartbeat file and the wave's row."""

    def __init__(self, project: Project, store: Store, plan: Plan, fence: Fence, to: str, clock: Clock) -> None:
        self.store, self.plan, self.fence, self.to, self.clock = store, plan, fence, to, clock
        folder = runs_dir(project)
        self.status = folder / f"{plan.wave}.status.json"
        self.file = (folder / f"{fence.run_id}.jsonl").open("a", encoding="utf-8")
        self.log = structlog.wrap_logger(
            structlog.PrintLogger(self.file),
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                lambda logger, name, event: redact(json.dumps(event, default=str, ensure_ascii=False)),
            ],
        ).bind(run=fence.run_id, wave=plan.wave)
        self.engine: Engine | None = None
        self.said = float("-inf")
        self.doing = self.waiting = ""
        self.waits: dict[str, str] = {}  # what each effect last waited for: the log holds changes, not every look

    def __call__(self, event: str, facts: Mapping[str, object]) -> None:
        if event == "heartbeat":
            self.beat()
            return
        if event == "service.polled" and not facts.get("applied"):
            return
        if event == "effect.waiting":
            self.waiting, effect = str(facts["reason"]), str(facts["effect"])
            if self.waits.get(effect) == self.waiting:
                return
            self.waits[effect] = self.waiting
        with suppress(OSError):  # a full disk must not end the run: the journal is what counts
            self.log.msg(
                event,
                **{("error_facts" if key == "error" else key): value for key, value in facts.items() if key != "event"},
            )
        if event == "effect.intent":
            self.doing, self.waiting = str(facts["effect"]), ""
        elif event in ("step.completed", "run.reached"):
            self.doing = self.waiting = ""
        elif event in ("wave.state", "wave.condition") and self.engine is not None:
            put_row(self.store, self.engine.history)

    def beat(self) -> None:
        """At most once a second: the file that `wave status` reads."""
        now = time.monotonic()
        if self.engine is None or now - self.said < 1:
            return
        self.said = now
        views = tuple(self.engine.pool.views())
        target = self.engine.target or self.to
        beat = Heartbeat(self.clock(), os.getpid(), self.fence.run_id, target, views, self.doing, self.waiting)
        with suppress(OSError):  # an old heartbeat is shown as stale
            beat.write(self.status)

    def close(self) -> None:
        self.file.close()


def run_wave(
    project: Project, wave: str, to: str, run_id: str, wiring: Wiring, clock: Clock = utc_now, signals: bool = False
) -> int:
    """The whole life of a run; returns the exit code. Raises LeaseHeld where another runner is at work."""
    with ExitStack() as stack:
        store = stack.enter_context(open_store(project.state_url))
        plan = current_plan(store, history_of(store, wave))
        lease = store.leases.acquire(
            wave, f"runner {os.getpid()} on {socket.gethostname()}, run {run_id}", LEASE_SECONDS
        )
        stack.callback(store.leases.release, lease)
        fence = Fence(wave, lease.token, run_id)
        watch = Watch(project, store, plan, fence, to, clock)
        stack.callback(watch.close)
        wake = threading.Event()

        def pause(seconds: float) -> None:
            if wake.wait(seconds) and not engine.stopping:  # it goes on, out of the dark: the next pause is one again
                wake.clear()

        machine = _machine(stack, pause, clock)
        engine = Engine(
            store,
            plan,
            {**cutover_actions.actions(project, plan, wiring.held_receiver(project)), **wiring.actions(project, plan)},
            lambda names: wiring.services(project, plan, names),
            fence,
            machine,
            watch,
        )
        watch.engine = engine

        def stop(reason: str) -> None:
            engine.stop(reason)
            wake.set()

        def lost(reason: str) -> None:
            engine.halt(reason)
            wake.set()

        keeper = Keeper(store, lease, lost)
        keeper.start()
        stack.callback(keeper.ended.set)
        if signals:
            _on_signals(stop, machine.dark_seconds + STOP_SECONDS)
        engine.append("run.started", {"pid": os.getpid(), "to": to})
        watch.beat()
        return _live(engine, to)


def _machine(stack: ExitStack, pause: Callable[[float], object], clock: Clock) -> Machine:
    effects = stack.enter_context(ThreadPoolExecutor(EFFECT_THREADS, "effect"))
    services = stack.enter_context(ThreadPoolExecutor(SERVICE_THREADS, "service"))
    # Each poll that brings something is a commit: one a second keeps the lake's files and histories small.
    return Machine(effects, services, time.monotonic, pause, clock, service_interval=1.0)


def _live(engine: Engine, to: str) -> int:
    """To the target, then for as long as something lives on."""
    code = Exit.DONE
    try:
        try:
            engine.advance(to)
            engine.append("run.reached", {"to": to, "state": engine.history.state})
        except NoGo as error:
            code = error.exit_code
            engine.append("run.refused", {"error": plain(error.as_dict())})
        except LeaseHeld:
            raise
        except CutwaterError as error:  # recorded as the wave's condition; what still runs goes on
            code = error.exit_code
            if not engine.history.condition:  # the way back was gone: the wave is well, the cutover is not
                engine.append("run.refused", {"error": plain(error.as_dict())})
            engine.watch("run.failed", {"code": error.code, "what": error.what})
        if engine.pool.lanes:
            engine.serve()
    except Stopped:
        code = Exit.DONE
    except LeaseHeld as error:
        engine.pool.close()
        engine.watch("run.lost", {"code": error.code, "what": error.what})
        return int(error.exit_code)
    engine.close("failed" if code else "done")
    return int(code)


def _on_signals(stop: Callable[[str], None], limit: float) -> None:
    """The first SIGTERM is polite and has a limit; the second ends the process at once."""

    def at_once(*_: object) -> None:
        os._exit(int(Exit.INTERRUPTED))

    def first(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, at_once)
        stop("stop")
        timer = threading.Timer(limit, at_once)
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, first)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the attached command, which detaches


def main(argv: Sequence[str] | None = None, wiring: Any = None) -> int:
    """The process's entry point."""
    parser = argparse.ArgumentParser(prog="python -m cutwater.jobs.runner")
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--wave", required=True)
    parser.add_argument("--to", default="dual-run", choices=list(life.RUNNER_TARGETS))
    parser.add_argument("--run", default="")
    words = parser.parse_args(argv)
    try:
        project = load_project(words.project)
        found = wiring if wiring is not None else import_module("cutwater.wiring")
        return run_wave(project, words.wave, words.to, words.run or new_id(), found, signals=True)
    except CutwaterError as error:
        sys.stderr.write(redact(json.dumps({"error": error.as_dict()}, default=str)) + "\n")
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
