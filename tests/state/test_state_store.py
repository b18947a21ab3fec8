"""The contract of the store, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, IntegrityError

from cutwater.core.errors import BadInput, CutwaterError, LeaseHeld, Refused, Unavailable
from cutwater.core.hashing import GENESIS
from cutwater.state import WaveRow, open_store
from cutwater.state.migrate import HEAD, MIGRATIONS, to_head
from cutwater.state.store import Store


def test_the_journal_chains_all_waves(store: Store) -> None:
    first = store.journal.append("W01", "wave.state", {"to": "PREPARED"}, run_id="R1")
    second = store.journal.append("W02", "wave.state", {"sum": Decimal("1.50"), "list": (1, 2)})
    assert (first.seq, first.prev_hash, second.seq, second.prev_hash) == (1, GENESIS, 2, first.hash)
    assert second.payload == {"sum": "1.50", "list": [1, 2]}
    assert store.journal.records() == [first, second]
    assert store.journal.head() == (2, second.hash)
    assert store.verify() == []


def test_records_are_chosen_by_wave_kind_and_position(store: Store) -> None:
    for number in range(6):
        store.journal.append(f"W0{number % 2}", "odd" if number % 3 else "third", {"n": number})
    assert [item.payload["n"] for item in store.journal.records("W00")] == [0, 2, 4]
    assert [item.payload["n"] for item in store.journal.records(kinds=["third"])] == [0, 3]
    assert [item.seq for item in store.journal.records(after=4)] == [5, 6]
    assert [item.seq for item in store.journal.records("W01", last=2)] == [4, 6]


def test_a_float_is_refused_and_leaves_nothing(store: Store) -> None:
    with pytest.raises(CutwaterError, match="CW2010"):
        store.journal.append("W01", "effect.outcome", {"seconds": 1.5})
    assert store.journal.records() == []


def test_the_journal_refuses_update_and_delete(store: Store) -> None:
    store.journal.append("W01", "a", {})
    for statement in ("UPDATE journal SET wave = 'W02'", "DELETE FROM journal"):
        with pytest.raises(DatabaseError, match="append-only"), store.database.write() as connection:
            connection.execute(text(statement))
    assert store.verify() == []


def test_a_lease_is_held_once_and_tokens_rise(store: Store, lapse: Callable[[str], None]) -> None:
    one = store.leases.acquire("W01", "host:1", 60)
    assert store.leases.current("W01") == one
    with pytest.raises(LeaseHeld, match=r"CW2001.*host:1") as held:
        store.leases.acquire("W01", "host:2", 60)
    assert held.value.details["holder"] == "host:1"
    assert store.leases.acquire("W02", "host:2", 60).token == 1
    lapse("W01")
    assert store.leases.current("W01") is None
    assert store.leases.lapsed("W01") is not None
    two = store.leases.acquire("W01", "host:2", 60)
    assert two.token == 2
    with pytest.raises(LeaseHeld, match="CW2002"):
        store.leases.renew(one)
    store.leases.release(one)  # changes nothing: it is no longer ours
    assert store.leases.current("W01") == two
    store.leases.release(two)
    store.leases.release(two)
    assert store.leases.current("W01") is None
    assert store.leases.lapsed("W01") is None
    assert store.leases.acquire("W01", "host:3", 60).token == 3
    assert store.leases.newest_token("W01") == 3


def test_a_lapsed_lease_that_nobody_took_is_renewed(store: Store, lapse: Callable[[str], None]) -> None:
    one = store.leases.acquire("W01", "host:1", 60)
    lapse("W01")
    renewed = store.leases.renew(one)
    assert (renewed.token, store.leases.current("W01")) == (one.token, renewed)


def test_the_index_alone_lets_one_lease_be_active(store: Store) -> None:
    store.leases.acquire("W01", "host:1", 60)
    with pytest.raises(IntegrityError), store.database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO lease (wave, token, holder, acquired_at, expires_at, ttl_seconds, ended_how) "
                "VALUES ('W01', 2, 'x', '', '', 1, '')"
            )
        )


def test_a_zombie_cannot_append(store: Store, lapse: Callable[[str], None]) -> None:
    one = store.leases.acquire("W01", "host:1", 60)
    store.journal.append("W01", "a", {}, fence=one.token)
    lapse("W01")
    two = store.leases.acquire("W01", "host:2", 60)
    with pytest.raises(LeaseHeld, match="CW2003"):
        store.journal.append("W01", "b", {}, fence=one.token)
    store.journal.append("W01", "c", {}, fence=two.token)
    assert [item.kind for item in store.journal.records()] == ["a", "c"]


def test_waves_are_put_and_listed(store: Store) -> None:
    store.waves.put(WaveRow("W02", "PLANNED"))
    store.waves.put(WaveRow("W01", "PLANNED", plan_hash="p"))
    store.waves.put(WaveRow("W01", "DUAL_RUN", "PAUSED", 2, "q"))
    row = store.waves.get("W01")
    assert row is not None
    assert (row.state, row.condition, row.attempt, row.plan_hash) == ("DUAL_RUN", "PAUSED", 2, "q")
    assert row.updated_at is not None
    assert [item.name for item in store.waves.list()] == ["W01", "W02"]
    assert store.waves.get("W03") is None


def test_plans_are_frozen(store: Store) -> None:
    assert store.plans.save("hash1", "W01", {"steps": ["a"]}) == 1
    assert store.plans.save("hash2", "W01", {"steps": ["b"]}) == 2
    assert store.plans.save("hash1", "W01", {"steps": ["other"]}) == 1
    assert store.plans.load("hash1") == {"steps": ["a"]}
    latest = store.plans.latest("W01")
    assert latest is not None
    assert (latest.plan_hash, latest.version) == ("hash2", 2)
    with pytest.raises(BadInput, match="CW2009"):
        store.plans.load("hash3")
    with store.database.write() as connection:
        connection.execute(text("UPDATE plan SET body = '{\"steps\":[]}' WHERE plan_hash = 'hash1'"))
    with pytest.raises(Refused, match="CW2008"):
        store.plans.load("hash1")


def test_approvals_are_kept_by_plan(store: Store) -> None:
    store.approvals.add("W01", "hash1", "migration-lead", "decider", "seen")
    store.approvals.add("W01", "hash2", "migration-lead", "decider")
    assert [(item.who, item.role, item.note) for item in store.approvals.of("hash1")] == [
        ("migration-lead", "decider", "seen")
    ]


def test_a_request_is_answered_once(store: Store) -> None:
    one, two = store.requests.ask("W01", "pin", {"tables": ["a"]}), store.requests.ask("W01", "pause")
    assert [(item.id, item.kind, item.payload) for item in store.requests.pending("W01")] == [
        (one, "pin", {"tables": ["a"]}),
        (two, "pause", {}),
    ]
    store.requests.answer(one, {"ok": True})
    store.requests.answer(one, {"ok": False})
    store.requests.fail(two, {"code": "CW3001"})
    assert store.requests.pending("W01") == []
    assert (store.requests.result(one).state, store.requests.result(one).answer) == ("answered", {"ok": True})
    assert (store.requests.result(two).state, store.requests.result(two).answer) == ("failed", {"code": "CW3001"})
    with pytest.raises(BadInput, match="CW2009"):
        store.requests.result(99)


def test_snapshots_are_kept_by_time(store: Store) -> None:
    assert store.snapshots.latest() is None
    for day in ("02", "01"):
        store.snapshots.save({"id": f"I{day}", "taken_at": f"2026-11-{day}T00:00:00Z", "assets": [{"id": "a"}]})
    latest = store.snapshots.latest()
    assert latest is not None
    assert latest["id"] == "I02"
    assert [(item.id, item.assets) for item in store.snapshots.list()] == [("I01", 1), ("I02", 1)]
    assert store.snapshots.get("I01")["assets"] == [{"id": "a"}]
    with pytest.raises(BadInput, match="CW2009"):
        store.snapshots.get("I03")


def test_reconciliation_runs_and_breaks(store: Store) -> None:
    store.recon.save_run("R1", "W01", {"verdict": "FAIL"})
    store.recon.save_breaks("R1", [{"n": 1}, {"n": 2}])
    store.recon.save_breaks("R1", [{"n": 1}, {"n": 3}])
    store.recon.save_run("R2", "W01", {"verdict": "PASS"})
    store.recon.save_breaks("R2", [])
    store.recon.save_run("R1", "W01", {"verdict": "INCONCLUSIVE"})
    assert store.recon.run("R1") == {"verdict": "INCONCLUSIVE"}
    assert store.recon.breaks(run_id="R1") == [{"n": 1}, {"n": 3}]
    assert store.recon.breaks(wave="W01") == [{"n": 1}, {"n": 3}]
    assert store.recon.breaks(wave="W02") == []
    assert store.recon.latest("W02") is None
    with pytest.raises(BadInput, match="CW2009"):
        store.recon.run("R9")


def test_evidence_is_bound_into_the_journal(store: Store) -> None:
    store.evidence.add("reconciliation", "W01", {"verdict": "FAIL"}, "ab")
    second = store.evidence.add("reconciliation", "W01", {"verdict": "PASS"}, "cd")
    latest = store.evidence.latest("reconciliation", "W01")
    assert latest is not None
    assert (latest.id, latest.body, latest.sha256) == (second, {"verdict": "PASS"}, "cd")
    assert store.evidence.latest("rollback", "W01") is None
    assert store.verify() == []
    with store.database.write() as connection:
        connection.execute(text('UPDATE evidence SET body = \'{"verdict":"PASS"}\' WHERE seq = 1'))
    assert [item.seq for item in store.verify()] == [1]
    with store.database.write() as connection:
        connection.execute(text("DELETE FROM evidence WHERE seq = 1"))
    assert "missing" in store.verify()[0].text
    with store.database.write() as connection:
        connection.execute(
            text("INSERT INTO evidence SELECT 'E9', 9, at, kind, wave, body, sha256 FROM evidence WHERE seq = 2")
        )
    assert [item.seq for item in store.verify()] == [1, 9]


def test_opening_twice_migrates_once(store: Store, store_url: str) -> None:
    assert to_head(store.database) is False
    store.journal.append("W01", "a", {})
    with open_store(store_url) as again:
        assert len(again.journal.records()) == 1


def test_head_is_alembics_head() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_models_and_migrations_agree(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from cutwater.state.models import Base

    with store.database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_newer_store_is_refused(store: Store, store_url: str) -> None:
    with store.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadInput, match="CW2006"):
        open_store(store_url)


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", ""])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(BadInput, match="CW2005"):
        open_store(url)


def test_a_store_that_does_not_answer_is_unavailable_and_its_password_hidden() -> None:
    with pytest.raises(Unavailable, match="CW2004") as caught:
        open_store("postgresql://someone:hunter2@127.0.0.1:1/none")
    assert "hunter2" not in f"{caught.value} {caught.value.as_dict()}"


def test_an_in_memory_store_works_for_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with open_store("sqlite://") as memory, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: memory.journal.append("W01", "a", {"n": n}), range(20)))
        assert memory.verify() == []
        assert memory.journal.head()[0] == 20
