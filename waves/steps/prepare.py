"""prepare: every check first, then the lake's tables, the publication and, last, the slot.

The order is a rule: nothing is created before `postgres.check` has passed (a publication on a table without replica
identity breaks the legacy side's UPDATEs), and the publication stands before the slot, because pgoutput looks it up
as of the decoded point. Source: PostgreSQL's logical decoding; what was run and seen stands in the design notes.
"""

from __future__ import annotations

from lakehouse.tables import LAKE_TABLES
from waves.ports import Effect
from waves.steps.base import Finding, Flow, Step, StepContext


class Prepare(Step):
    """params: slot, publication (names, empty for a wave without tables)."""

    kind = "prepare"

    def validate(self, ctx: StepContext) -> list[Finding]:
        if ctx.plan.mappings and not (ctx.spec.params.get("slot") and ctx.spec.params.get("publication")):
            return [Finding("error", "the plan names no slot or no publication", "plan the wave again")]
        return []

    def start(self, ctx: StepContext) -> Flow:
        plan, params = ctx.plan, ctx.spec.params
        mappings = [dict(item) for item in plan.mappings]
        if mappings:
            yield [
                Effect(
                    ctx.effect_id("check"),
                    "postgres.check",
                    {"tables": mappings, "wave": plan.wave},
                    f"check {len(mappings)} tables before anything is created",
                )
            ]
        names = [name for item in mappings for name in (item["target"], changes_of(item["target"]))]
        yield [
            Effect(
                ctx.effect_id("lake"),
                "lake.tables",
                {"wave": plan.wave, "mappings": mappings},
                f"create {len(names)} tables in the lake, and the event store where it is missing",
                tuple(f"lake:{name}" for name in (*names, *(spec.name for spec in LAKE_TABLES))),
            )
        ]
        if not mappings:
            return
        tables = [[item["source_schema"], item["source_table"]] for item in mappings]
        publication, slot = str(params["publication"]), str(params["slot"])
        yield [
            Effect(
                ctx.effect_id("publication"),
                "postgres.publication",
                {"name": publication, "tables": tables},
                f"publish {len(tables)} tables as {publication}",
                (f"postgres:publication/{publication}",),
            )
        ]
        yield [
            Effect(
                ctx.effect_id("slot"),
                "postgres.slot",
                {"name": slot},
                f"create the replication slot {slot}",
                (f"postgres:slot/{slot}",),
            )
        ]

    def rollback(self, ctx: StepContext) -> Flow:
        created = ctx.created()
        for name in _of(created, "postgres:slot/"):
            yield [
                Effect(
                    ctx.effect_id("rollback", f"slot:{name}"), "postgres.drop_slot", {"name": name}, f"drop slot {name}"
                )
            ]
        for name in _of(created, "postgres:publication/"):
            yield [
                Effect(
                    ctx.effect_id("rollback", f"publication:{name}"),
                    "postgres.drop_publication",
                    {"name": name},
                    f"drop publication {name}",
                )
            ]
        if tables := _of(created, "lake:"):
            yield [
                Effect(
                    ctx.effect_id("rollback", "lake"),
                    "lake.drop_tables",
                    {"tables": tables},
                    f"drop {len(tables)} tables in the lake",
                )
            ]


def changes_of(target: str) -> str:
    """The change table that belongs to `legacy.<table>`."""
    return "legacy_changes." + target.split(".", 1)[1]


def _of(created: tuple[str, ...], prefix: str) -> list[str]:
    """Names behind `prefix`, the last created first, each once."""
    return list(dict.fromkeys(name.removeprefix(prefix) for name in reversed(created) if name.startswith(prefix)))
