"""Cutover, rollback, complete: the three verbs that move payments, each asked for by name and carried out by the runner."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from cutwater.commands.wave import check_current, makers
from cutwater.commands.wave_run import Follower, Ran, carry
from cutwater.commands.wave_status import no_return, runner_of, skew_of
from cutwater.core.clock import Clock, utc_now
from cutwater.core.config import Project
from cutwater.core.errors import Refused
from cutwater.jobs.wave_state import current_plan, history_of
from cutwater.state.store import Store, open_store
from waves import life
from waves.decisions import check_decision
from waves.gates import clock_doubt
from waves.history import History
from waves.plan import Plan
from waves.point_of_no_return import DECISION_RECORDED, Decision, decision_record, refuse_late, rollback_allowed
from waves.window import ABOUT, decided, is_outside, outside

Before = Callable[[Store, Plan, History], None]


def cutover(
    project: Project,
    wave: str,
    outside_window: str = "",
    who: str = "",
    role: str = "",
    detach: bool = False,
    follower: Follower | None = None,
    clock: Clock = utc_now,
) -> Ran:
    """Fence, drain, reconcile, switch, smoke, open. What fails before the route opens goes back by itself.

    outside_window: why it is done at another time than planned; `who` says so in a `role` that decides. Raises NoGo where
    a gate or an approval says no, Refused CW3041 outside the window, what `check_decision` refuses, and what stopped the
    cutover once the way back was gone.
    """

    def before(store: Store, plan: Plan, history: History) -> None:
        if history.state == life.READY:
            check_current(project, store, plan)
        if history.state == life.READY or (history.state == life.CUTTING_OVER and "fence/dark" not in history.intents):
            _in_window(store, plan, clock(), Decision(outside_window, who, role))

    return _carry(project, wave, life.CUT, before, detach, follower)


def rollback(
    project: Project,
    wave: str,
    decision: str = "",
    who: str = "",
    role: str = "",
    detach: bool = False,
    follower: Follower | None = None,
    clock: Clock = utc_now,
) -> Ran:
    """Back to the dual run, with everything that the new side accepted. After the point of no return it asks for a decision."""

    def before(store: Store, plan: Plan, history: History) -> None:
        life.check_not_retired(wave, history.retired)
        point = no_return(project, store, plan)
        if history.state == life.CUT_OVER and point is not None:
            said = Decision(decision, who, role)
            if decision.strip() or who.strip() or role.strip():
                command = f"cutwater wave rollback {wave} --decision TEXT"
                check_decision(plan, makers(store, wave, plan.hash), who, role, "the rollback", command)
            allowance = rollback_allowed(store.now(), point, said, clock_doubt(skew_of(store, clock)))
            if not allowance.allowed:
                raise refuse_late(wave, point, allowance)
            if said.complete():
                store.journal.append(wave, DECISION_RECORDED, decision_record(said, point, plan.hash))

    return _carry(project, wave, life.BACK, before, detach, follower)


def complete(project: Project, wave: str, typed: str, detach: bool = False, follower: Follower | None = None) -> Ran:
    """Removes what the legacy side had from us. `typed` has to be the wave's name: there is no way back."""
    if typed != wave:
        raise Refused(
            "CW3024",
            f"{typed!r} is not {wave}",
            state="nothing was removed",
            next=f"cutwater wave complete {wave} --yes {wave}",
        )
    return _carry(project, wave, life.COMPLETE, lambda store, plan, history: None, detach, follower)


def _carry(project: Project, wave: str, target: str, before: Before, detach: bool, follower: Follower | None) -> Ran:
    with open_store(project.state_url) as store:
        history = history_of(store, wave)
        plan = current_plan(store, history)
        life.check_verb(wave, life.VERB_OF[target], history.state)
        before(store, plan, history)
        return carry(project, store, history, runner_of(store, history), target, detach, follower)


def _in_window(store: Store, plan: Plan, now: datetime, said: Decision) -> None:
    """Only the planned window, or a person's word why not."""
    if not is_outside(plan, now) or decided(plan, store.journal):
        return
    if not said.reason.strip():
        raise outside(plan, now)
    command = f"cutwater wave cutover {plan.wave} --outside-window REASON"
    check_decision(plan, makers(store, plan.wave, plan.hash), said.who, said.role, ABOUT, command)
    payload = {"about": ABOUT, "who": said.who, "role": said.role, "reason": said.reason, "plan": plan.hash}
    store.journal.append(plan.wave, DECISION_RECORDED, payload)
