"""A marked message for a topic: encoded by its subject's newest schema, and looked for before it is sent again."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any

from adapters.probe.message_file import TopicMessage
from cutwater.core.clock import parse_iso
from cutwater.core.errors import BadInput, Unavailable
from lakehouse.marks import HEADER
from waves.ports import Outcome

TIMEOUT = 10.0
SKEW_MS = 600_000  # the runner's clock against the broker's


@dataclass(frozen=True)
class TopicProbe:
    """send and find answer with the place: stream, partition, offset."""

    bootstrap: str
    registry_url: str

    def send(self, probe: TopicMessage, known: Mapping[str, str]) -> Outcome:
        """Raises Unavailable (CW3067) where the broker or the registry does not answer, BadInput (CW3066) for a record that
        does not fit the schema."""
        from confluent_kafka import KafkaException, Producer

        body, told = self._encoded(probe), []
        producer = Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True, "log_level": 0})
        try:
            producer.produce(
                probe.topic, body, probe.key.encode(), headers=[(HEADER, known["mark"].encode())],
                on_delivery=lambda error, message: told.append((error, message)),
            )  # fmt: skip
            left = producer.flush(TIMEOUT)
        except KafkaException as error:
            raise _away(str(error)) from error
        if left or not told or told[0][0] is not None:
            raise _away(str(told[0][0]) if told else f"no acknowledgement within {TIMEOUT:g} s")
        return _place(probe, told[0][1].partition(), told[0][1].offset())

    def find(self, probe: TopicMessage, known: Mapping[str, str]) -> Outcome | None:
        """The message with this mark, among those that came since the round's mark was made."""
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        since = int(parse_iso(known["now"]).timestamp() * 1000) - SKEW_MS
        reader = Consumer({
            "bootstrap.servers": self.bootstrap, "group.id": "cutwater-probe", "enable.auto.commit": False,
            "enable.partition.eof": True, "auto.offset.reset": "latest", "log_level": 0,
        })  # fmt: skip
        try:
            numbers = reader.list_topics(probe.topic, timeout=TIMEOUT).topics[probe.topic].partitions
            asked = [TopicPartition(probe.topic, number, since) for number in numbers]
            starts = [item for item in reader.offsets_for_times(asked, timeout=TIMEOUT) if item.offset >= 0]
            if not starts:
                return None
            reader.assign(starts)
            return self._scanned(reader, probe, known["mark"], len(starts))
        except KafkaException as error:
            raise _away(str(error)) from error
        finally:
            reader.close()

    def _scanned(self, reader: Any, probe: TopicMessage, mark: str, partitions: int) -> Outcome | None:
        from confluent_kafka import KafkaError, KafkaException

        ended, deadline = set[int](), time.monotonic() + 6 * TIMEOUT
        while len(ended) < partitions:
            if time.monotonic() > deadline:
                raise _away("the topic could not be read to its end")
            for message in reader.consume(5_000, 0.5):
                if (error := message.error()) is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    ended.add(message.partition())
                elif dict(message.headers() or ()).get(HEADER) == mark.encode():
                    return _place(probe, message.partition(), message.offset())
        return None

    def _encoded(self, probe: TopicMessage) -> bytes:
        import httpx
        from fastavro import parse_schema, schemaless_writer

        try:
            url = f"{self.registry_url.rstrip('/')}/subjects/{probe.topic}-value/versions/latest"
            answer = httpx.get(url, timeout=TIMEOUT, trust_env=False).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise _away(f"the schema registry: {error}") from error
        try:
            schema, out = json.loads(answer["schema"]), BytesIO()
            record = {item["name"]: typed(item["type"], probe.record.get(item["name"])) for item in schema["fields"]}
            schemaless_writer(out, parse_schema(schema), record)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise BadInput(
                "CW3066", f"the probe of {probe.topic} does not fit the topic's schema", cause=str(error)[:200],
                state="nothing was sent", next="mend its record in smoke/",
            ) from error  # fmt: skip
        return b"\x00" + int(answer["id"]).to_bytes(4, "big") + out.getvalue()


def typed(kind: Any, value: Any) -> Any:
    """A YAML value as fastavro wants it: amounts are texts there, and never floats."""
    if isinstance(kind, list):
        return None if value is None else typed(next(item for item in kind if item != "null"), value)
    name = kind.get("logicalType", kind.get("type")) if isinstance(kind, dict) else kind
    if value is None:
        raise ValueError(f"a {name} is missing")
    if name == "decimal":
        return Decimal(str(value))
    if name == "date":
        return date.fromisoformat(str(value))
    if str(name).startswith("timestamp"):
        return parse_iso(str(value))
    return int(value) if name in ("int", "long") else str(value)


def _place(probe: TopicMessage, partition: int, offset: int) -> Outcome:
    return {"stream": f"kafka:{probe.topic}", "partition": partition, "offset": offset}


def _away(cause: str) -> Unavailable:
    return Unavailable(
        "CW3067", "a probe got no answer", cause=cause, state="nothing is dark; it is looked for before it is sent again",
        next="it is tried again; else the way back begins by itself",
    )  # fmt: skip
