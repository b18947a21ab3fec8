"""Facts of our own for the life cycle's tests: one payment per letter, minutes as instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from payments.lifecycle.facts import Fact, Step

START = datetime(2026, 11, 23, 10, tzinfo=UTC)
UETR = "6d8a3f0e-1c57-4b62-9a53-0f6b6f1f3a11"
OTHER = "0b9a77c4-4b0e-4f0a-8d1c-0d8a5f1c2b22"


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def fact(key: str, step: Step, at: int | None, links: tuple[str, ...] = (), known: int = 0, **told: Any) -> Fact:
    """links without a UETR's; `uetr` adds its own. known defaults to the event's time."""
    uetr = told.get("uetr")
    own = uetr or f"event|{key}"
    every = ((f"u|{uetr}",) if uetr else ()) + (links or ((f"k|{own}",) if not uetr else ()))
    return Fact(
        key=key,
        content=told.pop("content", key),
        step=step,
        own=own,
        links=every,
        known=minute(known or at or 0),
        at=None if at is None else minute(at),
        **told,
    )


def status(key: str, at: int, code: str, reporter: str = "BANKDEFFXXX", uetr: str | None = UETR, **told: Any) -> Fact:
    return fact(key, Step.STATUS, at, status=code, reporter=reporter, uetr=uetr, **told)


def leg(key: str, at: int, amount: str = "100", uetr: str | None = UETR, **told: Any) -> Fact:
    return fact(key, Step.SENT, at, uetr=uetr, amount=Decimal(amount), currency="EUR", **told)
