"""A table read in ranges: every row once, numbers added exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapters.postgres.ranges import SMALLEST_BLOCKS, added, ranges


@pytest.mark.parametrize("blocks", [0, 1, 2 * SMALLEST_BLOCKS - 1, 2 * SMALLEST_BLOCKS, 100_000, 10**9])
def test_ranges_join_without_a_gap_and_the_last_one_has_no_end(blocks: int) -> None:
    parts = ranges(blocks)
    if len(parts) == 1:
        assert parts == [""]
        return
    ends = [part.partition(" AND ctid < ")[2] for part in parts]
    starts = [part.partition("ctid >= ")[2].partition(" AND")[0] for part in parts]
    assert starts[0] == "'(0,0)'::tid"
    assert ends == [*starts[1:], ""]
    assert len(parts) <= 17


def test_equal_groups_are_added_without_rounding() -> None:
    wide = Decimal("9" * 60 + ".01")
    parts = [
        [("GBP", 1, wide, None)],
        [("GBP", 2, wide, Decimal(5)), (None, 1, None, None)],
        [("GBP", 3, Decimal("0.00001"), None)],
    ]
    assert sorted(added(parts), key=str) == [
        ("GBP", 6, Decimal("1" + "9" * 59 + "8.02001"), Decimal(5)),
        (None, 1, None, None),
    ]
