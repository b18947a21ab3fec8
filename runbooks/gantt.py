"""Bars of a Gantt chart by swimlane, in whole pixels. The template draws them; the table beneath says the same.

Where every length is known the axis is the clock. Where one is not, bars stand in their order and have no length: a
chart that guessed would be believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from runbooks.model import Card, DoneStep
from runbooks.words import offset, seconds_clock, short_clock

LABEL, WIDTH, ROW, HEAD = 152, 850, 23, 24
CHARACTER = 7  # px of the chart's 12 px text, on the wide side
STEPS = tuple(
    timedelta(seconds=n)
    for n in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)
)


@dataclass(frozen=True)
class Bar:
    """x, y, w: the bar up to p90; w50: the part up to p50. known: False draws it dashed. text stands at tx."""

    id: str
    text: str
    x: int
    y: int
    w: int
    w50: int
    tx: int
    anchor: str
    critical: bool
    known: bool
    hint: str


@dataclass(frozen=True)
class Lane:
    name: str
    y: int
    height: int


@dataclass(frozen=True)
class Tick:
    x: int
    text: str


@dataclass(frozen=True)
class Line:
    """A dependency on the critical path, as an SVG path."""

    d: str


@dataclass(frozen=True)
class Chart:
    title: str
    description: str
    width: int
    height: int
    label: int
    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    scaled: bool


@dataclass(frozen=True)
class Item:
    """What is drawn: begin and length in milliseconds, or `level` where lengths are not known."""

    id: str
    lane: str
    text: str
    begin: int
    p50: int
    p90: int
    level: int
    known: bool
    critical: bool


def of_cards(title: str, cards: Sequence[Card], path: Sequence[str], start: datetime | None, zone: str) -> Chart:
    """Planned tasks; the critical path is joined by lines."""
    items = [
        Item(
            card.id,
            card.duty,
            f"{card.id} {card.title}",
            card.offset_ms,
            card.took.p50_ms,
            card.took.p90_ms,
            card.level,
            card.took.basis != "none",
            card.critical,
        )
        for card in cards
    ]
    return _chart(title, items, path, start, zone)


def of_steps(title: str, steps: Sequence[DoneStep], zone: str) -> Chart | None:
    """Executed steps on the real clock; None where nothing ran."""
    begun = [step for step in steps if step.started is not None]
    starts = [step.started for step in begun if step.started is not None]
    if not starts:
        return None
    first = min(starts)
    last = max([step.completed for step in begun if step.completed is not None] + starts)
    items = []
    for step in begun:
        begin = (step.started or first) - first
        length = (step.completed or last) - (step.started or first)
        milliseconds = int(length / timedelta(milliseconds=1))
        lane = step.id.partition(":")[0]
        text = step.title if step.completed else f"{step.title} (running)"
        items.append(
            Item(step.id, lane, text, int(begin / timedelta(milliseconds=1)), milliseconds, milliseconds, 0,
                 step.completed is not None, False)
        )  # fmt: skip
    return _chart(title, items, (), first, zone, exact=True)


def _chart(
    title: str, items: Sequence[Item], path: Sequence[str], start: datetime | None, zone: str, exact: bool = False
) -> Chart:
    scaled = exact or all(item.known for item in items)
    names = list(dict.fromkeys(item.lane for item in items))
    end = max((item.begin + item.p90 for item in items), default=0) or 1
    slots = max((item.level for item in items), default=0) + 1
    room = WIDTH - LABEL - 8
    slot = room // slots

    def place(item: Item) -> tuple[int, int, int]:
        if not scaled:
            return LABEL + item.level * slot, max(slot - 8, 14), max(slot - 8, 14)
        x = LABEL + item.begin * room // end
        return x, max(item.p90 * room // end, 4), max(item.p50 * room // end, 4)

    lanes, bars, y = [], [], HEAD
    for name in names:
        own = [item for item in items if item.lane == name]
        lanes.append(Lane(name, y, len(own) * ROW))
        for row, item in enumerate(own):
            bars.append(_bar(item, *place(item), y + row * ROW, scaled))
        y += len(own) * ROW
    places = {bar.id: bar for bar in bars}
    lines = tuple(_line(places[one], places[other]) for one, other in pairwise(path))
    ticks = _ticks(end, start, zone, room, exact) if scaled else _slots(slots, slot)
    told = "The axis is the clock." if scaled else "Bars show the order, not the length: not every task is measured."
    return Chart(title, f"{title}. {told}", WIDTH, y + 4, LABEL, tuple(lanes), tuple(bars), ticks, lines, scaled)


def _bar(item: Item, x: int, width: int, half: int, y: int, scaled: bool) -> Bar:
    text = item.text
    behind = x + width + 6
    if behind + len(text) * CHARACTER <= WIDTH or x - LABEL < WIDTH // 3:
        tx, anchor = behind, "start"
    else:
        tx, anchor = x - 6, "end"
    room = (WIDTH - tx if anchor == "start" else tx - LABEL) // CHARACTER
    shown = text if len(text) <= room else text[: max(room - 1, 3)].rstrip() + "…"
    return Bar(item.id, shown, x, y + 3, width, min(half, width), tx, anchor, item.critical, item.known, text)


def _line(one: Bar, other: Bar) -> Line:
    """From the end of one bar down (or up) to the start of the other."""
    x, y, tx, ty = one.x + one.w, one.y + 8, other.x, other.y + 8
    bend = max(x, tx - 5) if tx >= x else x
    if y == ty:
        return Line(f"M{x} {y}H{tx}")
    return Line(f"M{x} {y}H{bend}V{ty}H{tx}")


def _ticks(end: int, start: datetime | None, zone: str, room: int, exact: bool) -> tuple[Tick, ...]:
    span = timedelta(milliseconds=end)
    step = next((item for item in STEPS if span / item <= 9), STEPS[-1])
    found = []
    for number in range(span // step + 1):
        at = step * number
        x = LABEL + int(at / timedelta(milliseconds=1)) * room // end
        if start is None:
            text = offset(at) if step >= timedelta(minutes=1) else f"T+{int(at.total_seconds())} s"
        elif exact and step < timedelta(minutes=1):
            text = seconds_clock(start + at, zone)[-8:]
        else:
            text = short_clock(start + at, zone)
        if x + len(text) * CHARACTER <= WIDTH:
            found.append(Tick(x, text))
    return tuple(found)


def _slots(slots: int, slot: int) -> tuple[Tick, ...]:
    return tuple(Tick(LABEL + number * slot, f"{number + 1}.") for number in range(slots))
