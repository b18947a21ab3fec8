"""fence: the legacy side refuses writes. From here until the route opens, payments wait.

Order is the rule: the route first (clients are told to come back), the legacy outbox empty (its relay writes too), then
the triggers, the locks that let writers in flight end, and the marker; at last the proof by refused writes. The way back
opens the legacy side again, and releases to it what was held in the dark.
"""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext
from waves.steps.file_route import files_to
from waves.steps.open import released


class LegacyFence(Step):
    """params: grace_seconds (for writers in flight), outbox ([schema, table, column that is null while unpublished], may
    be empty), tables ([[schema, table] ...]), files (feeds whose files wait as well)."""

    kind = "fence"

    def start(self, ctx: StepContext) -> Flow:
        wave, params = ctx.plan.wave, ctx.spec.params
        [route] = yield [Effect(ctx.effect_id("read"), "route.read", {"wave": wave}, "read the route and its epoch")]
        epoch = int(route["epoch"]) + 1
        yield [
            Effect(
                ctx.effect_id("dark"),
                "route.set",
                {"wave": wave, "side": "dark", "epoch": epoch},
                f"route dark, epoch {epoch}: clients are told to come back",
            ),
            *files_to(ctx, "dark", epoch),
        ]
        if params.get("outbox"):
            yield [
                Effect(
                    ctx.effect_id("outbox"),
                    "outbox.empty",
                    {"outbox": params["outbox"], "epoch": epoch},
                    "wait until the legacy outbox is empty",
                )
            ]
        tables = params["tables"]
        fence = {
            "side": "legacy",
            "wave": wave,
            "epoch": epoch,
            "tables": tables,
            "grace_seconds": params["grace_seconds"],
        }
        yield [
            Effect(
                ctx.effect_id("raise"),
                "fence.raise",
                fence,
                f"refuse writes to {len(tables)} legacy tables",
            )
        ]
        yield [
            Effect(
                ctx.effect_id("prove"),
                "fence.prove",
                {"side": "legacy", "wave": wave, "epoch": epoch, "tables": tables},
                "try to write, and be refused",
            )
        ]

    def rollback(self, ctx: StepContext) -> Flow:
        wave = ctx.plan.wave
        [route] = yield [
            Effect(ctx.effect_id("rollback", "read"), "route.read", {"wave": wave}, "read the route and its epoch")
        ]
        epoch = int(route["epoch"]) + 1
        yield [
            Effect(
                ctx.effect_id("rollback", "lift"),
                "fence.lift",
                {"side": "legacy", "wave": wave, "epoch": epoch},
                "let the legacy side write again",
            )
        ]
        yield [
            Effect(
                ctx.effect_id("rollback", "route"),
                "route.set",
                {"wave": wave, "side": "legacy", "epoch": epoch},
                f"route to the legacy side, epoch {epoch}",
            ),
            *files_to(ctx, "legacy", epoch, "rollback"),
        ]
        yield [released(ctx, "rollback/held", epoch)]
