"""What reconciliation asks of the two sides. Adapters: adapters/postgres, adapters/duckdb, adapters/memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, runtime_checkable

from inventory.model import TableMapping


@dataclass(frozen=True)
class Pin:
    """The stated point of one side. No pin, no pass.

    kind: `postgres` or `iceberg`. position: LSN and pg_snapshot, or the Iceberg snapshot id, as text for the evidence.
    handle: what the adapter needs to read there (exported snapshot name, or {table: snapshot id}).
    """

    kind: str
    position: str
    handle: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PinnedPair:
    """Both sides at the same logical point: target at `target` holds exactly what source holds at `source`."""

    source: Pin
    target: Pin
    as_of: str  # RFC 3339


class Pinner(Protocol):
    """Brings both sides to the same point and holds it while the block runs."""

    def pinned(self, tables: Sequence[TableMapping]) -> AbstractContextManager[PinnedPair]:
        """Raises Inconclusive where no common point can be had (runner dead, slot lost, time-out)."""


@dataclass(frozen=True)
class BucketDigest:
    """Rows of one bucket: how many, and the modular sum (mod 2**120) of their row digests."""

    count: int
    total: int


class TableSide(Protocol):
    """One side of a table comparison, read at its pin."""

    def columns(self, mapping: TableMapping, pin: Pin) -> dict[str, str]:
        """Column names and types as this side declares them."""

    def totals(self, mapping: TableMapping, pin: Pin) -> dict[str, Any]:
        """Control totals: `rows`, and per numeric column (per currency where the table has one) the exact sum."""

    def digests(self, mapping: TableMapping, pin: Pin, buckets: int) -> dict[int, BucketDigest]:
        """Digests per bucket; pushed down to the store."""

    def rows(self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        """The full rows of some buckets, values in Python's exact types."""


@runtime_checkable
class RecentSide(Protocol):
    """Capability of a source side: the few rows that a run needs which follows a basis."""

    def since(self, mapping: TableMapping, pin: Pin, column: str, instant: datetime) -> Iterator[Mapping[str, Any]]:
        """The rows whose `column` is `instant` or later."""

    def having(
        self, mapping: TableMapping, pin: Pin, column: str, values: Sequence[Any]
    ) -> Iterator[Mapping[str, Any]]:
        """The rows whose `column` is one of `values`."""


@runtime_checkable
class CopySide(Protocol):
    """Capability of a target side: the same compiled queries over a copy of some rows (planted differences)."""

    def copy_of(self, mapping: TableMapping, rows: Sequence[Mapping[str, Any]]) -> AbstractContextManager[TableSide]:
        """A side that holds exactly `rows`, read by the same dialect; gone when the block ends."""


@dataclass(frozen=True)
class SourceFile:
    """One file that a feed's source lists. modified_at: RFC 3339. lt, session, sequence: SWIFT archives only."""

    name: str
    sha256: str
    modified_at: str
    lt: str = ""
    session: str = ""
    sequence: int | None = None


@dataclass(frozen=True)
class LakeMessage:
    """One message as `raw.message` holds it, without its payload. received_at: RFC 3339."""

    message_id: str
    name: str
    sha256: str
    received_at: str
    lt: str = ""
    session: str = ""
    sequence: int | None = None


@dataclass(frozen=True)
class IntakeRow:
    """A message that is worth a look, and what became of it. outcome: that of `raw.intake`, '' = not decided yet.

    booked: events of this message in `core.payment_event`. findings and control are JSON.
    """

    message_id: str
    name: str
    received_at: str
    outcome: str
    events: int
    duplicates: int
    booked: int
    findings: str
    control: str


@dataclass(frozen=True)
class Intake:
    """What became of a stream's messages.

    outcomes: messages per outcome ('' = not decided yet). doubled: deliveries that stand twice in `raw.message`.
    events_doubled: event keys that stand twice in `core.payment_event`. rows: those worth a look, capped by the adapter.
    """

    messages: int
    outcomes: Mapping[str, int]
    doubled: int = 0
    events_doubled: int = 0
    rows: tuple[IntakeRow, ...] = ()


class LakeEvent(NamedTuple):
    """What reconciliation needs of a canonical event. amount: exact. event_time: aware UTC."""

    uetr: str
    instruction_id: str
    status: str
    amount: Decimal | None
    currency: str
    event_time: datetime | None
    message_id: str


class LakeFeeds(Protocol):
    """The lake's side of the feeds, read at one snapshot per table until `refresh` is called."""

    def refresh(self) -> Mapping[str, str]:
        """Move to the newest snapshots; table -> snapshot id, for the evidence."""

    def offsets(self, stream: str) -> Mapping[int, Sequence[tuple[int, int]]]:
        """Per partition the runs of contiguous offsets, half-open [first, past)."""

    def messages(self, stream: str) -> Sequence[LakeMessage]:
        """The messages of a file or SWIFT stream."""

    def intake(self, stream: str) -> Intake:
        """What became of a stream's messages."""

    def events(self, streams: Sequence[str], kind: str) -> Sequence[LakeEvent]:
        """Canonical events of one kind that came through these streams."""


class FeedSources(Protocol):
    """The source systems' side of the feeds."""

    def ends(self, stream: str) -> Mapping[int, tuple[int, int]]:
        """Per partition of a topic: first offset kept and the offset past the last one."""

    def missing_really(self, stream: str, partition: int, offsets: Sequence[tuple[int, int]]) -> Sequence[int]:
        """Of these half-open runs, the offsets that do hold a record (a transaction's marker holds none)."""

    def files(self, stream: str) -> Sequence[SourceFile]:
        """The complete files of a file or SWIFT feed."""


@dataclass(frozen=True)
class FeedView:
    """Both sides of the feeds."""

    lake: LakeFeeds
    sources: FeedSources
