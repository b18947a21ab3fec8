"""A sandbox of our own with one small wave that is READY, whose runner carries out orders to kill (crashing_runner.py)."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import yaml
from strikes import Order
from watched_traffic import WatchedTraffic

import sandbox
from cutwater.commands import inventory, reconcile, wave, wave_cutover, wave_run
from cutwater.core.config import load_project
from cutwater.core.errors import CutwaterError, Exit, LeaseHeld
from cutwater.jobs.wave_state import Heartbeat, history_of
from cutwater.state.records import Record
from cutwater.state.store import open_store
from sandbox import servers
from sandbox.estate import commands as estate
from sandbox.layout import Layout
from waves import life
from waves.history import History

WAVE = "W01"
RUNNER = (sys.executable, str(Path(__file__).with_name("crashing_runner.py")))
PEOPLE = (("ada", "migration-lead"), ("grace", "database-owner"))
MAKER, DECIDER = "maker", ("demo-decider", "cutover-decider")  # person and role, as in the wave file
RATE = 6.0
PATIENCE_SECONDS = 300
TRIES = 4  # verbs that a person needs at the most after one fault
TABLES = ("payment", "payment_status", "outbox")  # each is folded by Spark: the fewer, the sooner it is done
TOPIC, LEDGER, LEDGER_NEW = "payhub.payment.status.v1", "ledger", "ledger-tobe"


class FaultWorld:
    """One project and its sandbox."""

    def __init__(self, root: Path) -> None:
        shutil.copytree(Path(sandbox.__file__).with_name("project"), root, dirs_exist_ok=True)
        (root / "cutwater.toml").write_text(
            f'[project]\nname = "faults-{secrets.token_hex(3)}"\n\n[endpoints]\nfrom = "sandbox"\n', "utf-8"
        )
        _smaller(root)
        self.project = load_project(root)
        self.orders = root / "orders"

    # -- its life --------------------------------------------------------------------------------------------------

    def up(self) -> None:
        servers.up(self.project)
        estate.seed(self.project, payments=200, days=2, seed=11)
        _read_all(self.project.endpoints().kafka_bootstrap)
        inventory.discover(self.project)
        wave.plan_wave(self.project, WAVE, MAKER)
        wave_run.run(self.project, WAVE, "dual-run")
        self.reconcile()
        for who, role in PEOPLE:
            wave.approve(self.project, WAVE, who, role)
        self.ready()

    def down(self) -> None:
        try:
            wave_run.stop(self.project, WAVE)
        except CutwaterError as error:
            print(f"the runner did not stop: {error}")
        servers.down(self.project, delete=True)

    # -- where it stands -------------------------------------------------------------------------------------------

    def history(self) -> History:
        with open_store(self.project.state_url) as store:
            return history_of(store, WAVE)

    @property
    def state(self) -> str:
        return self.history().state

    def count(self, dsn: str, table: str) -> int:
        with psycopg.connect(dsn) as db:
            return int(db.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()[0][0])

    # -- what people do --------------------------------------------------------------------------------------------

    def ready(self) -> None:
        try:
            wave_run.run(self.project, WAVE, "ready")
        except LeaseHeld:  # its runner lives, and has nothing more to do
            assert self.state == life.READY

    def reconcile(self) -> None:
        with open_store(self.project.state_url) as store:
            ran = reconcile.run(self.project, WAVE, store)
        assert ran.body["verdict"] == "PASS", ran.body["breaks"][:5]

    def cutover(self) -> None:
        wave_cutover.cutover(self.project, WAVE, "a test has no window", *DECIDER)

    def rollback(self) -> None:
        wave_cutover.rollback(self.project, WAVE, "a test goes back", *DECIDER)

    def reach(self, target: str) -> None:
        """As people would: the verb, then what its errors and the state ask for, until the wave is there. A defect of ours
        is never taken for the fault."""
        said: list[str] = []
        for number in range(TRIES):
            try:
                with self.nursed():
                    self._step_towards(target, number)
            except CutwaterError as error:
                said.append(str(error))
                if error.exit_code == Exit.DEFECT:
                    raise
                # Evidence of the time in which somebody was dead: it is looked at again.
                if error.code in ("CW3013", "CW3043"):
                    self.look_again()
            self.try_to(lambda: servers.up(self.project))  # whoever died is back, or is brought back
            if self.state == target:
                return
        raise AssertionError(f"the wave is {self.state} after {TRIES} tries: {said}")

    def look_again(self) -> None:
        """Until both sides agree: what a dead broker held up comes in by itself, what is lost never does."""
        servers.up(self.project)

        def agree() -> bool:
            with open_store(self.project.state_url) as store:
                return bool(reconcile.run(self.project, WAVE, store).body["verdict"] == "PASS")

        self.until(agree, "both sides to agree")

    @contextmanager
    def nursed(self) -> Iterator[None]:
        """Who dies too often for the supervisor is started by a person."""
        gone, layout = threading.Event(), Layout(self.project.sandbox_dir)

        def nurse() -> None:
            while not gone.wait(1.0):
                if any(item["state"] == "failed" for item in json.loads(layout.state.read_text("utf-8"))):
                    self.try_to(lambda: servers.up(self.project))  # who is killed again meanwhile is started again

        person = threading.Thread(target=nurse, name="nurse")
        person.start()
        try:
            yield
        finally:
            gone.set()
            person.join()

    def settle(self) -> None:
        """READY, from wherever a case before has left the wave."""
        servers.up(self.project)
        self.forget()
        if self.state in (life.CUTTING_OVER, life.CUT_OVER, life.ROLLING_BACK):
            self.reach(life.DUAL_RUN)
        self.until(self._is_ready, "every gate to say yes")

    def _is_ready(self) -> bool:
        try:
            self.ready()
        except CutwaterError as error:  # a stream that has just lost its catalog says so for a moment
            if error.code != "CW3013":
                raise
            self.look_again()
            return False
        return True

    def _step_towards(self, target: str, number: int) -> None:
        now = self.history()
        if number and now.state in (life.CUTTING_OVER, life.ROLLING_BACK):
            wave_run.resume(self.project, WAVE)
        elif target == life.DUAL_RUN:
            self.rollback()
        else:
            if now.state == life.DUAL_RUN:
                self.ready()
            self.cutover()

    # -- faults ----------------------------------------------------------------------------------------------------

    def order(self, victim: str, kind: str, when: str = "after", how: str = "SIGKILL", **about: str) -> None:
        """Whom the runner will kill, and at which record of its journal."""
        Order(victim, kind, about, when, str(self.project.sandbox_dir), how).write(self.orders)

    def forget(self) -> None:
        """No order stands any more."""
        shutil.rmtree(self.orders, ignore_errors=True)

    def words(self) -> dict[tuple[str, str], str]:
        """What each order that was carried out led to, by victim and moment: what the journal tells of the time up to the
        next one."""
        struck = Order.struck(self.orders)
        found = {}
        for order, following in zip(struck, [*struck[1:], None], strict=True):
            with open_store(self.project.state_url) as store:
                records = store.journal.records(WAVE, after=order.seq)
            found[order.victim, order.moment] = _word(
                [item for item in records if following is None or item.seq <= following.seq]
            )
        return found

    @property
    def standing(self) -> list[Order]:
        """A fault that did not strike shows nothing."""
        return Order.standing(self.orders)

    def waits_for(self) -> str:
        """What the runner says that it waits for."""
        beat = Heartbeat.read(self.project, WAVE)
        return beat.waiting if beat else ""

    @property
    def stopped(self) -> psutil.Process | None:
        """The runner, once it stands still."""
        process = psutil.Process(int(self.history().last_run["pid"]))
        return process if process.status() == psutil.STATUS_STOPPED else None

    def lapse(self) -> None:
        """The lease of a runner that stands still runs out."""
        with open_store(self.project.state_url) as store:
            lease = store.leases.current(WAVE)
            assert lease is not None
            store.leases.release(lease)

    @staticmethod
    def try_to(work: Callable[[], None]) -> None:
        """For a thread that asks a runner which will not answer."""
        with suppress(CutwaterError):
            work()

    @contextmanager
    def traffic(self) -> Iterator[WatchedTraffic]:
        """Somebody pays all the while; at the end what is in flight is finished."""
        made = WatchedTraffic(self.project, RATE)
        try:
            self.until(lambda: made.sent >= 3, "the first payments")
            yield made
        finally:
            made.finish()

    def wrong(self, traffic: WatchedTraffic) -> list[str]:
        """What the ledger says of all sides, once everybody is up who has to be asked."""
        servers.up(self.project)
        found = traffic.wrong()
        for text in found:  # pytest cuts long lists
            print(text)
        return found

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Waits until it is true; never for a time that has to be enough."""
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
        while not true():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {PATIENCE_SECONDS} s for {what}")
            pause.wait(0.1)

    def taken_by(self, traffic: WatchedTraffic, side: str, more: int = 3) -> None:
        """Until the side that is open now has taken payments in."""
        before = traffic.sides_taken[side]
        self.until(lambda: traffic.sides_taken[side] >= before + more, f"payments on the {side} side")


def _word(records: Sequence[Record]) -> str:
    kinds = Counter(record.kind for record in records)
    alone = any(r.kind == "rollback.started" and r.payload["reason"] != "asked for" for r in records)
    if alone:
        return "went back by itself"
    return "resumed" if kinds["run.started"] else "tried again" if kinds["effect.failed"] else "went on"


def _smaller(root: Path) -> None:
    """The sandbox's wave with a consumer group that hands over, evidence that outlives the test, and less to plant."""
    path = root / "waves" / f"{WAVE}.yaml"
    text: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    text["assets"] = [f"postgres:payhub.{name}" for name in TABLES] + ["kafka:payhub.payment.*"]
    for gate in text["gates"]:
        gate["max_age_minutes"] = 600
    text["options"]["grace_seconds"] = 2
    text["cutover"]["probe"] = ["kafka"]
    text["cutover"]["consumers"] = {"topics": [TOPIC], "from_group": LEDGER, "to_group": LEDGER_NEW}
    path.write_text(yaml.safe_dump(text, sort_keys=False), "utf-8")
    rules = root / "reconcile.yaml"
    found: dict[str, Any] = yaml.safe_load(rules.read_text("utf-8"))
    found["grace_seconds"] = {"*": 5}
    found["planted_per_table"] = 8
    found["expectations"] = [item for item in found["expectations"] if item["kind"] != "batch_events"]
    rules.write_text(yaml.safe_dump(found, sort_keys=False), "utf-8")


def _read_all(bootstrap: str) -> None:
    """The legacy consumer group has read what the topic holds, and is gone."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": LEDGER, "enable.auto.commit": False})
    try:
        places = [TopicPartition(TOPIC, n) for n in consumer.list_topics(TOPIC, timeout=20).topics[TOPIC].partitions]
        ends = [
            TopicPartition(place.topic, place.partition, consumer.get_watermark_offsets(place, timeout=20)[1])
            for place in places
        ]
        consumer.commit(offsets=ends, asynchronous=False)
    finally:
        consumer.close()
