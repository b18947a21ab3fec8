"""What a topic holds: first and last offsets per partition, and which offsets really hold a record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cutwater.core.errors import Unavailable

if TYPE_CHECKING:
    from confluent_kafka import Consumer

TIMEOUT = 10.0  # seconds per call of the broker
MOST_CONFIRMED = 1_000  # lost offsets named one by one; a larger hole is named up to here


class Watermarks:
    """Reads without joining a group and without committing: it leaves no trace on the broker."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        """Partition -> (first offset kept, offset past the last). Raises Unavailable CW4011."""
        from confluent_kafka import KafkaException, TopicPartition

        consumer = self._consumer()
        try:
            found = consumer.list_topics(topic, TIMEOUT).topics[topic]
            if found.error is not None:
                raise _unavailable(topic, str(found.error))
            return {
                number: consumer.get_watermark_offsets(TopicPartition(topic, number), TIMEOUT)
                for number in sorted(found.partitions)
            }
        except KafkaException as error:
            raise _unavailable(topic, str(error)) from error
        finally:
            consumer.close()

    def holding(self, topic: str, partition: int, runs: Sequence[tuple[int, int]]) -> list[int]:
        """Of these half-open runs, the offsets that hold a record: the others are transactions' markers or compacted."""
        from confluent_kafka import KafkaException, TopicPartition

        consumer = self._consumer()
        held: list[int] = []
        try:
            for first, past in runs:
                consumer.assign([TopicPartition(topic, partition, first)])
                held += _read(consumer, topic, past, MOST_CONFIRMED - len(held))
                if len(held) >= MOST_CONFIRMED:
                    break
        except KafkaException as error:
            raise _unavailable(topic, str(error)) from error
        finally:
            consumer.close()
        return held

    def _consumer(self) -> Consumer:
        from confluent_kafka import Consumer

        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "cutwater-reconcile",  # the client asks for one; nothing is joined or committed
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "socket.timeout.ms": 10_000,
                "log_level": 0,
            }
        )


def _read(consumer: Consumer, topic: str, past: int, most: int) -> list[int]:
    from confluent_kafka import KafkaError

    held: list[int] = []
    while len(held) < most:
        message = consumer.poll(TIMEOUT)
        if message is None:
            raise _unavailable(topic, f"no answer within {TIMEOUT:.0f} s")
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                break
            raise _unavailable(topic, str(error))
        if message.offset() >= past:
            break
        held.append(message.offset())
    return held


def _unavailable(topic: str, cause: str) -> Unavailable:
    return Unavailable(
        "CW4011", f"the topic {topic} could not be looked at", cause=cause, next="the same command again"
    )
