"""The moments at which the fault matrix strikes: for each step and victim, before or after which record of the journal."""

from __future__ import annotations

from fault_report import STEPS, VICTIMS
from strikes import RUNNER

from waves import life

# Where a step is struck: at the effect that needs the victim most. The runner dies between an effect and its record.
OVER = {
    "reverse": {"": "reverse/keys"},
    "fence": {"": "fence/raise", "gateway": "fence/dark", "kafka": "fence/outbox"},
    "drain": {"": "drain/feeds", "postgres": "drain/stream"},
    "final": {"": "final/reconcile"},
    "switch": {"": "switch/open", "postgres": "switch/sequences", "tobe-postgres": "switch/sequences", "kafka": "switch/handover"},
    "smoke": {"": "smoke/api"},
    "open": {"": "open/route"},
}  # fmt: skip
BACK = {
    "switch": {
        "": "switch/rollback/fence",
        RUNNER: "switch/rollback/drained",
        "gateway": "switch/rollback/dark",
        "postgres": "switch/rollback/drained",
        "kafka": "switch/rollback/handover",
    },
    "fence": {"": "fence/rollback/lift", RUNNER: "fence/rollback/route", "gateway": "fence/rollback/route"},
}
BEFORE = {"smoke": "open", "final": "switch", "drain": "final", "reverse": "fence"}  # whose way back has just ended


def moment(way: str, step: str, victim: str) -> tuple[str, str, dict[str, str]]:
    """When to strike: before or after which record. A way back without an effect of its own is struck when its turn begins."""
    if way == "rollback" and step == "open":
        return "after", "wave.state", {"to": life.ROLLING_BACK}
    if way == "rollback" and step in BEFORE:
        return "after", "step.rolled_back", {"step": BEFORE[step]}
    effects = (OVER if way == "cutover" else BACK)[step]
    effect = {"effect": effects.get(victim, effects[""])}
    return ("before", "effect.outcome", effect) if victim == RUNNER else ("after", "effect.intent", effect)


# A Latin square: at each step of a tour another one dies, and after as many tours as there are victims each has died at each.
NAMES = list(VICTIMS)
TOURS = [
    [(step, NAMES[(number + tour) % len(NAMES)]) for number, step in enumerate(STEPS)] for tour in range(len(NAMES))
]
