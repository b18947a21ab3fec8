"""A table's history, kept short while thousands of small commits go on, and read without asking for all of it.

PyIceberg copies the whole metadata at every look of a transaction, and every commit writes all of it anew: with a commit a
second, a day of history would cost more than the data. So what is old is thinned out; what a reader stands on is tagged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pyiceberg.table import Transaction
from pyiceberg.table.snapshots import Operation

from cutwater.core.clock import utc_now

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

KEPT = 40  # newest snapshots that always stay: every look at a table reads what is kept
# Of older ones: one per minute for an hour, one per hour for a day.
_THINNER = ((timedelta(hours=1), 60_000), (timedelta(days=1), 3_600_000))
MARK = "cutwater_mark"


class QuickTransaction(Transaction):
    """A transaction that copies the metadata once per change of it, not once per look at it."""

    _seen: tuple[Any, Any, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        updates, base = self._updates, self._table.metadata
        if self._seen is None or self._seen[0] is not updates or self._seen[1] is not base:
            self._seen = (updates, base, super().table_metadata if updates else base)
        return self._seen[2]


def is_long(table: Table) -> bool:
    """Is it time to thin the history out?"""
    return len(table.metadata.snapshots) >= 2 * KEPT


def thin_out(table: Table, now: datetime | None = None) -> None:
    """Expires what is old and tagged by nobody; no data file is touched. A lost race leaves it to the next time."""
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.table.update.snapshot import ExpireSnapshots

    expired = superfluous(list(table.metadata.snapshots), tagged(table), now or utc_now())
    if expired:
        with suppress(CommitFailedException), QuickTransaction(table) as change:
            expiry = ExpireSnapshots(change)
            expiry._snapshot_ids_to_expire = set(expired)  # by_ids looks all of them up for each of them
            expiry.commit()


def superfluous(snapshots: list[Snapshot], tags: set[int], now: datetime) -> list[int]:
    """Ids of the snapshots that nobody will miss: not among the newest, not tagged, not the first of its span, and nothing
    but an append (`added_files` has to see that something else happened)."""
    ordered = sorted(snapshots, key=_age)
    found: list[int] = []
    spans: set[tuple[int, int]] = set()
    for item in ordered[: max(0, len(ordered) - KEPT)]:
        age = now.timestamp() * 1000 - item.timestamp_ms
        width = next((width for limit, width in _THINNER if age < limit / timedelta(milliseconds=1)), 0)
        span = (width, item.timestamp_ms // width) if width else None
        if item.snapshot_id in tags or item.summary is None or item.summary.operation != Operation.APPEND:
            continue
        if span is not None and span not in spans:
            spans.add(span)
            continue
        found.append(int(item.snapshot_id))
    return found


def tagged(table: Table) -> set[int]:
    """The snapshots that a name points to."""
    return {int(ref.snapshot_id) for ref in table.metadata.refs.values()}


def keep(table: Table, snapshot_id: int, name: str = MARK) -> None:
    """Tags a snapshot, so that it stays; the tag's earlier snapshot is let go. Tried again where a commit comes between."""
    from pyiceberg.exceptions import CommitFailedException

    for _ in range(10):
        with suppress(CommitFailedException):
            table.refresh()
            if name in table.metadata.refs and table.metadata.refs[name].snapshot_id == snapshot_id:
                return
            table.manage_snapshots().create_tag(snapshot_id, name).commit()
            return


def ancestry(table: Table, last: Snapshot | None = None) -> Iterator[Snapshot]:
    """The history from `last` (None: the current snapshot), newest first: each snapshot's parent; where that was expired,
    the newest of those that are older."""
    snapshot = last or table.current_snapshot()
    while snapshot is not None:
        yield snapshot
        before, parent = snapshot, snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None
        if snapshot is None and (before.sequence_number or 0) > 1:  # expiry takes the parent's name away as well
            older = [item for item in table.metadata.snapshots if _age(item) < _age(before)]
            snapshot = max(older, key=_age, default=None)


def _age(snapshot: Snapshot) -> tuple[int, int]:
    return (snapshot.sequence_number or 0, snapshot.timestamp_ms)
