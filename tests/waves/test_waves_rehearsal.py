"""What a rehearsal leaves: a record that is filed once, a gate with an age, durations that say where they come from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from waves_bench import Clock

from adapters.memory.store import MemoryEvidence, MemoryJournal
from cutwater.commands import rehearsal
from cutwater.core.clock import iso
from cutwater.core.config import load_project
from cutwater.core.errors import Refused
from cutwater.state.store import open_store
from runbooks.executed import fold
from waves.gates import GateResult, Questions
from waves.plan import GateSpec, Plan, StepSpec
from waves.point_of_no_return import ROLLBACK_KINDS, rollback_runs
from waves.rehearsal import REHEARSAL_BEGUN, REHEARSAL_MEASURED, ago

CUT = ("reverse", "fence", "switch", "open")
STEPS = tuple(StepSpec(name, name, name) for name in ("prepare", *CUT))
PLAN = Plan("W01", "t", "store", (), STEPS, (), "i", "m")
GATE = GateSpec("rehearsed", "rehearsal.age_days", "7", 60)
Tell = Callable[..., None]


def body(**more: Any) -> dict[str, Any]:
    steps = {name: ["2.5"] for name in CUT}
    plain = {"rehearsal": "R-1", "work": PLAN.work_hash, "steps": steps, "back": {"switch": ["1.5"]}}
    return {**plain, "rollback_seconds": ["3.25"], "dark_ms": [4100], **more}


def asked(journal: MemoryJournal, clock: Clock, work: str = PLAN.work_hash) -> GateResult:
    return Questions("W01", MemoryEvidence(clock), list, clock, journal, work=work).evaluate(GATE)


def test_the_gate_counts_days_from_the_last_rehearsal_of_these_steps() -> None:
    clock = Clock()
    journal = MemoryJournal(clock)
    assert asked(journal, clock).word == "unknown"
    journal.append("W01", REHEARSAL_MEASURED, body())
    found = asked(journal, clock)
    assert (found.verdict, found.evidence) == ("GO", "journal record 1")
    clock.now += timedelta(days=7)
    assert asked(journal, clock).verdict == "GO"
    clock.now += timedelta(seconds=60)
    assert asked(journal, clock).word == "fail", "one minute too old is too old"
    journal.append("W01", REHEARSAL_MEASURED, body(rehearsal="R-2", work="other steps"))
    assert asked(journal, clock).word == "fail", "a fresh one of other steps does not make it younger"
    alone = MemoryJournal(clock)
    alone.append("W01", REHEARSAL_MEASURED, body(work="other steps"))
    assert (asked(alone, clock).word, "other steps" in asked(alone, clock).reason) == ("unknown", True)


def test_a_rehearsal_is_not_asked_for_a_rehearsal() -> None:
    clock = Clock()
    journal = MemoryJournal(clock)
    journal.append("W01", REHEARSAL_BEGUN, {"of": "payhub"})
    for query in ("rehearsal.age_days", "rollback.rehearsed"):
        asks = Questions("W01", MemoryEvidence(clock), list, clock, journal)
        found = asks.evaluate(GateSpec("g", query, "7", 60))
        assert (found.verdict, found.value) == ("GO", "this is the rehearsal itself")


def test_its_rollback_counts_for_the_point_of_no_return_and_its_steps_for_the_schedule() -> None:
    clock = Clock()
    journal = MemoryJournal(clock)
    journal.append("W01", REHEARSAL_MEASURED, body())
    journal.append("W01", "step.completed", {"step": "switch", "seconds": "4.0"})
    journal.append("W01", REHEARSAL_MEASURED, {"steps": "nonsense", "back": [1], "rollback_seconds": "never"})
    [run] = rollback_runs(journal.records("W01", ROLLBACK_KINDS))
    assert (run.length, run.source) == (timedelta(seconds=3.25), "rehearsal R-1")
    done = fold(journal.records("W01"))
    switch, fence = done.duration("step:switch"), done.duration("step:fence")
    assert switch is not None
    assert fence is not None
    day = f"{clock():%d %b %Y}"
    assert (switch.samples, switch.source) == (
        (timedelta(seconds=2.5), timedelta(seconds=4)),
        f"rehearsed on {day}; measured in an earlier round",
    )
    assert fence.source == f"rehearsed on {day}"
    assert done.duration("back:switch") is not None
    assert done.duration("step:prepare") is None


def test_the_status_says_how_old_it_is_and_how_long_a_round_takes() -> None:
    clock = Clock()
    journal = MemoryJournal(clock)
    empty = rehearsal.view(journal.records("W01"), PLAN, clock())
    assert (empty["last"], empty["cutover"]["source"], empty["rollback"]["p90_seconds"]) == (None, "not measured", None)
    journal.append("W01", REHEARSAL_MEASURED, body())
    journal.append("W01", "rehearsal.failed", {"rehearsal": "R-2", "error": {}})
    found = rehearsal.view(journal.records("W01"), PLAN, clock() + timedelta(days=2, hours=3))
    assert (found["last"]["ago"], found["last"]["same_steps"], found["failed_since"]) == ("2 d ago", True, True)
    assert (found["cutover"]["p50_seconds"], found["rollback"]["p90_seconds"]) == ("10.000", "3.250")
    assert found["rollback"]["source"] == "1 rehearsed"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "less than a minute ago"), (59, "less than a minute ago"), (60, "1 min ago"), (7199, "1 h ago")],
)
def test_ago(seconds: int, text: str) -> None:
    assert ago(timedelta(seconds=seconds)) == text


def test_a_round_of_another_project_is_filed_once_and_only_of_the_same_steps(tmp_path: Path) -> None:
    projects = []
    for name, plan in (
        ("real", PLAN),
        ("copy", PLAN),
        ("other", Plan("W01", "t", "store", (), STEPS[1:], (), "i", "m")),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cutwater.toml").write_text(f'[project]\nname = "{name}"\n')
        project = load_project(tmp_path / name)
        projects.append(project)
        with open_store(project.state_url) as store:
            store.plans.save(plan.hash, "W01", plan.as_dict())
            store.journal.append("W01", "wave.state", {"from": "", "to": "PLANNED", "attempt": 1, "plan": plan.hash})
    real, copy, other = projects
    with pytest.raises(Refused) as nothing:
        rehearsal.from_project(real, "W01", copy)
    assert nothing.value.code == "CW3063"
    for project in (copy, other):
        with open_store(project.state_url) as store:
            for old, new in (("CUTTING_OVER", "CUT_OVER"), ("CUT_OVER", "ROLLING_BACK"), ("ROLLING_BACK", "DUAL_RUN")):
                store.journal.append("W01", "wave.state", {"from": old, "to": new})
    with pytest.raises(Refused) as strange:
        rehearsal.from_project(real, "W01", other)
    assert (strange.value.code, strange.value.cause) == ("CW3062", "only in the plan: prepare")
    first, added = rehearsal.from_project(real, "W01", copy)
    again, twice = rehearsal.from_project(real, "W01", copy)
    assert (added, twice, first.rehearsal == again.rehearsal) == (True, False, True)
    with open_store(real.state_url) as store:
        [record] = store.journal.records("W01", [REHEARSAL_MEASURED])
        assert store.verify() == []
    assert record.payload["journal"]["hash"] == first.journal["hash"]
    assert record.payload["host"]["cpus"] != "0"
    assert iso(record.at) >= record.payload["ended"]
