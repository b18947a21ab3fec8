"""The runbook as a document: plain values, ready to be rendered. Equal facts give an equal document and an equal hash.

Texts are text, never markup: the renderers escape them. `word` is a key of the state tokens (pass, fail, late,
blocked, unknown). Times are aware UTC; the renderers show them in the runbook's zone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from cutwater.core.hashing import sha256_json

NOBODY = "nobody"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Person:
    """Who carries out a duty. name and deputy are `nobody` where nobody is named; contact is empty where none is."""

    duty: str
    role: str
    name: str
    deputy: str
    contact: str
    does: str


@dataclass(frozen=True)
class Criterion:
    """One line of the verdict."""

    word: str
    name: str
    value: str
    next: str = ""


@dataclass(frozen=True)
class Took:
    """A duration for people: `4.1-6.0 s, n=3`, `box 10 min` or `not measured`. Milliseconds for the chart."""

    text: str
    basis: str  # measured | box | estimate | none
    p50_ms: int = 0
    p90_ms: int = 0
    samples: int = 0
    source: str = ""

    @property
    def told(self) -> str:
        """The text and where it comes from."""
        return f"{self.text} ({self.source})" if self.source else self.text


@dataclass(frozen=True)
class Card:
    """A task card. starts: planned (everything before it at p90), None without a window; offset_ms: the same from the
    schedule's start. at_earliest: something before it is not measured. level: its place where lengths are unknown.
    sees, undos: effects of a step and of its way back, a line each.
    """

    id: str
    title: str
    duty: str
    person: str
    deputy: str
    do: str
    see: str
    if_not: str
    undo: str
    took: Took
    needs: tuple[str, ...]
    starts: datetime | None
    at_earliest: bool
    slack: str
    critical: bool
    irreversible: bool
    commands: tuple[str, ...] = ()
    offset_ms: int = 0
    level: int = 0
    sees: tuple[str, ...] = ()
    undos: tuple[str, ...] = ()


@dataclass(frozen=True)
class Landmarks:
    """Ids of the cards that other sections name: where payments begin to wait, the fence point, the ruling, the final
    reconciliation, the release, and where it is read out how much time is left."""

    dark: str = "C04"
    point: str = "C07"
    ruling: str = "C13"
    final: str = "C10"
    released: str = "C17"
    decisions: tuple[str, ...] = ("C02", "C13", "C15")


@dataclass(frozen=True)
class DoneStep:
    """A step of the engine with its actual times."""

    id: str
    title: str
    state: str  # done | running | open
    started: datetime | None
    completed: datetime | None
    took: Took
    needs: tuple[str, ...]


@dataclass(frozen=True)
class GateView:
    """A gate with its present answer. word: of the answer."""

    id: str
    title: str
    query: str
    threshold: str
    value: str
    verdict: str
    word: str
    reason: str
    evidence: str
    age: str
    max_age: str


@dataclass(frozen=True)
class Asset:
    """A flow of the wave: where it comes from, where it goes, how many are there (as the inventory last counted)."""

    id: str
    kind: str
    target: str
    counted: str
    reason: str


@dataclass(frozen=True)
class Milestone:
    """T-35 .. T+n."""

    offset: str
    day: date
    what: str
    duty: str
    note: str = ""


@dataclass(frozen=True)
class CalendarLine:
    at: datetime
    scheme: str
    kind: str
    text: str


@dataclass(frozen=True)
class CalendarSource:
    """Where a calendar's times come from. note: what it means for this window."""

    scheme: str
    source: str
    valid_from: date
    checked: date
    note: str


@dataclass(frozen=True)
class Caution:
    day: date
    rule: str
    text: str


@dataclass(frozen=True)
class NoReturnView:
    """known: exact | estimate | bound | none. latest: the last safe start of a rollback (a bound: the true one is earlier)."""

    known: str
    latest: datetime | None
    sentence: str
    limit: str
    rollback: str
    margin: str
    unmeasured: tuple[str, ...]


@dataclass(frozen=True)
class Undo:
    """One executed step and how it is undone."""

    step: str
    title: str
    executed: datetime | None
    undo: str
    objects: tuple[str, ...]


@dataclass(frozen=True)
class Message:
    """A numbered message; the time of the next one is part of it. at: offset from the window's start in minutes."""

    number: int
    after: str
    at: datetime | None
    audience: str
    text: str
    next_at: datetime | None
    next_text: str


@dataclass(frozen=True)
class HeldChannel:
    channel: str
    held: str
    proof: str


@dataclass(frozen=True)
class Command:
    """A command that pastes. when: at which point. present: False where this version has no such command yet."""

    where: str
    text: str
    present: bool = True


@dataclass(frozen=True)
class SignOff:
    """The latest reconciliation, or that there is none."""

    word: str
    verdict: str
    run: str
    as_of: str
    open_breaks: str
    not_checked: str
    sentence: str


@dataclass(frozen=True)
class Approved:
    who: str
    role: str
    at: datetime
    note: str


@dataclass(frozen=True)
class Runbook:
    """All sections of cutover.md, in order."""

    id: str
    wave: str
    title: str
    accepts_writes: str
    zone: str
    rendered_at: datetime
    # 1 document control
    plan_hash: str
    plan_version: str
    journal_seq: int
    journal_hash: str
    state: str
    attempt: int
    approvals: tuple[Approved, ...]
    approvals_wanted: tuple[str, ...]
    verdict: str
    verdict_word: str
    verdict_sentence: str
    criteria: tuple[Criterion, ...]
    # 2 scope
    flows: tuple[Asset, ...]
    out: tuple[str, ...]
    left_behind: tuple[str, ...]
    left_note: str
    notes: tuple[str, ...]
    # 3 roles
    people: tuple[Person, ...]
    bridge: str
    # 4 preconditions and T-minus
    milestones: tuple[Milestone, ...]
    # 5 calendar
    window_start: datetime | None
    window_end: datetime | None
    calendar: tuple[CalendarLine, ...]
    calendar_sources: tuple[CalendarSource, ...]
    cautions: tuple[Caution, ...]
    # 6 tasks
    done: tuple[DoneStep, ...]
    cards: tuple[Card, ...]
    path: tuple[str, ...]
    finish: datetime | None
    finish_note: str
    # 7-9 gates, point of no return, rollback
    gates: tuple[GateView, ...]
    no_return: NoReturnView
    undo: tuple[Undo, ...]
    rollback: tuple[Card, ...]
    rollback_path: tuple[str, ...]
    triggers: tuple[str, ...]
    # 10-15
    messages: tuple[Message, ...]
    held: tuple[HeldChannel, ...]
    sign_off: SignOff
    hypercare: tuple[str, ...]
    exit: tuple[str, ...]
    commands: tuple[Command, ...]
    # where the plan holds the cutover's steps: what ends the wave, and the cards that other sections name
    by_steps: bool = False
    last: tuple[Card, ...] = ()
    marks: Landmarks = Landmarks()

    @property
    def hash(self) -> str:
        """SHA-256 of the document's content, also of its time of rendering."""
        return sha256_json(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
