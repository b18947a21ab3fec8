"""Fixtures of the engine's tests; what they are made of stands in waves_bench.py."""

from __future__ import annotations

import pytest
from waves_bench import Bench, small_plan

from waves.plan import Plan


@pytest.fixture
def plan() -> Plan:
    return small_plan()


@pytest.fixture
def bench(plan: Plan) -> Bench:
    return Bench(plan)
