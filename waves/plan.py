"""A plan is frozen data with a hash. What was approved is that hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cutwater.core.hashing import sha256_json


@dataclass(frozen=True)
class StepSpec:
    """One step of a plan.

    id: unique, e.g. `backfill:payhub.payment`. kind: the step class (waves/steps/<kind>.py). needs: ids of the steps
    that must be complete. swimlane: who carries it out (runbook). params: plain JSON values. reversible: False marks a
    step after which rollback is no longer free.
    """

    id: str
    kind: str
    title: str
    needs: tuple[str, ...] = ()
    swimlane: str = "engine"
    params: Mapping[str, Any] = field(default_factory=dict)
    reversible: bool = True


@dataclass(frozen=True)
class GateSpec:
    """A question over evidence: `query` names it, `threshold` is text, `max_age_minutes` its freshness."""

    id: str
    query: str
    threshold: str
    max_age_minutes: int
    title: str = ""


@dataclass(frozen=True)
class Plan:
    """The ordered steps of one wave. Equal content gives an equal hash, whenever and wherever it was planned."""

    wave: str
    title: str
    accepts_writes: str  # readers | feeds | store
    assets: tuple[str, ...]
    steps: tuple[StepSpec, ...]
    gates: tuple[GateSpec, ...]
    inventory_hash: str  # structural: of the assets' structure hashes
    mapping_hash: str
    window: Mapping[str, str] = field(default_factory=dict)  # start, end (RFC 3339), calendar notes
    roles: Mapping[str, str] = field(default_factory=dict)  # role -> person, "nobody" shows
    mappings: tuple[Mapping[str, Any], ...] = ()  # TableMapping as plain data
    reasons: Mapping[str, str] = field(default_factory=dict)  # asset or step -> why it stands where it stands
    files: Mapping[str, str] = field(default_factory=dict)  # files of the project that a cutover reads -> SHA-256

    def as_dict(self) -> dict[str, Any]:
        """Plain values. A plan that names no files has the hash that it always had."""
        body = asdict(self)
        return body if self.files else {name: value for name, value in body.items() if name != "files"}

    @property
    def hash(self) -> str:
        return sha256_json(self.as_dict())

    @property
    def work(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What the engine executes, without what people decide: gates, approvals, roles and the window."""
        steps = [asdict(step) for step in self.steps if step.kind not in ("gate", "approval")]
        return steps, [dict(item) for item in self.mappings]

    @property
    def work_hash(self) -> str:
        """Equal for two plans that carry out the same steps on the same tables."""
        return sha256_json(self.work)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Plan:
        """The inverse of `as_dict`, also after a round trip through JSON; the hash is the same."""
        steps = tuple(StepSpec(**{**item, "needs": tuple(item["needs"])}) for item in body["steps"])
        gates = tuple(GateSpec(**item) for item in body["gates"])
        lists = {name: tuple(body.get(name, ())) for name in ("assets", "mappings")}
        return cls(**{**body, **lists, "steps": steps, "gates": gates})

    def step(self, step_id: str) -> StepSpec:
        return next(item for item in self.steps if item.id == step_id)
