"""Which deliveries are synthetic: what a cutover sends to try a channel, marked so that nobody books it.

A marked message stands in raw.message like any other and is judged `control`: it has no row in core.payment_event, so that
production counts exclude it, and reconciliation finds it on both sides. The marks stand in the envelope, where every reader
of the channel can see them (docs/specs/feed-intake.md).
"""

from __future__ import annotations

from lakehouse.ports import Delivery

HEADER = "x-cutwater-smoke"  # of a Kafka message
FILE_PREFIX = "CUTWATER-SMOKE-"
_TEST_PLACE = 7  # a BIC whose eighth character is 0 is SWIFT's Test & Training


def mark_of(delivery: Delivery) -> str:
    """The mark; '' for production."""
    if delivery.stream.startswith("kafka:"):
        told = dict(delivery.headers.get("headers") or ())
        return str(told.get(HEADER) or "")
    name = (delivery.file_name or "").rpartition("/")[2]
    return name if is_marked(name, delivery.lt or "") else ""


def is_marked(name: str, terminal: str = "") -> bool:
    """Of a file: by its name, or by the logical terminal (12 characters) that a SWIFT archive's name begins with."""
    return name.startswith(FILE_PREFIX) or (len(terminal) == 12 and terminal[_TEST_PLACE] == "0")
