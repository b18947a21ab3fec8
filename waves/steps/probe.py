"""probe: a marked message through every channel that does not pass the route, seen in the lake. Nothing is dark yet.

These channels do not depend on the route, so the dark does not wait for them. What was sent stays, marked: it is booked
nowhere, and both sides of the reconciliation hold it.
"""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext


class Probe(Step):
    """params: channels, patience_seconds. A failure begins the way back by itself."""

    kind = "probe"

    def start(self, ctx: StepContext) -> Flow:
        wave, channels = ctx.plan.wave, [str(channel) for channel in ctx.spec.params["channels"]]
        [mark] = yield [
            Effect(ctx.effect_id("mark"), "probe.mark", {"wave": wave}, "choose the mark of this round's probes")
        ]
        known = {"wave": wave, "mark": str(mark.get("mark", "")), "at": str(mark.get("at", ""))}
        places = yield [
            Effect(
                ctx.effect_id("send", channel),
                "probe.send",
                {**known, "channel": channel},
                f"a marked message through {channel}",
            )
            for channel in channels
        ]
        seen = {
            **known,
            "places": dict(zip(channels, places, strict=True)),
            "patience_seconds": ctx.spec.params["patience_seconds"],
        }
        yield [
            Effect(ctx.effect_id("seen"), "probe.seen", seen, "see every marked message in the lake, booked nowhere")
        ]
