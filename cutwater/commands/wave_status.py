"""Where a wave stands: its criteria, whether its runner lives, what failed last, and which command comes next."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import psutil

from cutwater.commands.route_looks import looks, money
from cutwater.commands.wave import makers
from cutwater.core.clock import Clock, iso, utc_now
from cutwater.core.config import Project
from cutwater.core.errors import CutwaterError
from cutwater.jobs.wave_state import Heartbeat, current_plan, history_of
from cutwater.state.records import Lease
from cutwater.state.store import Store, open_store
from inventory.model import Snapshot
from runbooks.settings import load_settings
from waves import life
from waves.approvals import Rule, Standing, standing
from waves.calendars import load_calendars
from waves.dark import KINDS as DARK_KINDS
from waves.dark import dark_since
from waves.gates import GateResult, Questions, ServiceView, clock_doubt, next_step
from waves.history import History
from waves.plan import Plan
from waves.planner import drifted
from waves.point_of_no_return import ROLLBACK_KINDS, PointOfNoReturn, point_of_no_return, rollback_runs

STALE = timedelta(seconds=10)  # a heartbeat older than this is not news (experience.md: data > 10 s old is STALE)


@dataclass(frozen=True)
class Criterion:
    """One line of the list: word is a key of the state tokens."""

    name: str
    word: str
    text: str


@dataclass(frozen=True)
class Runner:
    """alive: the lease is held and the process is there. dead: it went without ending its run."""

    alive: bool
    dead: bool
    pid: int
    run: str
    to: str
    text: str


def services_of(project: Project, wave: str) -> list[ServiceView]:
    """The services as the runner last saw them; [] where none spoke."""
    beat = Heartbeat.read(project, wave)
    return list(beat.services) if beat is not None else []


def skew_of(store: Store, clock: Clock = utc_now) -> timedelta | None:
    """The store's clock minus ours; None where the store does not answer."""
    try:
        return store.skew(clock)
    except CutwaterError:
        return None


def runner_of(store: Store, history: History) -> Runner:
    """Judged by the lease and the process, not by what the runner said."""
    lease, last = store.leases.current(history.wave), history.last_run
    pid, run, to = int(last.get("pid", 0)), str(last.get("run", "")), str(last.get("to", ""))
    open_run = bool(last) and not last.get("ended")
    exists = open_run and _exists(pid, last["at"])
    if lease is not None and (silent := died_unheard(lease, run)):
        return Runner(False, True, silent, run, to, f"process {silent} took the lease and died before its first record")
    if lease is not None and (exists or not open_run):
        return Runner(
            True, False, pid, run, to, f"{lease.holder}, until {lease.expires_at:%H:%M:%S} UTC unless renewed"
        )
    if open_run:
        return Runner(False, True, pid, run, to, f"run {run} died: process {pid} is gone and its run was not ended")
    text = f"none; run {run} ended ({last.get('reason') or 'done'})" if last else "none yet"
    return Runner(False, False, pid, run, to, text)


def died_unheard(lease: Lease, last_run: str) -> int:
    """The pid of a runner of this machine that holds the lease, wrote no record and is gone; 0 where it is not so."""
    found = re.fullmatch(r"runner (\d+) on (.+), run (\S+)", lease.holder)
    if found is None or found[2] != socket.gethostname() or found[3] == last_run:
        return 0
    return 0 if _exists(int(found[1]), lease.acquired_at) else int(found[1])


def own_dead(store: Store, history: History) -> bool:
    """Whether the lease belongs to a runner of this machine whose process is gone."""
    lease = store.leases.current(history.wave)
    last = history.last_run
    here = (
        lease is not None and f"on {socket.gethostname()}" in lease.holder and f"run {last.get('run')}" in lease.holder
    )
    unheard = lease is not None and bool(died_unheard(lease, str(last.get("run", ""))))
    return unheard or (here and runner_of(store, history).dead)


def _exists(pid: int, since: datetime) -> bool:
    """Whether the process is there and is not a later one with the same number."""
    try:
        process = psutil.Process(pid)
        young = process.create_time() > since.timestamp() + 5
        return process.status() != psutil.STATUS_ZOMBIE and not young
    except psutil.Error:
        return False


def status(project: Project, wave: str, clock: Clock = utc_now) -> dict[str, Any]:
    """Everything that `wave status` shows, as plain values."""
    with open_store(project.state_url) as store:
        history = history_of(store, wave)
        plan = current_plan(store, history)
        runner, beat = runner_of(store, history), Heartbeat.read(project, wave)
        from cutwater.commands.rehearsal import view as rehearsal_view

        now = clock()
        fresh = beat is not None and runner.alive and now - beat.at <= STALE
        skew = skew_of(store, clock)
        asks = Questions(
            wave,
            store.evidence,
            lambda: beat.services if beat and fresh else (),
            clock,
            store.journal,
            lambda: skew,
            plan.work_hash,
        )
        gates = [asks.evaluate(gate) for gate in plan.gates]
        outside = looks(project, store, wave)
        criteria = list(_criteria(store, history, plan, runner, beat if fresh else None, gates, skew))
        done = history.state == life.COMPLETED
        if done:  # what was asked before it does not hold any more, and need not
            criteria = [_RETIRED, _approval(store, plan)]
        criteria += [Criterion(item.name, item.word, item.text) for item in outside]
        point = no_return(project, store, plan)
        given = standing_of(store, plan)
        open_ones = [item for item in criteria if item.word != "pass"]
        return {
            "wave": wave,
            "title": plan.title,
            "state": history.state or "NEW",
            "condition": history.condition,
            "attempt": history.attempt,
            "plan_hash": plan.hash,
            "plan_version": store.plans.row(plan.hash).version,
            "approved": given.complete,
            "made_by": list(makers(store, wave, plan.hash)),
            "approvals": {
                "asked": Rule.of(plan).approvers,
                "counted": [{"who": who, "role": role} for who, role in given.counted],
                "void": [{"who": who, "role": role, "why": why} for who, role, why in given.void],
                "missing": given.missing,
            },
            "runner": asdict(runner),
            "dark": dark_of(store, history, runner),
            "heartbeat_at": beat.at if beat is not None else None,
            "doing": beat.doing if beat is not None and fresh else "",
            "waiting": beat.waiting if beat is not None and fresh else "",
            "services": [{**asdict(item), "detail": _texts(item.detail)} for item in beat.services] if beat else [],
            "criteria": [asdict(item) for item in criteria],
            "gates": [item.as_dict() for item in gates],
            "clock_skew_ms": None if skew is None else skew // timedelta(milliseconds=1),
            "verdict": "NO-GO" if open_ones else "DONE" if done else "GO",
            "not_passed": len(open_ones),
            "error": history.error,
            "objects": [{"step": step, "object": name} for step, name in history.objects()],
            "next": next((item.next for item in outside if item.word == "fail"), "")
            or _next(wave, history, runner, criteria, plan, given.missing_roles),
            "money": money(history.state, outside),
            "outside": [asdict(item) for item in outside],
            "window": dict(plan.window),
            "point_of_no_return": point.as_dict() | _countdown(point, store.now()) if point else None,
            "rehearsal": rehearsal_view(store.journal.records(wave), plan, now),
            "roles": dict(plan.roles),
            "updated_at": history.updated_at,
        }


def dark_of(store: Store, history: History, runner: Runner) -> dict[str, Any] | None:
    """Since when payments wait, and whether somebody is there to end it; None where none waits."""
    since = dark_since(store.journal.records(history.wave, DARK_KINDS))
    if since is None or history.state not in (life.CUTTING_OVER, life.ROLLING_BACK):
        return None
    seconds = int((store.now() - since).total_seconds())
    alone = not runner.alive or history.condition == life.FAILED
    text = f"the route of {history.wave} is DARK since {since:%H:%M:%S} UTC ({seconds} s): payments wait"
    if alone:
        text += ", and NO RUNNER IS ALIVE" if not runner.alive else ", and its runner has FAILED"
    command = f"cutwater wave resume {history.wave}" if alone else f"cutwater wave status {history.wave}"
    return {"since": since, "seconds": seconds, "alone": alone, "text": text, "next": command}


def list_waves(project: Project) -> list[dict[str, Any]]:
    """Every wave of the store, briefly."""
    with open_store(project.state_url) as store:
        return [asdict(row) for row in store.waves.list()]


def _criteria(
    store: Store,
    history: History,
    plan: Plan,
    runner: Runner,
    beat: Heartbeat | None,
    gates: Sequence[GateResult],
    skew: timedelta | None,
) -> Sequence[Criterion]:
    found = [_plan(store, plan)]
    if any(step.kind == "backfill" for step in plan.steps):
        found.append(_backfill(history, plan))
    if any(step.kind in ("stream", "feeds") for step in plan.steps):
        found.append(_streams(history, runner, beat))
    if doubt := clock_doubt(skew):
        found.append(Criterion("clock", "late", doubt))
    for result in gates:
        age = f", {result.age_minutes} min old" if result.age_minutes is not None else ""
        text = result.reason or f"{result.value} ({result.evidence}{age})"
        found.append(Criterion(f"gate {result.gate}", result.word, text))
    found.append(_approval(store, plan))
    nobody = [role for role, person in plan.roles.items() if person in ("", "nobody")]
    people = "every role has a person" if plan.roles else "no roles are declared"
    found.append(
        Criterion(
            "people",
            "unknown" if nobody or not plan.roles else "pass",
            f"nobody is {', '.join(nobody)}" if nobody else people,
        )
    )
    return found


_RETIRED = Criterion("streams", "pass", "ended: slot and publication are gone from the legacy side")


def _plan(store: Store, plan: Plan) -> Criterion:
    body = store.snapshots.latest()
    if body is None:
        return Criterion("plan", "unknown", "no inventory to compare with")
    snapshot = Snapshot.from_dict(body)
    if names := drifted(plan, snapshot):
        return Criterion("plan", "blocked", f"structure drifted since it was planned: {', '.join(names[:3])}")
    return Criterion("plan", "pass", f"structure as planned, inventory of {snapshot.taken_at:%d %b %H:%M} UTC")


def _backfill(history: History, plan: Plan) -> Criterion:
    steps = [step.id for step in plan.steps if step.kind == "backfill"]
    done = sum(history.completed(step) for step in steps)
    rows = sum(int(item.get("rows", 0)) for name, item in history.outcomes.items() if "/chunk/" in name)
    word = "pass" if done == len(steps) else "late" if history.condition else "unknown"
    return Criterion("backfill", word, f"{done}/{len(steps)} tables, {rows:,} rows copied")


def _streams(history: History, runner: Runner, beat: Heartbeat | None) -> Criterion:
    if (
        life.FORWARD.index(history.state) < life.FORWARD.index(life.CATCHING_UP)
        if history.state in life.FORWARD
        else True
    ):
        return Criterion("streams", "unknown", "not started yet")
    if runner.dead or not runner.alive:
        word = "blocked" if runner.dead else "late"
        return Criterion("streams", word, f"not running: {runner.text}; the slot keeps the legacy side's WAL meanwhile")
    if beat is None:
        return Criterion("streams", "unknown", "the runner has not spoken within 10 s")
    if not beat.services:
        return Criterion("streams", "unknown", "none runs yet")
    behind = [item for item in beat.services if not item.caught_up]
    lags = ", ".join(f"{item.name} {item.lag}" for item in beat.services if item.name == "stream" and item.lag)
    if beat.trouble:
        return Criterion("streams", "fail", beat.trouble)
    if behind:
        return Criterion(
            "streams", "late", f"{len(behind)} of {len(beat.services)} catch up: {behind[0].name} {behind[0].lag}"
        )
    return Criterion(
        "streams", "pass", f"{len(beat.services)} of {len(beat.services)} caught up{'; ' + lags if lags else ''}"
    )


def _approval(store: Store, plan: Plan) -> Criterion:
    given = standing_of(store, plan)
    void = "".join(f"; {who} as {role} does not count: {why}" for who, role, why in given.void)
    if not given.complete:
        return Criterion("approval", "blocked", f"plan {plan.hash[:12]} lacks {given.missing}{void}")
    said = ", ".join(f"{who} as {role}" for who, role in sorted(given.counted, key=lambda item: item[1]))
    return Criterion("approval", "pass", said + void)


def standing_of(store: Store, plan: Plan) -> Standing:
    """Whose approvals of the plan count, and what is missing."""
    return standing(Rule.of(plan), makers(store, plan.wave, plan.hash), store.approvals.of(plan.hash))


def no_return(project: Project, store: Store, plan: Plan) -> PointOfNoReturn | None:
    """The wave's point of no return as of now; None without a window. Schemes and margin are those of runbook.yaml."""
    if not plan.window:
        return None
    settings = load_settings(project.files_dir, plan.wave)
    known = load_calendars(project.files_dir / "calendars")
    schemes = [known[name] for name in settings.schemes if name in known]
    runs = rollback_runs(store.journal.records(plan.wave, ROLLBACK_KINDS))
    margin = timedelta(minutes=settings.margin_minutes)
    return point_of_no_return(plan.window, runs, schemes, margin, _cut_over_at(store, plan.wave))


def _cut_over_at(store: Store, wave: str) -> datetime | None:
    """When the wave's present cutover began; None before it."""
    states = store.journal.records(wave, ["wave.state"])
    for record in reversed(states):
        if record.payload["to"] == life.CUTTING_OVER:
            return record.at
        if record.payload["to"] not in (life.CUT_OVER, life.ROLLING_BACK):
            return None
    return None


def _countdown(point: PointOfNoReturn, now: datetime) -> dict[str, Any]:
    left = None if point.latest_start is None else point.latest_start - now
    return {
        "now": iso(now),
        "left_seconds": None if left is None else int(left.total_seconds()),
        "passed": left is not None and left < timedelta(),
    }


def _next(
    wave: str, history: History, runner: Runner, criteria: Sequence[Criterion], plan: Plan, missing: Sequence[str]
) -> str:
    if history.abandoning:
        return f"cutwater wave abandon {wave} --yes {wave}"
    if runner.dead or history.condition:
        return f"cutwater wave resume {wave}"
    if history.state == life.DUAL_RUN:
        words = {item.name: item.word for item in criteria}
        asked = {name: word for name, word in words.items() if name.startswith("gate ")}
        if unsure := [name for name, word in asked.items() if word not in ("pass", "fail")]:
            return next_step(wave, [item.query for item in plan.gates if f"gate {item.id}" in unsure])
        lagging = [item.query for item in plan.gates if asked.get(f"gate {item.id}") == "fail"]
        if lagging and not any(query.startswith(("reconciliation.", "feeds.complete")) for query in lagging):
            return next_step(wave, lagging)
        if "fail" in asked.values():  # the same question again has the same answer: somebody has to look first
            return "cutwater reconcile breaks"
        if words.get("approval") != "pass":
            role = next(iter(missing), None) or next(iter(plan.roles), "ROLE")
            return f"cutwater wave approve {wave} --as PERSON --role {role} --plan {plan.hash[:12]}"
        return f"cutwater wave run {wave} --to ready"
    if runner.alive and history.state in life.BEFORE_CUTOVER and history.state != life.READY:
        return f"cutwater wave status {wave}"
    if history.state == life.READY and any(step.kind == "open" for step in plan.steps):
        return f"cutwater wave cutover {wave}"
    return life.next_command(wave, history.state)


def _texts(detail: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in dict(detail).items()}


def is_alive(project: Project, wave: str) -> bool:
    """For other commands: does a runner serve this wave now?"""
    try:
        with open_store(project.state_url) as store:
            return runner_of(store, history_of(store, wave)).alive
    except CutwaterError:
        return False
