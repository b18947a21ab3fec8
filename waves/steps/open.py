"""open: the route moves. What the wave is, after this, is CUT_OVER; held payments are released."""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext
from waves.steps.baseline import forget
from waves.steps.file_route import files_to


class Open(Step):
    """params: files. The dark window ends with the route's effect."""

    kind = "open"

    def start(self, ctx: StepContext) -> Flow:
        wave, epoch = ctx.plan.wave, _epoch(ctx)
        yield [
            Effect(
                ctx.effect_id("route"),
                "route.set",
                {"wave": wave, "side": "tobe", "epoch": epoch},
                f"route to the new side, epoch {epoch}",
            ),
            *files_to(ctx, "tobe", epoch),
        ]

    def complete(self, ctx: StepContext) -> Flow:
        yield [released(ctx, "held", _epoch(ctx))]
        yield from forget(ctx, "verifier")


def released(ctx: StepContext, part: str, epoch: int) -> Effect:
    """What was held in the dark goes to the side that has opened with `epoch`: after the route, so that nobody waits for it."""
    args = {"wave": ctx.plan.wave, "epoch": epoch}
    return Effect(ctx.effect_id(part), "held.release", args, "release what was held, in order per account")


def _epoch(ctx: StepContext) -> int:
    return int((ctx.outcome("fence/read") or {"epoch": 0})["epoch"]) + 2
