"""Rehearsals: a round that was carried out on a copy of the estate, and what the next schedule learns from it. Pure.

A rehearsal measures in the journal of its copy; what it measured is filed in the wave's own journal as one record:
`rehearsal.measured`. A copy's journal begins with `rehearsal.begun`, so that nobody takes it for the real wave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from waves.store import RecordView

REHEARSAL_BEGUN = "rehearsal.begun"  # in the copy's journal. payload: of, plan, work, rehearsal
REHEARSAL_MEASURED = "rehearsal.measured"  # in the wave's journal. payload: see `Rehearsal`
REHEARSAL_FAILED = "rehearsal.failed"  # in the wave's journal. payload: rehearsal, plan, began, error
KINDS = (REHEARSAL_MEASURED, REHEARSAL_FAILED)


@dataclass(frozen=True)
class Rehearsal:
    """What one rehearsal measured. plan: the copy's plan; of_plan: the wave's plan at that time; work: the hash of the steps
    that both have (`Plan.work_hash`). steps, back: seconds of each completion and of each way back, by step. dark_ms: dark
    windows of its cutovers; dark_back_ms: of its rollbacks. journal: sequence and hash of the copy's last record."""

    rehearsal: str
    plan: str
    of_plan: str
    work: str
    began: str
    ended: str
    source: str
    steps: Mapping[str, Sequence[str]]
    back: Mapping[str, Sequence[str]]
    rollback_seconds: Sequence[str]
    dark_ms: Sequence[int]
    dark_back_ms: Sequence[int]
    payments: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, str] = field(default_factory=dict)
    journal: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        lists = {name: {key: list(values) for key, values in getattr(self, name).items()} for name in ("steps", "back")}
        plain = {name: list(getattr(self, name)) for name in ("rollback_seconds", "dark_ms", "dark_back_ms")}
        maps = {name: dict(getattr(self, name)) for name in ("payments", "host", "journal")}
        names = ("rehearsal", "plan", "of_plan", "work", "began", "ended", "source")
        return {**{name: getattr(self, name) for name in names}, **lists, **plain, **maps}


@dataclass(frozen=True)
class Filed:
    """A rehearsal as the wave's journal has it."""

    at: datetime
    seq: int
    hash: str
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.body.get("rehearsal", "?"))

    def is_of(self, work: str) -> bool:
        """Whether it carried out these very steps; an empty `work` asks nothing."""
        return not work or self.body.get("work") == work


def filed(records: Iterable[RecordView]) -> list[Filed]:
    """Finished rehearsals, oldest first."""
    return [
        Filed(item.at, item.seq, str(getattr(item, "hash", "")), item.payload)
        for item in records
        if item.kind == REHEARSAL_MEASURED and isinstance(item.payload, Mapping)
    ]


def is_rehearsal(records: Iterable[RecordView]) -> bool:
    """Whether this journal is that of a copy."""
    return any(item.kind == REHEARSAL_BEGUN for item in records)


def spans(values: object) -> list[timedelta]:
    """Seconds as text, a list of them, as durations; what is no number is passed over: the journal outlives us."""
    found = []
    for text in values if isinstance(values, list | tuple) else [values]:
        try:
            amount = Decimal(str(text))
        except InvalidOperation:
            continue
        if amount.is_finite() and amount >= 0:
            found.append(timedelta(microseconds=int(amount * 1_000_000)))
    return found


def ago(span: timedelta) -> str:
    """`2 d ago`, `3 h ago`, `5 min ago`: whole units, rounded down."""
    seconds = max(0, int(span.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return "less than a minute ago"
