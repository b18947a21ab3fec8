"""What the journal says of the outside: where the route went last, and which side was last told to write or not. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from waves.store import RecordView

KINDS = ("effect.intent", "effect.outcome")
ROUTE = "route"


@dataclass(frozen=True)
class FenceSaid:
    """A side's fence as the engine left it."""

    epoch: int
    closed: bool


@dataclass(frozen=True)
class RouteSaid:
    """The route as the engine set it last. token: of the runner's lease that set it."""

    side: str
    epoch: int
    token: int


@dataclass
class Whereabouts:
    """route: None where it was never set. fences: by side, without those that were never made or are dropped. moving: what
    is about to change, "route" or a side: an intent without an outcome, so it may stand here or there."""

    route: RouteSaid | None = None
    fences: dict[str, FenceSaid] = field(default_factory=dict)
    moving: set[str] = field(default_factory=set)


def whereabouts(records: Iterable[RecordView]) -> Whereabouts:
    """The fold of a wave's records in order."""
    found, begun = Whereabouts(), dict[str, dict[str, Any]]()
    for record in records:
        if record.kind not in KINDS:
            continue
        effect = str(record.payload.get("effect", ""))
        if record.kind == "effect.intent":
            begun[effect] = record.payload
            if name := _moved(record.payload):
                found.moving.add(name)
        elif effect in begun:
            _settle(found, begun[effect], record.payload.get("outcome") or {})
    return found


def _moved(intent: Any) -> str:
    """What an effect changes: the route, or the fence of a side; empty for anything else."""
    action = str(intent.get("action", ""))
    if action == "route.set":
        return ROUTE
    return str(intent["args"]["side"]) if action in ("fence.raise", "fence.lift", "fence.drop") else ""


def _settle(found: Whereabouts, intent: dict[str, Any], outcome: dict[str, Any]) -> None:
    name, args = _moved(intent), intent.get("args", {})
    found.moving.discard(name)
    if name == ROUTE:
        found.route = RouteSaid(str(args["side"]), int(args["epoch"]), int(outcome.get("token", 0)))
    elif name and intent["action"] == "fence.drop":
        found.fences.pop(name, None)
    elif name:
        found.fences[name] = FenceSaid(int(args["epoch"]), intent["action"] == "fence.raise")
