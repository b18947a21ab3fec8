"""Did the notification service tell each message exactly once, whichever of its two sides read it? The topics are read anew
and held against what both sides recorded. For tests and the demo's verdict only."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from cutwater.core.config import Project
from sandbox.estate.model import TOPIC_INITIATED, TOPIC_STATUS
from sandbox.layout import Layout
from sandbox.notify_book import Place, told

TOPICS = (TOPIC_INITIATED, TOPIC_STATUS)


def published(bootstrap: str, topics: Sequence[str] = TOPICS, seconds: float = 60) -> set[Place]:
    """The place of every message that the topics hold, as a reader of committed messages sees it."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

    reader = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "payhub-observe", "enable.auto.commit": False, "enable.partition.eof": True,
        "auto.offset.reset": "earliest", "log_level": 0,
    })  # fmt: skip
    try:
        places = [
            (topic, number)
            for topic in topics
            for number in reader.list_topics(topic, timeout=20).topics[topic].partitions
        ]
        reader.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in places])
        found, ended, deadline = set[Place](), set[tuple[str, int]](), time.monotonic() + seconds
        while len(ended) < len(places):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the topics were not read in {seconds:g} s")
            for message in reader.consume(5_000, 0.5):
                error, place = message.error(), (str(message.topic()), int(message.partition() or 0))
                if error is None:
                    found.add((*place, int(message.offset() or 0)))
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(place)
        return found
    finally:
        reader.close()


def judged(project: Project) -> dict[str, int]:
    """messages in the topics, told by each side, missing (told by neither), twice (by both, or by one again), unknown."""
    there, by_side = published(project.endpoints().kafka_bootstrap), told(Layout(project.sandbox_dir))
    times: Counter[Place] = Counter()
    for places in by_side.values():
        times.update(places)
    return {
        "messages": len(there),
        **{side: len(places) for side, places in by_side.items()},
        "missing": sum(1 for place in there if place not in times),
        "twice": sum(1 for number in times.values() if number > 1),
        "unknown": sum(1 for place in times if place not in there),
    }


def settled(project: Project, seconds: float = 60) -> dict[str, int]:
    """As `judged`, once the open side has read on, or patience ends."""
    deadline = time.monotonic() + seconds
    while (found := judged(project))["missing"] and time.monotonic() < deadline:
        time.sleep(0.5)
    return found
