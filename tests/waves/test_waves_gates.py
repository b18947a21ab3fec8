"""Gates: missing, stale, red and green evidence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from waves_bench import Clock

from adapters.memory.store import MemoryEvidence
from waves.gates import GateResult, Questions, ServiceView
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
