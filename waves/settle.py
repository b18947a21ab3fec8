"""Carrying out one effect at most once: look first wherever it may have happened already.

An effect may have happened when the journal holds an intent without an outcome (a crash in between), when an earlier
try ended in Unavailable (the answer was lost, not the deed), and when its step was rolled back and starts again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from cutwater.core.clock import iso
from waves.ports import Action, Effect, Fence, Outcome


@dataclass(frozen=True)
class Carried:
    """An outcome, how long it took (seconds), and whether it was found instead of made."""

    outcome: Outcome
    seconds: str
    observed: bool


@dataclass(frozen=True)
class Retry:
    """How Unavailable is met: `tries` in all, waiting base, 2 x base, 4 x base ... seconds, at most `cap`."""

    tries: int = 6
    base: float = 1.0
    cap: float = 30.0

    def delay(self, failed: int) -> float:
        """Seconds to wait after the `failed`-th failure (from 1)."""
        return min(self.cap, self.base * 2.0 ** (failed - 1))


def carry_out(action: Action, effect: Effect, fence: Fence, look_first: bool, timer: Callable[[], float]) -> Carried:
    """Observes where it may have happened, performs where it has not. Raises as `Action.perform`."""
    begun = timer()
    if look_first:
        found = action.observe(effect.args, fence)
        if found is not None:
            return Carried(plain(found), _seconds(begun, timer()), True)
    outcome = action.perform(effect.args, fence)
    return Carried(plain(outcome), _seconds(begun, timer()), False)


def plain(value: Any) -> Any:
    """The value as the journal will give it back, so that a resumed step sees the same: text for floats and decimals."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return str(Decimal(repr(value)))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, datetime):
        return iso(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _seconds(begun: float, ended: float) -> str:
    return f"{ended - begun:.3f}"
