"""What has to go on where it stopped, and what is told of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from cutwater.core.config import Project, load_project
from cutwater.core.errors import BadInput
from sandbox.estate import codes, state, truth
from sandbox.estate.generator import build
from sandbox.estate.state import EstateState
from sandbox.estate.traffic import Flight
from sandbox.estate.truth import Tally


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("CUTWATER_HOME", str(tmp_path / "home"))
    (tmp_path / "cutwater.toml").write_text('[project]\nname = "p"\n', "utf-8")
    return load_project(tmp_path)


def test_an_estate_that_was_not_seeded(project: Project) -> None:
    with pytest.raises(BadInput) as caught, state.locked(project):
        pass
    assert caught.value.code == "CW1204"


def test_a_number_is_never_taken_twice_even_when_the_work_fails(project: Project) -> None:
    state.save(project, EstateState(1, 100, 2, 50))

    def fail() -> None:
        with state.locked(project) as known:
            assert known.sequences.take("fin-in").sequence == 1
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError):
        fail()
    with state.locked(project) as known:
        assert known.sequences.take("fin-in").sequence == 2
        assert known.sequences.take("fin-out").sequence == 1
        assert known.sequences.take("mx-in").stem.endswith("MXXX_1001_000001")
    assert state.load(project).sequences.last == {"fin-in": 2, "fin-out": 1, "mx-in": 1, "mx-out": 0}


def test_tallies_add_up_exactly(project: Project) -> None:
    estate = build(1, 200, 2)
    one, other = Tally(), Tally()
    for index, payment in enumerate(estate.payments):
        (one if index % 2 else other).payment(payment)
    one.events("t", 3)
    one.rows("outbox", -2)
    one.save(truth.folder(project) / "seed.json")
    other.save(truth.folder(project) / "traffic-1.json")
    found = truth.ground_truth(project)
    assert found["tables"] == {"payhub.outbox": -2, "payhub.payment": 200}
    assert found["topics"] == {"t": 3}
    pounds = sum(item.amount for item in estate.payments if item.currency == "GBP")
    assert Decimal(found["amounts"]["GBP"]) == pounds


def test_faults_remember_their_undoing(project: Project) -> None:
    truth.record(project, {"kind": "fault", "id": "F1", "fault": "late-status", "key": "5"})
    truth.record(project, {"kind": "fault", "id": "F2", "fault": "lost-row", "key": "6"})
    truth.record(project, {"kind": "undo", "id": "F1", "undo": {"published": "x"}})
    assert [(item["id"], item["undone"]) for item in truth.faults(project)] == [("F1", True), ("F2", False)]


def test_statuses_come_due_in_order_of_time() -> None:
    estate = build(1, 200, 2)
    flight = Flight()
    for payment in estate.payments:
        flight.plan(payment, first=2)
    start = datetime.combine(estate.days[0], datetime.min.time(), UTC)
    first = flight.due(start + timedelta(hours=12))
    rest = flight.due(start + timedelta(days=30))
    times = [status.occurred_at for _, status in first + rest]
    assert times == sorted(times)
    assert len(times) == sum(len(item.statuses) - 1 for item in estate.payments)
    assert flight.due(start + timedelta(days=30)) == []
    assert flight.deliveries


def test_every_code_is_explained_and_within_its_range() -> None:
    assert all(code.startswith("CW12") and text.endswith(".") for code, text in codes.CODES.items())
    sources = "".join(path.read_text("utf-8") for path in Path(state.__file__).parent.rglob("*.py"))
    assert all(sources.count(f'"{code}"') >= 2 for code in codes.CODES)
