"""stream: the change stream of the wave's tables runs, and has folded everything up to an own marker."""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext


class Stream(Step):
    """Caught up means: the own marker was seen, never that it was quiet."""

    kind = "stream"
    live = True

    def start(self, ctx: StepContext) -> Flow:
        yield [Effect(ctx.effect_id("service"), "service.start", {"name": "stream"}, "start the change stream")]

    def services(self, ctx: StepContext) -> tuple[str, ...]:
        return ("stream",)

    def complete(self, ctx: StepContext) -> Flow:
        mappings = [dict(item) for item in ctx.plan.mappings]
        yield [
            Effect(
                ctx.effect_id("fold"),
                "stream.fold",
                {"mappings": mappings},
                f"fold the changes of {len(mappings)} tables up to an own marker",
            )
        ]
