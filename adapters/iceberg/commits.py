"""Commits that carry their meaning: position, chunk, fencing token, in the same snapshot as the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from adapters.iceberg.history import QuickTransaction, ancestry, is_long
from cutwater.core.errors import LeaseHeld, Unavailable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

FENCE = "cutwater.fence"
LSN = "cutwater.lsn"
CHUNK = "cutwater.chunk"
CHUNK_RANGE = "cutwater.chunk-range"
PG_SNAPSHOT = "cutwater.pg-snapshot"
FOLDED = "cutwater.folded"
REPAIR = "cutwater.repair"
# A commit that lost its race must come back to us: PyIceberg's own second try would pass by the fence and every check.
# Manifests are merged now and then: one per commit would make every commit and every look slower than the one before.
NO_RETRY = {"commit.retry.num-retries": "0", "commit.manifest-merge.enabled": "true"}
_TRIES = 5
Guard = Callable[["Table"], None]


def summaries(table: Table) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(snapshot id, summary) of the table's history, newest first."""
    for snapshot in ancestry(table):
        yield snapshot.snapshot_id, dict(snapshot.summary.additional_properties) if snapshot.summary else {}


def newest(table: Table, key: str) -> str | None:
    """The latest value of a summary property."""
    return next((summary[key] for _, summary in summaries(table) if key in summary), None)


def check_fence(table: Table, token: int) -> None:
    """Raises LeaseHeld (CW3203) where a later token has already written: whoever asks is a zombie."""
    seen = newest(table, FENCE)
    if seen is not None and int(seen) > token:
        raise LeaseHeld(
            "CW3203",
            f"a later runner (token {seen}) has written to {'.'.join(table.name())}",
            state="this commit was not made",
            next="cutwater wave status",
        )


def without_retry(table: Table) -> Table:
    """The table with commits that are tried once; an older table is told so now."""
    if any(table.properties.get(key) != value for key, value in NO_RETRY.items()):
        with table.transaction() as change:
            change.set_properties(NO_RETRY)
    return table


def append(
    catalog: Catalog,
    name: str,
    rows: pa.Table,
    properties: Mapping[str, str],
    token: int,
    guard: Guard = lambda _: None,
    turn: AbstractContextManager[object] | None = None,
) -> int:
    """Appends in one commit and returns its snapshot id; a lost race is tried again on the table's new state.

    The rows are encoded and written once, before the commit's turn comes: several threads encode at the same time, and a
    lost race costs a commit, not a file. A file whose commit was never made is an orphan for the lake's clean-up.

    guard: raises where the state that the commit would stand on already holds the rows (another runner was quicker).
    turn: held for the commit alone.
    Raises LeaseHeld for a zombie, Unavailable (CW3204) when the commit loses `_TRIES` races.
    """
    from pyiceberg.exceptions import CommitFailedException

    table = without_retry(catalog.load_table(name))
    check_fence(table, token)
    guard(table)
    files = _written(table, rows)
    with turn or nullcontext():
        for number in range(_TRIES):
            if number or turn:  # else it was looked at just now: who was quicker since then makes the commit fail
                table = catalog.load_table(name)
                check_fence(table, token)
                guard(table)
            try:
                with QuickTransaction(table) as change:
                    update = change.update_snapshot({**properties, FENCE: str(token)})
                    with update.merge_append() if is_long(table) else update.fast_append() as addition:
                        for file in files:
                            addition.append_data_file(file)
            except CommitFailedException:
                continue
            snapshot = table.current_snapshot()
            if snapshot is not None:
                return snapshot.snapshot_id
    raise Unavailable(
        "CW3204",
        f"{name} was committed to by others {_TRIES} times in a row",
        state="nothing of this batch was written",
        next="one writer per table: look for the other one",
    )


def _written(table: Table, rows: pa.Table) -> list[DataFile]:
    """The rows as Parquet beside the table, in no snapshot yet; a column too many or of another type is refused."""
    from pyiceberg.io.pyarrow import _check_pyarrow_schema_compatible, _dataframe_to_data_files

    _check_pyarrow_schema_compatible(table.schema(), rows.schema, format_version=table.metadata.format_version)
    return list(_dataframe_to_data_files(table.metadata, rows, table.io)) if rows.num_rows else []
