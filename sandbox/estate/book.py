"""Writing payments into the legacy database as the hub does: rows and outbox events in one transaction, then the relay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from sandbox.epoch import let_through
from sandbox.estate import tables
from sandbox.estate.broker import Publisher
from sandbox.estate.model import TOPIC_INITIATED, TOPIC_STATUS, Batch, Payment, Status
from sandbox.estate.truth import Tally
from sandbox.estate.writers import avro

Connection = psycopg.Connection[tuple[Any, ...]]
RELAY_ROWS = 2_000


def _insert(table: str, columns: str) -> sql.Composed:
    return sql.SQL("INSERT INTO payhub.{} ({}) VALUES ({})").format(
        sql.Identifier(table), sql.SQL(columns), sql.SQL(", ").join([sql.Placeholder()] * len(columns.split(",")))
    )


_BATCH = _insert("file_batch", tables.BATCH_COLUMNS)
_PAYMENT = _insert("payment", tables.PAYMENT_COLUMNS)
_STATUS = _insert("payment_status", tables.STATUS_COLUMNS)
_OUTBOX = _insert("outbox", tables.OUTBOX_COLUMNS)
_ADVANCE = "UPDATE payhub.payment SET status = %s, updated_at = %s WHERE payment_id = %s"
_UNPUBLISHED = """
SELECT event_id, topic, message_key, payload FROM payhub.outbox WHERE published_at IS NULL
ORDER BY created_at, event_id LIMIT %s FOR UPDATE SKIP LOCKED"""
_PUBLISHED = "UPDATE payhub.outbox SET published_at = clock_timestamp() WHERE event_id = ANY(%s)"


@dataclass
class Work:
    """What one transaction writes. advanced: statuses of payments that exist already (or are new in here)."""

    batches: list[Batch] = field(default_factory=list)
    opened: list[Payment] = field(default_factory=list)
    advanced: list[tuple[Payment, Status]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.batches or self.opened or self.advanced)


def take_ids(connection: Connection, table: str, count: int) -> list[int]:
    """The next ids of payhub.payment or payhub.file_batch: from the identity's own sequence, which the API uses too."""
    column = {"payment": "payment_id", "file_batch": "batch_id"}[table]
    found = connection.execute(
        "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
        [f"payhub.{table}", column, count],
    )
    return [int(row[0]) for row in found]


def write(connection: Connection, work: Work, tally: Tally, silent: bool = False) -> None:
    """Writes `work` inside the caller's transaction and counts it. silent: without outbox events (a planted fault)."""
    events: list[tuple[object, ...]] = []
    for payment in work.opened:
        events.append(_event(payment, None))
    for payment, status in work.advanced:
        events.append(_event(payment, status))
    last = {payment.payment_id: (status.status, status.occurred_at) for payment, status in work.advanced}
    with connection.cursor() as cursor:
        if work.batches:
            cursor.executemany(_BATCH, [tables.batch_row(item) for item in work.batches])
        if work.opened:
            cursor.executemany(_PAYMENT, [_payment(item) for item in work.opened])
        if work.advanced:
            cursor.executemany(_STATUS, [(item.payment_id, *status) for item, status in work.advanced])
            cursor.executemany(_ADVANCE, [(code, at, payment_id) for payment_id, (code, at) in sorted(last.items())])
        if events and not silent:
            cursor.executemany(_OUTBOX, events)
    tally.merge(counted(work, silent))


def counted(work: Work, silent: bool = False) -> Tally:
    """What a transaction with `work` adds to the ground truth, on whichever side it was written."""
    tally = Tally()
    for payment in work.opened:
        tally.payment(payment)
    tally.rows("file_batch", len(work.batches))
    tally.rows("payment_status", len(work.advanced))
    tally.rows("outbox", 0 if silent else len(work.opened) + len(work.advanced))
    return tally


def _payment(payment: Payment) -> tuple[object, ...]:
    row = list(tables.payment_row(payment, status=payment.statuses[0].status))
    row[14] = None if payment.details is None else Jsonb(payment.details)
    return tuple(row)


def _event(payment: Payment, status: Status | None) -> tuple[object, ...]:
    topic = TOPIC_INITIATED if status is None else TOPIC_STATUS
    event = avro.initiated(payment) if status is None else avro.status_changed(payment, status)
    # The initiated event goes first: its place in the queue is a microsecond before the first status's.
    at = event["occurred_at"] - timedelta(microseconds=1 if status is None else 0)
    return (event["event_id"], topic, payment.uetr, avro.event_type(topic), avro.to_json(event), at, None)


def wrote(connection: Connection, payment: Payment, status: Status) -> bool:
    """Whether a transaction with this status was committed (the answer to its COMMIT was lost)."""
    query = "SELECT FROM payhub.payment_status WHERE payment_id = %s AND seq = %s"
    return bool(connection.execute(query, [payment.payment_id, status.seq]).fetchall())


def relay(connection: Connection, publisher: Publisher, tally: Tally) -> int:
    """Publishes what stands unpublished in the outbox and marks it; how many events that were.

    Marked first, in the same transaction: who may not mark does not publish. A crash before the commit publishes them again:
    at least once, as outboxes are. Several relays may run at a time. A fence lets it through: what was committed before the
    fence has to get out.
    """
    with connection.transaction():
        found: Sequence[tuple[Any, ...]] = connection.execute(_UNPUBLISHED, [RELAY_ROWS]).fetchall()
        if found:
            let_through(connection)
            connection.execute(_PUBLISHED, [[row[0] for row in found]])
            for _, topic, key, payload in found:
                publisher.send(topic, key, avro.from_json(topic, payload))
            publisher.flush()
    for row in found:
        tally.events(row[1])
    return len(found)
