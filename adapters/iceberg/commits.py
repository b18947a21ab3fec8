"""Commits that carry their meaning: position, chunk, fencing token, in the same snapshot as the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from cutwater.core.errors import LeaseHeld, Unavailable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

FENCE = "cutwater.fence"
LSN = "cutwater.lsn"
CHUNK = "cutwater.chunk"
CHUNK_RANGE = "cutwater.chunk-range"
PG_SNAPSHOT = "cutwater.pg-snapshot"
FOLDED = "cutwater.folded"
REPAIR = "cutwater.repair"
# A commit that lost its race must come back to us: PyIceberg's own second try would pass by the fence and every check.
NO_RETRY = {"commit.retry.num-retries": "0"}
_TRIES = 5
Guard = Callable[["Table"], None]


def summaries(table: Table) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(snapshot id, summary) of the table's history, newest first."""
    snapshot = table.current_snapshot()
    while snapshot is not None:
        summary = snapshot.summary
        yield snapshot.snapshot_id, dict(summary.additional_properties) if summary else {}
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None


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
) -> int:
    """Appends in one commit and returns its snapshot id; a lost race is tried again on the table's new state.

    guard: raises where the state that the commit would stand on already holds the rows (another runner was quicker).
    Raises LeaseHeld for a zombie, Unavailable (CW3204) when the commit loses `_TRIES` races.
    """
    from pyiceberg.exceptions import CommitFailedException

    for _ in range(_TRIES):
        table = without_retry(catalog.load_table(name))
        check_fence(table, token)
        guard(table)
        try:
            table.append(rows, snapshot_properties={**properties, FENCE: str(token)})
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
