"""The kinds of steps, one class per file."""

from __future__ import annotations

from waves.steps.approval import Approval
from waves.steps.backfill import Backfill
from waves.steps.base import Finding, Flow, Step, StepContext
from waves.steps.baseline import Baseline
from waves.steps.drain import Drain
from waves.steps.dual_run import DualRun
from waves.steps.feeds import Feeds
from waves.steps.fence import LegacyFence
from waves.steps.final import Final
from waves.steps.gate import Gate
from waves.steps.open import Open
from waves.steps.prepare import Prepare
from waves.steps.probe import Probe
from waves.steps.retire import Retire
from waves.steps.reverse import Reverse
from waves.steps.smoke import Smoke
from waves.steps.stream import Stream
from waves.steps.switch import Switch

_BEFORE: tuple[Step, ...] = (Prepare(), Backfill(), Stream(), Feeds(), DualRun(), Gate(), Approval())
_CUTOVER: tuple[Step, ...] = (
    Reverse(),
    Probe(),
    Baseline(),
    LegacyFence(),
    Drain(),
    Final(),
    Switch(),
    Smoke(),
    Open(),
)

STEPS: dict[str, Step] = {step.kind: step for step in (*_BEFORE, *_CUTOVER, Retire())}
BEFORE_KINDS = tuple(step.kind for step in _BEFORE)  # up to READY
CUTOVER_KINDS = tuple(step.kind for step in _CUTOVER)  # from READY to CUT_OVER, and back again by their rollback

__all__ = ["BEFORE_KINDS", "CUTOVER_KINDS", "STEPS", "Finding", "Flow", "Step", "StepContext"]
