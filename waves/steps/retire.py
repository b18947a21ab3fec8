"""retire: the only step that removes what the legacy side had from us; there is no way back after it."""

from __future__ import annotations

from waves.ports import Effect
from waves.steps.base import Flow, Step, StepContext
from waves.steps.reverse import drained, forget_handover


class Retire(Step):
    """params: slot, publication. The lake's copies stay: they are the wave's result. The fence stays too: a stray writer
    must not find an open door to a store that nobody reads any more."""

    kind = "retire"

    def start(self, ctx: StepContext) -> Flow:
        params = ctx.spec.params
        [marked] = yield [
            Effect(ctx.effect_id("mark"), "reverse.mark", {"mark": "last"}, "mark the end of the store's outbox")
        ]
        yield [drained(ctx, "drained", marked)]
        yield [
            Effect(
                ctx.effect_id("services"),
                "service.stop",
                {"names": ["reverse", "stream"]},
                "stop the change stream and the reverse sync",
            )
        ]
        yield [
            Effect(
                ctx.effect_id("slot"), "postgres.drop_slot", {"name": params["slot"]}, f"drop slot {params['slot']}"
            ),
            Effect(
                ctx.effect_id("publication"),
                "postgres.drop_publication",
                {"name": params["publication"]},
                f"drop publication {params['publication']}",
            ),
            *forget_handover(ctx, "handover"),
        ]
