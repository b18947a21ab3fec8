"""dual_run: both sides process the same input for as long as it takes; it is over when reconciliation says PASS."""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext


class DualRun(Step):
    """params: grace_seconds (how long a message may be on its way before it counts as missing)."""

    kind = "dual_run"
    asks = True

    def start(self, ctx: StepContext) -> Flow:
        yield [Effect(ctx.effect_id("open"), "dual_run.open", {}, "both sides process the same input")]

    def complete(self, ctx: StepContext) -> Flow:
        yield [
            Effect(
                ctx.effect_id("evidence"),
                "dual_run.evidence",
                {"step": ctx.spec.id},
                "ask for a reconciliation that passed during this dual run",
            )
        ]
