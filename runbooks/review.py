"""The post-implementation review as a document: plain values, ready to be rendered.

`word` is a key of the state tokens. Lengths are whole milliseconds of the journal's clock; None: not known.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cutwater.core.hashing import sha256_json


@dataclass(frozen=True)
class Actual:
    """One step, or one way back, as it ran. planned: what the runbook would have said when its part began (p90, else a
    time box, else an estimate), with its basis. who: carried it out, or said yes to it. watched: named on its card."""

    id: str
    title: str
    began: datetime
    ended: datetime | None
    actual_ms: int | None
    planned_ms: int | None
    planned: str
    basis: str  # measured | box | estimate | none
    word: str
    said: str
    who: str
    watched: str

    @property
    def variance_ms(self) -> int | None:
        if self.actual_ms is None or self.planned_ms is None:
            return None
        return self.actual_ms - self.planned_ms


@dataclass(frozen=True)
class Part:
    """A stretch of the wave's life: preparation, a cutover, a rollback, the completion. why: what began it.
    decided: who ruled on it, as recorded since the part before; empty where the plan and its approvals were enough."""

    kind: str  # before | cutover | back | end
    name: str
    began: datetime
    ended: datetime | None
    word: str
    result: str
    why: str
    decided: str
    steps: tuple[Actual, ...]

    @property
    def actual_ms(self) -> int | None:
        return None if self.ended is None else round((self.ended - self.began).total_seconds() * 1000)

    @property
    def planned_ms(self) -> int | None:
        """The sum of its steps, which go one after the other; None where one was not planned."""
        known = [item.planned_ms for item in self.steps if item.planned_ms is not None]
        return sum(known) if known and len(known) == len(self.steps) else None


@dataclass(frozen=True)
class Dark:
    """A dark window. side: where the route opened again. planned_ms: of the steps that were dark."""

    began: datetime
    ended: datetime | None
    side: str
    actual_ms: int | None
    planned_ms: int | None
    word: str


@dataclass(frozen=True)
class Said:
    """An approval or a decision: who, in which role, about what, and what was said. note: whether it counts, or how late."""

    at: datetime
    what: str
    who: str
    role: str
    text: str
    note: str
    word: str


@dataclass(frozen=True)
class Judged:
    """A gate as it was judged at that moment."""

    at: datetime
    gate: str
    word: str
    verdict: str
    value: str
    threshold: str
    evidence: str
    age: str
    reason: str
    evidence_hash: str


@dataclass(frozen=True)
class HeldLine:
    """One currency (empty: no amount could be read): count and sum of each end, as text."""

    currency: str
    held: str
    released: str
    returned: str
    open: str


@dataclass(frozen=True)
class HeldReview:
    word: str
    sentence: str
    lines: tuple[HeldLine, ...]
    problems: tuple[str, ...]
    proved: tuple[str, ...]  # each proof in the journal, in a line


@dataclass(frozen=True)
class Failure:
    at: datetime
    effect: str
    code: str
    text: str
    again: str


@dataclass(frozen=True)
class RunLine:
    """One run of the runner. reason: how it ended; `died` where it did not say."""

    run: str
    target: str
    began: datetime
    ended: datetime | None
    reason: str


@dataclass(frozen=True)
class Review:
    """What was planned, what happened, who said so."""

    id: str
    wave: str
    title: str
    zone: str
    rendered_at: datetime
    plan_hash: str
    plan_version: str
    made_by: tuple[str, ...]
    journal_seq: int
    journal_hash: str
    state: str
    word: str
    verdict: str
    sentence: str
    window: str
    window_word: str
    last_safe: str
    parts: tuple[Part, ...]
    dark: tuple[Dark, ...]
    said: tuple[Said, ...]
    gates: tuple[Judged, ...]
    held: HeldReview
    failures: tuple[Failure, ...]
    runs: tuple[RunLine, ...]

    @property
    def hash(self) -> str:
        """SHA-256 of the document's content, also of its time of rendering."""
        return sha256_json(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
