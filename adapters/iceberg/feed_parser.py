"""One parser over all streams of a tap: Avro for Kafka, payments' registry for files and SWIFT; marked messages book nothing."""

from __future__ import annotations

from dataclasses import replace

from lakehouse.marks import mark_of
from lakehouse.ports import Delivery, MessageParser
from payments.model import Parsed
from payments.registry import CONTROL_FORMATS, SYNTHETIC, parse


class StreamParser:
    """`kafka`: the parser of streams `kafka:*`."""

    def __init__(self, kafka: MessageParser | None = None) -> None:
        self._kafka = kafka

    def parse(self, delivery: Delivery) -> Parsed:
        parsed = self._by_stream(delivery)
        mark = mark_of(delivery)
        if not mark or not parsed.accepted:
            return parsed
        form = parsed.type if parsed.type in CONTROL_FORMATS else SYNTHETIC
        told = {**parsed.control, "mark": mark, "told": parsed.type, "events": str(len(parsed.events))}
        return replace(parsed, type=form, statements=(), batches=(), events=(), control=told)

    def _by_stream(self, delivery: Delivery) -> Parsed:
        if self._kafka is not None and delivery.stream.startswith("kafka:"):
            return self._kafka.parse(delivery)
        return parse(delivery.payload, delivery.stream)
