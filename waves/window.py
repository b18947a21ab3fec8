"""The planned window: a cutover begins and gets dark in it, or a person has said why not. Pure of adapters."""

from __future__ import annotations

from datetime import datetime

from cutwater.core.clock import iso, parse_iso
from cutwater.core.errors import Refused
from waves import life
from waves.decisions import deciding_roles
from waves.plan import Plan
from waves.point_of_no_return import DECISION_RECORDED
from waves.rehearsal import REHEARSAL_BEGUN, is_rehearsal
from waves.store import JournalStore

ABOUT = "cutover outside its window"


def is_outside(plan: Plan, now: datetime) -> bool:
    """Whether `now` is outside the plan's window; never of a plan without one."""
    if not plan.window:
        return False
    return not parse_iso(plan.window["start"]) <= now < parse_iso(plan.window["end"])


def decided(plan: Plan, journal: JournalStore) -> bool:
    """Whether somebody has decided so for this cutover: of this plan, since it was READY."""
    for record in reversed(journal.records(plan.wave, ["wave.state", DECISION_RECORDED])):
        body = record.payload
        if record.kind == "wave.state" and body["to"] == life.READY:
            return False
        if record.kind == DECISION_RECORDED and body.get("about") == ABOUT and body.get("plan") == plan.hash:
            return True
    return False


def check_window(plan: Plan, now: datetime, journal: JournalStore) -> None:
    """Raises Refused CW3041 outside the window where nobody has decided. A rehearsal, on its copy, has no window."""
    if is_rehearsal(journal.records(plan.wave, [REHEARSAL_BEGUN])):
        return
    if is_outside(plan, now) and not decided(plan, journal):
        raise outside(plan, now)


def outside(plan: Plan, now: datetime) -> Refused:
    """The stop message; `cutwater wave cutover` takes the reason."""
    return Refused(
        "CW3041",
        f"it is {iso(now)}, outside the window of wave {plan.wave}",
        cause=f"the plan says {plan.window['start']} to {plan.window['end']}",
        state="nothing is dark",
        money="nothing switched: customers are on the old platform",
        next=f"cutwater wave cutover {plan.wave} --outside-window REASON --as WHO --role {' or '.join(deciding_roles(plan)) or 'ROLE'}",
    )
