"""final: the reconciliation at the fence point. Anything but PASS is a no, and the way back begins."""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext


class Final(Step):
    """Both sides stand still: what differs here is lost, doubled or altered. What the baseline found equal, and nobody touched
    since, is equal still; see docs/adr/0005-final-reconciliation.md."""

    kind = "final"

    def start(self, ctx: StepContext) -> Flow:
        marker = str((ctx.outcome("fence/raise") or {}).get("marker", ""))
        names = next((step.params for step in ctx.plan.steps if step.kind == "baseline"), {})
        found = ctx.outcome("baseline/reconcile") or {}
        baseline: dict[str, str] = {}
        if found:
            baseline = {"run": str(found["run"]), "basis_sha256": str(found["basis_sha256"])}
            baseline |= {"slot": str(names.get("slot", "")), "publication": str(names.get("publication", ""))}
        yield [
            Effect(
                ctx.effect_id("reconcile"),
                "reconcile.final",
                {"wave": ctx.plan.wave, "marker": marker, "baseline": baseline},
                "compare both sides at the fence point",
            )
        ]
