"""Gates: questions over evidence, each with a threshold and a freshness. Missing or stale evidence is no-go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from cutwater.core.errors import Refused
from waves.gate_queries import QUERIES, Measured, milliseconds
from waves.plan import GateSpec
from waves.store import EvidenceStore, JournalStore

CLOCK_LIMIT = timedelta(seconds=2)  # ages of evidence are differences of two clocks: beyond this they mean nothing

__all__ = ["CLOCK_LIMIT", "QUERIES", "GateResult", "Measured", "NoGo", "Questions", "ServiceView", "refuse"]


class NoGo(Refused):
    """A question was answered with no. The wave stays where it is and is not marked as failed."""


@dataclass(frozen=True)
class GateResult:
    """verdict: GO or NO-GO. word: a key of the state tokens (pass, fail, late, unknown). age_minutes: None where there
    is no evidence. evidence_id, evidence_hash: what was judged, so that it can be found and proved unaltered."""

    gate: str
    title: str
    verdict: str
    word: str
    value: str
    threshold: str
    evidence: str
    age_minutes: int | None
    reason: str
    evidence_id: str = ""
    evidence_hash: str = ""
    query: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ServiceView:
    """One service as the runner last saw it. caught_up_at: when the last poll that saw its own marker had begun;
    everything before that moment has been applied."""

    name: str
    at: datetime
    caught_up: bool
    lag: str
    detail: Mapping[str, Any]
    error: str = ""
    caught_up_at: datetime | None = None


@dataclass(frozen=True)
class Questions:
    """Where the answers come from. journal: where rollbacks are recorded. skew: the state store's clock minus ours,
    None where it could not be measured; without the function nobody looks. work: of the current plan
    (`Plan.work_hash`): a rehearsal of other steps is none."""

    wave: str
    evidence: EvidenceStore
    services: Callable[[], Iterable[ServiceView]]
    clock: Callable[[], datetime]
    journal: JournalStore | None = None
    skew: Callable[[], timedelta | None] | None = None
    work: str = ""

    def evaluate(self, gate: GateSpec) -> GateResult:
        """Judges one gate now. Raises nothing: what is not known is NO-GO with the word `unknown`."""
        measured = QUERIES[gate.query](self, gate.threshold)
        age = None if measured.at is None else self.clock() - measured.at
        word, reason = _judged(measured, gate, age)
        if gate.query != "clock.skew_ms" and (doubt := clock_doubt(self.skew() if self.skew else timedelta())):
            word, reason = "unknown", doubt
        return GateResult(
            gate.id,
            gate.title or gate.query,
            "GO" if word == "pass" else "NO-GO",
            word,
            measured.value,
            gate.threshold,
            measured.evidence,
            None if age is None else int(max(timedelta(), age).total_seconds() // 60),
            reason,
            measured.evidence_id,
            measured.evidence_hash,
            gate.query,
        )


def _judged(measured: Measured, gate: GateSpec, age: timedelta | None) -> tuple[str, str]:
    """(word, reason); evidence of exactly the allowed age is still fresh."""
    if measured.ok is None or age is None:
        return "unknown", measured.value or "nothing was measured"
    if age < -CLOCK_LIMIT:
        return "unknown", f"evidence is from the future, by {milliseconds(-age)} ms: a clock is wrong"
    allowed = timedelta(minutes=gate.max_age_minutes)
    if age > allowed:
        return "late", _too_old(age, allowed)
    return ("pass", "") if measured.ok else ("fail", f"{measured.value}, wanted {gate.threshold}")


def _too_old(age: timedelta, allowed: timedelta) -> str:
    """Begun minutes count: one second beyond is one minute too old."""
    over = -(-(age - allowed) // timedelta(minutes=1))
    minutes, seconds = divmod(int(age.total_seconds()), 60)
    shown = f"{minutes} min{f' {seconds} s' if seconds else ''}"
    beyond = "one minute" if over == 1 else f"{over} minutes"
    return f"evidence {beyond} too old: {shown} old, at most {allowed // timedelta(minutes=1)} allowed"


def clock_doubt(skew: timedelta | None) -> str:
    """Why no age can be trusted; empty where the clocks agree. skew: the state store's clock minus ours."""
    if skew is None:
        return "the clocks could not be compared: the state store did not tell its time"
    if abs(skew) <= CLOCK_LIMIT:
        return ""
    ahead = "behind" if skew > timedelta() else "ahead of"
    return (
        f"this machine's clock is {milliseconds(abs(skew))} ms {ahead} the state store's, "
        f"limit {milliseconds(CLOCK_LIMIT)} ms: the age of evidence is not known"
    )


_NEXT = {  # what can be done about a question that was answered with no, the most urgent first
    "clock.": "set this machine's clock, then the same command again",
    "stream.": "wait until the stream has caught up: cutwater wave status {wave}",
    "feeds.lag": "wait until the feeds have caught up: cutwater wave status {wave}",
    "rollback.": "cutwater wave rehearse {wave}",
    "rehearsal.": "cutwater wave rehearse {wave}",
}


def next_step(wave: str, queries: Iterable[str]) -> str:
    """The command that comes next after these gates said no: a comparison answers no question about a lag."""
    asked = list(queries)
    for prefix, text in _NEXT.items():
        if any(query.startswith(prefix) for query in asked):
            return text.format(wave=wave)
    return f"cutwater reconcile run {wave}"


def refuse(wave: str, results: Iterable[GateResult]) -> NoGo:
    """The stop message of gates that say no."""
    bad = [item for item in results if item.verdict != "GO"]
    return NoGo(
        "CW3013",
        f"NO-GO: {len(bad)} gate{'s' * (len(bad) != 1)} of wave {wave} say no",
        cause="; ".join(f"{item.gate}: {item.reason}" for item in bad),
        state="the wave stays where it is, its streams keep running",
        money="nothing switched: customers are on the old platform",
        next=next_step(wave, [item.query for item in bad]),
        details={"gates": [item.as_dict() for item in bad]},
    )
