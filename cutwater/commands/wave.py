"""What `cutwater wave plan|show|approve|abandon|run --dry-run` do. Running lives in wave_run.py, status in wave_status.py."""

from __future__ import annotations

import getpass
import os
import socket
import time
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from cutwater.commands.wave_files import check_files, frozen
from cutwater.core.clock import Clock, utc_now
from cutwater.core.config import Project
from cutwater.core.errors import BadInput, LeaseHeld, Refused
from cutwater.core.ids import new_id
from cutwater.jobs.wave_state import current_plan, history_of, put_row
from cutwater.state.store import Store, open_store
from inventory.model import Snapshot
from waves import life
from waves.approvals import PLANNED_BY, Rule, check_approval, makers_of, person, standing
from waves.engine import Engine, Machine, walk_dry
from waves.executors import DryRunExecutor
from waves.gates import Questions, refuse
from waves.history import History
from waves.plan import Plan
from waves.planner import drifted, make_plan, refuse_drift
from waves.ports import Fence
from waves.wave_file import load_wave, wave_path


@dataclass(frozen=True)
class Planned:
    """The outcome of planning. changed: False where this very plan stood already."""

    plan: Plan
    hash: str
    version: int
    changed: bool
    attempt: int
    voided: int  # approvals of the plan before, which do not hold for this one


def snapshot_of(store: Store) -> Snapshot:
    """The latest inventory; raises BadInput CW3008 where there is none."""
    body = store.snapshots.latest()
    if body is None:
        raise BadInput(
            "CW3008", "the inventory is empty", state="nothing was planned", next="cutwater inventory discover"
        )
    return Snapshot.from_dict(body)


def plan_wave(project: Project, wave: str, who: str = "") -> Planned:
    """Plans a wave from its file and the latest inventory, and saves the plan under its hash.

    who: the maker, who cannot be the checker; by default whoever CUTWATER_USER or the operating system names.
    """
    document, maker = load_wave(project.files_dir, wave), who.strip() or user_name()
    with open_store(project.state_url) as store:
        history = history_of(store, wave)
        plan = make_plan(document, snapshot_of(store))
        check_files(project, plan)
        plan = frozen(project, plan)
        if plan.hash == history.plan_hash and history.state != life.ABANDONED:
            version = store.plans.row(plan.hash).version
            _keep_maker(store, wave, plan.hash, maker)
            return Planned(plan, plan.hash, version, False, history.attempt, 0)
        _may_replan(store, history, plan)
        voided = len(store.approvals.of(history.plan_hash)) if history.plan_hash else 0
        version = store.plans.save(plan.hash, wave, plan.as_dict())
        if history.state in (life.NEW, life.ABANDONED):
            life.check_move(wave, history.state, life.PLANNED)
            attempt = history.attempt + 1
            payload = {"from": history.state, "to": life.PLANNED, "attempt": attempt, "plan": plan.hash, "by": maker}
            store.journal.append(wave, "wave.state", payload)
        else:
            before = {"before": history.plan_hash, "voided": voided}
            store.journal.append(wave, "plan.saved", {"plan": plan.hash, **before, "by": maker})
        history = history_of(store, wave)
        put_row(store, history)
        return Planned(plan, plan.hash, version, True, history.attempt, voided)


def _keep_maker(store: Store, wave: str, plan_hash: str, maker: str) -> None:
    """A plan whose maker the journal does not name gets one; a maker once named is never replaced."""
    if not makers(store, wave, plan_hash):
        store.journal.append(wave, "plan.saved", {"plan": plan_hash, "before": plan_hash, "voided": 0, "by": maker})


def makers(store: Store, wave: str, plan_hash: str) -> tuple[str, ...]:
    """Who planned exactly this, as the journal has it."""
    return makers_of(plan_hash, store.journal.records(wave, PLANNED_BY))


def user_name() -> str:
    """Who sits at this terminal: CUTWATER_USER, else the operating system's user."""
    named = os.environ.get("CUTWATER_USER", "").strip()
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return f"uid {os.getuid()}"


def _may_replan(store: Store, history: History, plan: Plan) -> None:
    """Once effects were begun only what the engine does not execute (gates, roles, window) may change; from the cutover on
    nothing: what was approved then decides who may go back, and until when."""
    if history.state in (life.CUTTING_OVER, life.CUT_OVER, life.ROLLING_BACK, life.COMPLETED):
        raise Refused(
            "CW3012",
            f"wave {plan.wave} is {history.state}: the plan by which it was cut over stands",
            cause=f"it was approved as {history.plan_hash[:12]}; the wave file now gives {plan.hash[:12]}",
            state="nothing was planned",
            next=f"put the wave file of {plan.wave} back, or finish with rollback or complete first",
        )
    if history.state in (life.NEW, life.ABANDONED) or not (history.steps or history.tried):
        return
    before = current_plan(store, history)
    if before.work_hash != plan.work_hash:
        raise Refused(
            "CW3012",
            f"wave {plan.wave} is {history.state}: its tables, feeds and steps cannot be planned anew now",
            cause="the journal holds effects of the plan before",
            state=f"plan {before.hash[:12]} stands as it was",
            next=f"cutwater wave abandon {plan.wave}, then plan; or put the wave file back",
        )


def check_current(project: Project, store: Store, plan: Plan) -> None:
    """Only the plan that was shown is executed. Raises Refused CW3018 (structure drifted) or CW3011 (file edited)."""
    check_files(project, plan)
    body = store.snapshots.latest()
    snapshot = Snapshot.from_dict(body) if body is not None else None
    if snapshot is None:
        return
    if names := drifted(plan, snapshot):
        raise refuse_drift(plan, names)
    if not wave_path(project.files_dir, plan.wave).is_file():
        return
    now = frozen(project, make_plan(load_wave(project.files_dir, plan.wave), snapshot))
    if now.hash != plan.hash:
        edited = sorted(name for name in {*now.files, *plan.files} if now.files.get(name) != plan.files.get(name))
        given = len(store.approvals.of(plan.hash))
        raise Refused(
            "CW3011",
            f"{', '.join(edited) or f'the wave file of {plan.wave}'} is no longer what was planned{' and approved' if given else ''}",
            cause=f"planned {plan.hash[:12]}, {'what stands there' if edited else 'the file'} gives {now.hash[:12]}",
            state="nothing was done" + (f"; {given} approvals do not hold for the file as it is now" if given else ""),
            next=f"cutwater wave plan {plan.wave}" + (", then approve it" if given else ""),
        )


def show(project: Project, wave: str) -> dict[str, Any]:
    """The current plan with its state and approvals."""
    with open_store(project.state_url) as store:
        history = history_of(store, wave)
        plan = current_plan(store, history)
        row = store.plans.row(plan.hash)
        approvals = [asdict(item) for item in store.approvals.of(plan.hash)]
        return {
            "wave": wave,
            "state": history.state,
            "condition": history.condition,
            "attempt": history.attempt,
            "plan_hash": plan.hash,
            "version": row.version,
            "saved_at": row.saved_at,
            "plan": plan.as_dict(),
            "approvals": approvals,
            "steps": {
                step.id: "done" if history.completed(step.id) else "started" if history.started(step.id) else "waiting"
                for step in plan.steps
            },
        }


def dry_run(project: Project, wave: str, wiring: Any = None) -> list[tuple[str, str, str]]:
    """What a run would do from here, as (step, effect, line); touches nothing."""
    with open_store(project.state_url) as store:
        history = history_of(store, wave)
        plan = current_plan(store, history)
        actions = _wiring(wiring).actions(project, plan)
        executor = DryRunExecutor(history, actions)
        walk_dry(plan, history, executor)
        return executor.lines


def approve(project: Project, wave: str, who: str, role: str, plan_hash: str = "", note: str = "") -> dict[str, Any]:
    """Binds a person's word to the current plan's hash. Refused where the plan is not current or a gate says no."""
    from cutwater.commands.wave_status import services_of, skew_of

    with open_store(project.state_url) as store:
        history, who = history_of(store, wave), who.strip()
        plan = current_plan(store, history)
        life.check_verb(wave, "approve", history.state)
        made, given = makers(store, wave, plan.hash), store.approvals.of(plan.hash)
        check_approval(plan, made, given, who, role, plan_hash)
        check_current(project, store, plan)
        result = {"wave": wave, "plan_hash": plan.hash, "who": who, "role": role, "made_by": list(made)}
        if any((person(item.who), item.role) == (person(who), role) for item in given):
            return {**result, "changed": False, "missing": standing(Rule.of(plan), made, given).missing}
        asks = Questions(
            wave,
            store.evidence,
            lambda: services_of(project, wave),
            utc_now,
            store.journal,
            lambda: skew_of(store),
            plan.work_hash,
        )
        results = [asks.evaluate(gate) for gate in plan.gates]
        if any(item.verdict != "GO" for item in results):
            raise refuse(wave, results)
        seen = [{"gate": item.gate, "evidence": item.evidence_id, "hash": item.evidence_hash} for item in results]
        store.approvals.add(wave, plan.hash, who, role, note, {"entered_by": user_name(), "gates": seen})
        missing = standing(Rule.of(plan), made, store.approvals.of(plan.hash)).missing
        return {**result, "changed": True, "missing": missing}


def objects_of(project: Project, wave: str) -> list[tuple[str, str]]:
    """(step, object) of all that the wave created and has not removed: what `abandon` takes away."""
    with open_store(project.state_url) as store:
        history = history_of(store, wave)
        life.check_verb(wave, "abandon", history.state)
        return history.objects()


def abandon(project: Project, wave: str, typed: str, clock: Clock = utc_now, wiring: Any = None) -> dict[str, Any]:
    """Removes all that the journal says was created. `typed` has to be the wave's name. Twice changes nothing."""
    if typed != wave:
        raise Refused(
            "CW3024",
            f"{typed!r} is not {wave}",
            state="nothing was removed",
            next=f"cutwater wave abandon {wave} --yes {wave}",
        )
    with open_store(project.state_url) as store:
        history = history_of(store, wave)
        life.check_verb(wave, "abandon", history.state)
        result = {"wave": wave, "state": life.ABANDONED, "attempt": history.attempt}
        if history.state == life.ABANDONED:
            return {**result, "removed": [], "changed": False}
        plan = current_plan(store, history)
        run = new_id(clock=clock)
        with leased(store, wave, f"abandon, run {run}") as token:
            engine = _engine(project, store, plan, Fence(wave, token, run), clock, wiring)
            removed = engine.abandon()
            put_row(store, engine.history)
        return {**result, "removed": removed, "changed": True}


class leased:
    """The wave's lease for a command's duration; LeaseHeld CW3022 says that a runner has to be paused first."""

    def __init__(self, store: Store, wave: str, what: str) -> None:
        self.store, self.wave, self.what = store, wave, what

    def __enter__(self) -> int:
        from cutwater.commands.wave_status import own_dead

        held = self.store.leases.current(self.wave)
        if held is not None and own_dead(self.store, history_of(self.store, self.wave)):
            self.store.leases.release(held)  # of a runner that was killed: its token is void with the next one
        try:
            self.lease = self.store.leases.acquire(
                self.wave, f"{self.what}, pid {os.getpid()} on {socket.gethostname()}", 600
            )
        except LeaseHeld as error:
            raise LeaseHeld(
                "CW3022",
                error.what,
                cause=error.cause,
                state="nothing was done",
                next=f"cutwater wave pause {self.wave}",
                details=error.details,
            ) from None
        return self.lease.token

    def __exit__(self, *_: object) -> None:
        self.store.leases.release(self.lease)


def _engine(project: Project, store: Store, plan: Plan, fence: Fence, clock: Clock, wiring: Any) -> Engine:
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(4)
    found = _wiring(wiring)
    machine = Machine(pool, pool, time.monotonic, time.sleep, clock)
    return Engine(
        store, plan, found.actions(project, plan), lambda names: found.services(project, plan, names), fence, machine
    )


def _wiring(wiring: Any) -> Any:
    return wiring if wiring is not None else import_module("cutwater.wiring")
