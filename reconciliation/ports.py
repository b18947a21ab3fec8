"""What reconciliation asks of the two sides. Adapters: adapters/postgres, adapters/duckdb, adapters/memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

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
