"""The life of a wave as data: states, legal moves, and which command may be used in which state."""

from __future__ import annotations

from cutwater.core.errors import Refused

NEW = ""  # not planned yet
PLANNED, PREPARED, BACKFILLING, CATCHING_UP = "PLANNED", "PREPARED", "BACKFILLING", "CATCHING_UP"
DUAL_RUN, READY, CUTTING_OVER, CUT_OVER = "DUAL_RUN", "READY", "CUTTING_OVER", "CUT_OVER"
COMPLETED, ROLLING_BACK, ABANDONED = "COMPLETED", "ROLLING_BACK", "ABANDONED"

FORWARD = (PLANNED, PREPARED, BACKFILLING, CATCHING_UP, DUAL_RUN, READY, CUTTING_OVER, CUT_OVER, COMPLETED)
BEFORE_CUTOVER = FORWARD[: FORWARD.index(READY) + 1]

MOVES: dict[str, tuple[str, ...]] = {
    NEW: (PLANNED,),
    PLANNED: (PREPARED, ABANDONED),
    PREPARED: (BACKFILLING, ABANDONED),
    BACKFILLING: (CATCHING_UP, ABANDONED),
    CATCHING_UP: (DUAL_RUN, ABANDONED),
    DUAL_RUN: (READY, ABANDONED),
    READY: (CUTTING_OVER, DUAL_RUN, ABANDONED),
    CUTTING_OVER: (CUT_OVER, ROLLING_BACK),
    CUT_OVER: (COMPLETED, ROLLING_BACK),
    ROLLING_BACK: (DUAL_RUN,),
    ABANDONED: (PLANNED,),
    COMPLETED: (),
}

# What a state lacks before it can be reached, in words of the person who asks.
NEEDS = {
    PLANNED: "a plan (cutwater wave plan {wave})",
    PREPARED: "the checks of prepare, the lake's tables, the publication and the slot",
    BACKFILLING: "a prepared wave",
    CATCHING_UP: "every table's backfill",
    DUAL_RUN: "the streams, caught up with an own marker",
    READY: "a reconciliation that passed, green gates and the approvals",
    CUTTING_OVER: "a wave that is READY",
    CUT_OVER: "a finished cutover",
    COMPLETED: "a wave that is CUT_OVER and has soaked",
    ROLLING_BACK: "a wave that is cut over or cutting over",
    ABANDONED: "a wave that was planned and is not cutting over",
}

PAUSED, FAILED = "PAUSED", "FAILED"  # conditions beside the state

# `--to` of `wave run` -> the state that is reached.
TARGETS = {
    "prepared": PREPARED,
    "backfill": BACKFILLING,
    "caught-up": CATCHING_UP,
    "dual-run": DUAL_RUN,
    "ready": READY,
}
TARGET_ORDER = tuple(TARGETS)
# What has a command of its own: cutover, rollback, complete.
CUT, BACK, COMPLETE = "cut-over", "rolled-back", "completed"
RUNNER_TARGETS = (*TARGET_ORDER, CUT, BACK, COMPLETE)
VERB_OF = {CUT: "cutover", BACK: "rollback", COMPLETE: "complete"}

VERBS: dict[str, tuple[str, ...]] = {
    "run": BEFORE_CUTOVER,
    "pause": (*BEFORE_CUTOVER, CUTTING_OVER, CUT_OVER, ROLLING_BACK),  # in the dark it is heeded once the route is open
    "resume": (*BEFORE_CUTOVER, CUTTING_OVER, CUT_OVER, ROLLING_BACK),
    "rehearse": BEFORE_CUTOVER,
    "approve": (DUAL_RUN, READY),
    "abandon": (*BEFORE_CUTOVER, ABANDONED),
    "cutover": (READY, CUTTING_OVER, CUT_OVER),
    "rollback": (CUTTING_OVER, CUT_OVER, ROLLING_BACK),
    "complete": (CUT_OVER, COMPLETED),
}


def check_move(wave: str, old: str, new: str) -> None:
    """Raises Refused CW3012 where `new` cannot follow `old`, naming what is missing."""
    if new in MOVES.get(old, ()):
        return
    raise Refused(
        "CW3012",
        f"wave {wave} cannot go from {old or 'nothing'} to {new}",
        cause=f"{new} needs {NEEDS[new].format(wave=wave)}",
        state=f"{wave} is {old or 'not planned'}; nothing was done",
        next=next_command(wave, old),
    )


def check_verb(wave: str, verb: str, state: str) -> None:
    """Raises Refused CW3012 where a command has no place in this state."""
    allowed = VERBS[verb]
    if state in allowed:
        return
    lacks = {"rollback": ROLLING_BACK, "complete": COMPLETED, "cutover": CUTTING_OVER}.get(verb, allowed[0])
    missing = NEEDS[PLANNED if state in (NEW, ABANDONED) else lacks].format(wave=wave)
    raise Refused(
        "CW3012",
        f"wave {verb} has no place while {wave} is {state or 'not planned'}",
        cause=f"it needs {missing}; legal in {', '.join(allowed)}",
        state=f"{wave} is {state or 'not planned'}; nothing was done",
        next=next_command(wave, state),
    )


def check_not_retired(wave: str, retired: bool) -> None:
    """Raises Refused CW3012 for a rollback once `complete` has begun to remove what the way back reads."""
    if retired:
        raise Refused(
            "CW3012",
            f"wave {wave} has no way back any more: its completion has begun",
            cause="the replication slot is gone, or about to be: the legacy side's changes can no longer be followed",
            state=f"{wave} stays CUT_OVER; nothing was done",
            money=money(CUT_OVER),
            next=f"cutwater wave complete {wave} --yes {wave} finishes it; what is wrong is fixed forward",
        )


def money(state: str) -> str:
    """Where customers are, in the words of every stop message and status."""
    if state in (CUTTING_OVER, ROLLING_BACK):
        return "the route is dark or about to be: payments wait, none is lost"
    if state in (CUT_OVER, COMPLETED):
        return "switched: customers are on the new platform"
    return "nothing switched: customers are on the old platform"


def target_of(state: str, aimed: str, retiring: bool = False) -> str:
    """What a resumed run aims at: the state decides where a cutover, a rollback or a completion (`retiring`) was begun."""
    if state == ROLLING_BACK:
        return BACK
    if state in (CUTTING_OVER, CUT_OVER):
        return COMPLETE if retiring and aimed == COMPLETE else CUT
    return aimed if aimed in TARGETS else "dual-run"


def next_command(wave: str, state: str) -> str:
    """The command that takes a wave onward from its state."""
    if state in (NEW, ABANDONED):
        return f"cutwater wave plan {wave}"
    if state in (PLANNED, PREPARED, BACKFILLING, CATCHING_UP):
        return f"cutwater wave run {wave} --to dual-run"
    if state == DUAL_RUN:
        return f"cutwater reconcile run {wave}"
    if state in (CUTTING_OVER, ROLLING_BACK):
        return f"cutwater wave resume {wave}"
    if state == CUT_OVER:
        return f"cutwater wave complete {wave} --yes {wave} (or rollback {wave})"
    return f"cutwater wave status {wave}"
