"""final: the reconciliation at the fence point. Anything but PASS is a no, and the way back begins.

Meanwhile the store is told the last idempotency keys and statuses: both only read the legacy side, and the dark is as long as
the longer of the two."""

from __future__ import annotations

from collections.abc import Iterator

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
            ),
            *_keys(ctx),
        ]


def _keys(ctx: StepContext) -> Iterator[Effect]:
    copies = next((step.params.get("keys", ()) for step in ctx.plan.steps if step.kind == "switch"), ())
    if copies:
        mark = f"fence-{int((ctx.outcome('fence/read') or {'epoch': 0})['epoch']) + 2}"
        args = {"mark": mark, "copies": list(copies), "complete": True}
        yield Effect(ctx.effect_id("keys"), "store.keys", args, "complete the idempotency keys")
