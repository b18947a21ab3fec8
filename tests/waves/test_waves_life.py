"""The life of a wave: any order of commands keeps the rules (a state machine by hypothesis)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import integers, sampled_from
from waves_bench import Bench, small_plan

from cutwater.core.errors import CutwaterError, Refused, Unavailable
from waves import life
from waves.executors import Stopped
from waves.history import History

ACTIONS = ["postgres.slot", "lake.tables", "backfill.chunk", "stream.fold", "postgres.drop_slot", "lake.drop_tables"]


class Kill(BaseException):
    pass


class WaveLife(RuleBasedStateMachine):
    """run to anywhere, kill at any record, fail anywhere, pause, prove, abandon, plan anew: in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(small_plan())
        self.states = [life.PLANNED]

    def _go(self, target: str) -> None:
        engine = self.bench.engine()
        try:
            engine.advance(target)
        except (CutwaterError, Stopped):
            pass
        engine.close()

    @rule(to=sampled_from(life.TARGET_ORDER))
    def run(self, to: str) -> None:
        self._go(to)

    @rule(to=sampled_from(life.TARGET_ORDER), gap=integers(1, 60), when=sampled_from(["before", "after"]))
    def run_and_kill(self, to: str, gap: int, when: str) -> None:
        journal = self.bench.store.journal
        last = len(journal.rows) + gap

        def hook(number: int, kind: str, moment: str) -> None:
            if number == last and moment == when:
                raise Kill

        journal.hook = hook
        try:
            self._go(to)
        except Kill:
            pass
        journal.hook = lambda ordinal, kind, when: None

    @rule(action=sampled_from(ACTIONS), answer_lost=sampled_from([True, False]))
    def plant(self, action: str, answer_lost: bool) -> None:
        book = self.bench.world.lost_answers if answer_lost else self.bench.world.faults
        book.setdefault(action, []).append(Unavailable("CW3199", "planted"))

    @rule(action=sampled_from(ACTIONS))
    def plant_refusal(self, action: str) -> None:
        self.bench.world.faults.setdefault(action, []).append(Refused("CW3199", "planted"))

    @rule()
    def pause(self) -> None:
        self.bench.store.requests.ask("W01", "pause")

    @rule()
    def prove(self) -> None:
        self.bench.pass_evidence()
        self.bench.approve()

    @rule()
    def abandon(self) -> None:
        engine = self.bench.engine()
        try:
            engine.abandon()
        except CutwaterError:
            return
        assert not self.bench.world.slots
        assert not self.bench.world.publications
        assert not self.bench.world.tables

    @rule()
    def plan_anew(self) -> None:
        history = self.history()
        if history.state == life.ABANDONED:
            payload = {"from": life.ABANDONED, "to": life.PLANNED, "attempt": history.attempt + 1}
            self.bench.store.journal.append("W01", "wave.state", payload)

    def history(self) -> History:
        return History.of("W01", self.bench.store.journal.records("W01"))

    @invariant()
    def moves_are_legal(self) -> None:
        rows = self.bench.store.journal.records("W01", ["wave.state"])
        for row in rows:
            assert row.payload["to"] in life.MOVES[row.payload["from"]]
        for before, after in pairwise(rows):
            assert before.payload["to"] == after.payload["from"]

    @invariant()
    def the_chain_holds(self) -> None:
        assert self.bench.store.journal.verify() == []

    @invariant()
    def copied_rows_are_never_doubled(self) -> None:
        for name, rows in (("payment", 250), ("account", 40), ("operator_note", 7)):
            copied = sum(self.bench.world.tables.get(f"legacy.{name}", {}).values())
            assert copied <= rows
            if self.history().completed(f"backfill:payhub.{name}"):
                assert copied == rows

    @invariant()
    def ready_means_proved(self) -> None:
        if self.history().state == life.READY:
            assert self.bench.store.approvals.of(self.bench.plan.hash)
            assert self.bench.store.evidence.latest("reconciliation", "W01") is not None


WaveLife.TestCase.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
TestWaveLife = WaveLife.TestCase


def test_every_state_has_its_moves_and_its_needs() -> None:
    states = set(life.MOVES)
    assert {name for moves in life.MOVES.values() for name in moves} <= states
    assert set(life.NEEDS) == states - {life.NEW}


@pytest.mark.parametrize(("old", "new"), [("PLANNED", "READY"), ("COMPLETED", "PLANNED"), ("CUT_OVER", "ABANDONED")])
def test_an_illegal_move_says_what_is_missing(old: str, new: str) -> None:
    with pytest.raises(Refused, match="CW3012") as caught:
        life.check_move("W01", old, new)
    assert life.NEEDS[new].split("(")[0].strip() in caught.value.cause
    assert caught.value.next
