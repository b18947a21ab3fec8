"""Time is aware UTC. The clock is a value that tests replace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present instant, aware, UTC."""
    return datetime.now(UTC)


def iso(instant: datetime) -> str:
    """RFC 3339 with microseconds and `Z`; refuses a naive value."""
    if instant.tzinfo is None:
        raise ValueError("a naive datetime has no place here: time is aware UTC")
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> datetime:
    """The inverse of `iso`; any RFC 3339 offset is taken and turned into UTC."""
    value = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if value.tzinfo is None:
        raise ValueError(f"{text!r} names no offset: time is aware UTC")
    return value.astimezone(UTC)
