"""What gates ask: each query measures one thing and says where the answer comes from. Nothing is judged by age here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from cutwater.core.clock import iso, parse_iso
from cutwater.core.hashing import sha256_json
from waves import life
from waves.point_of_no_return import ROLLBACK_KINDS, rollback_runs
from waves.rehearsal import REHEARSAL_BEGUN, REHEARSAL_MEASURED, filed, is_rehearsal

if TYPE_CHECKING:
    from waves.gates import Questions, ServiceView
    from waves.store import EvidenceView


@dataclass(frozen=True)
class Measured:
    """The answer to a query before it is judged. ok: None where nothing was measured. evidence_hash: SHA-256 of the
    evidence's body, the `body_sha256` of its record in the journal."""

    value: str
    ok: bool | None
    evidence: str = ""
    at: datetime | None = None
    evidence_id: str = ""
    evidence_hash: str = ""


@dataclass(frozen=True)
class _Filed:
    """A reconciliation as it was filed."""

    body: Mapping[str, Any]
    at: datetime
    row: EvidenceView

    def says(self, value: str, ok: bool | None) -> Measured:
        if self.row.problem:  # what was altered proves nothing, whatever it says now
            value, ok = self.row.problem, None
        name = str(self.row.id) if self.row.problem else f"reconciliation {self.body.get('run', self.row.id)}"
        return Measured(value, ok, name, self.at, str(self.row.id), sha256_json(self.row.body))


def _reconciliation(ask: Questions) -> _Filed | None:
    row = ask.evidence.latest("reconciliation", ask.wave)
    if row is None or row.at < _planned_at(ask):
        return None
    body: Mapping[str, Any] = row.body
    as_of = body.get("as_of") if not row.problem else None
    # What counts is the point in time that was compared, not when somebody filed it.
    at = min(row.at, parse_iso(as_of)) if isinstance(as_of, str) and as_of else row.at
    return _Filed(body, at, row)


def _planned_at(ask: Questions) -> datetime:
    """When the wave's present attempt began: what an abandoned one has shown was removed with it."""
    states = ask.journal.records(ask.wave, ["wave.state"]) if ask.journal is not None else []
    return max((item.at for item in states if item.payload.get("to") == life.PLANNED), default=_EVER)


_EVER = datetime.min.replace(tzinfo=UTC)
_NONE = Measured("no reconciliation was run in this attempt", None)


def _verdict(ask: Questions, threshold: str) -> Measured:
    found = _reconciliation(ask)
    if found is None:
        return _NONE
    value = str(found.body.get("verdict", "?"))
    return found.says(value, value == threshold)


def _open_breaks(ask: Questions, threshold: str) -> Measured:
    found = _reconciliation(ask)
    if found is None:
        return _NONE
    breaks, verdict = found.body.get("open_breaks"), found.body.get("verdict")
    if not isinstance(breaks, int):
        return found.says("the evidence does not count its breaks", None)
    if verdict not in ("PASS", "FAIL"):  # what was not judged has no breaks either: never green
        return found.says(f"{breaks} open breaks, but the run is {verdict or '?'}", None)
    return found.says(f"{breaks} open breaks", at_most(str(breaks), threshold))


def _feeds(ask: Questions, threshold: str) -> Measured:
    found = _reconciliation(ask)
    if found is None:
        return _NONE
    feeds = found.body.get("feeds")
    rows = list(feeds.values()) if isinstance(feeds, Mapping) else feeds
    if not isinstance(rows, list) or not rows:
        return found.says("the evidence says nothing of the feeds", None)
    bad = [row for row in rows if not (isinstance(row, Mapping) and row.get("verdict") == "PASS")]
    return found.says(f"{len(rows) - len(bad)} of {len(rows)} feeds complete", not bad)


def _lag(ask: Questions, threshold: str) -> Measured:
    view = next((item for item in ask.services() if item.name == "stream"), None)
    if view is None:
        return Measured("the change stream is not running", None)
    if view.error:
        return _seen(view, view.error, False)
    seconds = view.detail.get("lag_seconds")
    if seconds is None and view.caught_up_at is not None:
        # Not the lag itself but a bound of it: all that is older than this has been applied.
        seconds = f"{(ask.clock() - view.caught_up_at).total_seconds():.1f}"
    if seconds is None:
        return _seen(view, view.lag or "lag not measured", None)
    return _seen(view, f"lag at most {seconds} s", at_most(str(seconds), threshold))


def _feed_lag(ask: Questions, threshold: str) -> Measured:
    """Messages that the feeds hold and the event store does not, in all. One feed that does not tell: unknown."""
    views = [item for item in ask.services() if item.name == "feeds" or item.name.startswith("feed:")]
    if not views:
        return Measured("no feed is running", None)
    broken = next((item for item in views if item.error), None)
    if broken is not None:
        return _seen(broken, f"{broken.name}: {broken.error}", False)
    behind = {name: count for item in views for name, count in _behind(item).items()}
    mute = sorted(name for name, count in behind.items() if count < 0)
    oldest = min(views, key=lambda item: item.at)
    if mute:
        return _seen(oldest, f"{mute[0]} does not say how far it is behind", None)
    total = sum(behind.values())
    return _seen(oldest, f"{total} messages behind in {len(behind)} feeds", at_most(str(total), threshold))


def _behind(view: ServiceView) -> dict[str, int]:
    """Messages by feed, -1 where unknown: one number of one feed, or a mapping of several."""
    said = view.detail.get("behind")
    counts = dict(said) if isinstance(said, Mapping) and said else {view.name: said}
    return {str(name): int(str(n)) if str(n).isdigit() else -1 for name, n in counts.items()}


def _rehearsed(ask: Questions, threshold: str) -> Measured:
    """Days since a rollback last came to its end. The threshold is the age; the journal is read now, so it is fresh."""
    if ask.journal is None:
        return Measured("the journal was not looked at", None)
    if on_copy := _on_copy(ask):
        return on_copy
    runs = rollback_runs(ask.journal.records(ask.wave, ROLLBACK_KINDS))
    if not runs:
        return Measured("no rollback was rehearsed", None)
    last = max(runs, key=lambda item: item.ended_at)
    age = ask.clock() - last.ended_at
    days = Decimal(age // timedelta(seconds=1)) / 86_400
    value = f"last rollback {days:.1f} days ago, {last.source}"
    name = f"journal record {last.seq}"
    return Measured(value, at_most(str(days), threshold), name, ask.clock(), f"journal:{last.seq}", last.hash)


def _on_copy(ask: Questions) -> Measured | None:
    """A rehearsal cannot be asked for a rehearsal: its own journal says that it is one."""
    begun = ask.journal.records(ask.wave, [REHEARSAL_BEGUN]) if ask.journal is not None else []
    if not is_rehearsal(begun):
        return None
    last = begun[-1]
    name, digest = f"journal record {last.seq}", str(getattr(last, "hash", ""))
    return Measured("this is the rehearsal itself", True, name, ask.clock(), f"journal:{last.seq}", digest)


def _rehearsal_age(ask: Questions, threshold: str) -> Measured:
    """Days since a rehearsal of these very steps came to its end. As above, the threshold is the age."""
    if ask.journal is None:
        return Measured("the journal was not looked at", None)
    if on_copy := _on_copy(ask):
        return on_copy
    found = filed(ask.journal.records(ask.wave, [REHEARSAL_MEASURED]))
    if not found:
        return Measured("no round was rehearsed on a copy", None)
    ours = [item for item in found if item.is_of(ask.work)]
    if not ours:
        return Measured(f"rehearsal {found[-1].name} carried out other steps than this plan has", None)
    last = ours[-1]
    days = Decimal((ask.clock() - last.at) // timedelta(seconds=1)) / 86_400
    value, name = f"rehearsed {days:.1f} days ago ({last.name})", f"journal record {last.seq}"
    return Measured(value, at_most(str(days), threshold), name, ask.clock(), f"journal:{last.seq}", last.hash)


def _skew(ask: Questions, threshold: str) -> Measured:
    skew = ask.skew() if ask.skew else None
    if skew is None:
        return Measured("the clocks were not compared", None)
    apart = milliseconds(abs(skew))
    return Measured(
        f"{apart} ms apart", at_most(str(apart), threshold), "the state store's clock", ask.clock(), "clock"
    )


def _seen(view: ServiceView, value: str, ok: bool | None) -> Measured:
    """What the runner last said of a service. It is no evidence that is kept: its words are named by their hash."""
    words = {"name": view.name, "at": iso(view.at), "lag": view.lag, "error": view.error, "value": value}
    return Measured(value, ok, view.name, view.at, f"service:{view.name}:{iso(view.at)}", sha256_json(words))


def milliseconds(span: timedelta) -> int:
    """Whole milliseconds, rounded up: what is shown is never less than what was measured."""
    return -(-span // timedelta(milliseconds=1))


def at_most(value: str, threshold: str) -> bool | None:
    """None where the threshold (or the value) is no number."""
    try:
        return Decimal(value) <= Decimal(threshold)
    except InvalidOperation:
        return None


Query = Callable[["Questions", str], Measured]
QUERIES: dict[str, Query] = {
    "reconciliation.verdict": _verdict,
    "reconciliation.open_breaks": _open_breaks,
    "feeds.complete": _feeds,
    "feeds.lag_messages": _feed_lag,
    "stream.lag_seconds": _lag,
    "rollback.rehearsed": _rehearsed,
    "rehearsal.age_days": _rehearsal_age,
    "clock.skew_ms": _skew,
}
