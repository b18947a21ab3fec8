"""A small estate, its wave file, and a harness that runs the engine in memory without time passing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.memory.store import MemoryStore
from adapters.memory.world import MemoryWorld, memory_actions, memory_services
from cutwater.core.clock import iso, utc_now
from cutwater.core.errors import CutwaterError
from cutwater.state.store import Store
from inventory.model import Asset, AssetKind, Snapshot
from waves.engine import Engine, Machine
from waves.plan import Plan
from waves.planner import make_plan
from waves.ports import Fence
from waves.settle import Retry
from waves.wave_file import parse_wave

START = datetime(2026, 11, 23, 12, tzinfo=UTC)

# What a wave has to say whose store takes the writes.
WAY_BACK = b"""\
  reverse: {outbox: [tobe, outbox], writes: {payment: [{table: [payhub, payment]}]}}
  store_tables: [[tobe, payment]]
  compare_back: [{store: [tobe, payment], legacy: [payhub, payment], key: payment_id, columns: {payment_id: payment_id}}]
"""
WAVE = b"""\
wave: W01
title: Payments to the lake
accepts_writes: readers
assets:
  - postgres:payhub.*
  - kafka:payhub.payment.status.v1
  - file:pain001
window: {start: 2026-12-05T22:00:00Z, end: 2026-12-06T06:00:00Z}
roles:
  migration-lead: nobody
gates:
  - {id: recon, query: reconciliation.verdict, threshold: PASS, max_age_minutes: 60}
  - {id: breaks, query: reconciliation.open_breaks, threshold: 0, max_age_minutes: 60}
options: {chunk_rows: 100, parallel: 2}
"""


def table(name: str, key: list[str], columns: dict[str, str], **more: Any) -> Asset:
    structure: dict[str, object] = {
        "columns": [{"name": column, "type": kind, "nullable": column not in key} for column, kind in columns.items()],
        "primary_key": key,
        "unique": [],
        "foreign_keys": [],
        "replica_identity": "default",
        "relkind": "table",
        **more,
    }
    return Asset(f"postgres:payhub.{name}", AssetKind.POSTGRES, f"payhub.{name}", structure=structure)


PAYMENT = table(
    "payment",
    ["payment_id"],
    {"payment_id": "bigint", "amount": "numeric(23,5)", "currency": "character(3)", "details": "jsonb"},
    foreign_keys=[{"columns": ["account_id"], "references": "payhub.account", "target_columns": ["account_id"]}],
)
ACCOUNT = table("account", ["account_id"], {"account_id": "bigint", "iban": "character varying(34)"})
NOTE = table("operator_note", [], {"noted_at": "timestamp with time zone", "note": "text"}, replica_identity="full")
TOPIC = Asset(
    "kafka:payhub.payment.status.v1", AssetKind.KAFKA, "payhub.payment.status.v1", structure={"partitions": 3}
)
FILES = Asset("file:pain001", AssetKind.FILE, "pain001")
ESTATE = Snapshot("S1", START, (PAYMENT, ACCOUNT, NOTE, TOPIC, FILES))


class Inline(Executor):
    """Does at once, in the caller's thread, what a pool would do later: the same order every time."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except CutwaterError as error:
            future.set_exception(error)
        return future


@dataclass
class Clock:
    """Time that passes only when somebody waits."""

    now: datetime = START
    waited: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.now

    def timer(self) -> float:
        return (self.now - START).total_seconds()

    def pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += timedelta(seconds=seconds)

    def tick(self) -> float:
        """A timer that moves a little at each look, so that waiting ends."""
        self.now += timedelta(milliseconds=10)
        return self.timer()


@dataclass
class Bench:
    """A world, a store and a clock; `engine()` is a fresh runner on them."""

    plan: Plan
    world: MemoryWorld = field(
        default_factory=lambda: MemoryWorld(
            {"payhub.payment": 250, "payhub.account": 40, "payhub.operator_note": 7},
            changes=10,
            feeds={"kafka:payhub.payment.status.v1": 8, "file:pain001": 2},
        )
    )
    clock: Clock = field(default_factory=Clock)
    store: MemoryStore = field(init=False)
    runs: int = 0

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        self.store.journal.append(
            self.plan.wave,
            "wave.state",
            {"from": "", "to": "PLANNED", "attempt": 1, "plan": self.plan.hash, "by": "the maker"},
        )

    def engine(self, executor: Executor | None = None) -> Engine:
        self.runs += 1
        fence = Fence(self.plan.wave, self.token(), f"R{self.runs}")
        machine = Machine(
            executor or Inline(),
            executor or Inline(),
            self.clock.tick,
            self.clock.pause,
            self.clock,
            Retry(4, 1.0, 8.0),
        )
        return Engine(
            self.store,
            self.plan,
            memory_actions(self.world),
            lambda names: memory_services(self.world, names),
            fence,
            machine,
        )

    def token(self) -> int:
        return self.store.next_token(self.plan.wave)

    def pass_evidence(self) -> None:
        body = {"run": "R-1", "verdict": "PASS", "open_breaks": 0, "as_of": iso(self.clock())}
        self.store.evidence.add("reconciliation", self.plan.wave, body)

    def approve(self) -> None:
        """By two people who did not make it: enough for any wave."""
        for who, role in (("one", "migration-lead"), ("two", "cutover-manager")):
            if role in self.plan.roles:
                self.store.approvals.add(self.plan.wave, self.plan.hash, who, role)


class SqlBench(Bench):
    """The same on the real store, its clock running; leases of no length, so that a killed run holds up nobody."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self.real = store
        super().__init__(plan)

    def __post_init__(self) -> None:
        self.store = self.real  # type: ignore[assignment]
        self.clock.now = utc_now()
        self.real.skew = lambda clock: timedelta()  # type: ignore[method-assign]
        payload = {"from": "", "to": "PLANNED", "attempt": 1, "plan": self.plan.hash, "by": "the maker"}
        self.real.journal.append(self.plan.wave, "wave.state", payload)
        self.plain_append = self.real.journal.append

    def token(self) -> int:
        return self.real.leases.acquire(self.plan.wave, f"R{self.runs}", 0).token

    def crash_at(self, ordinal: int, when: str, crash: type[BaseException]) -> None:
        """Raises around the `ordinal`-th record of the engine; 0: never."""
        count = iter(range(2, 100_000))

        def append(*args: Any, **kwargs: Any) -> Any:
            here = next(count)
            if here == ordinal and when == "before":
                raise crash
            record = self.plain_append(*args, **kwargs)
            if here == ordinal:
                raise crash
            return record

        self.real.journal.append = append  # type: ignore[method-assign]


def small_plan() -> Plan:
    return make_plan(parse_wave(WAVE, Path("W01.yaml")), ESTATE)
