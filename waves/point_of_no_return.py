"""The point of no return: the latest moment at which a rollback that starts still ends in time. Pure, computed.

    latest safe start = earliest limit - length of a rollback - margin

The limits are the window's end and the first opening of every scheme after the window's start: payments of the new day
must find one side or the other. The length is the p90 of the rollbacks that the journal holds from beginning to end;
until there is one, the estimate that the plan states, and then the result says that it is an estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from cutwater.core.clock import iso, parse_iso
from cutwater.core.errors import Refused
from waves import life
from waves.calendars import Calendar, openings
from waves.rehearsal import REHEARSAL_MEASURED, spans
from waves.schedule import Duration, measured, time_box
from waves.store import RecordView

ROLLBACK_MEASURED = "rollback.measured"  # payload: seconds (text), source: of a rollback that was timed elsewhere
ROLLBACK_KINDS = ("wave.state", ROLLBACK_MEASURED, REHEARSAL_MEASURED)  # the records that `rollback_runs` reads
DECISION_RECORDED = "decision.recorded"  # payload: about, who, role, reason, plan, latest_start
THIS_WAVE = "this wave"  # the source of a rollback that the wave itself went through
DEFAULT_MARGIN = timedelta(minutes=60)

Basis = Literal["measured", "estimate", "unknown"]


@dataclass(frozen=True)
class RollbackRun:
    """One rollback that came to its end. seq, hash: its last record in the journal."""

    ended_at: datetime
    length: timedelta
    source: str
    seq: int
    hash: str = ""


def rollback_runs(records: Iterable[RecordView]) -> list[RollbackRun]:
    """Finished rollbacks, oldest first: of this wave from CUT_OVER back to DUAL_RUN, and rehearsals that were filed.

    A way back out of CUTTING_OVER has less to undo: it would make the p90 too short, and is not counted. Time in which
    a rollback lay still (a crash, a pause) is counted: the next one may meet the same.
    """
    found: list[RollbackRun] = []
    begun: datetime | None = None
    for record in records:
        body: Mapping[str, Any] = record.payload
        if record.kind == ROLLBACK_MEASURED:
            source = str(body.get("source") or "a rehearsal")
            found.extend(_run(record, length, source) for length in spans(body.get("seconds")))
        elif record.kind == REHEARSAL_MEASURED:
            source = f"rehearsal {body.get('rehearsal', '?')}"
            found.extend(_run(record, length, source) for length in spans(body.get("rollback_seconds")))
        elif record.kind == "wave.state" and body["to"] == life.ROLLING_BACK:
            begun = record.at if body.get("from") == life.CUT_OVER else None
        elif record.kind == "wave.state":
            if body["to"] == life.DUAL_RUN and body.get("from") == life.ROLLING_BACK and begun is not None:
                found.append(_run(record, record.at - begun, THIS_WAVE))
            begun = None
    return found


def _run(record: RecordView, length: timedelta, source: str) -> RollbackRun:
    return RollbackRun(record.at, length, source, record.seq, str(getattr(record, "hash", "")))


@dataclass(frozen=True)
class PointOfNoReturn:
    """latest_start: None where the wave has no window. basis `unknown`: neither measured nor estimated, so that the true
    moment is earlier than latest_start. limits: every moment that was looked at, by its reason."""

    latest_start: datetime | None
    limit: datetime | None
    reason: str
    limits: Mapping[str, datetime]
    rollback: timedelta
    basis: Basis
    samples: tuple[timedelta, ...]
    margin: timedelta
    rehearsed: int = 0  # how many of the samples are of rehearsals

    @property
    def sentence(self) -> str:
        """One line for people."""
        if self.latest_start is None or self.limit is None:
            return "not known: the wave has no window"
        told = f", {self.rehearsed} of them rehearsed" if self.basis == "measured" and self.rehearsed else ""
        length = f"{_span(self.rollback)} ({_BASIS[self.basis].format(n=len(self.samples))}{told})"
        sum_ = (
            f"{self.reason} {self.limit:%a %d %b %H:%M} UTC, less rollback {length}, less margin {_span(self.margin)}"
        )
        if self.basis == "unknown":
            sum_ = f"{self.reason} {self.limit:%a %d %b %H:%M} UTC, less margin {_span(self.margin)}; a rollback was neither measured nor estimated"
        return f"{'before ' if self.basis == 'unknown' else ''}{self.latest_start:%a %d %b %H:%M:%S} UTC = {sum_}"

    def as_dict(self) -> dict[str, Any]:
        """The arithmetic, in seconds and instants: whoever reads it can do the sum again."""
        return {
            "latest_start": iso(self.latest_start) if self.latest_start else None,
            "limit": iso(self.limit) if self.limit else None,
            "limit_reason": self.reason,
            "limits": {name: iso(at) for name, at in sorted(self.limits.items(), key=lambda item: (item[1], item[0]))},
            "rollback_seconds": _text(self.rollback) if self.basis != "unknown" else None,
            "rollback_basis": self.basis,
            "rollback_samples_seconds": [_text(item) for item in self.samples],
            "rollback_samples_rehearsed": self.rehearsed,
            "margin_seconds": _text(self.margin),
            "is_estimate": self.basis == "estimate",
            "text": self.sentence,
        }


_BASIS = {"measured": "p90 of {n} measured", "estimate": "an estimate: none was measured yet", "unknown": "not known"}


def point_of_no_return(
    window: Mapping[str, str],
    runs: Sequence[RollbackRun],
    calendars: Sequence[Calendar] = (),
    margin: timedelta = DEFAULT_MARGIN,
    cut_over_at: datetime | None = None,
) -> PointOfNoReturn:
    """From the plan's window (start, end, perhaps rollback_minutes), the rollbacks in the journal and the schemes.

    cut_over_at: when it was really cut over; outside its window the schemes that open next after that count.
    """
    length, basis = _length(window, runs)
    samples = length.samples if length is not None and basis == "measured" else ()
    took = length.p90 if length is not None else timedelta()
    if not window.get("start") or not window.get("end"):
        return PointOfNoReturn(None, None, "no window", {}, took, basis, samples, margin)
    start, end = parse_iso(window["start"]), parse_iso(window["end"])
    since = start if cut_over_at is None or start <= cut_over_at < end else cut_over_at
    limits = {"the window ends": end}
    limits.update({f"{name} opens": at for name, at in openings(since, calendars).items()})
    reason, limit = min(limits.items(), key=lambda item: (item[1], item[0]))
    rehearsed = sum(1 for item in runs if item.source != THIS_WAVE)
    return PointOfNoReturn(limit - took - margin, limit, reason, limits, took, basis, samples, margin, rehearsed)


def _length(window: Mapping[str, str], runs: Sequence[RollbackRun]) -> tuple[Duration | None, Basis]:
    taken = measured([item.length for item in runs], "journal")
    if taken is not None:
        return taken, "measured"
    stated = str(window.get("rollback_minutes", ""))
    return (time_box(int(stated), "plan"), "estimate") if stated.isdigit() else (None, "unknown")


@dataclass(frozen=True)
class Decision:
    """What a person decided, for the record."""

    reason: str
    who: str
    role: str

    def complete(self) -> bool:
        return all(text.strip() for text in (self.reason, self.who, self.role))


@dataclass(frozen=True)
class Allowance:
    """May a rollback start? asks: `` or `decision`. warning: to be shown before it begins, also where it is allowed."""

    allowed: bool
    asks: str = ""
    warning: str = ""


def rollback_allowed(
    now: datetime, point: PointOfNoReturn, decision: Decision | None = None, clocks: str = ""
) -> Allowance:
    """now: the state store's clock. clocks: why the clocks are not trusted (`waves.gates.clock_doubt`), else empty.

    Before the point: allowed. After it, or where nobody can say what time it is: a decision record is asked for, and
    with one it is allowed with a warning. Without a window there is no point, and nothing is asked.
    """
    if point.latest_start is None:
        return Allowance(True, warning="the wave has no window: the latest safe start is not known")
    late = now - point.latest_start
    if late <= timedelta() and not clocks:
        return Allowance(True, warning="" if point.basis == "measured" else f"latest safe start {point.sentence}")
    if clocks:
        text = f"whether it is in time is not known: {clocks}"
    else:
        text = f"the latest safe start was {_span(late)} ago ({point.sentence}): the rollback may end behind the limit"
    given = decision is not None and decision.complete()
    return Allowance(given, "" if given else "decision", text)


def refuse_late(wave: str, point: PointOfNoReturn, allowance: Allowance) -> Refused:
    """The stop message of a rollback that asks for a decision."""
    return Refused(
        "CW3053",
        f"the rollback of wave {wave} is past its point of no return",
        cause=allowance.warning,
        state=f"{wave} stays cut over; nothing was done",
        money="customers are on the new platform, payments go on there",
        next=f"cutwater wave rollback {wave} --decision TEXT --as WHO --role ROLE; or fix forward",
        details={"point_of_no_return": point.as_dict()},
    )


def decision_record(
    decision: Decision, point: PointOfNoReturn, plan_hash: str, about: str = "rollback"
) -> dict[str, Any]:
    """The payload of `decision.recorded`."""
    return {
        "about": about,
        "who": decision.who,
        "role": decision.role,
        "reason": decision.reason,
        "plan": plan_hash,
        "point_of_no_return": point.as_dict(),
    }


def _text(span: timedelta) -> str:
    return f"{Decimal(span // timedelta(microseconds=1)) / 1_000_000:f}"


def _span(span: timedelta) -> str:
    seconds = int(abs(span).total_seconds())
    if seconds < 120:
        return (
            f"{seconds} s"
            if abs(span) >= timedelta(seconds=10) or not abs(span)
            else f"{abs(span).total_seconds():.1f} s"
        )
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds % 60:02d} s"
