"""Actual over planned, as bars: for each step its plan in outline and what it took filled, on one axis from zero.

The template draws them in whole pixels; the table beneath says the same in figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cutwater.core.tokens import TOKENS
from runbooks.gantt import CHARACTER, STEPS, Tick
from runbooks.review import Actual, Part
from runbooks.words import precise, signed

LABEL, WIDTH, ROW, HEAD, NAME = 330, 1000, 34, 24, 24
TEXT = 170  # room behind the longest bar


@dataclass(frozen=True)
class Pair:
    """planned, actual: widths, None where not known. dashed: the plan was an estimate. fill, stroke, glyph: of the state."""

    label: str
    y: int
    planned: int | None
    dashed: bool
    actual: int | None
    fill: str
    stroke: str
    text: str
    tx: int
    hint: str


@dataclass(frozen=True)
class Group:
    name: str
    y: int
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class BarChart:
    description: str
    width: int
    height: int
    label: int
    row: int
    groups: tuple[Group, ...]
    ticks: tuple[Tick, ...]


def chart(parts: Sequence[Part]) -> BarChart | None:
    """Cutovers, ways back and the completion; None where none of them ran. Preparation takes days: it is in the table."""
    shown = [part for part in parts if part.kind != "before" and part.steps]
    lengths = [ms for part in shown for row in part.steps for ms in (row.actual_ms, row.planned_ms) if ms is not None]
    if not lengths:
        return None
    longest, room = max(*lengths, 1), WIDTH - LABEL - TEXT
    groups, y = [], HEAD
    for part in shown:
        rows = tuple(_pair(row, y + NAME + n * ROW, longest, room) for n, row in enumerate(part.steps))
        groups.append(Group(part.name, y, rows))
        y += NAME + len(rows) * ROW
    told = "Actual over planned, step by step. Outline: planned. Filled: actual. The axis begins at zero."
    return BarChart(told, WIDTH, y + 6, LABEL, ROW, tuple(groups), _ticks(longest, room))


def _pair(row: Actual, y: int, longest: int, room: int) -> Pair:
    token = TOKENS[row.word]
    planned, actual = _width(row.planned_ms, longest, room), _width(row.actual_ms, longest, room)
    took = precise(row.actual_ms) if row.actual_ms is not None else row.said
    variance = f", {signed(row.variance_ms)}" if row.variance_ms is not None else ", no plan" if row.actual_ms else ""
    label, width = f"{row.id} {row.title}", (LABEL - 12) // CHARACTER
    shown = label if len(label) <= width else label[: width - 1].rstrip() + "…"
    plan = row.planned if row.planned_ms is not None else "no plan"
    return Pair(
        shown, y, planned, row.basis == "estimate", actual, token.fill, token.dark, f"{token.glyph} {took}{variance}",
        LABEL + max(planned or 0, actual or 0) + 8, f"{label}: planned {plan}, actual {took}",
    )  # fmt: skip


def _width(value_ms: int | None, longest: int, room: int) -> int | None:
    return None if value_ms is None else max(value_ms * room // longest, 2)


def _ticks(longest: int, room: int) -> tuple[Tick, ...]:
    """Round values, at most nine; below a second in tenths."""
    span = timedelta(milliseconds=longest)
    small = [timedelta(milliseconds=ms) for ms in (1, 2, 5, 10, 20, 50, 100, 200, 500)]
    step = next((item for item in (*small, *STEPS) if span / item <= 8), STEPS[-1])
    ms = step // timedelta(milliseconds=1)
    return tuple(Tick(LABEL + n * ms * room // longest, _axis(n * ms)) for n in range(longest // ms + 1))


def _axis(value_ms: int) -> str:
    if value_ms == 0:
        return "0"
    if value_ms < 1000:
        return f"{value_ms} ms"
    return f"{value_ms / 1000:g} s" if value_ms < 120_000 else f"{value_ms / 60_000:g} min"
