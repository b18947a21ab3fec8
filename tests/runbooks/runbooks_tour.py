"""A whole tour in memory: cut over, rolled back, cut over again, completed, by the engine itself, and the facts of it."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "waves"))

from waves_bench import ESTATE, WAVE, WAY_BACK, Bench

from runbooks.facts import Facts
from runbooks.settings import Settings, parse_settings
from waves import life
from waves.calendars import load_calendars
from waves.plan import Plan
from waves.planner import make_plan
from waves.point_of_no_return import DECISION_RECORDED, ROLLBACK_KINDS, point_of_no_return, rollback_runs
from waves.wave_file import parse_wave

SECTION = b"""\
cutover:
  grace_seconds: 1
  outbox: [payhub, outbox, published_at]
  consumers: {topics: [payhub.payment.status.v1], from_group: ledger, to_group: ledger-tobe}
  probe: [kafka]
  smoke: [api]
"""
LEDGER = {
    "by_currency": {
        "GBP": {
            "held": {"count": 3, "sum": "1200.50"},
            "released": {"count": 2, "sum": "1000.50"},
            "returned": {"count": 1, "sum": "200.00"},
            "open": {"count": 0, "sum": "0"},
        }
    },
    "held": 3, "released": 2, "returned": 1, "open": 0, "offered": 0, "problems": [], "holds": True, "settled": True,
}  # fmt: skip


def cutover_plan(estimate: str = "") -> Plan:
    """The small wave with a cutover section; estimate: window.rollback_minutes."""
    text = WAVE.replace(b"accepts_writes: readers", b"accepts_writes: store") + SECTION + WAY_BACK
    text = text.replace(b"roles:\n", b"roles:\n  cutover-manager: night manager\n")
    text = text.replace(b"start: 2026-12-05T22", b"start: 2026-11-23T11")
    if estimate:
        text = text.replace(b"T06:00:00Z}", b"T06:00:00Z, rollback_minutes: " + estimate.encode() + b"}")
    return make_plan(parse_wave(text, Path("W01.yaml")), ESTATE)


class Tour:
    """Time passes at each look at the clock; `slow` makes the next part slower."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = plan or cutover_plan()
        self.bench = Bench(self.plan)

    def ready(self) -> Tour:
        engine = self.bench.engine()
        engine.append("run.started", {"pid": 1, "to": "ready"})
        engine.advance("dual-run")
        self.bench.pass_evidence()
        self.bench.approve()
        engine.advance("ready")
        engine.close()
        return self

    def go(self, target: str) -> Tour:
        engine = self.bench.engine()
        engine.advance(target)
        engine.close()
        return self

    def decide(self, late: timedelta) -> Tour:
        latest = (self.bench.clock() - late).isoformat().replace("+00:00", "Z")
        body = {
            "about": "rollback",
            "who": "Ada",
            "role": "decider",
            "reason": "status is slow",
            "plan": self.plan.hash,
        }
        point = {"point_of_no_return": {"latest_start": latest}}
        self.bench.store.journal.append("W01", DECISION_RECORDED, {**body, **point})
        return self

    def prove(self) -> Tour:
        self.bench.store.journal.append("W01", "held.proof", dict(LEDGER))
        return self

    def whole(self) -> Tour:
        self.ready().go(life.CUT).decide(timedelta(minutes=-5)).go(life.BACK)
        self.ready().go(life.CUT).prove()
        return self.go(life.COMPLETE)

    def facts(self, **changes: Any) -> Facts:
        journal = self.bench.store.journal
        now: datetime = self.bench.clock()
        runs = rollback_runs(journal.records("W01", ROLLBACK_KINDS))
        calendars = load_calendars()
        body: dict[str, Any] = {
            "plan": self.plan,
            "rendered_at": now,
            "plan_version": 1,
            "records": journal.records("W01"),
            "approvals": self.bench.store.approvals.of(self.plan.hash),
            "settings": Settings(),
            "calendars": calendars,
            "journal": (len(journal.rows), "ab" * 32),
            "point": point_of_no_return(self.plan.window, runs, tuple(calendars.values())),
            "makers": ("the maker",),
            "held": LEDGER,
        }
        return Facts(**{**body, **changes})


def boxed(**boxes: int) -> Settings:
    return parse_settings({"time_boxes": boxes}, "W01")
