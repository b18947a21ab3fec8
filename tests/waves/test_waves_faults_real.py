"""kill -9 of everybody at every step of the cutover and of the way back, on real servers and under traffic.

Each tour cuts over, with a death while each step is under way, and goes back, with a death while each step's way back is;
then the ledger of those who paid is held against both sides. A handful runs in `make test`.
"""

from __future__ import annotations

import json
import secrets
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from fault_moments import BACK, BEFORE, OVER, TOURS, moment
from fault_report import STEPS, VICTIMS, Report
from fault_world import TOPIC, WAVE, FaultWorld
from strikes import RUNNER
from watched_traffic import WatchedTraffic

from adapters.aws.route import Route, RouteState
from cutwater.commands import wave_cutover
from cutwater.core.errors import CutwaterError, Refused
from cutwater.state.store import open_store
from waves import life

pytestmark = [pytest.mark.real, pytest.mark.timeout(3000)]


def there_and_back(world: FaultWorld, report: Report, faults: list[tuple[str, str]]) -> None:
    """One cutover and one way back; faults: the step and who is killed at it, on both ways."""
    told: dict[tuple[str, str, str], str] = {}
    wrong: list[str] = ["it did not come to its end"]
    try:
        world.settle()
        with world.traffic() as traffic:
            for way, target, side in (("cutover", life.CUT_OVER, "tobe"), ("rollback", life.DUAL_RUN, "legacy")):
                told |= _struck(world, way, target, faults)
                world.taken_by(traffic, side)
        wrong = traffic.wrong()
        assert wrong == []
    finally:
        for way in ("cutover", "rollback"):
            for step, victim in faults:
                word = told.get((way, step, victim), "not struck")
                report.cell(way, step, victim, "FAIL" if wrong else "PASS", word)


def _struck(world: FaultWorld, way: str, target: str, faults: list[tuple[str, str]]) -> dict[tuple[str, str, str], str]:
    world.forget()
    for step, victim in faults:
        when, kind, about = moment(way, step, victim)
        world.order(victim, kind, when, **about)
    world.reach(target)
    assert world.standing == []
    words = world.words()
    found = {}
    for step, victim in faults:
        when, kind, about = moment(way, step, victim)
        found[way, step, victim] = words[victim, f"{when} {kind} {' '.join(about.values())}"]
    return found


HANDFUL = [("fence", RUNNER), ("switch", "kafka"), ("smoke", "tobe-api"), ("open", "gateway")]


def test_a_handful_of_deaths_on_one_tour(fault_world: FaultWorld, fault_report: Report) -> None:
    there_and_back(fault_world, fault_report, HANDFUL)


@pytest.mark.long
@pytest.mark.parametrize("tour", range(len(TOURS)))
def test_everybody_dies_at_every_step_of_both_ways(fault_world: FaultWorld, fault_report: Report, tour: int) -> None:
    there_and_back(fault_world, fault_report, TOURS[tour])


def test_the_tours_hold_every_step_and_everybody() -> None:
    assert {pair for tour in TOURS for pair in tour} == {(step, victim) for step in STEPS for victim in VICTIMS}
    assert set(OVER) == set(STEPS)
    assert {*BACK, *BEFORE, "open"} == set(STEPS)


# -- the named cases, each on the same wave ---------------------------------------------------------------------------


def route(world: FaultWorld) -> RouteState:
    return Route(world.project.endpoints()).read(WAVE)


def refused(world: FaultWorld, code: str) -> CutwaterError:
    """A cutover that goes back by itself: payments are on the legacy side again."""
    with pytest.raises(CutwaterError, match=code) as found:
        world.cutover()
    assert world.state == life.DUAL_RUN
    assert route(world).side == "legacy"
    return found.value


@pytest.mark.long
def test_a_smoke_test_that_fails_goes_back_by_itself(fault_world: FaultWorld) -> None:
    fault_world.settle()
    path = fault_world.project.files_dir / "smoke" / "api.yaml"
    good = path.read_text("utf-8")

    def spoil() -> None:  # when nobody looks any more: what is edited before, no cutover begins with
        fault_world.until(lambda: "fence/dark" in fault_world.history().intents, "the dark")
        path.write_text(good.replace("expect: [200, 201]", "expect: [299]", 1), "utf-8")

    with fault_world.traffic() as traffic:
        somebody = threading.Thread(target=spoil)
        somebody.start()
        try:
            refused(fault_world, "CW3[0-9]{3}")
        finally:
            somebody.join()
            path.write_text(good, "utf-8")
        fault_world.taken_by(traffic, "legacy")
    assert fault_world.wrong(traffic) == []


@pytest.mark.long
def test_a_prepared_transaction_is_named_and_its_cutover_goes_back(fault_world: FaultWorld) -> None:
    fault_world.settle()
    name = "left " + secrets.token_hex(3)
    with fault_world.traffic() as traffic, psycopg.connect(traffic.endpoints.postgres_dsn, autocommit=True) as db:
        db.execute("BEGIN; UPDATE payhub.payment SET remittance = remittance WHERE payment_id = 1")
        db.execute(f"PREPARE TRANSACTION '{name}'".encode())
        try:
            assert name in str(refused(fault_world, "CW3407").as_dict())
        finally:
            db.execute(f"ROLLBACK PREPARED '{name}'".encode())
        fault_world.taken_by(traffic, "legacy")
    assert fault_world.wrong(traffic) == []


@pytest.mark.long
def test_among_those_who_do_not_keep_the_rules(fault_world: FaultWorld) -> None:
    """A client whose answer was lost, a transaction that stays open, writers who ignore the fence, requests of an old epoch,
    and somebody who cuts over once more."""
    fault_world.settle()
    with fault_world.traffic() as traffic, psycopg.connect(traffic.endpoints.postgres_dsn) as idler:
        idler.execute("UPDATE payhub.payment SET remittance = 'never committed' WHERE payment_id = 1")
        lost = traffic.lose_an_answer()
        fault_world.reach(life.CUT_OVER)
        with pytest.raises(psycopg.OperationalError):
            idler.commit()
        traffic.go_on()
        fault_world.until(lambda: (lost, "200", "tobe") in traffic.answers.seen, "the answer to the repeated request")
        writers_are_refused(fault_world)
        stale_epochs_are_refused(fault_world, traffic)
        before = (route(fault_world), fault_world.history().intents)
        fault_world.cutover()
        assert before == (route(fault_world), fault_world.history().intents)
        fault_world.reach(life.DUAL_RUN)
        fault_world.taken_by(traffic, "legacy")
    assert fault_world.wrong(traffic) == []


def writers_are_refused(world: FaultWorld) -> None:
    """As the owner, and as a superuser who says that he is a replica."""
    ends = json.loads(world.project.endpoints_file.read_text("utf-8"))
    superuser = psycopg.conninfo.make_conninfo(ends["private"]["admin_dsn"], dbname="payhub")
    for dsn, setting in ((ends["postgres_dsn"], ""), (superuser, "SET session_replication_role = replica; ")):
        with psycopg.connect(dsn) as db, pytest.raises(psycopg.Error) as found:
            db.execute(f"{setting}UPDATE payhub.payment SET amount = 1".encode())
        assert found.value.sqlstate == "WF001"


def stale_epochs_are_refused(world: FaultWorld, traffic: WatchedTraffic) -> None:
    """A gateway that has not heard: its requests carry the epoch before, and reach either side."""
    ends, now = traffic.endpoints, route(world)
    for url in (ends.api_url, ends.tobe_api_url):
        key = str(uuid.uuid4())
        headers = {"Idempotency-Key": key, "X-Cutwater-Wave": WAVE, "X-Cutwater-Epoch": str(now.epoch - 1)}
        body = traffic.body(key)
        answer = httpx.post(f"{url}/payments", json=body, headers=headers, trust_env=False, timeout=10)
        assert answer.status_code in (409, 503)
        for dsn, schema in ((ends.postgres_dsn, "payhub"), (ends.store_dsn, "tobe")):
            assert world.count(dsn, f"{schema}.payment WHERE uetr = '{key}'") == 0


@pytest.mark.long
def test_an_open_kafka_transaction_is_waited_for(fault_world: FaultWorld) -> None:
    """One that begins when everything has been compared, and it is getting dark: an older one is found out before that."""
    fault_world.settle()
    with fault_world.traffic() as traffic:
        fault_world.order(RUNNER, "effect.intent", effect="fence/raise", how="SIGSTOP")
        over = threading.Thread(target=fault_world.reach, args=(life.CUT_OVER,))
        over.start()
        fault_world.until(lambda: fault_world.stopped is not None, "the runner to stand still")
        with open_transaction(traffic.endpoints.kafka_bootstrap) as producer:
            runner = fault_world.stopped
            assert runner is not None
            runner.resume()
            fault_world.until(
                lambda: "transaction is open" in fault_world.waits_for(), "the word of the open transaction"
            )
            assert route(fault_world).side == "dark"
            producer.abort_transaction(20)
        over.join()
        assert fault_world.state == life.CUT_OVER
        fault_world.reach(life.DUAL_RUN)
        fault_world.taken_by(traffic, "legacy")
    assert fault_world.wrong(traffic) == []


@contextmanager
def open_transaction(bootstrap: str) -> Iterator[Any]:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": secrets.token_hex(4), "log_level": 0})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(TOPIC, b"neither committed nor aborted")
    producer.flush(20)
    yield producer


@pytest.mark.long
def test_a_zombie_runner_does_nothing_more(fault_world: FaultWorld) -> None:
    """Stopped in the middle of the fence, out of its lease, and awake again when another has finished."""
    fault_world.settle()
    with fault_world.traffic() as traffic:
        fault_world.order(RUNNER, "effect.intent", effect="fence/raise", how="SIGSTOP")
        asked = threading.Thread(target=fault_world.try_to, args=(fault_world.cutover,))
        asked.start()
        fault_world.until(lambda: fault_world.stopped is not None, "the runner to stand still")
        zombie = fault_world.stopped
        assert zombie is not None
        fault_world.lapse()
        fault_world.reach(life.CUT_OVER)
        asked.join()
        before = (route(fault_world), fault_world.state)
        zombie.send_signal(signal.SIGCONT)
        zombie.wait(60)
        assert before == (route(fault_world), fault_world.state)
        fault_world.taken_by(traffic, "tobe")
        fault_world.reach(life.DUAL_RUN)
    assert fault_world.wrong(traffic) == []


@pytest.mark.long
def test_at_the_end_all_sides_agree_and_there_is_no_way_back(fault_world: FaultWorld) -> None:
    """The last of this file: the lake is compared once more, the wave is completed, and a way back is refused."""
    fault_world.settle()
    fault_world.reconcile()
    fault_world.reach(life.CUT_OVER)
    wave_cutover.complete(fault_world.project, WAVE, WAVE)
    assert fault_world.state == life.COMPLETED
    with pytest.raises(Refused, match="CW3012") as found:
        fault_world.rollback()
    assert found.value.exit_code == 3
    assert route(fault_world).side == "tobe"
    with open_store(fault_world.project.state_url) as store:
        assert store.journal.verify() == []
