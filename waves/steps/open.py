"""open: the route moves. What the wave is, after this, is CUT_OVER; held payments are released."""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext
from waves.steps.baseline import forget


class Open(Step):
    """The dark window ends with this effect."""

    kind = "open"

    def start(self, ctx: StepContext) -> Flow:
        wave = ctx.plan.wave
        epoch = int((ctx.outcome("fence/read") or {"epoch": 0})["epoch"]) + 2
        yield [
            Effect(
                ctx.effect_id("route"),
                "route.set",
                {"wave": wave, "side": "tobe", "epoch": epoch},
                f"route to the new side, epoch {epoch}",
            )
        ]

    def complete(self, ctx: StepContext) -> Flow:
        yield [
            Effect(
                ctx.effect_id("held"),
                "held.release",
                {"wave": ctx.plan.wave},
                "release what was held, in order per account",
            )
        ]
        yield from forget(ctx, "verifier")
