"""The demo's cutover: over and back under traffic, three rounds, then for good."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from cutwater.state.store import open_store
from sandbox import demo_verdict as verdict
from waves.dark import KINDS, dark_windows
from waves.point_of_no_return import ROLLBACK_KINDS, rollback_runs

if TYPE_CHECKING:
    from sandbox.demo import Demo

ROUNDS = 3
DECIDER, ROLE = "demo-decider", "cutover-decider"  # as waves/W01.yaml names them
NEW_PAYMENTS = 100  # that the new side has accepted before a round goes on
PATIENCE_SECONDS = 60


def rounds(demo: Demo, wave: str) -> None:
    """Cut over and roll back, ROUNDS - 1 times, then cut over once more: under traffic all the while."""
    for number in range(1, ROUNDS + 1):
        _over(demo, wave, number)
        if number < ROUNDS:
            _back(demo, wave, number)
    demo.facts["cutover"] = measured(demo, wave)


def _over(demo: Demo, wave: str, number: int) -> None:
    from cutwater.commands import wave_cutover

    opening = "fence, drain, reconcile, switch, smoke, open" if number == 1 else "the same again, by the same plan"
    with demo.chapter(f"Cutover {number}", opening) as ch:
        wave_cutover.cutover(
            demo.project, wave, "a demo has no window", DECIDER, ROLE, follower=verdict.Rows(demo.progress)
        )
        accepted = _accepted(demo, NEW_PAYMENTS)
        held = measured(demo, wave)["held"]
        ch.line = (
            f"payments waited {_last_dark(demo, wave):,} ms; the new side has accepted {accepted:,} since; "
            f"{held['held']} held so far = {held['released']} released + {held['returned']} returned"
        )


def _back(demo: Demo, wave: str, number: int) -> None:
    from cutwater.commands import wave_cutover, wave_run

    with demo.chapter(f"Rollback {number}", "traffic returns, and the legacy side holds every payment") as ch:
        wave_cutover.rollback(
            demo.project,
            wave,
            "the demo shows the way back",
            DECIDER,
            ROLE,
            follower=verdict.Rows(demo.progress),
        )
        took = measured(demo, wave)["rollback_ms"][-1]
        ran = wave_run.run(demo.project, wave, "ready")
        ch.line = f"{took:,} ms; wave {wave} is {ran.state} again"


def complete(demo: Demo, wave: str) -> None:
    """After ground truth was asked: what the legacy side had from us is removed."""
    from cutwater.commands import runbook, wave_cutover

    with demo.chapter("Complete", "slot and publication leave the legacy side; there is no way back after this") as ch:
        ran = wave_cutover.complete(demo.project, wave, wave, follower=verdict.Rows(demo.progress))
        demo.facts["state"] = ran.state
        runbook.actuals(demo.project, wave, "both", demo.out / "reports")
        ch.line = f"wave {wave} is {ran.state}; the review of planned and actual stands beside the reports"


def measured(demo: Demo, wave: str) -> dict[str, Any]:
    """dark_window_ms of every cutover, rollback_ms of every rollback, and the ledger of held payments."""
    with open_store(demo.project.state_url) as store:
        windows = dark_windows(store.journal.records(wave, KINDS))
        back = rollback_runs(store.journal.records(wave, ROLLBACK_KINDS))
        proof = store.held.proof(wave)
    return {
        "dark_window_ms": [item.milliseconds for item in windows if item.side == "tobe"],
        "rollback_ms": [run.length // timedelta(milliseconds=1) for run in back],
        "held": {"held": proof.held, "released": proof.released, "returned": proof.returned},
    }


def _last_dark(demo: Demo, wave: str) -> int:
    return int(measured(demo, wave)["dark_window_ms"][-1] or 0)


def _accepted(demo: Demo, wanted: int) -> int:
    """Payments that the store has accepted since now, once they are `wanted` or patience ends."""
    began = _count(demo)
    return _until(lambda: _count(demo) - began, wanted)


def _until(count: Callable[[], int], wanted: int) -> int:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := count()) < wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def _count(demo: Demo) -> int:
    with psycopg.connect(demo.project.endpoints().store_dsn, autocommit=True) as db:
        row = db.execute("SELECT count(*) FROM tobe.payment WHERE smoke IS NULL").fetchone()
    return int(row[0]) if row else 0
