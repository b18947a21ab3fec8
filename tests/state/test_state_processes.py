"""Several processes on one store: one chain, one lease."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from cutwater.core.errors import LeaseHeld
from cutwater.state import open_store

APPENDS = 40


def append_many(url: str, name: str) -> int:
    with open_store(url) as store:
        for number in range(APPENDS):
            store.journal.append("W01", "a", {"by": name, "number": number})
    return APPENDS


def fight(url: str, name: str) -> list[int]:
    """Takes the lease whenever it can, and lets it go: the tokens that it got."""
    tokens = []
    with open_store(url) as store:
        for _ in range(25):
            try:
                lease = store.leases.acquire("W01", name, 60)
            except LeaseHeld:
                continue
            tokens.append(lease.token)
            store.journal.append("W01", "held", {"by": name}, fence=lease.token)
            store.leases.release(lease)
    return tokens


def grab(url: str, name: str) -> int:
    """One try; the lease is kept."""
    with open_store(url) as store:
        try:
            return store.leases.acquire("W01", name, 60).token
        except LeaseHeld:
            return 0


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def test_two_processes_keep_one_chain_on_a_store_that_neither_has_migrated(store_url: str) -> None:
    with _pool(2) as pool:
        assert sum(pool.map(append_many, [store_url] * 2, "ab")) == 2 * APPENDS
    with open_store(store_url) as store:
        assert store.verify() == []
        assert store.journal.head()[0] == 2 * APPENDS
        for name in "ab":
            mine = [item.payload["number"] for item in store.journal.records() if item.payload["by"] == name]
            assert mine == list(range(APPENDS))


def test_one_of_many_gets_the_lease(store_url: str) -> None:
    with _pool(3) as pool:
        assert sorted(pool.map(grab, [store_url] * 6, "abcdef")) == [0, 0, 0, 0, 0, 1]


def test_tokens_of_fighting_processes_are_all_different(store_url: str) -> None:
    with _pool(2) as pool:
        tokens = [token for some in pool.map(fight, [store_url] * 2, "ab") for token in some]
    assert sorted(tokens) == list(range(1, len(tokens) + 1))
    with open_store(store_url) as store:
        assert store.verify() == []
        assert len(store.journal.records(kinds=["held"])) == len(tokens)
