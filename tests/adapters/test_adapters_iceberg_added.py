"""Which files came since a snapshot: also where manifests were merged, and never by guessing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from adapters.duckdb.lake import LakeReader
from adapters.iceberg.added import added_files, snapshot_before
from cutwater.core.errors import Inconclusive

SCHEMA = pa.schema([("n", pa.int64())])


@pytest.fixture(
    params=[{}, {"commit.manifest-merge.enabled": "true", "commit.manifest.min-count-to-merge": "3"}],
    ids=["plain", "merged"],
)
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    catalog = SqlCatalog("lake", uri=f"sqlite:///{tmp_path}/c.db", warehouse=f"file://{tmp_path}/w")
    catalog.create_namespace("raw")
    catalog.create_table("raw.message", schema=SCHEMA, properties=request.param)
    yield catalog
    catalog.close()


def grown(lake: Any, count: int) -> list[int]:
    """A snapshot per row, the row's number being the snapshot's."""
    made = []
    for number in range(count):
        table = lake.load_table("raw.message")
        table.append(pa.table({"n": [number]}, schema=SCHEMA))
        made.append(int(table.current_snapshot().snapshot_id))
    return made


def test_the_rows_of_every_window_are_those_that_were_appended_in_it(lake: Any) -> None:
    made = grown(lake, 9)
    reader = LakeReader(lake)
    for first in range(-1, 9):
        for last in range(first, 9):
            since = None if first < 0 else made[first]
            until = None if last < 0 else made[last]
            found = reader.query(f"SELECT n FROM {reader.added('raw.message', since, until)} ORDER BY 1")
            assert [n for (n,) in found] == list(range(first + 1, last + 1))
    reader.close()


def test_what_cannot_be_told_is_said(lake: Any) -> None:
    made = grown(lake, 4)
    table = lake.load_table("raw.message")
    assert added_files(table, 4711, made[3]) is None  # expired, or of another table
    assert added_files(table, made[3], made[1]) is None  # the table was rolled back
    assert added_files(table, made[0], None) is None
    table.delete("n = 2")
    reader = LakeReader(lake)
    with pytest.raises(Inconclusive, match="CW4017"):
        reader.added("raw.message", made[0], int(lake.load_table("raw.message").current_snapshot().snapshot_id))
    reader.close()


def test_the_mark_of_an_instant_is_the_snapshot_before_it(lake: Any) -> None:
    made = grown(lake, 2)
    table = lake.load_table("raw.message")
    stamps = [datetime.fromtimestamp(table.snapshot_by_id(item).timestamp_ms / 1000, UTC) for item in made]
    assert snapshot_before(table, stamps[0]) is None
    assert snapshot_before(table, stamps[1] + timedelta(seconds=1)) == made[1]
