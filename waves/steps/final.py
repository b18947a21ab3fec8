"""final: the reconciliation at the fence point. Anything but PASS is a no, and the way back begins."""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext


class Final(Step):
    """Both sides stand still: what differs here is lost, doubled or altered."""

    kind = "final"

    def start(self, ctx: StepContext) -> Flow:
        marker = str((ctx.outcome("fence/raise") or {}).get("marker", ""))
        yield [
            Effect(
                ctx.effect_id("reconcile"),
                "reconcile.final",
                {"wave": ctx.plan.wave, "marker": marker},
                "compare both sides at the fence point",
            )
        ]
