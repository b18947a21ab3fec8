"""What `cutwater sandbox seed|traffic|inject` do, as functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutwater.core.config import Project
from cutwater.core.progress import Progress, Silent
from sandbox.estate import seed as seeding


def seed(
    project: Project,
    payments: int = 20_000,
    days: int = 10,
    seed: int = 7,
    progress: Progress | None = None,
    reset: bool = False,
) -> dict[str, Any]:
    """Fills the legacy estate; see sandbox.estate.seed."""
    return seeding.seed(project, payments, days, seed, progress or Silent(), reset)


def traffic(
    project: Project,
    rate: float = 50,
    seconds: float | None = None,
    detach: bool = False,
    stop: bool = False,
    cannot_wait: float = 0.5,
) -> dict[str, Any]:
    """Pays until its time is over (or Ctrl-C); `detach`: in the background; `stop`: ends the one in the background.
    cannot_wait: the share of the API's callers who ask to be answered at once, and are held while a route is dark."""
    from sandbox.estate import background

    if stop:
        return background.end(project)
    return (background.detach if detach else background.pay)(project, rate, seconds, cannot_wait)


def inject(project: Project, faults: Sequence[str] = (), undo: bool = False) -> dict[str, Any]:
    """Plants named faults, or repairs on the source's side what its sender would; see sandbox.estate.inject."""
    from sandbox.estate import inject as planting

    return planting.inject(project, faults, undo)
