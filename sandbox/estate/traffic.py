"""Live traffic: keeps paying at a chosen rate through all channels, each payment told by all the sides that know it.

Five times a second one transaction on the side that the route names: new payments, statuses that are due, their outbox
events; then files and messages that are due, then the relay. What nobody takes for now waits in order, and is done once on
whichever side opens. At the end what is in flight is finished, so that all sides tell the same.
"""

from __future__ import annotations

import heapq
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg

from cutwater.core.clock import utc_now
from cutwater.core.config import Project
from cutwater.core.errors import Unavailable
from cutwater.core.ids import new_id
from sandbox.estate import book, broker, seed, state, truth
from sandbox.estate.api_client import ApiClient
from sandbox.estate.archive import Delivery, Sequences, advice, payment_deliveries
from sandbox.estate.generator import complete_batch, draw_batch
from sandbox.estate.model import Batch, Entry, Payment, Status
from sandbox.estate.sides import Held, Sides, Unclear
from sandbox.estate.truth import Tally
from sandbox.estate.upkeep import Upkeep
from sandbox.estate.world import World, draw_payment, make_rng, number, plan_statuses

TICKS = 5  # transactions a second
FILE_EVERY = 10.0  # seconds between two files of one feed
ADVICE_EVERY = 20.0
GIVE_UP = 60.0  # seconds without PostgreSQL after which traffic ends by itself
FINISH_WITHIN = 60.0  # seconds that the end waits for a side to open
PENDING = (2, 8)  # seconds that PDNG lasts
_SHARES = (("API", 30), ("KAFKA", 40), ("FIN", 4), ("MX", 4))  # the rest comes in files
_FILE_SHARE = 0.1  # of all payments, by each of the two file feeds
_POSTS = 2.0  # calls of the REST API per second at the most
CANNOT_WAIT = 0.5  # of these: callers who ask to be answered at once, and are held while it is dark


@dataclass
class Flight:
    """What is planned: statuses and deliveries by the instant when they are due."""

    statuses: list[tuple[datetime, int, Payment, int]] = field(default_factory=list)
    deliveries: list[tuple[datetime, int, Delivery]] = field(default_factory=list)
    _order: Any = field(default_factory=count)

    def plan(self, payment: Payment, first: int) -> None:
        """The statuses of a payment from number `first` on, and its SWIFT messages."""
        for status in payment.statuses[first - 1 :]:
            heapq.heappush(self.statuses, (status.occurred_at, next(self._order), payment, status.seq))
        if payment.channel in ("FIN", "MX"):
            for item in payment_deliveries(payment):
                self.deliver(item)

    def deliver(self, item: Delivery) -> None:
        heapq.heappush(self.deliveries, (item.at, next(self._order), item))

    def again(self, payment: Payment, seq: int) -> None:
        """A status that could not be written is due again."""
        at = payment.statuses[seq - 1].occurred_at
        heapq.heappush(self.statuses, (at, next(self._order), payment, seq))

    def due(self, now: datetime) -> list[tuple[Payment, Status]]:
        """Takes the statuses that are due by `now`."""
        found = []
        while self.statuses and self.statuses[0][0] <= now:
            _, _, payment, seq = heapq.heappop(self.statuses)
            found.append((payment, payment.statuses[seq - 1]))
        return found


class Traffic:
    """One run. Everything that it sends is counted in `tally`, and saved beside the sandbox while it runs."""

    def __init__(self, project: Project, rate: float, cannot_wait: float = CANNOT_WAIT) -> None:
        self.project, self.rate, self.endpoints = project, rate, project.endpoints()
        with state.locked(project) as known:
            known.next_draw += 1
            broker.ensure_topics(self.endpoints)
            known.schema_ids = broker.ensure_schemas(self.endpoints, known.schema_ids)
        self.world = World(known.seed, known.payments)
        self.rng: random.Random = make_rng("traffic", known.seed, known.next_draw)
        self.publisher = broker.Publisher(self.endpoints, known.schema_ids)
        self.sides = Sides(self.endpoints)
        url = self.endpoints.gateway_url or self.endpoints.api_url
        self.api, self.counter = ApiClient(url), ApiClient(url, patient=False)
        self.cannot_wait = cannot_wait
        self.upkeep = Upkeep(self.rng, self.world)
        self.tally, self.errors, self.run = Tally(), Counter[str](), new_id("T")
        self.held: dict[str, set[object]] = {"payments": set(), "statuses": set()}
        self.waiting: list[Payment] = []  # drawn, without ids: they are numbered by the side that takes them
        self.files: list[Batch] = []
        self.unclear: tuple[str, book.Work] | None = None
        self.flight = Flight()
        self.sent = 0
        self._settled: list[Payment] = []
        self._owed = self._posts_owed = self._counter_owed = 0.0
        self._next_file = {"pain001": 0.0, "bacs": FILE_EVERY / 2}
        self._next_advice = ADVICE_EVERY
        self._started = self._healthy = time.monotonic()

    def run_until(
        self, stopped: Callable[[], bool], seconds: float | None, on_tick: Callable[[], None]
    ) -> dict[str, Any]:
        """Pays until `stopped` or for `seconds`, then finishes what is in flight. Returns what was sent."""
        cpu, saved = time.process_time(), 0.0
        while not stopped() and (seconds is None or self.elapsed() < seconds):
            began = time.monotonic()
            self._guarded(self._tick)
            on_tick()
            if began - saved >= 1:
                self._save(clean=False)
                saved = began
            time.sleep(max(0.0, 1 / TICKS - (time.monotonic() - began)))
        paying = self.elapsed()
        self.drain()
        self._save(clean=True)
        return {
            "run": self.run,
            "seconds": round(paying, 1),
            "payments": self.sent,
            "per_second": round(self.sent / paying, 1) if paying else 0,
            "cpu_percent": round(100 * (time.process_time() - cpu) / max(self.elapsed(), 0.001), 1),
            "errors": self._errors(),
            "held": self._held(),
            **{group: _part(self.tally, group) for group in ("channels", "tables", "topics", "feeds")},
        }

    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def drain(self) -> None:
        """Finishes every payment now: its remaining statuses, its messages, the outbox."""
        deadline = time.monotonic() + FINISH_WITHIN
        while True:
            self._guarded(self._finish)
            left = len(self.waiting) + len(self.flight.statuses) + (self.unclear is not None)
            left += self.api.owed + self.counter.owed
            if not left:
                break
            if time.monotonic() > deadline:
                self.errors["unfinished"] = left
                break
            time.sleep(1 / TICKS)
        self._advise()
        self._deliver(datetime.max.replace(tzinfo=UTC))
        while not self._guarded(self._published):
            if time.monotonic() > deadline + FINISH_WITHIN:
                raise broker.down("the store's relay", "an open transaction holds events back")
        self.sides.close()
        self.api.close()
        self.counter.close()

    def _finish(self) -> None:
        self.sides.look()
        self.api.send(self._taken)
        self.counter.send(self._taken)
        self._write(self._numbered())
        now = utc_now()
        for index, (_, _, payment, seq) in enumerate(sorted(self.flight.statuses)):
            at = max(now, payment.statuses[seq - 2].occurred_at) + timedelta(microseconds=index + 1)
            payment.statuses[seq - 1] = payment.statuses[seq - 1]._replace(occurred_at=at)
        self._write(book.Work(advanced=self.flight.due(datetime.max.replace(tzinfo=UTC))))

    def _published(self) -> bool:
        """Is every event in its topic, of both sides?"""
        return not self.sides.relay(self.publisher, self.tally) and not self.sides.unpublished()

    def _guarded(self, work: Callable[[], bool | None]) -> bool:
        """Runs a tick; what fails is counted, never hidden, and tried again with the next tick. Returns what `work` does, False
        where it failed."""
        done: bool | None = False
        try:
            if self.sides.broken:
                self.sides.mend()
            done = work()
            self._healthy = time.monotonic()
        except (psycopg.Error, Unavailable, Unclear) as error:
            self.errors[type(error).__name__] += 1
            if isinstance(error, psycopg.Error) and not self.sides.broken:
                self._healthy = time.monotonic()  # it answers: a lock was waited for too long, or a row is wrong
            if time.monotonic() - self._healthy > GIVE_UP:
                raise broker.down("PostgreSQL or Kafka", error) from error
            if self.sides.broken:
                time.sleep(1)
        return bool(done)

    def _tick(self) -> None:
        now = utc_now()
        self.sides.look()
        self._draw(now)
        self._write(self._numbered())
        self._post(now)
        self._deliver(utc_now())
        if self.elapsed() >= self._next_advice:
            self._next_advice += ADVICE_EVERY
            self._advise()
        self.sides.relay(self.publisher, self.tally)
        self.upkeep.work(self.sides, self.tally, self.elapsed())

    def _draw(self, now: datetime) -> None:
        """Draws the payments that are owed by now; they wait for their side."""
        owed = self.rate * self.elapsed()
        fresh = max(0, int((owed - self._owed) * (1 - 2 * _FILE_SHARE)))
        channels = [item for item, _ in _SHARES]
        weights = [share for _, share in _SHARES]
        if fresh:
            self._owed += fresh / (1 - 2 * _FILE_SHARE)
            for index, channel in enumerate(self.rng.choices(channels, weights, k=fresh)):
                at = now + timedelta(microseconds=3 * index)
                self.waiting.append(draw_payment(self.rng, self.world, channel, at))
        for feed, due in self._next_file.items():
            if self.elapsed() >= due:
                self._next_file[feed] = due + FILE_EVERY
                members = min(400, max(2, round(self.rate * FILE_EVERY * _FILE_SHARE)))
                drawn = draw_batch(self.rng, self.world, feed, now, members, same_day=True)
                self.waiting += drawn
                self.files.append(Batch(0, feed, "", now, drawn))

    def _numbered(self) -> book.Work:
        """What waits, with its ids from the side that is open; nothing where none is, or before what is unclear is known."""
        if self.unclear is not None:
            self._clear_up()
        try:
            ids = self.sides.take_ids("payment", len(self.waiting))
            batch_ids = self.sides.take_ids("file_batch", len(self.files))
        except Held:
            self.held["payments"].update(item.uetr for item in self.waiting)
            return book.Work()
        for payment, payment_id in zip(self.waiting, ids, strict=True):
            number(payment, payment_id)
            payment.statuses = plan_statuses(self.rng, payment, PENDING, same_day=True)
        for batch, batch_id in zip(self.files, batch_ids, strict=True):
            complete_batch(batch, batch_id)
        work = book.Work(batches=self.files, opened=self.waiting)
        self.files, self.waiting = [], []
        return work

    def _write(self, work: book.Work) -> None:
        """One transaction: the new payments with their first status, and all statuses that are due."""
        due = work.advanced or self.flight.due(utc_now())
        work.advanced = [(item, item.statuses[0]) for item in work.opened] + due
        if not work:
            return
        side = self.sides.route.side
        try:
            tally = self.sides.write(work)
        except Held:
            self.held["payments"].update(item.uetr for item in work.opened)
            self.held["statuses"].update((item.uetr, status.seq) for item, status in due)
            self._put_back(work)
            return
        except Unclear:
            self.unclear = (side, work)
            raise
        except (psycopg.Error, Unavailable):
            self._put_back(work)
            raise
        self._written(work, tally)

    def _clear_up(self) -> None:
        """Asks the side whose answer was lost what it did: nothing is written before that is known."""
        if self.unclear is not None:
            side, work = self.unclear
            committed = self.sides.wrote(side, work)
            self.unclear = None
            if committed:
                self._written(work, book.counted(work))
            else:
                self._put_back(work)

    def _put_back(self, work: book.Work) -> None:
        """Nothing of it was written. New payments are numbered anew, in front of what came since."""
        self.waiting, self.files = work.opened + self.waiting, work.batches + self.files
        for payment, status in work.advanced[len(work.opened) :]:
            self.flight.again(payment, status.seq)

    def _written(self, work: book.Work, tally: Tally) -> None:
        self.tally.merge(tally)
        self.sent += len(work.opened)
        for payment in work.opened:
            self.flight.plan(payment, first=2)
        for batch in work.batches:
            seed.drop(self.endpoints, batch)
            self.tally.batch(batch)
        due = work.advanced[len(work.opened) :]
        self._settled += [item for item, status in due if status.status == "ACSC" and item.channel == "MX"]

    def _post(self, now: datetime) -> None:
        """A few payments through the REST API. What it refuses for good is an error, not another channel."""
        self._posts_owed += min(_POSTS, self.rate / 10) / TICKS
        while self._posts_owed >= 1:
            self._posts_owed -= 1
            payment = draw_payment(self.rng, self.world, "API", now)
            payment.end_to_end_id = f"API-{payment.uetr[:13]}"
            self._counter_owed += self.cannot_wait
            at_the_counter = self._counter_owed >= 1
            self._counter_owed -= at_the_counter
            (self.counter if at_the_counter else self.api).waiting.append(payment)
        self.api.send(self._taken)
        self.counter.send(self._taken)

    def _taken(self, payment: Payment, payment_id: int) -> None:
        """The API took a payment in, on whichever side."""
        self._owed += 1
        self.sent += 1
        payment.payment_id, payment.instruction_id = payment_id, f"AI{payment_id:010d}"
        payment.created_at = utc_now()
        payment.statuses = plan_statuses(self.rng, payment, PENDING, same_day=True)
        self.flight.plan(payment, first=2)
        self.tally.payment(payment)
        self.tally.rows("payment_status")
        self.tally.rows("outbox", 2)

    def _deliver(self, now: datetime) -> None:
        """SWIFT messages that are due, numbered and written under the lock that `inject` takes too."""
        if not self.flight.deliveries or self.flight.deliveries[0][0] > now:
            return
        with state.locked(self.project) as known:
            while self.flight.deliveries and self.flight.deliveries[0][0] <= now:
                _, _, delivery = heapq.heappop(self.flight.deliveries)
                for file in delivery.make(known.sequences):
                    seed.archive(self.endpoints, file)
                    self.tally.file(file)

    def _advise(self) -> None:
        """camt.054 for the MX payments that were settled since the last one, by debtor account."""
        groups: dict[int, list[Payment]] = defaultdict(list)
        for payment in self._settled:
            groups[payment.debtor.account_id].append(payment)
        self._settled = []
        if not groups:
            return
        now = utc_now()
        with state.locked(self.project) as known:
            first, known.next_entry = known.next_entry, known.next_entry + sum(map(len, groups.values()))
        for members in groups.values():
            entries = [
                Entry(first + at, item, f"AS{first + at:012d}", item.amount, "DBIT", False, now.date(), item.value_date)
                for at, item in enumerate(members)
            ]
            first += len(members)
            self.flight.deliver(Delivery(now, str(first), _advice(entries, now)))

    def _save(self, clean: bool) -> None:
        facts = {
            "clean": clean,
            "payments": self.sent,
            "seconds": round(self.elapsed(), 1),
            "errors": self._errors(),
            "held": self._held(),
        }
        self.tally.save(truth.folder(self.project) / f"traffic-{self.run}.json", rate=str(self.rate), **facts)

    def _errors(self) -> dict[str, int]:
        """By kind. `api`: what the API refused for good. `returned`: what was held, and refused by the side that opened."""
        both = self.api.counts + self.counter.counts
        found = {"api": both["refused"], "returned": both["returned"]}
        return {**self.errors, **{name: number for name, number in found.items() if number}}

    def _held(self) -> dict[str, int]:
        """What had to wait for a side to open, each once; retried: calls of the API whose answer did not come; accepted: those
        that were answered with 202 and held."""
        found, both = {name: len(items) for name, items in self.held.items()}, self.api.counts + self.counter.counts
        return {**found, "api": both["held"], "retried": both["retried"], "accepted": both["accepted"]}


def _advice(entries: list[Entry], at: datetime) -> Callable[[Sequences], list[Any]]:
    return lambda seq: [advice(entries, seq, at)]


def _part(tally: Tally, group: str) -> dict[str, int]:
    return {
        key.partition("/")[2]: number for key, number in sorted(tally.counts.items()) if key.startswith(group + "/")
    }
