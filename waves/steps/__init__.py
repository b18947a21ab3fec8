"""The kinds of steps, one class per file."""

from __future__ import annotations

from waves.steps.approval import Approval
from waves.steps.backfill import Backfill
from waves.steps.base import Finding, Flow, Step, StepContext
from waves.steps.dual_run import DualRun
from waves.steps.feeds import Feeds
from waves.steps.gate import Gate
from waves.steps.prepare import Prepare
from waves.steps.stream import Stream

STEPS: dict[str, Step] = {
    step.kind: step for step in (Prepare(), Backfill(), Stream(), Feeds(), DualRun(), Gate(), Approval())
}

__all__ = ["STEPS", "Finding", "Flow", "Step", "StepContext"]
