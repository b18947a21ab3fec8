"""Kill it in every gap between two journal records: it resumes to the same end, and does nothing twice."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from waves_bench import Bench, SqlBench

from cutwater.state.store import open_store
from waves import life
from waves.executors import Stopped
from waves.history import History
from waves.plan import Plan


class Killed(BaseException):
    """A crash: nothing in the engine may catch it."""


def go(bench: Bench, target: str = "ready") -> None:
    """One run to the end: to the dual run, evidence and approval where they are not there yet, then on."""
    engine = bench.engine()
    engine.advance("dual-run")
    if bench.store.evidence.latest("reconciliation", "W01") is None:
        bench.pass_evidence()
    if not bench.store.approvals.of(bench.plan.hash):
        bench.approve()
    engine.advance(target)
    engine.close()


def undo(bench: Bench) -> None:
    engine = bench.engine()
    engine.abandon()
    engine.close()


def kill_at(bench: Bench, ordinal: int, when: str) -> None:
    def hook(number: int, kind: str, moment: str) -> None:
        if number == ordinal and moment == when:
            raise Killed

    bench.store.journal.hook = hook


def revive(bench: Bench) -> None:
    bench.store.journal.hook = lambda ordinal, kind, when: None


def end_of(bench: Bench) -> tuple[str, str, list[object], list[str]]:
    state = History.of("W01", bench.store.journal.records("W01")).state
    return state, bench.world.digest(), list(bench.store.journal.verify()), bench.world.doubled()


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_in_every_gap_it_resumes_to_the_same_end(plan: Plan, when: str) -> None:
    whole = Bench(plan)
    go(whole)
    records = len(whole.store.journal.rows)
    expected = (life.READY, whole.world.digest(), [], [])
    assert end_of(whole) == expected
    assert records > 50
    for ordinal in range(2, records + 1):
        bench = Bench(plan)
        kill_at(bench, ordinal, when)
        with pytest.raises(Killed):
            go(bench)
        revive(bench)
        go(bench)
        assert end_of(bench) == expected, (
            f"killed {when} record {ordinal}: {bench.store.journal.rows[ordinal - 1].kind}"
        )


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_abandon_killed_in_every_gap_leaves_nothing_behind(plan: Plan, when: str) -> None:
    whole = Bench(plan)
    go(whole)
    first = len(whole.store.journal.rows) + 1
    undo(whole)
    last = len(whole.store.journal.rows)
    expected = (life.ABANDONED, whole.world.digest(), [], [])
    assert end_of(whole) == expected
    assert not whole.world.slots
    assert not whole.world.publications
    assert not whole.world.tables
    for ordinal in range(first, last + 1):
        bench = Bench(plan)
        go(bench)
        kill_at(bench, ordinal, when)
        with pytest.raises(Killed):
            undo(bench)
        revive(bench)
        undo(bench)
        assert end_of(bench) == expected, f"killed {when} record {ordinal}"


@pytest.mark.parametrize("seed", range(6))
def test_on_the_real_store_a_seeded_handful(plan: Plan, tmp_path: Path, seed: int) -> None:
    whole = Bench(plan)
    go(whole)
    records = len(whole.store.journal.rows)
    with open_store(f"sqlite:///{tmp_path / 'state.db'}") as store:
        bench = SqlBench(plan, store)
        ordinal = random.Random(seed).randrange(2, records)
        bench.crash_at(ordinal, "before" if seed % 2 else "after", Killed)
        with pytest.raises(Killed):
            go(bench)
        bench.crash_at(0, "", Killed)
        go(bench)
        assert bench.world.digest() == whole.world.digest()
        assert store.verify() == []
        assert bench.world.doubled() == []
        assert History.of("W01", store.journal.records("W01")).state == life.READY


def test_killed_twice_in_a_row_it_still_resumes(plan: Plan) -> None:
    whole = Bench(plan)
    go(whole)
    for first in range(2, len(whole.store.journal.rows) - 8, 5):
        bench = Bench(plan)
        for ordinal in (first, first + 7):
            kill_at(bench, ordinal, "before")
            with pytest.raises(Killed):
                go(bench)
        revive(bench)
        go(bench)
        assert end_of(bench) == end_of(whole)


def test_with_real_threads_the_end_is_the_same(plan: Plan) -> None:
    inline, threaded = Bench(plan), Bench(plan)
    go(inline)
    with ThreadPoolExecutor(4) as pool:
        engine = threaded.engine(pool)
        engine.advance("dual-run")
        threaded.pass_evidence()
        threaded.approve()
        engine.advance("ready")
        engine.close()
    assert end_of(threaded) == end_of(inline)


def test_a_run_to_where_it_already_is_changes_nothing(bench: Bench) -> None:
    go(bench)
    digest, records = bench.world.digest(), len(bench.store.journal.rows)
    engine = bench.engine()
    engine.advance("ready")
    assert (bench.world.digest(), len(bench.store.journal.rows)) == (digest, records)


def test_pause_stops_at_a_safe_point_and_resume_goes_on(bench: Bench) -> None:
    engine = bench.engine()
    bench.store.requests.ask("W01", "pause")
    with pytest.raises(Stopped):
        engine.advance("dual-run")
    engine.close()
    assert engine.history.condition == life.PAUSED
    assert not engine.history.unsettled()
    go(bench)
    assert end_of(bench)[0] == life.READY
