"""Starting, following, pausing and resuming a wave's runner, which is a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cutwater.commands.wave import check_current
from cutwater.commands.wave_status import Runner, own_dead, runner_of
from cutwater.core.config import Project
from cutwater.core.errors import BadInput, CutwaterError, LeaseHeld, Refused, Unavailable
from cutwater.core.ids import new_id
from cutwater.core.redaction import redact
from cutwater.jobs.wave_state import Heartbeat, current_plan, error_from, history_of, put_row, runs_dir
from cutwater.state.records import Record
from cutwater.state.store import Store, open_store
from waves import life
from waves.dark import way_out
from waves.history import History

# What is started; tests put a runner with their own wiring here. `--project`, `--wave`, `--to`, `--run` are added.
RUNNER: Sequence[str] = (sys.executable, "-m", "cutwater.jobs.runner")
LOOK_SECONDS = 0.25  # between two looks at the journal while following
START_SECONDS = 300.0  # a runner that lives and has written nothing by then is given up; one that ended is seen at once
PAUSE_SECONDS = 120.0  # the longest wait for a runner's safe point
DARK_SECONDS = 420.0  # the same where it first has to find its way out of the dark


class Follower(Protocol):
    """Whoever watches a run."""

    def __call__(self, record: Record, history: History) -> None:
        """Each record of the journal, in order."""

    def waits(self, waiting: str, trouble: str) -> None:
        """What the run waits for and what a service fails on, at every look; both may be empty."""


@dataclass(frozen=True)
class Ran:
    """The outcome of `run` or `resume`. changed: False where there was nothing to do."""

    wave: str
    run: str
    pid: int
    state: str
    to: str
    attached: bool
    changed: bool
    runner_alive: bool
    log: str


def run(
    project: Project, wave: str, to: str = "dual-run", detach: bool = False, follower: Follower | None = None
) -> Ran:
    """Carries a wave to `to`: starts a runner, or asks the live one to go further; follows it unless `detach`.

    Raises LeaseHeld where a live runner already aims there, the runner's own error where it stops, and
    KeyboardInterrupt as it comes (the runner goes on).
    """
    if to not in life.TARGETS:
        raise BadInput("CW3012", f"--to {to} is unknown", next=f"--to one of: {', '.join(life.TARGETS)}")
    with open_store(project.state_url) as store:
        history = history_of(store, wave)
        plan = current_plan(store, history)
        life.check_verb(wave, "run", history.state)
        runner = runner_of(store, history)
        if history.state == life.PLANNED or to == "ready":
            check_current(project, store, plan)
        if runner.alive:
            return _further(project, store, history, runner, to, follower)
        if _reached(history, to) and not runner.dead and not history.condition and not _lives(to):
            return _ran(project, history, runner.run, 0, to, attached=False, changed=False, alive=False)
        return _started(project, store, history, to, detach, follower)


def resume(project: Project, wave: str, to: str = "", detach: bool = False, follower: Follower | None = None) -> Ran:
    """Continues after a pause, a failure or a crash, towards what the last run aimed at, or to another of `run`'s targets."""
    if to and to not in life.TARGETS:
        raise BadInput(
            "CW3012",
            f"--to {to} is unknown",
            cause="cutover, rollback and complete have commands of their own" if to in life.VERB_OF else "",
            state="nothing was done",
            next=f"--to one of: {', '.join(life.TARGETS)}",
        )
    with open_store(project.state_url) as store:
        history = history_of(store, wave)
        current_plan(store, history)
        life.check_verb(wave, "resume", history.state)
        runner = runner_of(store, history)
        aimed = to or str(history.last_run.get("to") or "dual-run")
        target = life.target_of(history.state, aimed, history.retiring)
        if runner.alive:
            if history.condition == life.FAILED:
                return _asked(project, store, history, runner, target, follower)
            return _ran(project, history, runner.run, runner.pid, target, attached=False, changed=False, alive=True)
        return _started(project, store, history, target, detach, follower)


def carry(
    project: Project,
    store: Store,
    history: History,
    runner: Runner,
    to: str,
    detach: bool = False,
    follower: Follower | None = None,
) -> Ran:
    """To a target that has a verb of its own (`life.VERB_OF`): by the live runner, or by a new one."""
    if runner.alive:
        return _asked(project, store, history, runner, to, follower)
    return _started(project, store, history, to, detach, follower)


def pause(project: Project, wave: str) -> dict[str, Any]:
    """The runner stops at its next safe point and ends; twice changes nothing. In the dark it opens the route first, going
    forward or back, whichever is shorter. Raises Refused CW3065 where it is dark and no runner is alive."""
    with open_store(project.state_url) as store:
        history = history_of(store, wave)
        current_plan(store, history)
        life.check_verb(wave, "pause", history.state)
        runner = runner_of(store, history)
        result = {"wave": wave, "state": history.state, "condition": life.PAUSED}
        if not runner.alive:
            if way_out(history):
                raise _nobody_leads_out(history)
            if history.condition == life.PAUSED:
                return {**result, "changed": False}
            lease = store.leases.acquire(wave, f"pause, pid {os.getpid()} on {socket.gethostname()}", 30)
            try:
                store.journal.append(wave, "wave.condition", {"condition": life.PAUSED}, fence=lease.token)
                put_row(store, history_of(store, wave))
            finally:
                store.leases.release(lease)
            return {**result, "changed": True}
        _wait_answer(store, wave, store.requests.ask(wave, "pause"), runner, _patience(history))
        return {**result, "state": history_of(store, wave).state, "changed": True}


def stop(project: Project, wave: str) -> bool:
    """As `pause`, without the condition: before the sandbox goes down. False where no runner lives."""
    with open_store(project.state_url) as store:
        history = history_of(store, wave)
        runner = runner_of(store, history)
        if runner.alive:
            _wait_answer(store, wave, store.requests.ask(wave, "stop"), runner, _patience(history))
        return runner.alive


def _patience(history: History) -> float:
    return DARK_SECONDS if way_out(history) else PAUSE_SECONDS


def _nobody_leads_out(history: History) -> Refused:
    return Refused(
        "CW3065",
        f"wave {history.wave} is {history.state} and no runner is alive: a pause would leave payments in the dark",
        state="nothing was done; the route is dark",
        money=life.money(history.state),
        next=f"cutwater wave resume {history.wave}",
    )


def _started(project: Project, store: Store, history: History, to: str, detach: bool, follower: Follower | None) -> Ran:
    held = store.leases.current(history.wave)
    if held is not None and not own_dead(store, history):
        raise LeaseHeld(
            "CW2001",
            f"wave {history.wave} is held by {held.holder}",
            cause=f"until {held.expires_at:%H:%M:%S} UTC unless renewed",
            state="nothing was done",
            next=f"cutwater wave status {history.wave}",
        )
    if held is not None:
        store.leases.release(held)  # of a process that is gone: its token is void as soon as the next one is given
    run_id = new_id()
    folder = runs_dir(project)
    log = folder / f"{run_id}.log"
    words = [*RUNNER, "--project", str(project.root), "--wave", history.wave, "--to", to, "--run", run_id]
    with log.open("ab") as sink:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=project.root, start_new_session=True
        )
    after = history.last_seq
    try:
        if detach:
            history = _until(
                project, store, history, after, process, lambda h: h.last_run.get("run") == run_id, None, log
            )
        else:
            history = _until(project, store, history, after, process, lambda h: _ended(h, run_id), follower, log)
    finally:
        _let_go(process)
    alive = not history.last_run.get("ended")
    return _ran(project, history, run_id, process.pid, to, attached=not detach, changed=True, alive=alive)


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """It lives on by itself. Without this, Python warns that nobody waited for it."""
    if process.poll() is None:
        process.returncode = 0


def _ended(history: History, run_id: str) -> bool:
    last = history.last_run
    return last.get("run") == run_id and (bool(last.get("ended")) or "reached" in last)


def _tell_waits(project: Project, history: History, follower: Follower) -> None:
    beat = Heartbeat.read(project, history.wave)
    if beat is not None and beat.run == history.last_run.get("run"):
        follower.waits(beat.waiting, beat.trouble)


def _until(
    project: Project,
    store: Store,
    history: History,
    after: int,
    process: subprocess.Popen[bytes] | None,
    enough: Callable[[History], bool],
    follower: Follower | None,
    log: Path,
) -> History:
    """Follows the journal; raises what the runner recorded, or CW3019 where it died without a word."""
    began, looks = time.monotonic(), 0
    while True:
        records = store.journal.records(history.wave, after=after)
        for record in records:
            after = record.seq
            history.apply(record)
            if record.kind == "run.reached":
                history.last_run["reached"] = True
            if follower is not None:
                follower(record, history)
            if record.kind == "run.refused" or (record.kind == "wave.condition" and record.payload.get("error")):
                raise error_from(record.payload["error"])
        if enough(history):
            return history
        if follower is not None:
            _tell_waits(project, history, follower)
        # One more look after the end: the last records were written before the process went.
        looks += process is not None and process.poll() is not None
        if looks > 1 or (not looks and not history.last_run and time.monotonic() - began > START_SECONDS):
            raise _died(history, process, log)
        time.sleep(LOOK_SECONDS)


def _died(history: History, process: subprocess.Popen[bytes] | None = None, log: Path | None = None) -> CutwaterError:
    code = process.returncode if process is not None else None
    lines = log.read_text("utf-8", "replace").strip().splitlines() if log is not None and log.exists() else []
    if lines and lines[-1].startswith('{"error":'):
        return error_from(json.loads(lines[-1])["error"])
    return Unavailable(
        "CW3019",
        f"the runner of wave {history.wave} ended without a word",
        cause=f"exit code {code}: {redact(lines[-1])}" if lines else f"exit code {code}" if code is not None else "",
        state=f"{history.wave} is {history.state or 'not planned'}; what was done is in the journal",
        money=life.money(history.state),
        next=f"{'see ' + str(log) + ', then ' if log else ''}cutwater wave resume {history.wave}",
    )


def _further(
    project: Project, store: Store, history: History, runner: Runner, to: str, follower: Follower | None
) -> Ran:
    """A live runner: taken further where it has reached less, refused where it is on its way there already."""
    order = life.TARGET_ORDER
    aimed = runner.to if runner.to in order else order[0]
    if order.index(to) > order.index(aimed) or (to == "ready" and history.state == life.DUAL_RUN):
        return _asked(project, store, history, runner, to, follower)
    raise LeaseHeld(
        "CW2001",
        f"wave {history.wave} is being run by another process",
        cause=f"{runner.text}; it runs to {aimed}",
        state=f"{history.wave} is {history.state}; nothing was done",
        next=f"cutwater wave status {history.wave}",
    )


def _asked(project: Project, store: Store, history: History, runner: Runner, to: str, follower: Follower | None) -> Ran:
    after = history.last_seq
    request = store.requests.ask(history.wave, "advance", {"to": to})
    while True:
        for record in store.journal.records(history.wave, after=after):
            after = record.seq
            history.apply(record)
            if follower is not None:
                follower(record, history)
        if follower is not None:
            _tell_waits(project, history, follower)
        row = store.requests.result(request)
        if row.state == "failed":
            raise error_from(row.answer or {})
        if row.state == "answered":
            return _ran(project, history, runner.run, runner.pid, to, attached=True, changed=True, alive=True)
        if not runner_of(store, history).alive:
            raise _died(history)
        time.sleep(LOOK_SECONDS)


def _wait_answer(store: Store, wave: str, request: int, runner: Runner, limit: float) -> None:
    """Until the runner has answered and let go of the wave, so that the next command finds it free."""
    began = time.monotonic()
    while True:
        history = history_of(store, wave)
        lease = store.leases.current(wave)
        held = lease is not None and f"run {runner.run}" in lease.holder and not own_dead(store, history)
        if not held:
            if store.requests.result(request).state == "open":
                store.requests.fail(request, {"what": "the runner ended first"})
            return
        if time.monotonic() - began > limit:
            raise Unavailable(
                "CW3019",
                f"the runner of wave {wave} has not reached a safe point within {limit:.0f} s",
                cause=f"process {runner.pid} is still at work on an effect",
                state="it will stop as soon as that effect ends",
                next=f"cutwater wave status {wave}",
            )
        time.sleep(LOOK_SECONDS)


def _reached(history: History, to: str) -> bool:
    order = life.FORWARD
    state = history.state
    if state not in order:
        return False
    target = life.TARGETS[to]
    past = order.index(state) > order.index(target)
    return past or (state == target and to in ("prepared", "ready"))


def _lives(to: str) -> bool:
    """Whether a run to this target leaves services at work."""
    return to in ("caught-up", "dual-run", "ready")


def _ran(
    project: Project, history: History, run_id: str, pid: int, to: str, *, attached: bool, changed: bool, alive: bool
) -> Ran:
    log = f"{runs_dir(project).relative_to(project.root)}/{run_id}.jsonl" if run_id else ""
    return Ran(history.wave, run_id, pid, history.state, to, attached, changed, alive, log)
