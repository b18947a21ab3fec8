"""Topics and consumer groups of one broker, copied to another: the same partitions, keys, bytes and times."""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import Any

from cutwater.core.errors import Unavailable

PATIENCE_SECONDS = 120.0
_KEPT = ("retention.ms", "cleanup.policy", "retention.bytes", "max.message.bytes")
Offsets = dict[tuple[str, int], list[int]]  # of every message that was copied, in order: its new offset is its place


def copy(source: str, target: str, before: int) -> dict[str, int]:
    """Messages per topic. source, target: bootstrap addresses; the target has none of the topics. before: milliseconds since
    1970; what was sent then or later is left out. Committed offsets of every group are brought over to the same message."""
    from confluent_kafka.admin import AdminClient

    old, new = AdminClient({"bootstrap.servers": source}), AdminClient({"bootstrap.servers": target})
    topics = {
        name: len(item.partitions) for name, item in old.list_topics(timeout=20).topics.items() if name[:2] != "__"
    }
    if not topics:
        return {}
    _create(old, new, topics)
    offsets = _messages(source, target, topics, before)
    _groups(old, new, offsets)
    counts = dict.fromkeys(sorted(topics), 0)
    for (topic, _), found in offsets.items():
        counts[topic] += len(found)
    return counts


def _create(old: Any, new: Any, topics: dict[str, int]) -> None:
    from confluent_kafka.admin import ConfigResource, NewTopic

    asked = old.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name) for name in topics])
    made = []
    for resource, future in asked.items():
        entries = future.result(30)
        config = {key: entries[key].value for key in _KEPT if key in entries and not entries[key].is_default}
        made.append(NewTopic(resource.name, topics[resource.name], 1, config=config))
    for future in new.create_topics(made).values():
        future.result(30)


def _messages(source: str, target: str, topics: dict[str, int], before: int) -> Offsets:
    from confluent_kafka import Consumer, Producer, TopicPartition

    reader = Consumer(
        {
            "bootstrap.servers": source,
            "group.id": "cutwater.clone",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    writer = Producer(
        {"bootstrap.servers": target, "enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4"}
    )
    found: Offsets = {(name, number): [] for name, count in topics.items() for number in range(count)}
    ends: dict[tuple[str, int], int] = {}
    lost: list[str] = []
    try:
        for key in found:
            low, high = reader.get_watermark_offsets(TopicPartition(*key), timeout=20)
            if high > low:
                ends[key] = high
        if ends:
            reader.assign([TopicPartition(*key, 0) for key in ends])
            _pump(reader, writer, ends, found, lost, before)
    finally:
        reader.close()
    if writer.flush(60) or lost:
        raise _failed(lost[0] if lost else "messages were not acknowledged")
    return found


def _pump(
    reader: Any, writer: Any, ends: dict[tuple[str, int], int], found: Offsets, lost: list[str], before: int
) -> None:
    """Until every partition's end of the beginning is read. An end may be a transaction's marker, which is no message."""
    from confluent_kafka import TopicPartition

    def told(error: object, message: object) -> None:
        if error is not None:
            lost.append(str(error))

    deadline = time.monotonic() + PATIENCE_SECONDS
    open_ones = dict(ends)
    while open_ones:
        for message in reader.consume(1000, 1.0):
            if message.error() is not None:
                raise _failed(message.error())
            key = (message.topic(), message.partition())
            if key not in open_ones or message.offset() >= ends[key] or message.timestamp()[1] >= before:
                continue
            _send(writer, message, told)
            found[key].append(message.offset())
            deadline = time.monotonic() + PATIENCE_SECONDS
        for place in reader.position([TopicPartition(*key) for key in open_ones]):
            if place.offset >= ends[place.topic, place.partition]:
                open_ones.pop((place.topic, place.partition))
        if time.monotonic() > deadline:
            raise _failed(f"nothing more came from {sorted(open_ones)[0]}")


def _send(writer: Any, message: Any, told: Any) -> None:
    headers = message.headers()
    words = {"headers": headers} if headers else {}
    while True:
        try:
            writer.produce(
                message.topic(),
                message.value(),
                message.key(),
                message.partition(),
                on_delivery=told,
                timestamp=message.timestamp()[1],
                **words,
            )
            break
        except BufferError:
            writer.poll(0.1)
    writer.poll(0)


def _groups(old: Any, new: Any, offsets: Offsets) -> None:
    """Every group that has committed, also one that is empty. Ours tell of a migration, which the copy has not begun."""
    from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

    for group in old.list_consumer_groups().result(30).valid:
        if group.group_id.startswith("cutwater"):
            continue
        asked = old.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group.group_id)])
        places = [
            TopicPartition(item.topic, item.partition, bisect_left(offsets[item.topic, item.partition], item.offset))
            for item in asked[group.group_id].result(30).topic_partitions
            if item.offset >= 0 and (item.topic, item.partition) in offsets
        ]
        if places:
            done = new.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group.group_id, places)])
            done[group.group_id].result(30)


def _failed(cause: object) -> Unavailable:
    return Unavailable(
        "CW1120",
        "the topics could not be copied",
        cause=str(cause)[:300],
        state="the original is as it was",
        next="cutwater sandbox status, then the same command again",
    )
