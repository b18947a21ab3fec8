"""The ledger of held payments, on both databases: once per key, in order per account, one end each, and its proof."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from cutwater.core.errors import BadInput, CutwaterError, LeaseHeld, Refused
from cutwater.state import open_store
from cutwater.state.held import money_of
from cutwater.state.records import HeldPayment, HeldTotal
from cutwater.state.store import Store

Put = Callable[..., HeldPayment]


@pytest.fixture
def put(store: Store, clock: Any) -> Put:
    start = clock()

    def hold(
        key: str, account: str = "A", second: int = 0, amount: str = "10.00", currency: str = "GBP"
    ) -> HeldPayment:
        body = {"amount": amount, "currency": currency, "uetr": key}
        return store.held.hold("W01", key, account, start + timedelta(seconds=second), "api", body)

    return hold


def keys(store: Store, limit: int = 100) -> list[str]:
    return [item.key for item in store.held.next_batch("W01", limit)]


def test_a_payment_is_held_once_per_key(store: Store, put: Put) -> None:
    first = put("k1", second=1)
    assert (first.state, first.amount, first.currency, first.body["uetr"]) == ("HELD", Decimal("10.00"), "GBP", "k1")
    assert put("k1", second=9) == first
    with pytest.raises(Refused, match="CW2013"):
        put("k1", amount="10.01")
    with pytest.raises(Refused, match="CW2013"):
        put("k1", account="B")
    assert store.held.hold("W02", "k1", "A", first.received_at, "api", {}).id != first.id
    assert store.held.proof("W01").held == 1


def test_the_batch_has_the_first_of_each_account(store: Store, put: Put) -> None:
    put("a2", "A", 2)
    put("b1", "B", 3)
    put("a1", "A", 1)
    put("a3", "A", 2)
    assert keys(store) == ["a1", "b1"]
    assert keys(store, 1) == ["a1"]
    with pytest.raises(Refused, match=r"CW2014.*a1"):
        store.held.offered("W01", "a2")
    with pytest.raises(Refused, match="CW2014"):
        store.held.released("W01", "a2", "r")
    with pytest.raises(Refused, match="CW2014"):
        store.held.returned("W01", "a2", "no")
    store.held.released("W01", "a1", "r1")
    assert keys(store) == ["a2", "b1"]
    store.held.returned("W01", "a2", "closed")
    assert keys(store) == ["a3", "b1"]


def test_each_has_one_end_and_the_same_end_twice_is_the_same(store: Store, put: Put) -> None:
    put("k1")
    put("k2", "B")
    once = store.held.released("W01", "k1", "r1")
    assert (once.state, once.receipt) == ("RELEASED", "r1")
    assert store.held.released("W01", "k1", "r1") == once
    for again in ("r1", "other"):
        with pytest.raises(Refused, match=r"CW201[56]"):
            store.held.released("W01", "k2" if again == "r1" else "k1", again)
    with pytest.raises(Refused, match="CW2015"):
        store.held.returned("W01", "k1", "no")
    back = store.held.returned("W01", "k2", "called off")
    assert store.held.returned("W01", "k2", "another word") == back
    with pytest.raises(Refused, match="CW2015"):
        store.held.released("W01", "k2", "r2")
    with pytest.raises(CutwaterError, match="CW2016"):
        store.held.released("W01", "k2", "")
    with pytest.raises(BadInput, match="CW2009"):
        store.held.released("W01", "k3", "r3")


def test_what_was_sent_is_returned_on_a_refusal_alone(store: Store, put: Put) -> None:
    put("k1")
    sent = store.held.offered("W01", "k1")
    assert sent.offered_at is not None
    assert store.held.offered("W01", "k1") == sent
    assert store.held.proof("W01").offered == 1
    with pytest.raises(Refused, match="CW2017"):
        store.held.returned("W01", "k1", "called off")
    assert store.held.returned("W01", "k1", "AC04", refused=True).state == "RETURNED"
    assert store.held.offered("W01", "k1").state == "RETURNED"


def test_a_zombie_moves_nothing(store: Store, put: Put) -> None:
    put("k1")
    lease = store.leases.acquire("W01", "host:1", 60)
    store.leases.release(lease)
    newer = store.leases.acquire("W01", "host:2", 60)
    for move in (
        lambda: store.held.offered("W01", "k1", lease.token),
        lambda: store.held.released("W01", "k1", "r", lease.token),
        lambda: store.held.returned("W01", "k1", "x", False, lease.token),
        lambda: store.held.record_proof("W01", "R", lease.token),
    ):
        with pytest.raises(LeaseHeld, match="CW2003"):
            move()
    assert store.held.list("W01")[0].offered_at is None
    assert store.held.released("W01", "k1", "r", newer.token).state == "RELEASED"


def test_the_proof_adds_up_by_count_and_by_sum_per_currency(store: Store, put: Put) -> None:
    put("k1", "A", 1, "0.1")
    put("k2", "B", 2, "0.2")
    put("k3", "C", 3, "900719925474099.29")
    put("k4", "D", 4, "7", "JPY")
    put("k5", "E", 5, "much")
    store.held.released("W01", "k1", "r1")
    store.held.returned("W01", "k2", "no")
    found = store.held.proof("W01")
    assert (found.held, found.released, found.returned, found.open) == (5, 1, 1, 3)
    assert found.by_currency["GBP"] == {
        "held": HeldTotal(3, Decimal("900719925474099.59")),
        "released": HeldTotal(1, Decimal("0.1")),
        "returned": HeldTotal(1, Decimal("0.2")),
        "open": HeldTotal(1, Decimal("900719925474099.29")),
    }
    assert found.by_currency["JPY"]["open"] == HeldTotal(1, Decimal(7))
    assert found.by_currency[""]["open"] == HeldTotal(1, Decimal(0))  # kept, though nobody can read its amount
    assert (found.holds, found.settled) == (True, False)
    proof, record = store.held.record_proof("W01", "R1")
    assert (record.kind, record.run_id) == ("held.proof", "R1")
    assert record.payload == {**proof.as_dict(), "rows": record.payload["rows"]}
    assert store.verify() == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM held_payment WHERE key = 'k1'", "the control total says 2"),
        ("UPDATE held_payment SET amount = '99.00' WHERE key = 'k2'", "not that of its body"),
        ("UPDATE held_payment SET body = '{}' WHERE key = 'k2'", "body was altered"),
        ("UPDATE held_payment SET state = 'RETURNED' WHERE key = 'k2'", "returned GBP"),
        ("UPDATE held_payment SET receipt = NULL WHERE key = 'k1'", "without a receipt"),
    ],
)
def test_a_ledger_that_was_altered_does_not_add_up(store: Store, put: Put, statement: str, said: str) -> None:
    put("k1")
    put("k2", "B")
    store.held.released("W01", "k1", "r1")
    with store.database.write() as connection:
        connection.execute(text(statement))
    found = store.held.proof("W01")
    assert not found.holds
    assert any(said in item for item in found.problems)


def test_a_ledger_that_was_released_takes_nothing_in_behind_it(store: Store, put: Put, clock: Any) -> None:
    """A gateway that has not seen the open route yet would hold what nobody releases."""

    def late(key: str, epoch: int) -> HeldPayment:
        return store.held.hold("W01", key, "A", clock(), "api", {"uetr": key}, epoch)

    first = late("k1", 2)
    assert store.held.close("W01", 3) is None  # it is open still
    assert late("k2", 2).state == "HELD"
    for key in ("k1", "k2"):
        store.held.released("W01", key, f"r-{key}")
    proof = store.held.close("W01", 3)
    assert proof is not None
    assert (proof.held, proof.released, proof.open) == (2, 2, 0)
    with pytest.raises(Refused, match="CW2018"):
        late("k3", 2)
    assert late("k1", 2).id == first.id  # known: its sender asks again
    assert late("k3", 4).state == "HELD"  # the next round's dark
    assert store.held.find("W01", "k9") is None
    assert [item.key for item in store.held.of_account("W01", "A")] == ["k1", "k2", "k3"]
    assert len(store.journal.records("W01", ["held.proof"])) == 1


def test_many_hold_and_release_at_the_same_time(store: Store, store_url: str, clock: Any) -> None:
    at = clock()

    def work(number: int) -> int:
        with open_store(store_url, clock) as own:
            for place in range(12):
                key = f"k{place}"  # everybody brings the same ones
                own.held.hold("W01", key, f"A{place}", at, "api", {"amount": "1.10", "currency": "GBP"})
                own.held.offered("W01", key)
                own.held.released("W01", key, f"r{place}")
        return number

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(work, range(4))) == [0, 1, 2, 3]
    found = store.held.proof("W01")
    assert (found.held, found.released, found.settled) == (12, 12, True)
    assert found.by_currency["GBP"]["released"].total == Decimal("13.20")


def test_money_that_cannot_be_read() -> None:
    assert money_of({"amount": "1.5", "currency": "EUR"}) == ("EUR", Decimal("1.5"))
    for body in (
        {},
        {"amount": "NaN", "currency": "EUR"},
        {"amount": "1.123456", "currency": "EUR"},
        {"amount": "1", "currency": "euro"},
    ):
        assert money_of(body) == ("", None)


def test_a_store_of_the_first_version_is_brought_to_head(store: Store, store_url: str, clock: Any) -> None:
    store.journal.append("W01", "a", {})
    with store.database.write() as connection:
        connection.execute(text("DROP TABLE held_payment"))
        connection.execute(text("DROP TABLE held_control"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with open_store(store_url, clock) as again:
        assert again.held.proof("W01").held == 0
        assert again.verify() == []


def test_the_store_s_clock_against_another(store: Store) -> None:
    ours = store.now()
    assert abs(store.skew(lambda: store.now())) < timedelta(seconds=1)
    assert store.skew(lambda: ours - timedelta(minutes=5)) >= timedelta(minutes=5)
    assert store.skew(lambda: ours + timedelta(minutes=5)) <= -timedelta(minutes=4)


def test_a_clock_that_was_set_back_shows_against_the_last_record(store: Store, clock: Any) -> None:
    written = store.journal.append("W01", "a", {}).at
    if store.database.is_sqlite:
        clock.move(-300)
        assert store.skew(clock) == timedelta(minutes=5)
    else:
        assert store.skew(lambda: written - timedelta(minutes=5)) >= timedelta(minutes=5)
