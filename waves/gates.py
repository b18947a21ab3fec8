"""Gates: questions over evidence, each with a threshold and a freshness. Missing or stale evidence is no-go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from cutwater.core.clock import parse_iso
from cutwater.core.errors import Refused
from waves.plan import GateSpec
from waves.store import EvidenceStore


class NoGo(Refused):
    """A question was answered with no. The wave stays where it is and is not marked as failed."""


@dataclass(frozen=True)
class GateResult:
    """verdict: GO or NO-GO. word: a key of the state tokens (pass, fail, late, unknown). age_minutes: None where there
    is no evidence."""

    gate: str
    title: str
    verdict: str
    word: str
    value: str
    threshold: str
    evidence: str
    age_minutes: int | None
    reason: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Measured:
    """The answer to a query before it is judged. ok: None where nothing was measured."""

    value: str
    ok: bool | None
    evidence: str = ""
    at: datetime | None = None


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
    """Where the answers come from."""

    wave: str
    evidence: EvidenceStore
    services: Callable[[], Iterable[ServiceView]]
    clock: Callable[[], datetime]

    def evaluate(self, gate: GateSpec) -> GateResult:
        """Judges one gate now. Raises nothing: what is not known is NO-GO with the word `unknown`."""
        measured = QUERIES[gate.query](self, gate.threshold)
        age = None if measured.at is None else max(timedelta(), self.clock() - measured.at)
        minutes = None if age is None else int(age.total_seconds() // 60)
        stale = age is not None and age > timedelta(minutes=gate.max_age_minutes)
        if measured.ok is None or age is None:
            word, reason = "unknown", measured.value or "nothing was measured"
        elif stale:
            word, reason = "late", f"evidence is {minutes} min old, at most {gate.max_age_minutes} allowed"
        elif measured.ok:
            word, reason = "pass", ""
        else:
            word, reason = "fail", f"{measured.value}, wanted {gate.threshold}"
        verdict = "GO" if word == "pass" else "NO-GO"
        return GateResult(
            gate.id,
            gate.title or gate.query,
            verdict,
            word,
            measured.value,
            gate.threshold,
            measured.evidence,
            minutes,
            reason,
        )


def refuse(wave: str, results: Iterable[GateResult]) -> NoGo:
    """The stop message of gates that say no."""
    bad = [item for item in results if item.verdict != "GO"]
    return NoGo(
        "CW3013",
        f"NO-GO: {len(bad)} gate{'s' * (len(bad) != 1)} of wave {wave} say no",
        cause="; ".join(f"{item.gate}: {item.reason}" for item in bad),
        state="the wave stays where it is, its streams keep running",
        money="nothing switched: customers are on the old platform",
        next=f"cutwater reconcile run {wave}",
        details={"gates": [item.as_dict() for item in bad]},
    )


def _reconciliation(ask: Questions) -> tuple[Mapping[str, Any], str, datetime] | None:
    row = ask.evidence.latest("reconciliation", ask.wave)
    if row is None:
        return None
    body: Mapping[str, Any] = row.body
    as_of = body.get("as_of")
    # What counts is the point in time that was compared, not when somebody filed it.
    at = min(row.at, parse_iso(as_of)) if isinstance(as_of, str) and as_of else row.at
    return body, f"reconciliation {body.get('run', row.id)}", at


_NONE = Measured("no reconciliation was run", None)


def _verdict(ask: Questions, threshold: str) -> Measured:
    found = _reconciliation(ask)
    if found is None:
        return _NONE
    body, name, at = found
    value = str(body.get("verdict", "?"))
    return Measured(value, value == threshold, name, at)


def _open_breaks(ask: Questions, threshold: str) -> Measured:
    found = _reconciliation(ask)
    if found is None:
        return _NONE
    body, name, at = found
    if not isinstance(body.get("open_breaks"), int):
        return Measured("the evidence does not count its breaks", None, name, at)
    if body.get("verdict") not in ("PASS", "FAIL"):  # what was not judged has no breaks either: never green
        return Measured(f"{body['open_breaks']} open breaks, but the run is {body.get('verdict', '?')}", None, name, at)
    return Measured(f"{body['open_breaks']} open breaks", _at_most(str(body["open_breaks"]), threshold), name, at)


def _feeds(ask: Questions, threshold: str) -> Measured:
    found = _reconciliation(ask)
    if found is None:
        return _NONE
    body, name, at = found
    feeds = body.get("feeds")
    rows = list(feeds.values()) if isinstance(feeds, Mapping) else feeds
    if not isinstance(rows, list) or not rows:
        return Measured("the evidence says nothing of the feeds", None, name, at)
    bad = [row for row in rows if not (isinstance(row, Mapping) and row.get("verdict") == "PASS")]
    value = f"{len(rows) - len(bad)} of {len(rows)} feeds complete"
    return Measured(value, not bad, name, at)


def _lag(ask: Questions, threshold: str) -> Measured:
    view = next((item for item in ask.services() if item.name == "stream"), None)
    if view is None:
        return Measured("the change stream is not running", None)
    if view.error:
        return Measured(view.error, False, "stream", view.at)
    seconds = view.detail.get("lag_seconds")
    if seconds is None and view.caught_up_at is not None:
        # Not the lag itself but a bound of it: all that is older than this has been applied.
        seconds = f"{(ask.clock() - view.caught_up_at).total_seconds():.1f}"
    if seconds is None:
        return Measured(view.lag or "lag not measured", None, "stream", view.at)
    return Measured(f"lag at most {seconds} s", _at_most(str(seconds), threshold), "stream", view.at)


def _at_most(value: str, threshold: str) -> bool | None:
    try:
        return Decimal(value) <= Decimal(threshold)
    except InvalidOperation:
        return None


Query = Callable[[Questions, str], Measured]
QUERIES: dict[str, Query] = {
    "reconciliation.verdict": _verdict,
    "reconciliation.open_breaks": _open_breaks,
    "feeds.complete": _feeds,
    "stream.lag_seconds": _lag,
}
