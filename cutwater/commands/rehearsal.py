"""What a rehearsal measured: read from the journal in which it ran, filed in the wave's own, shown beside its status."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psutil

from cutwater.core.clock import iso
from cutwater.core.config import Project
from cutwater.core.errors import Refused
from cutwater.jobs.wave_state import current_plan, history_of
from cutwater.state.records import Record
from cutwater.state.store import Store, open_store
from runbooks.executed import fold
from waves.dark import dark_windows
from waves.plan import Plan
from waves.point_of_no_return import THIS_WAVE, rollback_runs
from waves.rehearsal import (
    KINDS,
    REHEARSAL_BEGUN,
    REHEARSAL_FAILED,
    REHEARSAL_MEASURED,
    Rehearsal,
    ago,
    filed,
)
from waves.schedule import Duration, measured
from waves.steps import CUTOVER_KINDS
from waves.store import RecordView


def measure(copy: Project, wave: str, of_plan: Plan, name: str, source: str, payments: Mapping[str, str]) -> Rehearsal:
    """What the journal of `copy` says of its rounds. Raises Refused CW3062 where it carried out other steps than `of_plan`
    has, CW3063 where it holds no rollback from end to end."""
    with open_store(copy.state_url) as store:
        plan = current_plan(store, history_of(store, wave))
        if plan.work_hash != of_plan.work_hash:
            raise _other_steps(wave, plan, of_plan)
        records, head = store.journal.records(wave), store.journal.head()
    back = [run for run in rollback_runs(records) if run.source == THIS_WAVE]
    if not back:
        raise Refused(
            "CW3063",
            f"the journal of {copy.name} holds no rollback of {wave} from end to end",
            cause="a rehearsal is a whole round: cut over, and back",
            state="nothing was filed",
            next=f"in that project: cutwater wave cutover {wave}, then cutwater wave rollback {wave}",
        )
    done, windows = fold(records), dark_windows(records)
    return Rehearsal(
        rehearsal=name,
        plan=plan.hash,
        of_plan=of_plan.hash,
        work=plan.work_hash,
        began=iso(records[0].at),
        ended=iso(back[-1].ended_at),
        source=source,
        steps={step: [_text(took) for took in values] for step, values in sorted(done.step_samples.items())},
        back={step: [_text(took) for took in values] for step, values in sorted(done.back_samples.items())},
        rollback_seconds=[_text(run.length) for run in back],
        dark_ms=[item.milliseconds for item in windows if item.side == "tobe" and item.milliseconds is not None],
        dark_back_ms=[item.milliseconds for item in windows if item.side == "legacy" and item.milliseconds is not None],
        payments=payments,
        host=host(),
        journal={"seq": str(head[0]), "hash": head[1]},
    )


def _other_steps(wave: str, plan: Plan, of_plan: Plan) -> Refused:
    here, there = {step.id for step in of_plan.steps}, {step.id for step in plan.steps}
    only = [f"only in the plan: {', '.join(sorted(here - there)[:4])}"] if here - there else []
    only += [f"only rehearsed: {', '.join(sorted(there - here)[:4])}"] if there - here else []
    return Refused(
        "CW3062",
        f"the rehearsal's plan of {wave} is not the plan that is rehearsed",
        cause="; ".join(only) or "the steps have the same names and other parameters or tables",
        state="nothing was filed",
        next=f"cutwater inventory discover, then cutwater wave plan {wave}: the plan may be older than the estate",
    )


def file(store: Store, wave: str, found: Rehearsal) -> tuple[Record, bool]:
    """Into the wave's journal, once: (the record, whether it was added now)."""
    for record in store.journal.records(wave, [REHEARSAL_MEASURED]):
        if record.payload.get("rehearsal") == found.rehearsal:
            return record, False
    return store.journal.append(wave, REHEARSAL_MEASURED, found.as_dict()), True


def file_failure(store: Store, wave: str, name: str, plan: str, began: datetime, error: Mapping[str, Any]) -> None:
    """A rehearsal that did not come to its end is news, too."""
    store.journal.append(
        wave, REHEARSAL_FAILED, {"rehearsal": name, "plan": plan, "began": iso(began), "error": dict(error)}
    )


def begin(copy: Project, wave: str, of_plan: Plan, of: Project, name: str) -> None:
    """The copy's journal says from its first record on that it is one."""
    payload = {"of": of.name, "plan": of_plan.hash, "work": of_plan.work_hash, "rehearsal": name}
    with open_store(copy.state_url) as store:
        store.journal.append(wave, REHEARSAL_BEGUN, payload)


def from_project(project: Project, wave: str, copy: Project) -> tuple[Rehearsal, bool]:
    """A round that somebody carried out in another project (on a restored backup, say): measured there, filed here.

    Its name is the end of that journal: the same round is filed once.
    """
    with open_store(project.state_url) as store, open_store(copy.state_url) as other:
        plan = current_plan(store, history_of(store, wave))
        name = f"R-{other.journal.head()[1][:12]}"
        found = measure(copy, wave, plan, name, f"project {copy.name}", {})
        _, added = file(store, wave, found)
    return found, added


def host() -> dict[str, str]:
    """On what it ran: figures of another machine are figures of another machine."""
    memory = psutil.virtual_memory().total
    return {
        "name": socket.gethostname(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": str(os.cpu_count() or 0),
        "memory_mib": str(memory >> 20),
        "python": platform.python_version(),
    }


def view(records: Sequence[RecordView], plan: Plan, now: datetime) -> dict[str, Any]:
    """What `wave status` shows: the last rehearsal, and the schedule with where each duration comes from."""
    found = filed(records)
    ours = [item for item in found if item.is_of(plan.work_hash)]
    last = next(iter([*ours[-1:], *found[-1:]]), None)
    failed = next((item for item in reversed(records) if item.kind in KINDS), None)
    done, cut = fold(records), [step for step in plan.steps if step.kind in CUTOVER_KINDS]
    lengths = {f"step:{step.id}": done.duration(f"step:{step.id}") for step in cut}
    back = measured([run.length for run in rollback_runs(records)], _rollback_source(records))
    return {
        "last": None
        if last is None
        else {
            "rehearsal": last.name,
            "at": iso(last.at),
            "ago": ago(now - last.at),
            "same_steps": last.is_of(plan.work_hash),
            "dark_ms": list(last.body.get("dark_ms", ())),
            "rollback_seconds": list(last.body.get("rollback_seconds", ())),
            "host": dict(last.body.get("host", {})),
            "record": {"seq": last.seq, "hash": last.hash},
        },
        "failed_since": failed is not None and failed.kind == REHEARSAL_FAILED,
        "steps": {name.partition(":")[2]: _range(length) for name, length in lengths.items()},
        "cutover": _range(_sum(list(lengths.values()))),
        "rollback": _range(back),
    }


def _rollback_source(records: Sequence[RecordView]) -> str:
    runs = rollback_runs(records)
    own = sum(1 for run in runs if run.source == THIS_WAVE)
    parts = [f"{len(runs) - own} rehearsed"] if len(runs) > own else []
    return ", ".join([*parts, *([f"{own} in earlier rounds"] if own else [])])


def _range(length: Duration | None) -> dict[str, Any]:
    if length is None:
        return {"p50_seconds": None, "p90_seconds": None, "samples": 0, "source": "not measured"}
    texts = {"p50_seconds": _text(length.p50), "p90_seconds": _text(length.p90)}
    return {**texts, "samples": len(length.samples), "source": length.source}


def _sum(lengths: Sequence[Duration | None]) -> Duration | None:
    """The steps one after the other; not known while one of them is not. Sorted: p50 and p90 are the two sums."""
    known = [item for item in lengths if item is not None]
    if not known or len(known) < len(lengths):
        return None
    sources = list(dict.fromkeys(item.source for item in known))
    ends = (sum((item.p50 for item in known), timedelta()), sum((item.p90 for item in known), timedelta()))
    return Duration(ends, "measured", sources[0] if len(sources) == 1 else "; ".join(sources[:2]))


def _text(took: timedelta) -> str:
    return f"{Decimal(took // timedelta(milliseconds=1)) / 1000:.3f}"


def planned_for(project: Project, wave: str) -> Plan:
    """The plan that is to be rehearsed: current, with a cutover, in a state in which nothing was switched."""
    from cutwater.commands.wave import check_current
    from waves import life

    with open_store(project.state_url) as store:
        history = history_of(store, wave)
        plan = current_plan(store, history)
        life.check_verb(wave, "rehearse", history.state)
        check_current(project, store, plan)
    if not any(step.kind == "open" for step in plan.steps):
        raise Refused(
            "CW3040",
            f"the plan of wave {wave} ends with its dual run: there is no cutover to rehearse",
            state="nothing was done",
            next=f"add a cutover section to the wave file, then cutwater wave plan {wave}",
        )
    return plan
