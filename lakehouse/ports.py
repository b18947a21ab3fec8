"""What the intake asks of the feeds. Adapters: adapters/kafka, adapters/files, adapters/swift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from payments.model import Parsed

# Plain JSON. Kafka: {"offsets": {"<partition>": next offset}}. Files and archives: {"names": {name: [sha256, ...]}}.
Position = Mapping[str, Any]


@dataclass(slots=True)
class Delivery:
    """One message or file as it came, with its envelope. Not changed once made (not frozen: there are millions).

    position: where in the stream: `<partition>:<offset>`, or the file's name; a name that came again with other content
    has `@` and the beginning of its hash behind it. received_at: when the source got it, aware UTC: Kafka's timestamp,
    the file's modification time. lt, session, sequence: SWIFT's, from the archive's name. headers: JSON values.
    """

    stream: str
    position: str
    payload: bytes
    received_at: datetime
    partition: int | None = None
    offset: int | None = None
    file_name: str | None = None
    lt: str | None = None
    session: str | None = None
    sequence: int | None = None
    schema_id: int | None = None
    headers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fetched:
    """What one fetch brought, in the stream's order, and the position behind it."""

    deliveries: Sequence[Delivery]
    position: Position


class FeedSource(Protocol):
    """One feed. It keeps no position of its own: the lake does."""

    stream: str

    def fetch(self, after: Position, limit: int) -> Fetched:
        """At most `limit` deliveries behind `after` (empty: from the beginning).

        Raises Unavailable where the system does not answer, Refused where what is behind `after` is gone.
        """

    def end(self) -> Position:
        """What is there now and complete: end offsets (last stable offset) per partition, or names of complete files."""

    def behind(self, position: Position, end: Position) -> int:
        """Messages (for Kafka: offsets) between the two; 0 is caught up."""

    def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class Transactional(Protocol):
    """A feed whose end may not be settled: something behind it is neither committed nor aborted."""

    def unsettled(self) -> str:
        """Where, in words; empty where nothing is. Raises as `FeedSource.fetch`."""


class MessageParser(Protocol):
    """Turns a delivery into events; reads what it needs for that (a schema) and nothing else."""

    def parse(self, delivery: Delivery) -> Parsed:
        """Raises Unavailable where a registry does not answer; bad content is a finding."""
