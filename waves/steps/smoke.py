"""smoke: a synthetic payment through every channel of the new side, marked as such, seen, and reversed."""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext


class Smoke(Step):
    """params: channels. While the route is dark only marked requests pass. A failure begins the way back by itself."""

    kind = "smoke"

    def start(self, ctx: StepContext) -> Flow:
        epoch = int((ctx.outcome("fence/read") or {"epoch": 0})["epoch"]) + 2
        yield [
            Effect(
                ctx.effect_id(str(channel)),
                "smoke.run",
                {"wave": ctx.plan.wave, "epoch": epoch, "channel": str(channel)},
                f"a marked payment through {channel}, and its reversal",
            )
            for channel in ctx.spec.params.get("channels", ())
        ]
