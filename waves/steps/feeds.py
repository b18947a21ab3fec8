"""feeds: the taps of topics, files and SWIFT traffic run, and each has read what was there when it was asked."""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Finding, Flow, Step, StepContext


class Feeds(Step):
    """params: feeds (names of streams, e.g. `kafka:payhub.payment.status.v1`)."""

    kind = "feeds"
    live = True

    def validate(self, ctx: StepContext) -> list[Finding]:
        return [] if self._feeds(ctx) else [Finding("error", "the step names no feed", "plan the wave again")]

    def start(self, ctx: StepContext) -> Flow:
        yield [
            Effect(
                ctx.effect_id("service", feed), "service.start", {"name": f"feed:{feed}"}, f"start the tap of {feed}"
            )
            for feed in self._feeds(ctx)
        ]

    def complete(self, ctx: StepContext) -> Flow:
        yield [
            Effect(ctx.effect_id("caught_up", feed), "feed.caught_up", {"feed": feed}, f"catch up with {feed}")
            for feed in self._feeds(ctx)
        ]

    def services(self, ctx: StepContext) -> tuple[str, ...]:
        return tuple(f"feed:{feed}" for feed in self._feeds(ctx))

    def _feeds(self, ctx: StepContext) -> list[str]:
        return [str(feed) for feed in ctx.spec.params.get("feeds", ())]
