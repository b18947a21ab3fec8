"""Every step through one harness: start, fail half way, roll back, start again, complete (and again: nothing)."""

from __future__ import annotations

import pytest
from waves_bench import Bench

from cutwater.core.errors import Refused
from waves.plan import Plan
from waves.steps import BEFORE_KINDS, CUTOVER_KINDS, STEPS

REASON = Refused("CW3199", "planted")
# step id -> the action that fails half way; where a step has one effect alone, the one before it fails.
HALF_WAY = {
    "prepare": "postgres.slot",
    "backfill:payhub.payment": "backfill.chunk",
    "stream": "stream.fold",
    "feeds": "feed.caught_up",
    "dual_run": None,
    "gate:recon": None,
    "approval": None,
}


def bring_to(bench: Bench, step_id: str) -> None:
    """Everything before a step is done, evidence and approval are there."""
    engine = bench.engine()
    for spec in bench.plan.steps:
        if spec.id == step_id:
            break
        if spec.kind in ("dual_run", "gate", "approval"):
            engine._begin(spec) if spec.kind == "dual_run" else None
            bench.pass_evidence()
        engine._whole(spec)
    engine.pool.close()


@pytest.mark.parametrize("step_id", HALF_WAY)
def test_fails_half_way_rolls_back_starts_again_completes(bench: Bench, step_id: str) -> None:
    bring_to(bench, step_id)
    spec, before = bench.plan.step(step_id), bench.world.digest()
    engine = bench.engine()
    engine._restore()
    action = HALF_WAY[step_id]
    if action is not None:
        bench.world.faults[action] = [REASON]
        with pytest.raises(Refused, match="planted"):
            engine._whole(spec)
    elif spec.kind == "approval":
        with pytest.raises(Refused, match="lacks the approval"):
            engine._whole(spec)
    assert not engine.history.completed(spec.id)

    engine.rollback_step(spec)
    assert spec.id not in engine.history.steps
    if spec.kind == "prepare":
        assert bench.world.digest() == before
    engine.rollback_step(spec)  # again: nothing more to remove

    bench.approve()
    engine._begin(spec)
    bench.pass_evidence()
    engine._whole(spec)
    assert engine.history.completed(spec.id)
    digest = bench.world.digest()
    engine._whole(spec)
    assert bench.world.digest() == digest
    assert bench.world.doubled() == [] or spec.kind == "prepare"  # dropped in between, it may be made anew
    assert bench.store.journal.verify() == []


def test_every_kind_is_in_the_harness(plan: Plan) -> None:
    """Those of the cutover go through theirs in test_waves_cutover.py: their way back leads through the whole."""
    assert {plan.step(name).kind for name in HALF_WAY} == set(BEFORE_KINDS)
    assert {*BEFORE_KINDS, *CUTOVER_KINDS, "retire"} == set(STEPS)


def test_prepare_checks_before_it_creates_and_makes_the_slot_last(bench: Bench) -> None:
    bench.world.faults["postgres.check"] = [REASON]
    engine = bench.engine()
    with pytest.raises(Refused):
        engine.advance("prepared")
    assert not bench.world.tables
    assert engine.history.condition == "FAILED"
    assert engine.history.error["code"] == "CW3199"
    engine = bench.engine()
    engine.advance("prepared")
    order = [row.payload["action"] for row in bench.store.journal.records("W01", ["effect.intent"])]
    assert order == ["postgres.check", "lake.tables", "postgres.publication", "postgres.slot"]
    assert engine.history.condition == ""
