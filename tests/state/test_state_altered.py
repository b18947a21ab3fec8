"""What was altered in the store behind its back proves nothing: gates, approvals and ledgers are held to the journal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cutwater.state import open_store
from cutwater.state.store import Store
from waves.gates import GateResult, Questions
from waves.plan import GateSpec

Edit = Callable[..., None]
FAILED = {"run": "R1", "verdict": "FAIL", "open_breaks": 3}
PASSED = {"run": "R2", "verdict": "PASS", "open_breaks": 0}
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'state.db'}", lambda: NOW) as opened:
        yield opened


@pytest.fixture
def edit(tmp_path: Path, kept: Store) -> Edit:
    """Somebody with a database client."""

    def run(statement: str, *values: object) -> None:
        with sqlite3.connect(tmp_path / "state.db") as database:
            database.execute(statement, values)
        database.close()

    return run


def verdict(store: Store) -> GateResult:
    asks = Questions("W01", store.evidence, list, lambda: NOW)
    return asks.evaluate(GateSpec("reconciliation", "reconciliation.verdict", "PASS", 60))


def test_a_gate_believes_no_edited_evidence(kept: Store, edit: Edit) -> None:
    kept.evidence.add("reconciliation", "W01", FAILED, "a" * 64)
    assert verdict(kept).word == "fail"
    edit("UPDATE evidence SET body = ?", json.dumps({**PASSED, "run": "FORGED"}))
    result = verdict(kept)
    assert (result.verdict, result.word) == ("NO-GO", "unknown")
    assert "was edited" in result.reason
    assert "FORGED" not in result.evidence


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DELETE FROM evidence WHERE seq = 2", "is missing"),
        ("UPDATE evidence SET at = '2026-11-23T08:59:00.000000Z' WHERE seq = 2", "was edited"),
        ("UPDATE evidence SET body = 'no json' WHERE seq = 2", "was edited"),
        ("UPDATE evidence SET seq = 9 WHERE seq = 1", "is missing"),
        (
            "INSERT INTO evidence SELECT 'E9', 9, at, kind, wave, body, sha256 FROM evidence WHERE seq = 1",
            "has no record",
        ),
    ],
)
def test_a_gate_takes_the_newest_evidence_that_the_journal_names(
    kept: Store, edit: Edit, statement: str, reason: str
) -> None:
    kept.evidence.add("reconciliation", "W01", PASSED)
    kept.evidence.add("reconciliation", "W01", FAILED)
    edit(statement)
    result = verdict(kept)
    assert (result.verdict, result.word) == ("NO-GO", "unknown")
    assert reason in result.reason
    assert kept.verify()


def test_evidence_as_recorded_is_believed(kept: Store) -> None:
    kept.evidence.add("reconciliation", "W01", FAILED)
    kept.evidence.add("reconciliation", "W02", FAILED)
    kept.evidence.add("reconciliation", "W01", PASSED)
    kept.evidence.add("other", "W01", {})
    assert verdict(kept).word == "pass"


GHOST = (
    "INSERT INTO approval SELECT 9, wave, plan_hash, 'Ghost One', 'migration-lead', '', at FROM approval WHERE id = 1"
)


@pytest.mark.parametrize(
    ("statement", "counted", "problems"),
    [
        ("UPDATE approval SET who = 'Ghost One' WHERE id = 1", ["Ben"], ["Anna", "Ghost One"]),
        ("UPDATE approval SET plan_hash = 'p2' WHERE id = 1", ["Ben"], ["Anna", "Anna"]),
        ("UPDATE approval SET role = 'business-owner' WHERE id = 1", ["Ben"], ["Anna", "Anna"]),
        ("DELETE FROM approval WHERE id = 2", ["Anna"], ["Ben"]),
        (GHOST, ["Anna", "Ben"], ["Ghost One"]),
    ],
)
def test_only_approvals_that_the_journal_holds_count(
    kept: Store, edit: Edit, statement: str, counted: list[str], problems: list[str]
) -> None:
    kept.approvals.add("W01", "p1", "Anna", "migration-lead", "seen", {"gates": []})
    kept.approvals.add("W01", "p1", "Ben", "business-owner")
    assert [item.who for item in kept.approvals.of("p1")] == ["Anna", "Ben"]
    assert kept.verify() == []
    edit(statement)
    assert [item.who for item in kept.approvals.of("p1")] == counted
    assert kept.approvals.of("p2") == []
    found = kept.verify()
    assert len(found) == len(problems)
    assert all(name in item.text for name, item in zip(problems, found, strict=True))


def release(store: Store, *keys: str, epoch: int = 2) -> None:
    for key in keys:
        body = {"amount": "10.00", "currency": "GBP", "uetr": key}
        store.held.hold("W01", key, f"account of {key}", NOW, "api", body)
        store.held.offered("W01", key)
        store.held.released("W01", key, f"there-{key}")
    assert store.held.close("W01", epoch) is not None


FEWER = "UPDATE held_control SET count = count - 1, total = '20.00' WHERE state IN ('HELD', 'RELEASED')"


@pytest.mark.parametrize("between", [True, False])
def test_a_payment_that_left_the_ledger_is_missed(kept: Store, edit: Edit, between: bool) -> None:
    """The control totals were altered with it: the proof in the journal was not, whatever was proved since."""
    release(kept, "k1", "k2", "k3")
    assert kept.held.proof("W01").settled
    assert kept.verify() == []
    edit("DELETE FROM held_payment WHERE key = 'k2'")
    edit(FEWER)
    if between:
        kept.held.record_proof("W01")
    proof = kept.held.proof("W01")
    assert not proof.holds
    assert "released GBP was 3 of 30.00, the ledger has 2 of 20.00" in " ".join(proof.problems)
    assert any("held payments of W01" in item.text for item in kept.verify())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE held_payment SET receipt = 'elsewhere' WHERE key = 'k2'",
        "UPDATE held_payment SET key = 'k9' WHERE key = 'k2'",
        "UPDATE held_payment SET account = 'account of k1' WHERE key = 'k2'",
    ],
)
def test_an_altered_row_of_the_ledger_is_found(kept: Store, edit: Edit, statement: str) -> None:
    release(kept, "k1", "k2", "k3")
    edit(statement)
    assert "altered or exchanged" in " ".join(kept.held.proof("W01").problems)


def test_a_ledger_that_grows_keeps_its_proofs(kept: Store) -> None:
    release(kept, "k1", "k2")
    release(kept, "k3", epoch=4)
    kept.held.hold("W01", "k4", "A", NOW, "api", {"amount": "1.00", "currency": "EUR"})
    kept.held.record_proof("W01")
    kept.held.offered("W01", "k4")
    kept.held.released("W01", "k4", "there-k4")
    assert kept.held.proof("W01").settled
    assert kept.verify() == []
