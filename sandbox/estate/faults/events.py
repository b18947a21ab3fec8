"""Faults on the way through Kafka: an event that is published twice, an event that is withheld."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cutwater.core.clock import iso, utc_now
from cutwater.core.errors import Refused
from sandbox.estate.faults.common import Facts, Scene
from sandbox.estate.model import TOPIC_STATUS, status_id
from sandbox.estate.names import OWN_BANK
from sandbox.estate.writers import avro

_LATE = timedelta(hours=1)


def duplicate_event(scene: Scene) -> Facts:
    """Publishes an old status event a second time: same bytes, same key, same partition."""
    partition, offset, key, value = _old_message(scene)
    scene.publisher.send_raw(TOPIC_STATUS, key, value, partition)
    scene.publisher.flush()
    scene.tally.events(TOPIC_STATUS)
    event = avro.decode(TOPIC_STATUS, value)
    return {
        "asset": f"kafka:{TOPIC_STATUS}",
        "place": f"{TOPIC_STATUS}:{partition}",
        "key": str(event["event_id"]),
        "uetr": key.decode(),
        "before": {"partition": partition, "offset": offset},
        "after": {"partition": scene.publisher.last[0], "offset": scene.publisher.last[1]},
    }


def _old_message(scene: Scene) -> tuple[int, int, bytes, bytes]:
    from confluent_kafka import Consumer, TopicPartition

    partition = scene.rng.randrange(3)
    consumer = Consumer({"bootstrap.servers": scene.endpoints.kafka_bootstrap, "group.id": "payhub-inject"})
    try:
        place = TopicPartition(TOPIC_STATUS, partition)
        low, high = consumer.get_watermark_offsets(place, timeout=20)
        # The first half of the partition is the seed's.
        consumer.assign([TopicPartition(TOPIC_STATUS, partition, scene.rng.randrange(low, max(low + 1, high // 2)))])
        message = consumer.poll(20)
        if message is None or message.error() or message.key() is None or message.value() is None:
            raise Refused("CW1211", f"{TOPIC_STATUS} holds no old event to repeat", state="nothing was published")
        return partition, message.offset(), message.key(), message.value()
    finally:
        consumer.close()


def late_status(scene: Scene) -> Facts:
    """A payment gets its last status in the database, an hour late; the event of it is withheld."""
    payment_id, uetr = scene.old_payment(("API", "KAFKA"), ("ACSC",))
    at = utc_now() - _LATE
    with scene.connection.transaction():
        row = scene.connection.execute(
            "SELECT max(seq) FROM payhub.payment_status WHERE payment_id = %s", [payment_id]
        ).fetchone()
        seq = int(row[0]) + 1 if row else 1
        scene.connection.execute(
            "INSERT INTO payhub.payment_status (payment_id, seq, status, reported_by, occurred_at) VALUES (%s, %s, 'ACCC', %s, %s)",
            [payment_id, seq, OWN_BANK.bic11, at],
        )
        scene.connection.execute(
            "UPDATE payhub.payment SET status = 'ACCC', updated_at = clock_timestamp() WHERE payment_id = %s",
            [payment_id],
        )
    scene.tally.rows("payment_status")
    event = {
        "event_id": status_id(uetr, seq),
        "uetr": uetr,
        "payment_id": payment_id,
        "seq": seq,
        "status": "ACCC",
        "reason_code": None,
        "reported_by": OWN_BANK.bic11,
        "occurred_at": at,
    }
    name = scene.park(f"late-status-{payment_id}.json", avro.to_json(event).encode())
    return {
        "asset": f"kafka:{TOPIC_STATUS}",
        "place": TOPIC_STATUS,
        "key": str(payment_id),
        "uetr": uetr,
        "event_id": event["event_id"],
        "before": {"status": "ACSC", "seq": seq - 1},
        "after": {"status": "ACCC", "seq": seq, "occurred_at": iso(at)},
        "parked": name,
    }


def publish_late_status(scene: Scene, fault: Mapping[str, Any]) -> Facts:
    """The withheld event goes through the outbox now."""
    payload = json.loads(scene.unpark(str(fault["parked"])))
    with scene.connection.transaction():
        inserted = scene.connection.execute(
            "INSERT INTO payhub.outbox (event_id, topic, message_key, event_type, payload, created_at)"
            " VALUES (%s, %s, %s, %s, %s, clock_timestamp()) ON CONFLICT (event_id) DO NOTHING",
            [payload["event_id"], TOPIC_STATUS, payload["uetr"], avro.event_type(TOPIC_STATUS), json.dumps(payload)],
        ).rowcount
    scene.tally.rows("outbox", inserted)
    scene.relay()
    return {"published": payload["event_id"]}
