"""Writing payments into the store as the To-Be platform does, and its relay: the counterpart of sandbox.estate.book."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import psycopg

from sandbox.estate import tables
from sandbox.estate.book import RELAY_ROWS, Connection, Work, counted
from sandbox.estate.broker import Publisher
from sandbox.estate.model import TOPIC_INITIATED, TOPIC_STATUS, Batch, Payment, Status
from sandbox.estate.truth import Tally
from sandbox.estate.writers import avro
from sandbox.legacy_store import plain_row
from sandbox.tobe_store import event
from sandbox.tobe_store import write as write_rows

Row = dict[str, Any]
_BATCH_COLUMNS = tables.BATCH_COLUMNS.split(", ")
# Below the oldest transaction that still runs: nothing can commit behind the position that is remembered.
_NEW = """
SELECT o.xid::text, o.seq, o.payload -> 'event', o.payload ->> 'smoke'
FROM tobe.outbox o, tobe.relay r
WHERE r.name = 'kafka' AND (o.xid, o.seq) > (r.xid, r.seq) AND o.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY o.xid, o.seq LIMIT %s"""
_ONE_AT_A_TIME = "SELECT FROM tobe.relay WHERE name = 'kafka' FOR UPDATE"
_COME_TO = "UPDATE tobe.relay SET xid = %s::xid8, seq = %s WHERE name = 'kafka'"


def write(connection: Connection, work: Work, tally: Tally) -> None:
    """Writes `work` inside the caller's transaction, after the epoch check, and counts it as if the legacy side had: once
    the reverse sync has brought it over, the legacy side holds exactly these rows."""
    files = {batch.batch_id: batch for batch in work.batches}
    opened = [(_payment(item), _event(item, None), _file(files.get(item.batch_id or 0))) for item in work.opened]
    write_rows(
        connection, opened, [(_status(item, status), _event(item, status), None) for item, status in work.advanced]
    )
    tally.merge(counted(work))


def wrote(connection: Connection, payment: Payment, status: Status) -> bool:
    """Whether a transaction with this status was committed (the answer to its COMMIT was lost)."""
    query = "SELECT FROM tobe.payment_status WHERE uetr = %s AND seq = %s"
    return bool(connection.execute(query, [payment.uetr, status.seq]).fetchall())


def relay(connection: Connection, publisher: Publisher, tally: Tally) -> int:
    """Publishes what the outbox holds behind the relay's position; how many rows it went over. Smoke tests are not published.

    At least once, as the legacy relay: a crash between publishing and remembering publishes again.
    """
    with connection.transaction():
        connection.execute(_ONE_AT_A_TIME)
        found = connection.execute(_NEW, [RELAY_ROWS]).fetchall()
        if not found:
            return 0
        told = [item for _, _, item, smoke in found if item is not None and smoke is None]
        for item in told:
            publisher.send(item["topic"], item["message_key"], avro.from_json(item["topic"], item["payload"]))
        publisher.flush()
        connection.execute(_COME_TO, found[-1][:2])
    for item in told:
        tally.events(item["topic"])
    return len(found)


def unpublished(connection: Connection) -> int:
    """Events that stand behind the relay's position, those included that it may not read yet."""
    query = (
        "SELECT count(*) FROM tobe.outbox o, tobe.relay r WHERE r.name = 'kafka' AND (o.xid, o.seq) > (r.xid, r.seq)"
    )
    return int(connection.execute(query).fetchall()[0][0])


def connect(dsn: str) -> Connection:
    """A connection to the store; raises psycopg.OperationalError where it does not answer."""
    return psycopg.connect(dsn, autocommit=True, connect_timeout=3, application_name="tobe-platform")


def _payment(item: Payment) -> Row:
    first = item.statuses[0]
    return {
        "payment_id": item.payment_id, "uetr": item.uetr, "idempotency_key": None, "end_to_end_id": item.end_to_end_id,
        "instruction_id": item.instruction_id, "channel": item.channel, "debtor_account_id": item.debtor.account_id,
        "creditor_account_id": item.creditor.account_id, "amount": item.amount, "currency": item.currency,
        "value_date": item.value_date, "status": first.status, "remittance": item.remittance, "details": item.details,
        "created_at": item.created_at, "updated_at": item.created_at, "smoke": None, "batch_id": item.batch_id,
        "charges": item.charges,
    }  # fmt: skip


def _status(item: Payment, status: Status) -> Row:
    return {
        "payment_id": item.payment_id, "uetr": item.uetr, "seq": status.seq, "status": status.status,
        "reason_code": status.reason, "reported_by": status.reported_by, "occurred_at": status.occurred_at,
    }  # fmt: skip


def _event(payment: Payment, status: Status | None) -> Row:
    """The same event, at the same place in the order, as the legacy side's outbox has."""
    topic = TOPIC_INITIATED if status is None else TOPIC_STATUS
    body = avro.initiated(payment) if status is None else avro.status_changed(payment, status)
    at = body["occurred_at"] - timedelta(microseconds=1 if status is None else 0)
    return event(topic, json.loads(avro.to_json(body)), at)


def _file(batch: Batch | None) -> Row | None:
    return None if batch is None else plain_row(dict(zip(_BATCH_COLUMNS, tables.batch_row(batch), strict=True)))
