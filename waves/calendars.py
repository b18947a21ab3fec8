"""Calendars of the schemes: dated, overridable data (calendars/*.yaml), and what a window should not touch.

A calendar has versions with a `valid_from`; the newest that is valid on a day decides. A project overrides one by a
file of the same `id` in its own `calendars/` folder. Bank holidays come from the `holidays` package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from cutwater.core.errors import BadInput

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KINDS = ("opens", "cutoff", "closes", "settlement", "note")
HORIZON_DAYS = 60


@dataclass(frozen=True)
class Event:
    """Something that a scheme does at a time of day, local. kind: opens, cutoff, closes, settlement, note."""

    at: time
    kind: str
    text: str


@dataclass(frozen=True)
class Version:
    """A calendar as it holds from `valid_from` on."""

    valid_from: date
    source: str
    checked: date
    days: tuple[str, ...]
    holidays: tuple[str, str, str]  # kind (country | financial | ''), code, subdivision
    events: tuple[Event, ...]
    never_stops: bool = False
    closed: tuple[date, ...] = ()
    open_anyway: tuple[date, ...] = ()


@dataclass(frozen=True)
class Calendar:
    """One scheme."""

    id: str
    name: str
    currency: str
    timezone: str
    versions: tuple[Version, ...]  # newest first
    cycle_days: int = 0  # business days from submission to entry: what was submitted within them is in flight

    def version(self, day: date) -> Version | None:
        """What holds on `day`; None before the first version."""
        return next((item for item in self.versions if item.valid_from <= day), None)

    def is_open(self, day: date) -> bool:
        """Whether `day` is a business day of the scheme."""
        held = self.version(day)
        if held is None or day in held.closed:
            return False
        return day in held.open_anyway or (DAYS[day.weekday()] in held.days and not holiday(held.holidays, day))

    def events(self, start: datetime, end: datetime) -> Iterator[Happening]:
        """What happens from `start` (included) to `end` (not), in order of time."""
        zone = ZoneInfo(self.timezone)
        day = start.astimezone(zone).date()
        while day <= end.astimezone(zone).date():
            held = self.version(day)
            if held is not None and self.is_open(day):
                for event in sorted(held.events, key=lambda item: item.at):
                    at = datetime.combine(day, event.at, zone).astimezone(UTC)
                    if start <= at < end:
                        yield Happening(at, self.name, event.kind, event.text)
            day += timedelta(days=1)

    def next_opening(self, after: datetime) -> datetime | None:
        """The first opening after `after`; None for a scheme that never stops, or where none is in sight."""
        held = self.version(after.astimezone(ZoneInfo(self.timezone)).date())
        if held is None or held.never_stops:
            return None
        found = self.events(after + timedelta(microseconds=1), after + timedelta(days=HORIZON_DAYS))
        return next((item.at for item in found if item.kind == "opens"), None)


@dataclass(frozen=True, order=True)
class Happening:
    """An event of a scheme at an instant (UTC)."""

    at: datetime
    calendar: str
    kind: str
    text: str


@dataclass(frozen=True)
class Caution:
    """What a window touches and should not, by rule: dst, bank-holiday, month-end, quarter-end, year-end."""

    rule: str
    day: date
    text: str


@lru_cache(maxsize=64)
def _holidays(kind: str, code: str, subdivision: str, year: int) -> Mapping[date, str]:
    import holidays

    if kind == "financial":
        return dict(holidays.financial_holidays(code, years=year))
    return dict(holidays.country_holidays(code, subdiv=subdivision or None, years=year))


def holiday(rule: tuple[str, str, str], day: date) -> str:
    """The holiday's name, empty where `day` is none (a Saturday's 26 December counts as one)."""
    return _holidays(*rule, day.year).get(day, "") if rule[0] else ""


def load_calendars(overrides: Path | None = None) -> dict[str, Calendar]:
    """The shipped calendars by id; files in `overrides` replace those of the same id. Raises BadInput CW5004."""
    found: dict[str, Calendar] = {}
    shipped = sorted(
        (item for item in (resources.files("waves") / "calendars").iterdir() if item.name.endswith(".yaml")),
        key=lambda item: item.name,
    )
    own = sorted(overrides.glob("*.yaml")) if overrides is not None and overrides.is_dir() else []
    for name, text in [(i.name, i.read_text("utf-8")) for i in shipped] + [(str(i), _own_text(i)) for i in own]:
        calendar = parse_calendar(text, name)
        found[calendar.id] = calendar
    return dict(sorted(found.items()))


def _own_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("CW5004", f"{path} is not a calendar", cause=str(error), next=f"mend {path}") from None


def parse_calendar(text: str, name: str) -> Calendar:
    """One YAML document; raises BadInput CW5004 naming the file and what is wrong."""
    try:
        body = yaml.safe_load(text)
        versions = tuple(
            sorted((_version(item) for item in body["versions"]), key=lambda v: v.valid_from, reverse=True)
        )
        ZoneInfo(body["timezone"])
        cycle = int(body.get("cycle_days", 0))
        return Calendar(
            str(body["id"]), str(body["name"]), str(body["currency"]), str(body["timezone"]), versions, cycle
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        wrong = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise BadInput("CW5004", f"{name} is not a calendar", cause=wrong, next=f"mend {name}") from None


def _version(body: Mapping[str, Any]) -> Version:
    events = tuple(
        Event(time.fromisoformat(item["time"]), str(item["kind"]), str(item["text"])) for item in body["events"]
    )
    for event in events:
        if event.kind not in KINDS:
            raise ValueError(f"an event's kind is one of {', '.join(KINDS)}, not {event.kind}")
    days = tuple(str(item) for item in body["days"])
    if set(days) - set(DAYS):
        raise ValueError(f"days are {', '.join(DAYS)}")
    rule = body.get("holidays") or {}
    return Version(
        _date(body["valid_from"]),
        str(body["source"]),
        _date(body["checked"]),
        days,
        (str(rule.get("kind", "")), str(rule.get("code", "")), str(rule.get("subdivision", ""))),
        events,
        bool(body.get("never_stops", False)),
        tuple(_date(item) for item in body.get("closed", ())),
        tuple(_date(item) for item in body.get("open_anyway", ())),
    )


def _date(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError(f"{value!r} is no date (YYYY-MM-DD)")


def business_day(day: date, calendars: Sequence[Calendar]) -> date:
    """`day`, else the last day before it on which every calendar is open."""
    while not all(item.is_open(day) for item in calendars):
        day -= timedelta(days=1)
    return day


def openings(start: datetime, calendars: Sequence[Calendar]) -> dict[str, datetime]:
    """The first opening of each scheme after `start`, by the scheme's name; schemes that never stop are left out."""
    found = {item.name: item.next_opening(start) for item in calendars}
    return {name: at for name, at in sorted(found.items()) if at is not None}


def in_flight_since(day: date, calendar: Calendar) -> date | None:
    """The first day whose submissions are not yet entered on `day`; None for a scheme without a cycle."""
    if calendar.cycle_days < 2:
        return None
    since = business_day(day, [calendar])
    for _ in range(calendar.cycle_days - 2):
        since = business_day(since - timedelta(days=1), [calendar])
    return since


def lint_window(start: datetime, end: datetime, timezone: str, calendars: Sequence[Calendar]) -> list[Caution]:
    """What the window touches: a change of the clocks, bank holidays, the ends of month, quarter and year.

    The day before and the day behind the window are looked at too: a rollback or a late batch falls on them.
    """
    zone = ZoneInfo(timezone)
    first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    near = [first + timedelta(days=n) for n in range(-1, (last - first).days + 2)]
    found = [_clock_change(day, zone) for day in near]
    cautions = [item for item in found if item is not None]
    for day in near:
        names = {
            (held.holidays[1], name)
            for c in calendars
            if (held := c.version(day)) and (name := holiday(held.holidays, day))
        }
        cautions += [Caution("bank-holiday", day, f"{name} ({code})") for code, name in sorted(names)]
        cautions += _period_end(day)
    where = {True: "in the window", False: "next to the window"}
    return sorted(
        {Caution(c.rule, c.day, f"{c.text}, {where[first <= c.day <= last]}") for c in cautions},
        key=lambda c: (c.day, c.rule, c.text),
    )


def _clock_change(day: date, zone: ZoneInfo) -> Caution | None:
    before = datetime.combine(day, time(), zone).utcoffset()
    after = datetime.combine(day + timedelta(days=1), time(), zone).utcoffset()
    if before is None or after is None or before == after:
        return None
    text = (
        "the clocks go forward: one local hour is missing"
        if after > before
        else "the clocks go back: one local hour comes twice"
    )
    return Caution("dst", day, text)


def _period_end(day: date) -> list[Caution]:
    if (day + timedelta(days=1)).day != 1:
        return []
    if day.month == 12:
        return [Caution("year-end", day, "year end")]
    return [
        Caution("quarter-end", day, "quarter end") if day.month % 3 == 0 else Caution("month-end", day, "month end")
    ]
