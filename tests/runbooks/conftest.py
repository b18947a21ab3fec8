"""Fixtures over the wave of runbooks_support."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from runbooks_support import BOXES, ESTATE, EVIDENCE, NOW, RUNS, Yes, answered, journal, plan

from runbooks.facts import Facts
from runbooks.settings import Settings, parse_settings
from waves.calendars import load_calendars


@pytest.fixture
def facts() -> Callable[..., Facts]:
    """Facts of a wave in dual run; keyword arguments replace parts."""

    def make(**changes: Any) -> Facts:
        body: dict[str, Any] = {
            "plan": plan(),
            "rendered_at": NOW,
            "plan_version": 1,
            "records": journal(),
            "gates": answered(),
            "reconciliations": RUNS,
            "evidence": EVIDENCE,
            "approvals": (Yes("migration lead on duty", "migration-lead", NOW - timedelta(minutes=3)),),
            "estate": ESTATE,
            "settings": Settings(),
            "calendars": load_calendars(),
            "journal": (118, "ab" * 32),
        }
        return Facts(**{**body, **changes})

    return make


@pytest.fixture
def boxed(facts: Callable[..., Facts]) -> Facts:
    """The same with a time box for whatever was not measured."""
    roles = {"decider": "head of treasury", "migration-lead": "second migration lead"}
    return facts(
        settings=parse_settings({"time_boxes": BOXES, "deputies": roles, "bridge": "bridge 3, pin on the card"}, "W01")
    )
