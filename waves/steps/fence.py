"""fence: the legacy side refuses writes. From here until the route opens, payments wait.

Order is the rule: the route first (clients are told to come back), the legacy outbox empty (its relay writes too), then
the triggers, the locks that let writers in flight end, and the marker; at last the proof by refused writes. The way back
opens the legacy side again, and releases to it what was held in the dark.
"""

from __future__ import annotations

from collections.abc import Iterator

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext
from waves.steps.file_route import files_to
from waves.steps.open import released

POISED_SECONDS = 15  # longer than a dark window: whoever drains meanwhile waits for no batch that is under way


class LegacyFence(Step):
    """params: grace_seconds (for writers in flight), outbox ([schema, table, column that is null while unpublished], may
    be empty), tables ([[schema, table] ...]), files (feeds whose files wait as well)."""

    kind = "fence"

    def start(self, ctx: StepContext) -> Flow:
        wave, params = ctx.plan.wave, ctx.spec.params
        [route, *_] = yield [
            Effect(ctx.effect_id("read"), "route.read", {"wave": wave}, "read the route and its epoch"),
            *_poised(ctx),
        ]
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


def _poised(ctx: StepContext) -> Iterator[Effect]:
    """Stream and feeds end what is under way before it is dark, and begin nothing by themselves until they are drained."""
    drain = next((step.params for step in ctx.plan.steps if step.kind == "drain"), {})
    args = {"seconds": POISED_SECONDS}
    if ctx.plan.mappings:
        yield Effect(ctx.effect_id("poise", "stream"), "stream.poise", args, "let the change stream end its batch")
    if drain.get("feeds"):
        yield Effect(ctx.effect_id("poise", "feeds"), "feeds.poise", args, "let the feeds end their batch")
