"""One parser over all streams of a tap: Avro for Kafka, payments' registry for files and SWIFT."""

from __future__ import annotations

from lakehouse.ports import Delivery, MessageParser
from payments.model import Parsed
from payments.registry import parse


class StreamParser:
    """`kafka`: the parser of streams `kafka:*`."""

    def __init__(self, kafka: MessageParser | None = None) -> None:
        self._kafka = kafka

    def parse(self, delivery: Delivery) -> Parsed:
        if self._kafka is not None and delivery.stream.startswith("kafka:"):
            return self._kafka.parse(delivery)
        return parse(delivery.payload, delivery.stream)
