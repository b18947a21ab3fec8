"""Times and durations in words, the same in every document."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def clock(at: datetime | None, zone: str, missing: str = "not set") -> str:
    """`Sat 05 Dec 2026 22:00 GMT`."""
    if at is None:
        return missing
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a %d %b %Y %H:%M} {local.tzname()}"


def moment(at: datetime | None, zone: str) -> str:
    """`Sat 05 Dec 22:00 GMT`: where the year stands beside it."""
    if at is None:
        return "not set"
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a %d %b %H:%M} {local.tzname()}"


def short_clock(at: datetime, zone: str) -> str:
    """`Sat 22:00`."""
    return f"{at.astimezone(ZoneInfo(zone)):%a %H:%M}"


def seconds_clock(at: datetime, zone: str) -> str:
    """`Mon 23 Nov 20:01:07`."""
    return f"{at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M:%S}"


def within(at: datetime, began: datetime, zone: str) -> str:
    """`20:01:07`, with the day where it is another one than that of `began`."""
    same = at.astimezone(ZoneInfo(zone)).date() == began.astimezone(ZoneInfo(zone)).date()
    return seconds_clock(at, zone)[-8:] if same else seconds_clock(at, zone)


def day(value: date) -> str:
    """`Sat 05 Dec 2026`."""
    return f"{value:%a %d %b %Y}"


def span(value: timedelta) -> str:
    """`0.4 s`, `45 s`, `12 min`, `2 h 05 min`, `3 d 04 h`; rounded up, so that no length is understated."""
    if value < timedelta(seconds=10):
        tenths = -(-value // timedelta(milliseconds=100))
        return f"{tenths // 10}.{tenths % 10} s"
    if value <= timedelta(seconds=119):
        return f"{-(-value // timedelta(seconds=1))} s"
    minutes = -(-value // MINUTE)
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 60 * 48:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = -(-minutes // 60)
    return f"{hours // 24} d {hours % 24:02d} h"


def age(minutes: int) -> str:
    """`under 1 min`, `4 min`, `2 h 05 min`."""
    if minutes < 120:
        return f"{minutes} min" if minutes else "under 1 min"
    return span(minutes * MINUTE)


def offset(value: timedelta) -> str:
    """`T+01:05`."""
    minutes = value // MINUTE
    return f"T+{minutes // 60:02d}:{minutes % 60:02d}"


def milliseconds(value: timedelta) -> int:
    return value // timedelta(milliseconds=1)


def count(number: int, one: str, many: str = "") -> str:
    """`1 task`, `3 tasks`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def precise(value_ms: int | None, missing: str = "-") -> str:
    """`340 ms`, `4.21 s`, `12 min`: what was measured, not rounded away; `missing` where it is not known."""
    if value_ms is None:
        return missing
    if abs(value_ms) < 1000:
        return f"{value_ms} ms"
    if abs(value_ms) < 120_000:
        return f"{value_ms / 1000:.2f} s"
    return f"{'-' if value_ms < 0 else ''}{span(timedelta(milliseconds=abs(value_ms)))}"


def signed(value_ms: int | None) -> str:
    """`+340 ms`, `-1.20 s`; `-` where it is not known."""
    return "-" if value_ms is None else f"{'+' if value_ms > 0 else ''}{precise(value_ms)}"
