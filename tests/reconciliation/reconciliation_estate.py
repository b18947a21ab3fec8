"""A small estate in memory: payments with a key, notes without one, feeds that can be harmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from adapters.memory.compare_side import MemorySide
from cutwater.core.errors import Inconclusive
from inventory.model import ColumnMapping, TableMapping
from reconciliation.ports import FeedView, Intake, LakeEvent, LakeMessage, Pin, PinnedPair, SourceFile

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PAYMENT = TableMapping(
    "payhub",
    "payment",
    "legacy.payment",
    ("payment_id",),
    (
        ColumnMapping("payment_id", "bigint", "long", nullable=False),
        ColumnMapping("uetr", "uuid", "string"),
        ColumnMapping("amount", "numeric(23,5)", "decimal(23,5)"),
        ColumnMapping("currency", "character(3)", "string"),
        ColumnMapping("status", "payhub.status_code", "string"),
        ColumnMapping("value_date", "date", "date"),
        ColumnMapping("remittance", "text", "string"),
        ColumnMapping("created_at", "timestamp with time zone", "timestamptz"),
    ),
)
NOTE = TableMapping(
    "payhub",
    "note",
    "legacy.note",
    (),
    (
        ColumnMapping("noted_at", "timestamp with time zone", "timestamptz"),
        ColumnMapping("operator", "text", "string"),
        ColumnMapping("note", "text", "string"),
    ),
)
MAPPINGS = [PAYMENT, NOTE]
PIN = PinnedPair(
    Pin("postgres", "snapshot 1:1:, LSN 0/1", {"snapshot": "1"}),
    Pin("iceberg", "legacy.payment 7", {"snapshots": {"legacy.payment": 7, "legacy.note": 8}}),
    "2026-11-23T12:00:00.000000Z",
)


def payments(number: int = 400) -> list[dict[str, Any]]:
    return [
        {
            "payment_id": at,
            "uetr": f"00000000-0000-4000-8000-{at:012d}",
            "amount": Decimal(at * 7 % 1000) + Decimal("0.25"),
            "currency": ("GBP", "EUR", "JPY")[at % 3],
            "status": ("ACSC", "RJCT", "ACSP")[at % 3],
            "value_date": date(2026, 11, 1 + at % 20),
            "remittance": None if at % 5 == 0 else f"Invoice <b>{at}</b>",
            "created_at": NOW - timedelta(hours=2, microseconds=at),
        }
        for at in range(1, number + 1)
    ]


def notes() -> list[dict[str, Any]]:
    row = {"noted_at": NOW - timedelta(days=1), "operator": "ops-desk-1", "note": ""}
    return [dict(row), dict(row), {**row, "operator": "ops-desk-2"}, *({**row, "note": f"n{at}"} for at in range(20))]


class StaticPinner:
    """Always the same point, or none."""

    def __init__(self, pair: PinnedPair | None = PIN) -> None:
        self.pair = pair

    @contextmanager
    def pinned(self, tables: Sequence[TableMapping]) -> Iterator[PinnedPair]:
        if self.pair is None:
            raise Inconclusive("CW4003", "no common point")
        yield self.pair


@dataclass
class Feeds:
    """Lake and sources of feeds in one; what a test changes is what went wrong."""

    topic: dict[int, tuple[int, int]] = field(default_factory=lambda: {0: (0, 10), 1: (2, 8)})
    held: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: {0: [(0, 10)], 1: [(2, 8)]})
    markers: set[tuple[int, int]] = field(default_factory=set)
    listed: dict[str, list[SourceFile]] = field(default_factory=dict)
    taken: dict[str, list[LakeMessage]] = field(default_factory=dict)
    intakes: dict[str, Intake] = field(default_factory=dict)
    told: dict[tuple[str, ...], list[LakeEvent]] = field(default_factory=dict)
    polls: list[Callable[[], None]] = field(default_factory=list)

    def refresh(self) -> Mapping[str, str]:
        if self.polls:
            self.polls.pop(0)()
        return {"raw.message": "1"}

    def offsets(self, stream: str) -> Mapping[int, Sequence[tuple[int, int]]]:
        return self.held

    def messages(self, stream: str) -> Sequence[LakeMessage]:
        return self.taken.get(stream, [])

    def intake(self, stream: str) -> Intake:
        size = (
            sum(b - a for runs in self.held.values() for a, b in runs)
            if stream.startswith("kafka:")
            else len(self.messages(stream))
        )
        return self.intakes.get(stream, Intake(size, {"accepted": size}))

    def events(self, streams: Sequence[str], kind: str) -> Sequence[LakeEvent]:
        return self.told.get(tuple(streams), [])

    def ends(self, stream: str) -> Mapping[int, tuple[int, int]]:
        return self.topic

    def missing_really(self, stream: str, partition: int, offsets: Sequence[tuple[int, int]]) -> Sequence[int]:
        return [at for a, b in offsets for at in range(a, b) if (partition, at) not in self.markers]

    def files(self, stream: str) -> Sequence[SourceFile]:
        return self.listed.get(stream, [])

    @property
    def view(self) -> FeedView:
        return FeedView(self, self)


def sides(
    harm: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda rows: rows,
) -> tuple[MemorySide, MemorySide]:
    """Source and target; `harm` alters the target's payments."""
    source = {PAYMENT.asset_id: payments(), NOTE.asset_id: notes()}
    return MemorySide(source), MemorySide({PAYMENT.asset_id: harm(payments()), NOTE.asset_id: notes()})
