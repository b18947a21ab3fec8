"""Cut over, roll back, cut over again, complete: under a client who pays at every moment, killed in every gap."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from waves_bench import ESTATE, WAVE, WAY_BACK, Bench

from cutwater.core.errors import CutwaterError, LeaseHeld, Refused, Unavailable
from waves import life
from waves.dark import KINDS, dark_windows
from waves.engine import Engine
from waves.executors import Stopped
from waves.gates import NoGo
from waves.history import History
from waves.plan import Plan
from waves.planner import make_plan
from waves.ports import Waiting
from waves.steps import CUTOVER_KINDS
from waves.wave_file import parse_wave
from waves.window import ABOUT

SECTION = b"""\
cutover:
  grace_seconds: 1
  outbox: [payhub, outbox, published_at]
  consumers: {topics: [payhub.payment.status.v1], from_group: ledger, to_group: ledger-tobe}
  files: [{feed: "file:pain001", incoming: incoming/pain001}]
  probe: [kafka, file]
  smoke: [api, status]
"""


@pytest.fixture
def plan() -> Plan:
    text = WAVE.replace(b"accepts_writes: readers", b"accepts_writes: store") + SECTION + WAY_BACK
    text = text.replace(b"roles:\n", b"roles:\n  cutover-manager: nobody\n").replace(b"2026-12-05T22", b"2026-11-23T11")
    return make_plan(parse_wave(text, Path("W01.yaml")), ESTATE)


class Killed(BaseException):
    """A crash: nothing in the engine may catch it."""


def history(bench: Bench) -> History:
    return History.of("W01", bench.store.journal.records("W01"))


def count(bench: Bench, kind: str) -> int:
    return len(bench.store.journal.records("W01", [kind]))


def to_ready(bench: Bench) -> None:
    engine = bench.engine()
    if history(bench).state != life.READY:
        engine.advance("dual-run")
        bench.pass_evidence()
        bench.approve()
        engine.advance("ready")
    engine.close()


def go(bench: Bench, target: str) -> None:
    engine = bench.engine()
    engine.advance(target)
    engine.close()


def tour(bench: Bench) -> None:
    """The whole life, from wherever the journal says it stands; may be called again after a kill."""
    while (state := history(bench).state) != life.COMPLETED:
        back = count(bench, "rollback.done")
        if state == life.CUT_OVER:
            go(bench, life.COMPLETE if back else life.BACK)
        elif state == life.ROLLING_BACK:
            go(bench, life.BACK)
        elif state in (life.READY, life.CUTTING_OVER):
            go(bench, life.CUT)
        else:
            to_ready(bench)


def check(bench: Bench) -> None:
    world = bench.world.cutover
    world.settle()
    assert world.wrong() == []
    assert world.waiting == []
    assert world.held == []
    assert world.files_wrong() == []
    assert world.file_route[0] == world.route[0]
    assert bench.store.journal.verify() == []
    assert bench.world.doubled() == []


def test_the_whole_tour_loses_and_doubles_nothing(plan: Plan) -> None:
    bench = Bench(plan)
    tour(bench)
    check(bench)
    world = bench.world.cutover
    assert history(bench).state == life.COMPLETED
    assert world.route == ["tobe", 7]  # dark 2, tobe 3, dark 4, legacy 5, dark 6, tobe 7
    assert world.store
    assert world.refusals
    assert set(world.released) & set(world.legacy) - set(world.store)  # those of the way back went to the legacy side
    assert set(world.released) & set(world.store)
    assert len(world.probes) == len(set(world.probes)) == 4  # two channels, two rounds, each its own
    assert not bench.world.slots
    states = [row.payload["to"] for row in bench.store.journal.records("W01", ["wave.state"])]
    assert states[5:] == [
        "READY",
        "CUTTING_OVER",
        "CUT_OVER",
        "ROLLING_BACK",
        "DUAL_RUN",
        "READY",
        "CUTTING_OVER",
        "CUT_OVER",
        "COMPLETED",
    ]


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_in_every_gap_nothing_is_lost_or_doubled(plan: Plan, when: str) -> None:
    whole = Bench(plan)
    tour(whole)
    records = len(whole.store.journal.rows)
    for ordinal in range(2, records + 1):
        bench = Bench(plan)

        def hook(number: int, kind: str, moment: str, at: int = ordinal) -> None:
            if number == at and moment == when:
                raise Killed

        bench.store.journal.hook = hook
        with pytest.raises(Killed):
            tour(bench)
        bench.store.journal.hook = lambda number, kind, moment: None
        tour(bench)
        check(bench)
        assert history(bench).state == life.COMPLETED
        assert bench.world.cutover.route[0] == "tobe"


IN_THE_DARK = [
    "probe.mark",  # before the dark: the way back is short
    "probe.send",
    "probe.seen",
    "outbox.empty",
    "files.route",
    "fence.raise",
    "fence.prove",
    "stream.drain",
    "feeds.drained",
    "reconcile.final",
    "store.keys",
    "sequences.raise",
    "kafka.handover",
    "smoke.run",
]


@pytest.mark.parametrize("action", IN_THE_DARK)
@pytest.mark.parametrize("error", [Refused("CW3199", "planted"), NoGo("CW3199", "planted"), Unavailable("CW3199", "x")])
def test_what_fails_in_the_dark_goes_back_by_itself(plan: Plan, action: str, error: CutwaterError) -> None:
    bench = Bench(plan)
    to_ready(bench)
    bench.world.faults[action] = [error] * 30
    with pytest.raises(type(error)):
        go(bench, life.CUT)
    bench.world.faults.clear()
    now = history(bench)
    if now.state == life.ROLLING_BACK:  # the same fault stood in the way back: it goes on when it is gone
        go(bench, life.BACK)
        now = history(bench)
    assert now.state == life.DUAL_RUN
    assert bench.world.cutover.route[0] == "legacy"
    check(bench)
    tour(bench)
    check(bench)


def test_a_release_that_fails_behind_the_open_route_begins_no_way_back(plan: Plan) -> None:
    bench = Bench(plan)
    to_ready(bench)
    bench.world.faults["held.release"] = [Unavailable("CW3047", "no answer yet")] * 4
    with pytest.raises(Unavailable, match="CW3047"):
        go(bench, life.CUT)
    assert (history(bench).state, bench.world.cutover.route[0]) == (life.CUTTING_OVER, "tobe")
    assert bench.world.cutover.held
    go(bench, life.CUT)
    check(bench)


def test_a_zombie_does_nothing_more_least_of_all_a_way_back(plan: Plan) -> None:
    bench = Bench(plan)
    to_ready(bench)
    bench.world.faults["fence.prove"] = [LeaseHeld("CW3199", "a later runner is at work")]
    with pytest.raises(LeaseHeld):
        go(bench, life.CUT)
    assert history(bench).state == life.CUTTING_OVER
    assert bench.world.cutover.route[0] == "dark"
    go(bench, life.CUT)  # the later runner
    assert history(bench).state == life.CUT_OVER


def test_evidence_is_asked_for_once_more_at_the_moment_of_the_cutover(plan: Plan) -> None:
    bench = Bench(plan)
    to_ready(bench)
    for _ in range(61):
        bench.clock.pause(60)
    with pytest.raises(NoGo, match="61 min old"):
        go(bench, life.CUT)
    assert history(bench).state == life.READY
    assert bench.world.cutover.route == ["legacy", 1]


@pytest.mark.parametrize("minutes", [5, -5])
def test_a_clock_five_minutes_off_is_no_go_at_the_moment_of_the_cutover(
    plan: Plan, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(plan)
    to_ready(bench)
    monkeypatch.setattr(bench.store, "skew", lambda clock: timedelta(minutes=minutes))
    with pytest.raises(NoGo, match="300000 ms"):
        go(bench, life.CUT)
    assert history(bench).state == life.READY
    assert bench.world.cutover.route == ["legacy", 1]


def test_illegal_moves_are_refused(plan: Plan) -> None:
    bench = Bench(plan)
    to_ready(bench)
    for target in (life.BACK, life.COMPLETE):
        with pytest.raises(Refused, match="CW3012"):
            go(bench, target)
    tour(bench)
    for target in (life.BACK, life.CUT):
        with pytest.raises(Refused, match="CW3012"):
            go(bench, target)
    go(bench, life.COMPLETE)  # twice changes nothing
    assert history(bench).state == life.COMPLETED


def test_a_second_cutover_of_a_wave_that_is_cut_over_changes_nothing(plan: Plan) -> None:
    bench = Bench(plan)
    to_ready(bench)
    go(bench, life.CUT)
    before = bench.world.digest()
    go(bench, life.CUT)
    assert bench.world.digest() == before


def test_a_plan_without_a_cutover_section_ends_with_its_dual_run() -> None:
    bench = Bench(make_plan(parse_wave(WAVE, Path("W01.yaml")), ESTATE))
    to_ready(bench)
    with pytest.raises(NoGo, match="CW3040"):
        go(bench, life.CUT)
    assert history(bench).state == life.READY


def test_every_step_of_the_cutover_is_in_the_plan(plan: Plan) -> None:
    assert [step.kind for step in plan.steps][-len(CUTOVER_KINDS) - 1 :] == [*CUTOVER_KINDS, "retire"]
    assert plan.steps[-1].reversible is False


def test_the_dark_windows_are_measured_from_the_journal(plan: Plan) -> None:
    bench = Bench(plan)
    tour(bench)
    found = dark_windows(bench.store.journal.records("W01", KINDS))
    assert [item.side for item in found] == ["tobe", "legacy", "tobe"]
    assert all(item.milliseconds is not None and item.milliseconds > 0 for item in found)
    half = Bench(plan)
    to_ready(half)
    half.world.faults["fence.raise"] = [LeaseHeld("CW3199", "a later runner is at work")]
    with pytest.raises(LeaseHeld):
        go(half, life.CUT)
    assert dark_windows(half.store.journal.records("W01", KINDS))[-1].milliseconds is None


@pytest.mark.parametrize("target", [life.CUT, life.BACK])
def test_a_polite_stop_at_any_record_leaves_nobody_in_the_dark(plan: Plan, target: str) -> None:
    whole = Bench(plan)
    to_ready(whole)
    first = len(whole.store.journal.rows)
    go(whole, life.CUT)
    if target == life.BACK:
        first = len(whole.store.journal.rows)
        go(whole, life.BACK)
    ends = set()
    for ordinal in range(first + 1, len(whole.store.journal.rows)):
        bench = Bench(plan)
        to_ready(bench)
        if target == life.BACK:
            go(bench, life.CUT)
        engine = bench.engine()

        def hook(number: int, kind: str, moment: str, at: int = ordinal, engine: Engine = engine) -> None:
            if number == at and moment == "after":
                engine.stop("stop")

        bench.store.journal.hook = hook
        with suppress(Stopped, Refused):
            engine.advance(target)
        engine.serve()
        engine.close()
        assert bench.world.cutover.route[0] != "dark", f"record {ordinal}"
        assert history(bench).condition == ""
        assert history(bench).last_run == {} or history(bench).last_run["ended"]
        ends.add((history(bench).state, bench.world.cutover.route[0]))
        bench.store.journal.hook = lambda number, kind, moment: None
        if ordinal % 4 == 0:
            tour(bench)
        check(bench)
    not_dark_yet = {(life.READY, "legacy"), (life.CUTTING_OVER, "legacy")}
    out = {(life.DUAL_RUN, "legacy"), (life.CUT_OVER, "tobe")}
    if target == life.CUT:
        assert ends == not_dark_yet | out, "back while the store could not write, forward once it could"
    else:
        assert ends <= {(life.CUT_OVER, "tobe"), (life.DUAL_RUN, "legacy")}


def stopped_at(bench: Bench, action: str, target: str = life.CUT) -> Engine:
    """An engine that is politely stopped while `action` is at work."""
    engine = bench.engine()
    bench.world.on_perform = lambda name: engine.stop("stop") if name == action else None
    return engine


def test_a_cutover_that_is_turned_back_says_so(plan: Plan) -> None:
    bench = Bench(plan)
    to_ready(bench)
    engine = stopped_at(bench, "reconcile.final")
    with pytest.raises(Refused, match="CW3064"):
        engine.advance(life.CUT)
    engine.serve()  # ends at once
    engine.close()
    now = history(bench)
    assert (now.state, now.last_run["reason"] if now.last_run else "stop") == (life.DUAL_RUN, "stop")
    [said] = [row.payload["reason"] for row in bench.store.journal.records("W01", ["rollback.started"])]
    assert said == "asked to stop while the route was dark"


def test_a_polite_stop_in_the_dark_is_bounded(plan: Plan) -> None:
    bench = Bench(plan)
    to_ready(bench)
    go(bench, life.CUT)
    bench.world.faults["reverse.drained"] = [Waiting("CW3199", "the way is blocked") for _ in range(10_000)]
    engine = stopped_at(bench, "reverse.mark", life.BACK)
    with pytest.raises(Stopped):
        engine.advance(life.BACK)
    engine.close()
    assert (history(bench).state, bench.world.cutover.route[0]) == (life.ROLLING_BACK, "dark")
    assert bench.clock.timer() >= engine.machine.dark_seconds
    bench.world.faults.clear()
    tour(bench)
    check(bench)


def test_who_lost_the_wave_stops_wherever_it_is(plan: Plan) -> None:
    bench = Bench(plan)
    to_ready(bench)
    engine = bench.engine()
    bench.world.on_perform = lambda name: engine.halt("the lease was lost") if name == "fence.prove" else None
    with pytest.raises(Stopped, match="the lease was lost"):
        engine.advance(life.CUT)
    assert bench.world.cutover.route[0] == "dark"


def test_there_is_no_way_back_once_the_completion_removes_what_it_reads(plan: Plan) -> None:
    """The slot that the way back follows is gone: it would wait in the dark for ever."""
    bench = Bench(plan)
    to_ready(bench)
    go(bench, life.CUT)
    bench.world.faults["postgres.drop_publication"] = [Refused("CW3106", "an event trigger says no")]
    engine = bench.engine()
    with pytest.raises(Refused, match="CW3106"):
        engine.advance(life.COMPLETE)
    engine.close()
    engine = bench.engine()
    with pytest.raises(Refused, match="CW3012") as found:
        engine.advance(life.BACK)
    engine.close()
    assert "wave complete W01" in found.value.next
    assert (history(bench).state, bench.world.cutover.route[0]) == (life.CUT_OVER, "tobe")
    go(bench, life.COMPLETE)
    check(bench)
    assert history(bench).state == life.COMPLETED


def test_a_completion_that_had_only_drained_drains_again_after_another_round(plan: Plan) -> None:
    bench = Bench(plan)
    to_ready(bench)
    go(bench, life.CUT)
    bench.world.faults["reverse.drained"] = [Refused("CW3441", "it does not come to its marker")]
    engine = bench.engine()
    with pytest.raises(Refused, match="CW3441"):
        engine.advance(life.COMPLETE)
    engine.close()
    go(bench, life.BACK)
    tour(bench)
    marks = [row.payload["effect"] for row in bench.store.journal.records("W01", ["effect.outcome"])]
    assert marks.count("retire/mark") == 2
    check(bench)


def test_a_cutover_that_was_begun_in_its_window_does_not_get_dark_outside_it(plan: Plan) -> None:
    """Killed before the dark and taken up when the night is over: payments wait in no hour that nobody has planned."""
    bench = Bench(plan)
    to_ready(bench)

    def dies(action: str) -> None:
        if action == "reconcile.baseline":
            raise Killed

    bench.world.on_perform = dies
    with pytest.raises(Killed):
        go(bench, life.CUT)
    bench.world.on_perform = lambda action: None
    assert history(bench).state == life.CUTTING_OVER
    bench.clock.now = datetime(2026, 12, 6, 6, 30, tzinfo=UTC)
    bench.pass_evidence()
    engine = bench.engine()
    with pytest.raises(Refused, match="CW3041"):
        engine.advance(life.CUT)
    engine.close()
    assert history(bench).state == life.DUAL_RUN
    assert bench.world.cutover.route == ["legacy", 1]  # never dark

    to_ready(bench)
    said = {"about": ABOUT, "who": "Cy", "role": "cutover-manager", "reason": "it has to be", "plan": plan.hash}
    bench.store.journal.append("W01", "decision.recorded", said)
    go(bench, life.CUT)
    assert history(bench).state == life.CUT_OVER


def test_gates_that_were_asked_long_before_the_dark_are_asked_again(plan: Plan) -> None:
    bench = Bench(plan)
    to_ready(bench)

    def slow(action: str) -> None:
        if action == "reconcile.baseline":
            bench.clock.now += timedelta(hours=3)

    bench.world.on_perform = slow
    with pytest.raises(NoGo, match="CW3013"):
        go(bench, life.CUT)
    assert bench.world.cutover.route == ["legacy", 1]  # never dark
    assert history(bench).state == life.DUAL_RUN
