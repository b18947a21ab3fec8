"""approval: named people said yes to exactly this plan."""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext


class Approval(Step):
    """params: roles (each must have approved the plan's hash; the engine knows which plan it executes)."""

    kind = "approval"
    asks = True

    def start(self, ctx: StepContext) -> Flow:
        roles = [str(role) for role in ctx.spec.params.get("roles", ())]
        yield [
            Effect(
                ctx.effect_id("check"),
                "approval.check",
                {"roles": roles},
                f"ask for the approval of {', '.join(roles) or 'anyone'}",
            )
        ]
