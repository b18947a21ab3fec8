"""A history of many small commits stays short, and everything that is asked of it is answered as before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from adapters.duckdb.lake import LakeReader
from adapters.iceberg import history
from adapters.iceberg.commits import append, newest
from adapters.iceberg.history import ancestry, is_long, keep, superfluous, tagged, thin_out

SCHEMA = pa.schema([("n", pa.int64())])
NAME = "legacy_changes.payment"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(history, "KEPT", 5)
    catalog = SqlCatalog("lake", uri=f"sqlite:///{tmp_path}/c.db", warehouse=f"file://{tmp_path}/w")
    catalog.create_namespace("legacy_changes")
    catalog.create_table(NAME, schema=SCHEMA, properties={"commit.manifest.min-count-to-merge": "4"})
    yield catalog
    catalog.close()


def grow(lake: Any, first: int, past: int) -> list[int]:
    return [
        append(lake, NAME, pa.table({"n": [n]}, schema=SCHEMA), {"cutwater.lsn": str(n)}, 1) for n in range(first, past)
    ]


def long_ago(lake: Any) -> datetime:
    return datetime.now(UTC) + timedelta(days=3)  # seen from there, all of it is old


def test_what_came_since_a_tagged_mark_is_told_though_the_history_between_is_gone(lake: Any) -> None:
    made = grow(lake, 0, 6)
    keep(lake.load_table(NAME), made[2])
    made += grow(lake, 6, 23)
    table = lake.load_table(NAME)
    assert is_long(table)
    thin_out(table, long_ago(lake))
    left = [int(item.snapshot_id) for item in lake.load_table(NAME).snapshots()]
    assert sorted(left, key=made.index) == [made[2], *made[-5:]]
    reader = LakeReader(lake)
    found = reader.query(f"SELECT n FROM {reader.added(NAME, made[2], made[-1])} ORDER BY 1")
    assert [n for (n,) in found] == list(range(3, 23))
    assert reader.query(f"SELECT count(*) FROM {reader.relation(NAME, made[-1])}") == [(23,)]
    reader.close()
    assert newest(lake.load_table(NAME), "cutwater.lsn") == "22"
    made += grow(lake, 23, 25)  # and it goes on
    assert [int(item.snapshot_id) for item in ancestry(lake.load_table(NAME))] == [*reversed(made[-7:]), made[2]]


def test_manifests_are_merged_while_it_grows(lake: Any) -> None:
    grow(lake, 0, 40)
    table = lake.load_table(NAME)
    assert len(table.current_snapshot().manifests(table.io)) < 12


def test_a_mark_that_moves_lets_the_earlier_one_go(lake: Any) -> None:
    made = grow(lake, 0, 12)
    table = lake.load_table(NAME)
    keep(table, made[1])
    keep(table, made[1])
    keep(lake.load_table(NAME), made[3])
    assert tagged(lake.load_table(NAME)) == {made[3], made[-1]}
    thin_out(lake.load_table(NAME), long_ago(lake))
    assert lake.load_table(NAME).snapshot_by_id(made[1]) is None


def test_older_snapshots_get_sparser_and_none_of_the_newest_goes(lake: Any) -> None:
    grow(lake, 0, 1)
    [one] = lake.load_table(NAME).snapshots()
    now = datetime(2026, 11, 25, tzinfo=UTC)
    every = [
        one.model_copy(
            update={
                "snapshot_id": n,
                "sequence_number": n,
                "timestamp_ms": int((now - timedelta(seconds=10 * (20_000 - n))).timestamp() * 1000),
            }
        )
        for n in range(20_000)
    ]
    gone = set(superfluous(every, {17}, now))
    left = [item for item in every if item.snapshot_id not in gone]
    assert {item.snapshot_id for item in left} >= {17, *range(19_995, 20_000)}
    assert len(left) == pytest.approx(5 + 60 + 23 + 1, abs=3)
    assert not superfluous(every[-5:], set(), now)
