"""The data files that were appended to a table between two snapshots: what came since, without reading what was there."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from adapters.iceberg.history import ancestry

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


def added_files(table: Table, since: int | None, until: int | None) -> list[DataFile] | None:
    """Files that came after snapshot `since`, up to and including `until`; since None: from the beginning, until None: of a
    table that was never written.

    The snapshots between them may have been expired: files are told by their sequence numbers, and counted against the
    totals of both ends. None where it cannot be told: an end is gone, `since` is no ancestor (rolled back), a snapshot
    between them did more than append (`thin_out` keeps such), or the files do not hold as many rows as the table gained.
    """
    from pyiceberg.manifest import ManifestContent

    if until is None:
        return [] if since is None else None
    last, first = table.snapshot_by_id(until), table.snapshot_by_id(since) if since is not None else None
    if last is None or (first is None and since is not None):
        return None
    after, gained = (first.sequence_number or 0) if first else 0, _rows(last) - (_rows(first) if first else 0)
    if not _only_appended(table, first, last):
        return None
    found: list[DataFile] = []
    for manifest in last.manifests(table.io):
        if manifest.content != ManifestContent.DATA:
            return None
        if (manifest.sequence_number or 0) > after:
            # Manifests are merged now and then: what came before `since` may stand beside what came after it.
            found += [file for number, file in _entries(_Manifest(manifest, table.io)) if number > after]
    return found if sum(item.record_count for item in found) == gained else None


def _rows(snapshot: Snapshot) -> int:
    return int(snapshot.summary.additional_properties.get("total-records", 0)) if snapshot.summary else 0


def _only_appended(table: Table, first: Snapshot | None, last: Snapshot) -> bool:
    """Does the kept history lead from `last` back to `first` by nothing but appends?"""
    from pyiceberg.table.snapshots import Operation

    for item in ancestry(table, last):
        if first is not None and item.snapshot_id == first.snapshot_id:
            return True
        if item.summary is None or item.summary.operation != Operation.APPEND:
            return False
    return first is None


class _Manifest:
    """A manifest by its path, which names one content for ever."""

    def __init__(self, manifest: ManifestFile, io: FileIO) -> None:
        self.manifest, self.io, self.path = manifest, io, manifest.manifest_path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Manifest) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)


@lru_cache(maxsize=10_000)  # a run in the dark reads those of the last seconds only
def _entries(one: _Manifest) -> tuple[tuple[int, DataFile], ...]:
    """(sequence number, file) of each live entry."""
    entries = one.manifest.fetch_manifest_entry(one.io, discard_deleted=True)
    return tuple((int(entry.sequence_number or 0), entry.data_file) for entry in entries)


def snapshot_before(table: Table, instant: datetime) -> int | None:
    """The newest snapshot of the present history that was committed before `instant`; None where there is none."""
    millis = int(instant.timestamp() * 1000)
    return next((int(item.snapshot_id) for item in ancestry(table) if item.timestamp_ms < millis), None)
