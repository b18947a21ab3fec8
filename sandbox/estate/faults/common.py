"""What every fault is given, and how it picks what it harms."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cutwater.core.config import Endpoints, Project
from cutwater.core.errors import Refused
from sandbox.estate import book, broker, seed, truth
from sandbox.estate.book import Connection, Work
from sandbox.estate.model import Payment
from sandbox.estate.state import EstateState
from sandbox.estate.truth import Tally
from sandbox.estate.world import World, make_rng, number, plan_statuses

Facts = dict[str, Any]

_OLD = """
SELECT payment_id, uetr::text FROM payhub.payment
WHERE payment_id <= %(seeded)s AND status = ANY(%(states)s) AND channel::text = ANY(%(channels)s)
  AND NOT payment_id = ANY(%(harmed)s)
ORDER BY payment_id OFFSET %(offset)s LIMIT 1"""


@dataclass
class Scene:
    """The estate while a fault is planted or undone: under the lock, so that no sequence number is taken twice."""

    project: Project
    endpoints: Endpoints
    state: EstateState
    rng: random.Random
    connection: Connection
    publisher: broker.Publisher
    tally: Tally

    @property
    def parked(self) -> Path:
        """Where what was withheld is kept until the fault is undone."""
        return self.project.sandbox_dir / "parked"

    def park(self, name: str, content: bytes) -> str:
        """Keeps `content`; the name under which `unpark` finds it."""
        seed.write_file(self.parked, name, content)
        return name

    def unpark(self, name: str) -> bytes:
        return (self.parked / name).read_bytes()

    def relay(self) -> None:
        """Publishes what stands in the outbox, as the hub does."""
        while book.relay(self.connection, self.publisher, self.tally):
            pass

    def old_payment(self, channels: tuple[str, ...], states: tuple[str, ...] = ("ACSC", "ACCC")) -> tuple[int, str]:
        """(payment_id, UETR) of a seeded payment at its end that no other fault has touched: traffic leaves it alone."""
        harmed = [int(item["key"]) for item in truth.faults(self.project) if str(item.get("key", "")).isdigit()]
        values = {"seeded": self.state.payments, "states": list(states), "channels": list(channels), "harmed": harmed}
        for offset in (self.rng.randrange(max(1, self.state.payments // 20)), 0):
            row = self.connection.execute(_OLD, {**values, "offset": offset}).fetchone()
            if row is not None:
                return int(row[0]), str(row[1])
        raise Refused(
            "CW1211",
            "no older payment is left in which the fault could be planted",
            state="nothing was changed",
            next="cutwater sandbox seed --payments with a larger number",
        )

    def pay(self, drawn: list[Payment], work: Work) -> None:
        """Writes new payments with their whole life, and publishes it: nothing about them is in flight."""
        for payment, payment_id in zip(drawn, book.take_ids(self.connection, "payment", len(drawn)), strict=True):
            number(payment, payment_id)
            planned = plan_statuses(self.rng, payment, (1, 1), same_day=True)
            payment.statuses = [
                item._replace(occurred_at=payment.created_at + timedelta(milliseconds=200 * index))
                for index, item in enumerate(planned)
            ]
        work.opened = drawn
        work.advanced = [(item, status) for item in drawn for status in item.statuses]

    def commit(self, work: Work) -> None:
        """One transaction, then the relay."""
        with self.connection.transaction():
            book.write(self.connection, work, self.tally)
        self.relay()

    def world(self) -> World:
        return World(self.state.seed, self.state.payments)


Plant = Callable[[Scene], Facts]
Undo = Callable[[Scene, Mapping[str, Any]], Facts]


@dataclass(frozen=True)
class Fault:
    """A fault by name. undo: what the sender would do to repair it; None where there is nothing to do on the source's
    side, `why` says why. expected: the break class under which a reconciliation should report it."""

    name: str
    plant: Plant
    undo: Undo | None
    expected: str
    why: str = ""


def scene(project: Project, known: EstateState) -> Scene:
    """Opens what a fault needs; `known` is held under the lock by the caller."""
    endpoints = project.endpoints()
    known.next_draw += 1
    known.schema_ids = broker.ensure_schemas(endpoints, known.schema_ids)
    return Scene(
        project,
        endpoints,
        known,
        make_rng("inject", known.seed, known.next_draw),
        seed.connect(endpoints, autocommit=True),
        broker.Publisher(endpoints, known.schema_ids),
        Tally(),
    )
