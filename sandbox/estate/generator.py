"""The estate of a seed: parties, accounts, payments of every channel, batches, statements, notes. Same input, same bytes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from cutwater.core.errors import BadInput
from sandbox.estate.ledger import build_statements
from sandbox.estate.model import Batch, Note, Payment, Statement
from sandbox.estate.world import World, business_days, currency_for, draw_payment, make_rng, number, plan_statuses
from sandbox.estate.writers import bacs, pain001

SHARES = (("API", 30), ("KAFKA", 24), ("PAIN001", 18), ("BACS", 18), ("FIN", 5), ("MX", 5))
PAIN_BATCH = (20, 45)  # payments in a pain.001 file
BACS_BATCH = (60, 140)  # records in a Bacs file
FIRST_BATCH = 500_001
_OPEN, _OPEN_SECONDS = 7, 11 * 3600  # the day's business: 07:00 to 18:00 UTC
_DESKS = ("ops-desk-1", "ops-desk-2", "repair-queue")
_NOTES = ("called the bank", "waiting for the client", "Prüfung läuft", "released after screening", "see ticket")


@dataclass
class Estate:
    """Everything that a seed says. payments are in order of creation; payment_id 1 is the first."""

    seed: int
    days: list[date]
    world: World
    payments: list[Payment]
    batches: list[Batch]
    statements: list[Statement]
    notes: list[Note]

    @property
    def end(self) -> datetime:
        """The instant behind the last event: what the seed knows ends here."""
        return datetime.combine(self.days[-1], datetime.min.time(), UTC) + timedelta(hours=23)


def build(seed: int, payments: int, days: int) -> Estate:
    """The estate of `payments` payments on `days` business days. Raises BadInput where a number makes no estate."""
    if payments < 50 or not 1 <= days <= 250:
        raise BadInput(
            "CW1201",
            f"no estate of {payments} payments in {days} days",
            next="at least 50 payments and 1 to 250 days",
        )
    world = World(seed, payments)
    calendar = business_days(days)
    rng = make_rng("payments", seed, payments, days)
    drawn: list[Payment] = []
    groups: list[tuple[str, datetime, list[Payment]]] = []
    for index, day in enumerate(calendar):
        today = payments * (index + 1) // days - payments * index // days
        for channel, count in _split(today).items():
            if channel == "PAIN001":
                groups.extend(_batched(rng, world, day, count, "pain001", PAIN_BATCH))
            elif channel == "BACS":
                groups.extend(_batched(rng, world, day, count, "bacs", BACS_BATCH))
            else:
                drawn.extend(draw_payment(rng, world, channel, _moment(rng, day)) for _ in range(count))
    drawn.extend(item for _, _, members in groups for item in members)
    drawn.sort(key=lambda item: (item.created_at, item.uetr))
    end = datetime.combine(calendar[-1], datetime.min.time(), UTC) + timedelta(hours=23)
    for payment_id, payment in enumerate(drawn, start=1):
        number(payment, payment_id)
        payment.statuses = [item for item in plan_statuses(rng, payment) if item.occurred_at < end]
    batches = make_batches(groups, FIRST_BATCH)
    statements = build_statements(seed, world, drawn, calendar)
    return Estate(seed, calendar, world, drawn, batches, statements, _notes(seed, drawn))


def _split(count: int) -> dict[str, int]:
    """`count` payments by channel; rounding goes to the first channel."""
    parts = {channel: count * share // 100 for channel, share in SHARES}
    parts["API"] += count - sum(parts.values())
    return parts


def _moment(rng: random.Random, day: date) -> datetime:
    start = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=_OPEN)
    return start + timedelta(seconds=rng.randrange(_OPEN_SECONDS), microseconds=rng.randrange(10**6))


def _batched(
    rng: random.Random, world: World, day: date, count: int, feed: str, size: tuple[int, int]
) -> Iterator[tuple[str, datetime, list[Payment]]]:
    while count > 0:
        members = min(count, rng.randint(*size))
        received = _moment(rng, day)
        yield feed, received, draw_batch(rng, world, feed, received, members)
        count -= members


def draw_batch(
    rng: random.Random, world: World, feed: str, received: datetime, count: int, same_day: bool = False
) -> list[Payment]:
    """The payments of one file: Bacs one originator, pain.001 one to three debtors of one currency, in their order."""
    channel = "PAIN001" if feed == "pain001" else "BACS"
    currency = currency_for(rng, channel)
    debtors = [world.debtor(rng, currency) for _ in range(1 if feed == "bacs" else rng.randint(1, 3))]
    debtors.sort(key=lambda item: item.account_id)
    found = []
    for index in range(count):
        at = received + timedelta(milliseconds=20 * index, microseconds=rng.randrange(900))
        debtor = debtors[index * len(debtors) // count]
        found.append(draw_payment(rng, world, channel, at, debtor, same_day))
    return found


def make_batches(groups: list[tuple[str, datetime, list[Payment]]], first: int) -> list[Batch]:
    """Numbers the files in order of receipt (payments have their ids by now)."""
    found = []
    for batch_id, (feed, received, members) in enumerate(sorted(groups, key=lambda item: (item[1], item[0])), first):
        batch = Batch(0, feed, "", received, members)
        complete_batch(batch, batch_id)
        found.append(batch)
    return found


def complete_batch(batch: Batch, batch_id: int) -> None:
    """Numbers a file and writes its content; its payments have their ids."""
    batch.batch_id = batch_id
    batch.message_id = f"P001-{batch_id}" if batch.feed == "pain001" else f"{batch_id % 10**6:06d}"
    for payment in batch.payments:
        payment.batch_id = batch_id
    batch.content = pain001.write(batch) if batch.feed == "pain001" else bacs.write(batch)


def _notes(seed: int, payments: list[Payment]) -> list[Note]:
    """Operators' notes; every fourth is written twice or three times over, byte for byte."""
    rng = make_rng("notes", seed)
    found: list[Note] = []
    for index in range(max(12, len(payments) // 100)):
        payment = rng.choice(payments)
        note = Note(
            payment.created_at + timedelta(minutes=5), rng.choice(_DESKS), payment.payment_id, rng.choice(_NOTES)
        )
        found.extend([note] * (1 if index % 4 else rng.randint(2, 3)))
    return found
