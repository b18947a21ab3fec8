"""A Kafka topic as a feed: explicit assignment, read committed, offsets from the lake; no consumer group is touched."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.kafka.avro import schema_id
from cutwater.core.errors import BadInput, Refused, Unavailable
from lakehouse.ports import Delivery, Fetched, Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PATIENCE = 15.0  # seconds without any progress towards a known end
_CHUNK = 5_000


class KafkaSource:
    """One topic. The consumer keeps reading ahead where the last fetch ended; anything else is assigned anew."""

    def __init__(self, topic: str, bootstrap: str, settings: dict[str, Any] | None = None) -> None:
        self.stream = f"kafka:{topic}"
        self._topic, self._bootstrap = topic, bootstrap
        self._settings = settings or {}
        self._consumer: Any = None
        self._admin: Any = None
        self._at: dict[str, int] = {}  # where the consumer stands, by partition
        self._ends: dict[str, tuple[int, int]] = {}  # low and end of the last look

    def end(self) -> Position:
        """Last stable offset of every partition."""
        self._ends = self._watermarks()
        return {"offsets": {partition: high for partition, (_, high) in self._ends.items()}}

    def behind(self, position: Position, end: Position) -> int:
        taken = position.get("offsets", {})
        return sum(
            max(0, int(high) - int(taken.get(partition, self._ends.get(partition, (0, 0))[0])))
            for partition, high in end.get("offsets", {}).items()
        )

    def fetch(self, after: Position, limit: int) -> Fetched:
        """Up to what was there at the last `end()`. Offsets of transaction markers count as taken once passed."""
        ends = self._ends or self._watermarks()
        start = self._start(after, ends)
        if limit <= 0 or all(start[name] >= high for name, (_, high) in ends.items()):
            return Fetched([], {"offsets": start})
        if start != self._at:
            self._assign(start)
        found: list[Delivery] = []
        reached = dict(start)
        self._at = {}  # should reading fail half-way, the next fetch assigns anew
        self._read(found, reached, {name: high for name, (_, high) in ends.items()}, limit)
        self._at = reached
        return Fetched(found, {"offsets": dict(reached)})

    def _read(self, found: list[Delivery], reached: dict[str, int], ends: dict[str, int], limit: int) -> None:
        waited = time.monotonic() + _PATIENCE
        while len(found) < limit and any(reached[name] < high for name, high in ends.items()):
            messages = self._consumer.consume(min(limit - len(found), _CHUNK), timeout=0.2)
            if messages:
                waited = time.monotonic() + _PATIENCE
            elif time.monotonic() > waited:
                raise self._away(f"no message for {_PATIENCE:.0f} s although there are more")
            for message in messages:
                self._one(message, found, reached)

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        self._admin = None

    def _one(self, message: Any, found: list[Delivery], reached: dict[str, int]) -> None:
        error = message.error()
        partition, offset = message.partition(), message.offset()
        if error is None:
            found.append(self._delivery(message, partition, offset))
            reached[str(partition)] = offset + 1
            return
        from confluent_kafka import KafkaError

        if error.code() == KafkaError._PARTITION_EOF:
            reached[str(partition)] = max(reached[str(partition)], offset)
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise self._gone(partition, reached[str(partition)])
        elif not error.retriable() or error.fatal():
            raise self._away(error.str())

    def _delivery(self, message: Any, partition: int, offset: int) -> Delivery:
        value = message.value()
        headers: dict[str, Any] = {}
        key = message.key()
        if key is not None:
            headers["key"] = _text(key)
        told = message.headers()
        if told:
            headers["headers"] = [[name, None if item is None else _text(item)] for name, item in told]
        if value is None:
            headers["tombstone"] = True
        kind, stamp = message.timestamp()
        return Delivery(
            self.stream,
            f"{partition}:{offset}",
            value or b"",
            _EPOCH + timedelta(milliseconds=stamp) if kind and stamp > 0 else _EPOCH,
            partition,
            offset,
            schema_id=schema_id(value),
            headers=headers,
        )

    def _start(self, after: Position, ends: dict[str, tuple[int, int]]) -> dict[str, int]:
        """The next offset per partition; raises Refused where retention has overtaken the lake's position."""
        taken = after.get("offsets", {})
        start: dict[str, int] = {}
        for name, (low, high) in ends.items():
            start[name] = int(taken.get(name, low))
            if start[name] < low:
                raise self._gone(int(name), start[name], low)
            if start[name] > high and name in taken:
                raise Refused(
                    "CW3306",
                    f"{self.stream} partition {name} ends at {high}, before the lake's position {start[name]}",
                    cause="the topic was created anew or truncated",
                    state="nothing was taken; the lake is unchanged",
                    next="compare the topic with raw.message; a new topic needs a new stream name",
                )
        return start

    def unsettled(self) -> str:
        """Partitions in which a transaction is open, in words: what is behind it is neither committed nor aborted. Empty
        where there is none. The stable offset is asked for first: a transaction that begins in between is seen, not missed."""
        from confluent_kafka import IsolationLevel
        from confluent_kafka.admin import OffsetSpec

        stable = self._offsets(OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)
        high = self._offsets(OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)
        found = [(number, at, high[number]) for number, at in sorted(stable.items()) if at < high.get(number, at)]
        return ", ".join(f"partition {number} stable up to {at}, the end is {end}" for number, at, end in found[:3])

    def _watermarks(self) -> dict[str, tuple[int, int]]:
        """Low and last stable offset per partition."""
        from confluent_kafka import IsolationLevel
        from confluent_kafka.admin import OffsetSpec

        low = self._offsets(OffsetSpec.earliest(), IsolationLevel.READ_COMMITTED)
        high = self._offsets(OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)
        return {str(number): (low[number], high[number]) for number in sorted(low)}

    def _offsets(self, spec: Any, level: Any) -> dict[int, int]:
        """Asked through a connection of its own: on the consumer's, a question waits behind its long poll (half a second
        each), and one question is enough for all partitions."""
        from confluent_kafka import KafkaException, TopicPartition
        from confluent_kafka.admin import AdminClient

        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0, **self._settings})
        try:
            # All topics, not this one by name: a broker may create what it is asked for.
            topic = self._admin.list_topics(timeout=10.0).topics.get(self._topic)
            if topic is None or topic.error is not None:
                raise self._absent()
            parts = [TopicPartition(self._topic, number) for number in sorted(topic.partitions)]
            asked = self._admin.list_offsets(dict.fromkeys(parts, spec), isolation_level=level, request_timeout=10.0)
            return {part.partition: future.result(15.0).offset for part, future in asked.items()}
        except (KafkaException, TimeoutError) as error:
            raise self._away(str(error.args[0] if error.args else error)) from error

    def _absent(self) -> BadInput:
        return BadInput(
            "CW3307",
            f"Kafka has no topic {self._topic}",
            state="nothing was taken from it; other feeds go on",
            next="cutwater inventory discover, then mend the wave's feeds",
        )

    def _connect(self) -> Any:
        if self._consumer is None:
            from confluent_kafka import Consumer

            self._consumer = Consumer(
                {
                    "bootstrap.servers": self._bootstrap,
                    "group.id": "cutwater-feed-tap",  # demanded by the client; nothing is committed to it
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "enable.partition.eof": True,
                    "auto.offset.reset": "error",
                    "isolation.level": "read_committed",
                    "allow.auto.create.topics": False,
                    "fetch.max.bytes": 16 * 1024 * 1024,
                    "queued.max.messages.kbytes": 65536,
                    "log_level": 0,
                    **self._settings,
                }
            )
            self._at = {}
        return self._consumer

    def _assign(self, start: dict[str, int]) -> None:
        from confluent_kafka import TopicPartition

        self._at = {}
        self._connect().assign([TopicPartition(self._topic, int(name), offset) for name, offset in start.items()])

    def _gone(self, partition: int, offset: int, low: int | None = None) -> Refused:
        return Refused(
            "CW3305",
            f"{self.stream} partition {partition} no longer holds offset {offset}",
            cause="retention deleted messages before they were taken"
            + (f"; it begins at {low}" if low is not None else ""),
            state="nothing was taken; the lake is unchanged",
            money="payments told by the deleted messages are missing in the lake",
            next="bring the messages back (replay at the producer), or abandon the wave and back-fill the feed",
        )

    def _away(self, cause: str) -> Unavailable:
        return Unavailable(
            "CW3308",
            f"Kafka does not deliver {self._topic}",
            cause=cause,
            state="what was taken before is in the lake; other feeds go on",
            next="cutwater sandbox status",
        )


def _text(data: Any) -> str:
    """UTF-8 text as it is, anything else as `base64:`: nothing is lost."""
    if isinstance(data, str):
        return data
    try:
        return bytes(data).decode("utf-8")
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode("ascii")
