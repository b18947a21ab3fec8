"""The hub's topics and schemas, and a producer that is idempotent and keeps the order."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from cutwater.core.config import Endpoints
from cutwater.core.errors import Refused, Unavailable
from sandbox.estate.writers import avro

PARTITIONS = 3
_RETENTION_MS = 30 * 24 * 3600 * 1000


def down(server: str, error: object) -> Unavailable:
    """The error of a server that does not answer."""
    return Unavailable(
        "CW1209",
        f"{server} did not answer the estate",
        cause=str(error)[:300],
        state="what was written stays; the same command continues",
        next="cutwater sandbox up",
    )


def ensure_topics(endpoints: Endpoints) -> list[str]:
    """Creates the topics that are missing, three partitions each; the names of those that it made."""
    from confluent_kafka.admin import NewTopic

    admin = _admin(endpoints)
    known = set(_topics(admin))
    missing = [name for name in avro.TOPICS if name not in known]
    new = [NewTopic(name, PARTITIONS, 1, config={"retention.ms": str(_RETENTION_MS)}) for name in missing]
    if new:
        _settle(admin.create_topics(new))
    return missing


def delete_topics(endpoints: Endpoints) -> None:
    """Deletes the topics and waits until they are gone: their names can be used again then."""
    admin = _admin(endpoints)
    known = [name for name in avro.TOPICS if name in _topics(admin)]
    if not known:
        return
    _settle(admin.delete_topics(known))
    until = time.monotonic() + 20
    while set(known) & set(_topics(admin)):
        if time.monotonic() > until:
            raise down("Kafka", f"the topics {', '.join(known)} were not deleted in 20 s")
        time.sleep(0.1)


def ensure_schemas(endpoints: Endpoints, expected: Mapping[str, int]) -> dict[str, int]:
    """Registers the schemas (again, where the registry lost them); topic -> number.

    Raises Refused where the registry gives other numbers than published messages carry.
    """
    import httpx

    found: dict[str, int] = {}
    for topic in avro.TOPICS:  # always in this order, so that an emptied registry gives the same numbers again
        body = {"schemaType": "AVRO", "schema": avro.schema_text(topic)}
        try:
            answer = httpx.post(f"{endpoints.registry_url}/subjects/{topic}-value/versions", json=body, timeout=30)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise down("the schema registry", error) from error
        found[topic] = int(answer.json()["id"])
    wrong = {topic: number for topic, number in found.items() if expected.get(topic, number) != number}
    if wrong:
        raise Refused(
            "CW1203",
            f"the schema registry renumbered the schemas of {', '.join(wrong)}",
            cause=f"now {wrong}, in published messages {dict(expected)}",
            state="nothing was published under the new numbers",
            next="cutwater sandbox down --delete, then up and seed",
        )
    return found


class Publisher:
    """Publishes in order, counts what the broker acknowledged, and raises where it did not."""

    def __init__(self, endpoints: Endpoints, schema_ids: Mapping[str, int]) -> None:
        from confluent_kafka import Producer

        self.schema_ids = schema_ids
        self.acknowledged = 0
        self.last = (-1, -1)  # partition and offset of the message that was acknowledged last
        self._errors: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": endpoints.kafka_bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",  # where Java clients put the same key
                "linger.ms": 20,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 200_000,
                "message.timeout.ms": 30_000,
                "log_level": 3,  # errors; what it retries by itself is no news
            }
        )

    def send(self, topic: str, key: str, event: Mapping[str, Any]) -> None:
        """Queues an event by its topic's schema."""
        self.send_raw(topic, key.encode(), avro.encode(topic, self.schema_ids[topic], event))

    def send_raw(self, topic: str, key: bytes, value: bytes, partition: int = -1) -> None:
        """Queues bytes as they are; partition -1: by the key."""
        while True:
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=self._delivered)
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)

    def flush(self, seconds: int = 60) -> int:
        """Waits for the acknowledgements; how many came since the last flush. Unavailable where one did not come."""
        left = self._producer.flush(seconds)
        errors, self._errors = self._errors, []
        if left or errors:
            raise down("Kafka", errors[0] if errors else f"{left} messages were not acknowledged")
        done, self.acknowledged = self.acknowledged, 0
        return done

    def _delivered(self, error: object, message: Any) -> None:
        if error is not None:
            self._errors.append(str(error))
        else:
            self.acknowledged += 1
            self.last = (message.partition(), message.offset())


def _admin(endpoints: Endpoints) -> Any:
    from confluent_kafka.admin import AdminClient

    return AdminClient({"bootstrap.servers": endpoints.kafka_bootstrap})


def _topics(admin: Any) -> Iterable[str]:
    from confluent_kafka import KafkaException

    try:
        return list(admin.list_topics(timeout=20).topics)
    except KafkaException as error:
        raise down("Kafka", error) from error


def _settle(futures: Mapping[str, Any]) -> None:
    from confluent_kafka import KafkaException

    for future in futures.values():
        try:
            future.result(30)
        except KafkaException as error:
            raise down("Kafka", error) from error
