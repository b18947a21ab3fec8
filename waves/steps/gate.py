"""gate: a question over evidence. No-go leaves the step where it is; the question is asked again next time."""

from __future__ import annotations

from dataclasses import asdict

from waves.ports import Effect
from waves.steps.base import Finding, Flow, Step, StepContext


class Gate(Step):
    """params: gate (the id of one of the plan's gates)."""

    kind = "gate"
    asks = True

    def validate(self, ctx: StepContext) -> list[Finding]:
        if ctx.spec.params.get("gate") not in {gate.id for gate in ctx.plan.gates}:
            return [Finding("error", f"the plan has no gate {ctx.spec.params.get('gate')}", "plan the wave again")]
        return []

    def start(self, ctx: StepContext) -> Flow:
        gate = next(item for item in ctx.plan.gates if item.id == ctx.spec.params["gate"])
        yield [
            Effect(ctx.effect_id("evaluate"), "gate.evaluate", {"gate": asdict(gate)}, f"evaluate the gate {gate.id}")
        ]
