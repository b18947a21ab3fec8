"""backfill: one table's bulk copy, cut into key ranges that are copied independently and at most once each."""

from __future__ import annotations

from inventory.model import qualified
from waves.ports import Effect
from waves.steps.base import Finding, Flow, Step, StepContext


class Backfill(Step):
    """params: asset, chunk_rows, throttle, parallel (chunks at the same time)."""

    kind = "backfill"

    def validate(self, ctx: StepContext) -> list[Finding]:
        if self._mapping(ctx) is None:
            return [
                Finding("error", f"{ctx.spec.params.get('asset')} has no mapping in the plan", "plan the wave again")
            ]
        return []

    def start(self, ctx: StepContext) -> Flow:
        mapping, params = self._mapping(ctx), ctx.spec.params
        answers = yield [
            Effect(
                ctx.effect_id("bounds"),
                "backfill.bounds",
                {"mapping": mapping, "max_rows_per_chunk": params["chunk_rows"]},
                f"cut {params['asset']} into ranges",
            )
        ]
        yield [
            Effect(
                ctx.effect_id("chunk", str(chunk["id"])),
                "backfill.chunk",
                {"mapping": mapping, "chunk": chunk, "throttle": dict(params.get("throttle", {}))},
                f"copy {params['asset']} range {chunk['id']}",
            )
            for chunk in answers[0]["chunks"]
        ]

    # rollback: none of its own. Its rows stand in tables that `prepare` created and that go with it; a range that was
    # copied is known to the lake by its id, so that starting again finds it instead of copying it twice.

    def _mapping(self, ctx: StepContext) -> dict[str, object] | None:
        asset = ctx.spec.params.get("asset")
        found = (
            dict(m)
            for m in ctx.plan.mappings
            if f"postgres:{qualified(m['source_schema'], m['source_table'])}" == asset
        )
        return next(found, None)
