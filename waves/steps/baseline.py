"""baseline: everything is compared while payments flow, so that the dark waits only for what is touched after it.

The verifier gets a publication and a slot of its own first: what it is told must not come from the copier's stream. Both are
gone when the route has opened, or on the way back.
"""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext

REST_SECONDS = 1800  # no fold by itself meanwhile: it would hold up the drain


class Baseline(Step):
    """params: slot, publication (of the verifier; empty for a wave without tables), tables ([[schema, table] ...])."""

    kind = "baseline"

    def start(self, ctx: StepContext) -> Flow:
        params = ctx.spec.params
        slot, publication, tables = str(params["slot"]), str(params["publication"]), list(params["tables"])
        if tables:
            yield [
                Effect(
                    ctx.effect_id("publication"),
                    "postgres.publication",
                    {"name": publication, "tables": tables},
                    f"publish {len(tables)} tables to the verifier as {publication}",
                    (f"postgres:publication/{publication}",),
                )
            ]
            yield [
                Effect(
                    ctx.effect_id("slot"),
                    "postgres.slot",
                    {"name": slot, "tables": tables, "grace_seconds": _grace(ctx)},
                    f"create the verifier's replication slot {slot}",
                    (f"postgres:slot/{slot}",),
                )
            ]
            yield [
                Effect(
                    ctx.effect_id("rest"), "stream.rest", {"seconds": REST_SECONDS}, "let the fold wait for the cutover"
                )
            ]
        yield [
            Effect(
                ctx.effect_id("reconcile"),
                "reconcile.baseline",
                {"wave": ctx.plan.wave, "slot": slot, "publication": publication},
                "compare everything while payments flow, then what was touched meanwhile",
            )
        ]

        copies = next((step.params.get("keys", ()) for step in ctx.plan.steps if step.kind == "switch"), ())
        if copies:
            args = {"mark": "baseline", "copies": list(copies)}
            yield [Effect(ctx.effect_id("keys"), "store.keys", args, "bring the newest idempotency keys over")]

    def rollback(self, ctx: StepContext) -> Flow:
        yield from forget(ctx, "rollback")


def _grace(ctx: StepContext) -> int:
    """Seconds that a writer has before he is ended: those that the fence gives."""
    return int(next((step.params["grace_seconds"] for step in ctx.plan.steps if step.kind == "fence"), 0))


def forget(ctx: StepContext, *parts: str) -> Flow:
    """Removes the verifier's slot and publication; from another step's context too. Gone already, nothing happens."""
    params = next((step.params for step in ctx.plan.steps if step.kind == "baseline"), {})
    if not params.get("tables"):
        return
    slot, publication = str(params["slot"]), str(params["publication"])
    yield [
        Effect(ctx.effect_id(*parts, "slot"), "postgres.drop_slot", {"name": slot}, f"drop the verifier's slot {slot}")
    ]
    yield [
        Effect(
            ctx.effect_id(*parts, "publication"),
            "postgres.drop_publication",
            {"name": publication},
            f"drop the verifier's publication {publication}",
        )
    ]
