"""Snapshots and transaction ids: what decides which change is already in the copy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres.snapshot import PgSnapshot, int_to_lsn, lsn_to_int, widen


def test_visibility_follows_the_three_rules() -> None:
    snapshot = PgSnapshot.parse("10:20:12,15")
    assert [xid for xid in range(8, 22) if snapshot.sees(xid)] == [8, 9, 10, 11, 13, 14, 16, 17, 18, 19]


@pytest.mark.parametrize("text", ["", "1:2", "5:4:", "1:9:0", "1:9:9", "a:b:c"])
def test_what_is_no_snapshot_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        PgSnapshot.parse(text)


@given(st.integers(3, 2**40), st.sets(st.integers(0, 50)), st.integers(-5, 60))
def test_the_predicate_says_what_the_value_says(xmin: int, open_ones: set[int], offset: int) -> None:
    import sqlite3

    snapshot = PgSnapshot(xmin, xmin + 51, frozenset(xmin + item for item in open_ones))
    xid = max(0, xmin + offset)
    (found,) = (
        sqlite3.connect(":memory:").execute(f"SELECT {snapshot.sql('x')} FROM (SELECT ? AS x)", (xid,)).fetchone()
    )
    assert bool(found) is snapshot.sees(xid)
    assert PgSnapshot.parse(str(snapshot)) == snapshot


@given(st.integers(2**31, 2**62), st.integers(0, 2**31 - 1))
def test_a_transaction_id_gets_its_epoch_back(next_xid: int, behind: int) -> None:
    xid = next_xid - behind
    assert widen(xid & 0xFFFFFFFF, next_xid) == xid


@given(st.integers(0, 2**64 - 1))
def test_positions_survive_their_text_form(position: int) -> None:
    assert lsn_to_int(int_to_lsn(position)) == position


def test_a_snapshot_is_behind_one_that_sees_more() -> None:
    now = PgSnapshot.parse("10:20:12")
    assert not now.is_behind(now)
    assert not now.is_behind(PgSnapshot.parse("10:20:11,12"))
    assert now.is_behind(PgSnapshot.parse("10:20:"))
    assert now.is_behind(PgSnapshot.parse("21:21:"))
    assert not now.is_behind(PgSnapshot.parse("5:9:6"))
