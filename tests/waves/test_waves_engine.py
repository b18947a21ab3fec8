"""Retries, lost answers, services that fail, requests, zombies, gates: the engine on a world that misbehaves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from waves_bench import Bench, Clock

from cutwater.core.errors import BadInput, CutwaterError, LeaseHeld, Refused, Unavailable
from waves import life
from waves.engine import walk_dry
from waves.executors import DryRunExecutor, Stopped
from waves.gates import NoGo
from waves.history import History
from waves.ports import ServiceStatus
from waves.settle import Retry, plain

GONE = "CW3199"


def gone(what: str = "the server went away") -> Unavailable:
    return Unavailable(GONE, what)


def test_unavailable_is_tried_again_with_growing_waits(bench: Bench) -> None:
    bench.world.faults["postgres.slot"] = [gone(), gone(), gone()]
    engine = bench.engine()
    engine.advance("prepared")
    failed = bench.store.journal.records("W01", ["effect.failed"])
    assert [row.payload["again_in_seconds"] for row in failed] == ["1.0", "2.0", "4.0"]
    assert bench.world.slots == {"cutwater_w01"}


def test_a_lost_answer_is_looked_for_not_done_again(bench: Bench) -> None:
    bench.world.lost_answers["backfill.chunk"] = [gone()]
    bench.engine().advance("backfill")
    assert bench.world.doubled() == []
    assert sum(bench.world.tables["legacy.payment"].values()) == 250


def test_after_the_last_try_the_wave_has_failed_and_keeps_the_error(bench: Bench) -> None:
    bench.world.faults["postgres.slot"] = [gone() for _ in range(4)]
    engine = bench.engine()
    with pytest.raises(Unavailable):
        engine.advance("prepared")
    assert (engine.history.state, engine.history.condition) == (life.PLANNED, life.FAILED)
    assert engine.history.error["what"] == "the server went away"


def test_a_service_that_is_unavailable_is_polled_again(bench: Bench) -> None:
    bench.world.faults["stream"] = [gone(), gone()]
    bench.engine().advance("dual-run")
    assert bench.world.applied["stream"] == 10


def test_a_service_that_needs_a_person_fails_the_wave_and_the_others_go_on(bench: Bench) -> None:
    engine = bench.engine()
    engine.advance("dual-run")
    bench.world.faults["feed:file:pain001"] = [BadInput(GONE, "a file is no file")]
    bench.world.changes = 40
    bench.clock.now += timedelta(seconds=5)
    looks = iter(range(60))

    def watch(event: str, facts: object) -> None:
        if event == "heartbeat" and next(looks, None) is None:
            engine.stop("stop")

    engine.watch = watch
    engine.serve()
    engine.close()
    history = History.of("W01", bench.store.journal.records("W01"))
    assert (history.state, history.condition) == (life.DUAL_RUN, life.FAILED)
    assert history.error["what"] == "a file is no file"
    assert bench.world.applied["stream"] == 40
    bench.engine().advance("dual-run")
    assert History.of("W01", bench.store.journal.records("W01")).condition == ""


def test_requests_are_answered_by_the_service_that_knows_them(bench: Bench) -> None:
    engine = bench.engine()
    engine.advance("dual-run")
    pin = bench.store.requests.ask("W01", "pin", {"marker_lsn": "0/A"})
    odd = bench.store.requests.ask("W01", "dance")
    bench.store.requests.ask("W01", "stop")
    bench.world.faults["repair"] = [Refused(GONE, "no")]
    repair = bench.store.requests.ask("W01", "repair", {"table": "x"})
    stop_after(engine, 30)
    assert bench.store.requests.result(pin).state in ("answered", "open")
    engine = bench.engine()
    engine.advance("dual-run")
    stop_after(engine, 30)
    assert bench.store.requests.result(pin).answer == {"kind": "pin", "position": 10}
    failed = bench.store.requests.result(odd)
    assert (failed.state, (failed.answer or {})["code"]) == ("failed", "CW3017")
    assert (bench.store.requests.result(repair).answer or {})["what"] == "no"


def stop_after(engine: object, looks: int) -> None:
    left = iter(range(looks))

    def watch(event: str, facts: object) -> None:
        if event == "heartbeat" and next(left, None) is None:
            engine.stop("stop")  # type: ignore[attr-defined]

    engine.watch = watch  # type: ignore[attr-defined]
    engine.serve()  # type: ignore[attr-defined]
    engine.close()  # type: ignore[attr-defined]


def test_a_live_run_is_taken_further_by_a_request(bench: Bench) -> None:
    engine = bench.engine()
    engine.advance("dual-run")
    first = bench.store.requests.ask("W01", "advance", {"to": "ready"})
    left = iter(range(400))
    asked: list[int] = []

    def watch(event: str, facts: object) -> None:
        if event != "heartbeat":
            return
        if bench.store.requests.result(first).state == "failed" and not asked:
            bench.pass_evidence()
            bench.approve()
            asked.append(bench.store.requests.ask("W01", "advance", {"to": "ready"}))
        if next(left, None) is None or (asked and bench.store.requests.result(asked[0]).state != "open"):
            engine.stop("stop")

    engine.watch = watch
    engine.serve()
    assert (bench.store.requests.result(first).answer or {})["code"] == "CW3013"
    assert bench.store.requests.result(asked[0]).answer == {"state": life.READY}
    assert engine.history.state == life.READY


def test_a_gate_that_says_no_leaves_the_wave_as_it_is(bench: Bench) -> None:
    engine = bench.engine()
    engine.advance("dual-run")
    with pytest.raises(NoGo, match="CW3013"):
        engine.advance("ready")
    assert (engine.history.state, engine.history.condition) == (life.DUAL_RUN, "")
    bench.pass_evidence()
    with pytest.raises(NoGo, match="CW3014"):
        engine.advance("ready")
    bench.approve()
    bench.clock.now += timedelta(minutes=61)  # stale by now
    with pytest.raises(NoGo, match="61 min old"):
        engine.advance("ready")
    bench.pass_evidence()
    engine.advance("ready")
    assert engine.history.state == life.READY


def test_a_zombie_can_write_nothing(bench: Bench) -> None:
    old = bench.engine()
    old.advance("prepared")
    records = len(bench.store.journal.rows)
    bench.engine()
    with pytest.raises(LeaseHeld):
        old.advance("backfill")
    assert len(bench.store.journal.rows) == records


def test_an_undeclared_failure_is_a_defect_that_is_recorded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from adapters.memory import world as module

    def broken(world: object, args: object) -> dict[str, object]:
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(module._DO, "postgres.slot", broken)
    with ThreadPoolExecutor(2) as pool:
        engine = bench.engine(pool)
        with pytest.raises(CutwaterError, match="CW3020") as caught:
            engine.advance("prepared")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert engine.history.condition == life.FAILED


def test_changed_arguments_of_a_begun_effect_are_refused(bench: Bench) -> None:
    import dataclasses

    bench.world.faults["postgres.slot"] = [Refused(GONE, "no")]
    with pytest.raises(Refused):
        bench.engine().advance("prepared")
    steps = tuple(
        dataclasses.replace(step, params={**step.params, "slot": "other"}) if step.kind == "prepare" else step
        for step in bench.plan.steps
    )
    bench.plan = dataclasses.replace(bench.plan, steps=steps)
    with pytest.raises(Refused, match="CW3015"):
        bench.engine().advance("prepared")


def test_a_dry_run_tells_everything_and_touches_nothing(bench: Bench) -> None:
    engine, before = bench.engine(), bench.world.digest()
    records = len(bench.store.journal.rows)
    executor = DryRunExecutor(engine.history, engine.executor.actions)
    walk_dry(bench.plan, engine.history, executor)
    told = [effect for _, effect, _ in executor.lines]
    assert told[:4] == ["prepare/check", "prepare/lake", "prepare/publication", "prepare/slot"]
    assert "backfill:payhub.payment/chunk/each" in told
    assert told[-1] == "approval/check"
    assert (bench.world.digest(), len(bench.store.journal.rows)) == (before, records)


def test_a_stop_before_anything_is_a_safe_point(bench: Bench) -> None:
    engine = bench.engine()
    engine.stop("stop")
    with pytest.raises(Stopped):
        engine.advance("dual-run")
    engine.close()
    assert engine.history.last_run.get("ended", True)


def test_abandon_then_anew_is_another_attempt(bench: Bench) -> None:
    engine = bench.engine()
    engine.advance("dual-run")
    engine.close()
    engine = bench.engine()
    removed = engine.abandon()
    assert removed[-2:] == ["postgres:publication/cutwater_w01", "postgres:slot/cutwater_w01"]
    assert engine.abandon() == []
    with pytest.raises(Refused, match="CW3012"):
        bench.engine().advance("dual-run")
    bench.store.journal.append("W01", "wave.state", {"from": "ABANDONED", "to": "PLANNED", "attempt": 2})
    engine = bench.engine()
    engine.advance("dual-run")
    assert (engine.history.attempt, engine.history.state) == (2, life.DUAL_RUN)


def test_a_failed_abandon_is_finished_by_the_next(bench: Bench) -> None:
    engine = bench.engine()
    engine.advance("prepared")
    bench.world.faults["postgres.drop_publication"] = [Refused(GONE, "somebody holds it")]
    with pytest.raises(Refused, match="somebody holds it"):
        bench.engine().abandon()
    with pytest.raises(Refused, match="being abandoned"):
        bench.engine().advance("dual-run")
    assert "lake:legacy.payment" in bench.engine().abandon()
    assert not bench.world.publications


def test_retry_and_plain_values() -> None:
    assert [Retry(5, 1.0, 5.0).delay(n) for n in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 5.0]
    clock = Clock()
    assert plain({"a": 0.1, "b": (1, None), "c": {"y", "x"}, "d": clock()}) == {
        "a": "0.1",
        "b": [1, None],
        "c": ["x", "y"],
        "d": "2026-11-23T12:00:00.000000Z",
    }


def test_while_a_busy_service_is_being_polled_the_engine_waits_for_it(bench: Bench) -> None:
    """Looking again and again would take the interpreter away from the very poll that it waits for."""
    from concurrent.futures import Future

    engine = bench.engine()
    engine.advance("dual-run")
    lane = engine.pool.lanes["stream"]
    assert lane.status is not None
    lane.status = ServiceStatus("stream", busy=True)
    assert engine.pool.busy()
    lane.future = Future()
    assert not engine.pool.busy()
    lane.future = None
