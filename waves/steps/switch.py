"""switch: the store takes over: keys complete, sequences above both sides, consumers handed over, its own fence lifted.

The route stays dark until the smoke test has passed. The way back stands here too: as soon as the store could have
accepted a payment, its changes have to reach the legacy side before the legacy side opens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext
from waves.steps.file_route import files_to
from waves.steps.reverse import drained


class Switch(Step):
    """params: margin (of the sequences), topics, from_group, to_group, consumer_grace (Kafka consumers; no topics, no
    hand-over)."""

    kind = "switch"

    def start(self, ctx: StepContext) -> Flow:
        wave, params = ctx.plan.wave, ctx.spec.params
        epoch = _dark_epoch(ctx) + 1
        yield [
            Effect(
                ctx.effect_id("sequences"),
                "sequences.raise",
                {"to": "store", "margin": params["margin"], "pairs": params["pairs"], "epoch": epoch},
                "set the store's sequences above both sides",
            ),
            *self._handover(ctx, "handover", epoch, "from_group", "to_group"),
        ]
        yield [
            Effect(
                ctx.effect_id("open"),
                "fence.lift",
                {"side": "store", "wave": wave, "epoch": epoch},
                f"let the store write, epoch {epoch}",
            )
        ]

    def rollback(self, ctx: StepContext) -> Flow:
        wave, params = ctx.plan.wave, ctx.spec.params
        [route] = yield [
            Effect(ctx.effect_id("rollback", "read"), "route.read", {"wave": wave}, "read the route and its epoch")
        ]
        # While it is dark the store may stand open already, one epoch ahead, for its smoke test: closed below that, it would not be.
        epoch = int(route["epoch"]) + 1
        if route["side"] != "dark":
            yield [
                Effect(
                    ctx.effect_id("rollback", "dark"),
                    "route.set",
                    {"wave": wave, "side": "dark", "epoch": epoch},
                    f"route dark, epoch {epoch}",
                ),
                *files_to(ctx, "dark", epoch, "rollback"),
            ]
        fence = {
            "side": "store",
            "wave": wave,
            "epoch": epoch,
            "tables": params.get("store_tables", []),
            "grace_seconds": params["grace_seconds"],
        }
        yield [Effect(ctx.effect_id("rollback", "fence"), "fence.raise", fence, "let the store refuse writes")]
        [marked] = yield [
            Effect(
                ctx.effect_id("rollback", "mark"),
                "reverse.mark",
                {"mark": f"back-{epoch}"},
                "mark the end of the store's outbox",
            )
        ]
        yield [drained(ctx, "rollback/drained", marked)]
        yield [
            Effect(
                ctx.effect_id("rollback", "sequences"),
                "sequences.raise",
                {"to": "legacy", "margin": params["margin"], "pairs": params["pairs"], "epoch": epoch},
                "set the legacy sequences above both sides",
            ),
            *self._handover(ctx, "rollback/handover", epoch, "to_group", "from_group", back=True),
        ]
        yield [
            Effect(
                ctx.effect_id("rollback", "reconcile"),
                "reconcile.back",
                {"wave": wave, "mark": f"back-{epoch}", "compare": list(params["compare"])},
                "see that the legacy side holds every payment of the store",
            )
        ]

    def _handover(
        self, ctx: StepContext, part: str, epoch: int, giver: str, taker: str, back: bool = False
    ) -> Iterator[Effect]:
        """back: what was never handed over needs no way back."""
        params: Any = ctx.spec.params
        if params.get("topics"):
            args = {
                "topics": list(params["topics"]),
                "from_group": params[giver],
                "to_group": params[taker],
                "epoch": epoch,
                "grace_seconds": params.get("consumer_grace", 0),
                **({"back": True} if back else {}),
            }
            yield Effect(
                ctx.effect_id(part),
                "kafka.handover",
                args,
                f"hand {len(args['topics'])} topics over to {args['to_group']}",
            )


def _dark_epoch(ctx: StepContext) -> int:
    """The epoch that the fence's step gave to the dark route."""
    return int((ctx.outcome("fence/read") or {"epoch": 0})["epoch"]) + 1
