"""drain: everything up to the fence is on the other side. One proof per channel, before the route moves."""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext


class Drain(Step):
    """params: feeds (streams that the wave taps). The fence's marker is the end: a change behind it is a no."""

    kind = "drain"

    def start(self, ctx: StepContext) -> Flow:
        fence = ctx.outcome("fence/raise") or {}
        point = {"marker": str(fence.get("marker", "")), "lsn": str(fence.get("lsn", ""))}
        channels = []
        if ctx.plan.mappings:
            title = "apply the change stream up to the fence, and see that nothing follows"
            channels.append(Effect(ctx.effect_id("stream"), "stream.drain", point, title))
        if feeds := [str(feed) for feed in ctx.spec.params.get("feeds", ())]:
            args = {"feeds": feeds, "marker": point["marker"]}
            channels.append(
                Effect(ctx.effect_id("feeds"), "feeds.drained", args, f"take in all that {len(feeds)} feeds hold")
            )
        yield channels
