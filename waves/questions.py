"""What the engine answers itself: services to start, evidence, gates, approvals. Asked anew each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from waves.approvals import PLANNED_BY, Rule, makers_of, standing
from waves.executors import Question
from waves.gates import GateResult, NoGo, Questions, refuse
from waves.history import History
from waves.plan import GateSpec, Plan
from waves.ports import Effect, Outcome
from waves.services import ServicePool
from waves.store import EngineStore

PASSED = GateSpec("dual-run", "reconciliation.verdict", "PASS", 24 * 60, "a reconciliation passed during the dual run")


@dataclass
class EngineQuestions:
    """The engine's own actions."""

    plan: Plan
    store: EngineStore
    history: History
    pool: ServicePool
    asks: Questions
    append: Callable[[str, dict[str, Any]], None]

    def table(self) -> dict[str, Question]:
        return {
            "service.start": self.start_service,
            "service.stop": self.stop_services,
            "dual_run.open": lambda effect: {},
            "dual_run.evidence": self.evidence,
            "gate.evaluate": self.gate,
            "approval.check": self.approval,
        }

    def start_service(self, effect: Effect) -> Outcome:
        name = str(effect.args["name"])
        self.pool.add([name])
        return {"service": name}

    def stop_services(self, effect: Effect) -> Outcome:
        names = [str(name) for name in effect.args["names"]]
        self.pool.remove(names)
        return {"stopped": names}

    def evidence(self, effect: Effect) -> Outcome:
        """Was there a PASS since the dual run began?"""
        result = self.asks.evaluate(PASSED)
        begun = self.history.steps[str(effect.args["step"])].started_at
        row = self.store.evidence.latest("reconciliation", self.plan.wave)
        if result.verdict == "GO" and row is not None and begun is not None and row.at < begun:
            result = _no(result, "it is from before this dual run")
        return self._judged(result)

    def still(self, since: datetime) -> None:
        """Before it gets dark: approvals once more, and every gate that was last asked before `since`. Raises NoGo."""
        self.approved()
        for gate in self.plan.gates:
            asked = self.history.gates.get(gate.id, {}).get("at")
            if asked is None or asked < since:
                self._judged(self.asks.evaluate(gate))

    def gate(self, effect: Effect) -> Outcome:
        """One gate of the plan."""
        return self._judged(self.asks.evaluate(GateSpec(**effect.args["gate"])))

    def approval(self, effect: Effect) -> Outcome:
        return self.approved()

    def approved(self) -> Outcome:
        """Every role asked for has said yes to exactly this plan, and enough people who did not make it."""
        makers = makers_of(self.plan.hash, self.store.journal.records(self.plan.wave, PLANNED_BY))
        found = standing(Rule.of(self.plan), makers, self.store.approvals.of(self.plan.hash))
        if not found.complete:
            raise approval_missing(self.plan, list(found.missing_roles), found.missing)
        return {"approved": [{"who": who, "role": role} for who, role in found.counted]}

    def _judged(self, result: GateResult) -> Outcome:
        self.append("gate.evaluated", result.as_dict())
        if result.verdict != "GO":
            raise refuse(self.plan.wave, [result])
        return result.as_dict()


def approval_missing(plan: Plan, missing: list[str], text: str) -> NoGo:
    """The stop message of a plan that lacks its approval."""
    role = missing[0] if missing else "ROLE"
    return NoGo(
        "CW3014",
        f"plan {plan.hash[:12]} of wave {plan.wave} lacks the approval of {text or ', '.join(missing) or 'anyone'}",
        cause="an approval holds for one plan, by its hash",
        state="the wave stays where it is, its streams keep running",
        money="nothing switched: customers are on the old platform",
        next=f"cutwater wave approve {plan.wave} --as {plan.roles.get(role, 'PERSON')} --role {role}",
    )


def _no(result: GateResult, reason: str) -> GateResult:
    return GateResult(**{**result.as_dict(), "verdict": "NO-GO", "word": "late", "reason": reason})
