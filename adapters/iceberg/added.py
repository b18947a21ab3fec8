"""The data files that were appended to a table between two snapshots: what came since, without reading what was there."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import Table


def added_files(table: Table, since: int | None, until: int | None) -> list[DataFile] | None:
    """Files of the snapshots after `since` up to and including `until`; since None: from the beginning, until None: of a
    table that was never written. None where that cannot be told: `since` is no ancestor (expired, rolled back), a
    snapshot between them did more than append, or the files do not hold as many rows as the snapshots state."""
    from pyiceberg.manifest import ManifestContent
    from pyiceberg.table.snapshots import Operation

    if until is None:
        return [] if since is None else None
    last = snapshot = table.snapshot_by_id(until)
    ours: set[int] = set()
    stated = 0
    while snapshot is not None and snapshot.snapshot_id != since:
        if snapshot.summary is None or snapshot.summary.operation != Operation.APPEND:
            return None
        ours.add(snapshot.snapshot_id)
        stated += int(snapshot.summary.additional_properties.get("added-records", 0))
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    if last is None or (snapshot is None and since is not None):
        return None
    found: list[DataFile] = []
    for manifest in last.manifests(table.io):
        if manifest.added_snapshot_id not in ours:
            continue
        if manifest.content != ManifestContent.DATA:
            return None
        # Manifests are merged now and then: what came before `since` may stand beside what came after it.
        found += [file for snapshot_id, file in _entries(_Manifest(manifest, table.io)) if snapshot_id in ours]
    return found if sum(item.record_count for item in found) == stated else None


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
    """(snapshot that added it, file) of each live entry."""
    entries = one.manifest.fetch_manifest_entry(one.io, discard_deleted=True)
    return tuple((int(entry.snapshot_id or 0), entry.data_file) for entry in entries)


def snapshot_before(table: Table, instant: datetime) -> int | None:
    """The newest snapshot of the present history that was committed before `instant`; None where there is none."""
    millis = int(instant.timestamp() * 1000)
    snapshot = table.current_snapshot()
    while snapshot is not None and snapshot.timestamp_ms >= millis:
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    return None if snapshot is None else int(snapshot.snapshot_id)
