"""The files' part of a change of the route: beside it, with its epoch, for each feed of the wave file's `files`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from waves.ports import Effect
from waves.steps.base import StepContext

_WORDS = {
    "dark": "hold {feed}'s files where they are delivered",
    "tobe": "{feed}'s files to the new side, those that were held first",
    "legacy": "{feed}'s files to the legacy side, those that were held first",
}


def files_to(ctx: StepContext, side: str, epoch: int, *parts: str) -> Iterator[Effect]:
    """One effect for each feed; none where the plan names none."""
    params: Any = ctx.spec.params
    for item in params.get("files", ()):
        args = {"wave": ctx.plan.wave, "side": side, "epoch": epoch, **item}
        yield Effect(
            ctx.effect_id(*parts, "files", str(item["feed"])), "files.route", args, _WORDS[side].format(**item)
        )
