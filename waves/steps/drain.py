"""drain: everything up to the fence is on the other side. One proof per channel, before the route moves."""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext


class Drain(Step):
    """params: feeds (streams that the wave taps). The fence's marker is the end: a change behind it is a no."""

    kind = "drain"

    def start(self, ctx: StepContext) -> Flow:
        fence = ctx.outcome("fence/raise") or {}
        marker = str(fence.get("marker", ""))
        channels = [
            Effect(
                ctx.effect_id("stream"),
                "stream.drain",
                {"marker": marker},
                "apply the change stream up to the fence, and see that nothing follows",
            )
        ]
        channels += [
            Effect(
                ctx.effect_id("feed", str(feed)),
                "feed.drained",
                {"feed": str(feed), "marker": marker},
                f"take in all that {feed} holds",
            )
            for feed in ctx.spec.params.get("feeds", ())
        ]
        yield channels
