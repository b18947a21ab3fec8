"""How long payments had to wait: the dark windows of a wave, measured from its journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from waves import life
from waves.history import History
from waves.store import RecordView

_OPENED = {"open/route": "tobe", "fence/rollback/route": "legacy"}  # effect -> the side that the route went to
KINDS = ("effect.outcome",)


@dataclass(frozen=True)
class DarkWindow:
    """From the route's going dark to its opening. side: where it opened; empty while it is dark still."""

    began: datetime
    ended: datetime | None
    side: str

    @property
    def milliseconds(self) -> int | None:
        return None if self.ended is None else (self.ended - self.began) // timedelta(milliseconds=1)


def dark_windows(records: Iterable[RecordView]) -> list[DarkWindow]:
    """Every dark window, oldest first, by the journal's clock. A way back that found the route dark continues its window."""
    found: list[DarkWindow] = []
    began: datetime | None = None
    for record in records:
        if record.kind != "effect.outcome":
            continue
        effect = str(record.payload.get("effect", ""))
        if effect in ("fence/dark", "switch/rollback/dark"):
            began = began or record.at
        elif effect in _OPENED and began is not None:
            found.append(DarkWindow(began, record.at, _OPENED[effect]))
            began = None
    if began is not None:
        found.append(DarkWindow(began, None, ""))
    return found


FORWARD, BACK = "forward", "back"


def way_out(history: History) -> str:
    """Which way leads out of the dark: FORWARD, BACK, or empty where nobody waits in it.

    Until the store may write, the way back is the legacy fence and the route: short. From then on the way back has the
    store's fence, the reverse sync and a comparison in it; forward there is the smoke test and the route.
    """
    if history.state == life.ROLLING_BACK:
        return BACK
    if history.state != life.CUTTING_OVER or "fence/dark" not in history.intents:
        return ""
    return FORWARD if "switch/open" in history.outcomes else BACK


def dark_since(records: Iterable[RecordView]) -> datetime | None:
    """When the route went dark, where it is dark still."""
    windows = dark_windows(records)
    return windows[-1].began if windows and windows[-1].ended is None else None
