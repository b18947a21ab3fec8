"""Fixtures of the engine's tests; what they are made of stands in waves_bench.py and fault_world.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_report import Report
from waves_bench import Bench, small_plan

from waves.plan import Plan

REPORT = Report()


@pytest.fixture
def plan() -> Plan:
    return small_plan()


@pytest.fixture
def bench(plan: Plan) -> Bench:
    return Bench(plan)


@pytest.fixture(scope="session")
def fault_report() -> Report:
    """Who was killed and what came of it; printed and written when the session ends."""
    return REPORT


@pytest.fixture(scope="module")
def fault_world(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A sandbox of its own, with a small wave that is READY and a runner that carries out orders to kill."""
    from fault_world import RUNNER, FaultWorld

    from cutwater.commands import wave_run

    with pytest.MonkeyPatch.context() as patch:
        made = FaultWorld(tmp_path_factory.mktemp("faults"))
        patch.setattr(wave_run, "RUNNER", RUNNER)
        patch.setenv("FAULT_ORDERS", str(made.orders))
        try:
            made.up()
            yield made
        finally:
            made.down()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.failed:
        REPORT.ran(report.nodeid, report.outcome)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if REPORT.cells:
        REPORT.write()
        terminalreporter.section("fault matrix")
        for line in REPORT.lines():
            terminalreporter.write_line(line)
