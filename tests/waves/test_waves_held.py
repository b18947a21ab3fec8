"""Emptying the ledger of held payments: order, crashes between intent and answer, refusals, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cutwater.core.errors import CutwaterError, Refused, Unavailable
from cutwater.state.records import HeldPayment
from cutwater.state.store import Store, open_store
from waves.held import check_proof, give_back, release

AT = datetime(2026, 12, 5, 22, tzinfo=UTC)


class NewSide:
    """Carries a payment out once per key. trouble: key -> errors to raise before, or after, it was carried out."""

    def __init__(self) -> None:
        self.done: dict[str, str] = {}
        self.order: list[str] = []
        self.before: dict[str, list[Exception]] = {}
        self.after: dict[str, list[Exception]] = {}

    def __call__(self, payment: HeldPayment) -> str:
        if self.before.get(payment.key):
            raise self.before[payment.key].pop(0)
        if payment.key not in self.done:
            self.done[payment.key] = f"uetr-{payment.key}"
            self.order.append(payment.key)
        if self.after.get(payment.key):
            raise self.after[payment.key].pop(0)
        return self.done[payment.key]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 's.db'}") as opened:
        for place, key in enumerate(("a1", "b1", "a2", "a3", "b2", "c1")):
            body = {"amount": f"{place}.50", "currency": "GBP"}
            opened.held.hold("W01", key, key[0], AT + timedelta(seconds=place), "api", body)
        yield opened


def test_all_are_released_in_the_order_of_their_account(store: Store) -> None:
    side = NewSide()
    done = release(store.held, "W01", side)
    assert (len(done.released), done.as_dict()["waiting"]) == (6, [])
    assert [key for key in side.order if key[0] == "a"] == ["a1", "a2", "a3"]
    assert [key for key in side.order if key[0] == "b"] == ["b1", "b2"]
    assert check_proof(store.held.proof("W01")).settled
    assert release(store.held, "W01", side).as_dict() == {"released": 0, "returned": 0, "waiting": []}
    assert len(side.order) == 6


def test_an_account_without_an_answer_waits_and_the_others_go_on(store: Store) -> None:
    side = NewSide()
    side.after["a1"] = [Unavailable("CW3999", "the answer was lost")]
    done = release(store.held, "W01", side)
    assert (sorted(done.released), list(done.waiting)) == (["b1", "b2", "c1"], ["a1"])
    with pytest.raises(Unavailable, match=r"CW3055.*1 of them were sent"):
        check_proof(store.held.proof("W01"))
    again = release(store.held, "W01", side)
    assert again.released == ["a1", "a2", "a3"]
    assert side.order.count("a1") == 1
    assert check_proof(store.held.proof("W01")).released == 6


def test_what_the_new_side_refuses_goes_back(store: Store) -> None:
    side = NewSide()
    side.before["a1"] = [Refused("CW3998", "the account is closed")]
    done = release(store.held, "W01", side)
    assert done.returned == ["a1"]
    assert store.held.list("W01")[0].reason == "CW3998 the account is closed"
    proof = check_proof(store.held.proof("W01"))
    assert (proof.released, proof.returned, proof.open) == (5, 1, 0)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("key", ["a1", "a2", "b2", "c1"])
def test_killed_anywhere_it_ends_the_same(store: Store, when: str, key: str) -> None:
    side = NewSide()
    getattr(side, when)[key] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        release(store.held, "W01", side)
    release(store.held, "W01", side)
    assert sorted(side.order) == ["a1", "a2", "a3", "b1", "b2", "c1"]
    assert check_proof(store.held.proof("W01")).released == 6


def test_called_off_all_but_what_was_sent_goes_back(store: Store) -> None:
    side = NewSide()
    side.after["b1"] = [Unavailable("CW3999", "the answer was lost")]
    store.held.offered("W01", "b1")
    done = give_back(store.held, "W01", "the cutover was called off")
    assert (sorted(done.returned), list(done.waiting)) == (["a1", "a2", "a3", "c1"], ["b1"])
    assert store.held.proof("W01").open == 2


def test_two_that_became_one_on_the_new_side_are_found(store: Store) -> None:
    with pytest.raises(Refused, match=r"CW2016.*two held payments became one"):
        release(store.held, "W01", lambda payment: "the same")


def test_a_ledger_that_does_not_add_up_is_a_defect(store: Store) -> None:
    with store.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM held_payment WHERE key = 'a2'")
    with pytest.raises(CutwaterError, match="CW3054"):
        check_proof(store.held.proof("W01"), settled=False)
