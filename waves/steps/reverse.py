"""reverse: the store's changes flow back into the legacy schema, proven by a marker's round trip before anything moves."""

from __future__ import annotations

from waves.ports import Effect, Outcome
from waves.steps.base import Flow, Step, StepContext

SIDES = ("legacy", "store")


class Reverse(Step):
    """Also brings the idempotency keys over, so that only those of the last moments are left for the fence.

    The epoch that the route has now makes each round's marker another one.
    """

    kind = "reverse"
    live = True
    leaves = True  # the schema `cutwater` on both sides: its epochs have to outlive the round

    def start(self, ctx: StepContext) -> Flow:
        wave = ctx.plan.wave
        yield [
            Effect(
                ctx.effect_id("begin"),
                "reverse.begin",
                {"wave": wave},
                "what the store's outbox holds of other waves and attempts is left alone",
                (f"legacy:fence/{wave}",),
            )
        ]
        yield [Effect(ctx.effect_id("service"), "service.start", {"name": "reverse"}, "start the reverse sync")]

    def complete(self, ctx: StepContext) -> Flow:
        [route] = yield [_read(ctx, "route")]
        mark = f"proof-{int(route['epoch'])}"
        keys = {"mark": mark, "copies": list(ctx.spec.params.get("keys", ()))}
        [marked, _] = yield [
            Effect(
                ctx.effect_id("mark"),
                "reverse.mark",
                {"mark": mark},
                "mark the end of the store's outbox",
                tuple(f"{side}:fence/{ctx.plan.wave}" for side in SIDES),
            ),
            Effect(ctx.effect_id("keys"), "store.keys", keys, "bring the idempotency keys over"),
        ]
        before = [drained(ctx, "drained", marked)]
        if ctx.plan.mappings:  # what is folded now is not folded in the dark
            mappings = [dict(item) for item in ctx.plan.mappings]
            before.append(
                Effect(ctx.effect_id("fold"), "stream.fold", {"mappings": mappings}, "bring the copies up to now")
            )
        yield before

    def remove(self, ctx: StepContext) -> Flow:
        wave = ctx.plan.wave
        yield [
            Effect(
                ctx.effect_id("remove", side), "fence.drop", {"side": side, "wave": wave}, f"remove the fence of {side}"
            )
            for side in SIDES
        ]
        if forget := forget_handover(ctx, "remove/handover"):
            yield forget

    def services(self, ctx: StepContext) -> tuple[str, ...]:
        return ("reverse",)


def _read(ctx: StepContext, *parts: str) -> Effect:
    return Effect(ctx.effect_id(*parts), "route.read", {"wave": ctx.plan.wave}, "read the route and its epoch")


def forget_handover(ctx: StepContext, part: str) -> list[Effect]:
    """The mark of the hand-over on the broker is of no use once there is no way back; [] where nothing is handed over."""
    switch = next(step.params for step in ctx.plan.steps if step.kind == "switch")
    if not switch.get("topics"):
        return []
    args = {name: switch[name] for name in ("topics", "from_group", "to_group")}
    return [Effect(ctx.effect_id(part), "kafka.handover.drop", args, "forget the hand-over")]


def drained(ctx: StepContext, part: str, marked: Outcome) -> Effect:
    """Waits until the legacy side holds everything up to a marker of the store's outbox."""
    marker = {"marker": str(marked.get("marker", ""))}
    return Effect(ctx.effect_id(part), "reverse.drained", marker, "wait until the legacy side has it")
