"""Gates: missing, stale, red and green evidence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from waves_bench import Clock

from adapters.memory.store import MemoryEvidence, MemoryJournal
from cutwater.core.hashing import sha256_json
from waves.gates import CLOCK_LIMIT, GateResult, Questions, ServiceView
from waves.plan import GateSpec


def ask(
    query: str, threshold: str, body: dict[str, Any] | None, age: int = 0, view: ServiceView | None = None
) -> GateResult:
    clock = Clock()
    evidence = MemoryEvidence(clock)
    if body is not None:
        evidence.add("reconciliation", "W01", body)
    clock.now += timedelta(minutes=age)
    questions = Questions("W01", evidence, lambda: [view] if view else [], clock)
    return questions.evaluate(GateSpec("g", query, threshold, 60))


def stream(**detail: str) -> ServiceView:
    now = Clock().now
    caught = now - timedelta(seconds=int(detail.pop("caught"))) if "caught" in detail else None
    return ServiceView("stream", now, False, "", detail, detail.pop("error", ""), caught)


PASS = {"run": "R", "verdict": "PASS", "open_breaks": 0}


@pytest.mark.parametrize(
    ("query", "threshold", "body", "age", "word"),
    [
        ("reconciliation.verdict", "PASS", None, 0, "unknown"),
        ("reconciliation.verdict", "PASS", PASS, 0, "pass"),
        ("reconciliation.verdict", "PASS", PASS, 60, "pass"),
        ("reconciliation.verdict", "PASS", PASS, 61, "late"),
        ("reconciliation.verdict", "PASS", {**PASS, "verdict": "INCONCLUSIVE"}, 0, "fail"),
        ("reconciliation.verdict", "PASS", {**PASS, "as_of": "2026-11-23T10:00:00Z"}, 0, "late"),
        ("reconciliation.verdict", "PASS", {}, 0, "fail"),
        ("reconciliation.open_breaks", "0", {**PASS, "open_breaks": 1}, 0, "fail"),
        ("reconciliation.open_breaks", "2", {**PASS, "open_breaks": 2}, 0, "pass"),
        ("reconciliation.open_breaks", "none", PASS, 0, "unknown"),
        ("reconciliation.open_breaks", "0", {}, 0, "unknown"),
        ("reconciliation.open_breaks", "0", {**PASS, "verdict": "INCONCLUSIVE"}, 0, "unknown"),
        ("feeds.complete", "all", PASS, 0, "unknown"),
        ("feeds.complete", "all", {**PASS, "feeds": [{"feed": "a", "verdict": "PASS"}]}, 0, "pass"),
        ("feeds.complete", "all", {**PASS, "feeds": {"a": {"verdict": "FAIL"}}}, 0, "fail"),
    ],
)
def test_evidence(query: str, threshold: str, body: dict[str, Any] | None, age: int, word: str) -> None:
    result = ask(query, threshold, body, age)
    assert result.word == word
    assert (result.verdict == "GO") == (word == "pass")
    assert bool(result.reason) == (word != "pass")


def test_the_stream_s_lag() -> None:
    assert ask("stream.lag_seconds", "30", None).word == "unknown"
    assert ask("stream.lag_seconds", "30", None, 0, stream(lag_seconds="1.4")).word == "pass"
    assert ask("stream.lag_seconds", "30", None, 0, stream(lag_seconds="31")).word == "fail"
    assert ask("stream.lag_seconds", "30", None, 0, stream()).word == "unknown"
    assert ask("stream.lag_seconds", "30", None, 0, stream(caught="2")).word == "pass"
    assert ask("stream.lag_seconds", "30", None, 0, stream(caught="31")).word == "fail"
    assert ask("stream.lag_seconds", "30", None, 0, stream(error="lost")).word == "fail"
    assert ask("stream.lag_seconds", "30", None, 61, stream(lag_seconds="1")).word == "late"


@pytest.mark.parametrize(
    ("seconds", "verdict", "reason"),
    [
        (3600, "GO", ""),
        (3601, "NO-GO", "evidence one minute too old: 60 min 1 s old, at most 60 allowed"),
        (3660, "NO-GO", "evidence one minute too old: 61 min old, at most 60 allowed"),
        (3661, "NO-GO", "evidence 2 minutes too old: 61 min 1 s old, at most 60 allowed"),
    ],
)
def test_evidence_of_exactly_the_allowed_age_is_fresh(seconds: int, verdict: str, reason: str) -> None:
    clock = Clock()
    evidence = MemoryEvidence(clock)
    evidence.add("reconciliation", "W01", PASS)
    clock.now += timedelta(seconds=seconds)
    found = Questions("W01", evidence, lambda: [], clock).evaluate(GateSpec("g", "reconciliation.verdict", "PASS", 60))
    assert (found.verdict, found.reason) == (verdict, reason)


def test_a_result_names_its_evidence_by_id_and_hash() -> None:
    found = ask("reconciliation.verdict", "PASS", PASS)
    assert (found.evidence_id, found.evidence_hash) == ("E1", sha256_json(PASS))
    seen = ask("stream.lag_seconds", "30", None, 0, stream(lag_seconds="1"))
    assert seen.evidence_id.startswith("service:stream:")
    assert len(seen.evidence_hash) == 64
    assert ask("reconciliation.verdict", "PASS", None).evidence_id == ""


def feed(behind: object, error: str = "", name: str = "feed:kafka:a") -> ServiceView:
    return ServiceView(name, Clock().now, False, "", {"behind": behind}, error)


@pytest.mark.parametrize(
    ("view", "word"),
    [
        (None, "unknown"),
        (feed(5), "pass"),
        (feed("6"), "fail"),
        (feed(-1), "unknown"),
        (feed(None), "unknown"),
        (feed(0, "away"), "fail"),
        (feed({"a": 2, "b": 3}, name="feeds"), "pass"),
        (feed({"a": 2, "b": -1}, name="feeds"), "unknown"),
        (stream(lag_seconds="0"), "unknown"),
    ],
)
def test_how_far_the_feeds_are_behind(view: ServiceView | None, word: str) -> None:
    assert ask("feeds.lag_messages", "5", None, 0, view).word == word


def rolled_back(clock: Clock, start: str = "CUT_OVER") -> MemoryJournal:
    journal = MemoryJournal(clock)
    journal.append("W01", "wave.state", {"from": start, "to": "ROLLING_BACK"})
    clock.now += timedelta(seconds=8)
    journal.append("W01", "wave.state", {"from": "ROLLING_BACK", "to": "DUAL_RUN"})
    return journal


@pytest.mark.parametrize(("seconds", "word"), [(0, "pass"), (7 * 86_400, "pass"), (7 * 86_400 + 1, "fail")])
def test_a_rollback_was_rehearsed_within_so_many_days(seconds: int, word: str) -> None:
    clock = Clock()
    journal = rolled_back(clock)
    clock.now += timedelta(seconds=seconds)
    asks = Questions("W01", MemoryEvidence(clock), lambda: [], clock, journal)
    found = asks.evaluate(GateSpec("g", "rollback.rehearsed", "7", 60))
    assert (found.word, found.evidence_id) == (word, "journal:2")
    assert found.evidence_hash == journal.rows[-1].hash


def test_a_rollback_that_nobody_saw_is_no_go() -> None:
    clock, gate = Clock(), GateSpec("g", "rollback.rehearsed", "7", 60)
    evidence = MemoryEvidence(clock)
    early = rolled_back(clock, "CUTTING_OVER")  # it had nothing to undo yet
    for journal in (None, MemoryJournal(clock), early):
        assert Questions("W01", evidence, lambda: [], clock, journal).evaluate(gate).word == "unknown"
    filed = MemoryJournal(clock)
    filed.append("W01", "rollback.measured", {"seconds": "7.5", "source": "rehearsal on a clone"})
    found = Questions("W01", evidence, lambda: [], clock, filed).evaluate(gate)
    assert (found.word, found.value) == ("pass", "last rollback 0.0 days ago, rehearsal on a clone")


@pytest.mark.parametrize("sign", [1, -1])
def test_clocks_that_differ_make_every_gate_unknown(sign: int) -> None:
    clock = Clock()
    evidence = MemoryEvidence(clock)
    evidence.add("reconciliation", "W01", PASS)

    def word(query: str, threshold: str, skew: timedelta | None) -> str:
        asks = Questions("W01", evidence, lambda: [], clock, None, lambda: skew)
        return asks.evaluate(GateSpec("g", query, threshold, 60)).word

    five = timedelta(minutes=5) * sign
    assert word("reconciliation.verdict", "PASS", CLOCK_LIMIT * sign) == "pass"
    assert word("reconciliation.verdict", "PASS", CLOCK_LIMIT * sign + timedelta(milliseconds=sign)) == "unknown"
    assert word("reconciliation.verdict", "PASS", None) == "unknown"
    assert word("clock.skew_ms", "250", timedelta(milliseconds=250) * sign) == "pass"
    assert word("clock.skew_ms", "250", timedelta(microseconds=250_001) * sign) == "fail"
    assert word("clock.skew_ms", "250", five) == "fail"
    assert word("clock.skew_ms", "250", None) == "unknown"
    asks = Questions("W01", evidence, lambda: [], clock, None, lambda: five)
    assert "300000 ms" in asks.evaluate(GateSpec("g", "reconciliation.verdict", "PASS", 60)).reason


def test_evidence_from_the_future_is_unknown() -> None:
    found = ask("reconciliation.verdict", "PASS", PASS, -5)
    assert (found.word, found.age_minutes) == ("unknown", 0)
    assert "future" in found.reason
