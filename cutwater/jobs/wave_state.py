"""A wave as the store holds it: its history, its current plan (proved unaltered), its row, its runner's last word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cutwater.core.clock import iso, parse_iso
from cutwater.core.config import Project
from cutwater.core.errors import BadInput, CutwaterError, Exit, Inconclusive, LeaseHeld, Refused, Unavailable
from cutwater.core.hashing import canonical_json
from cutwater.state.records import WaveRow
from cutwater.state.store import Store
from waves.gates import ServiceView
from waves.history import History
from waves.plan import Plan


def history_of(store: Store, wave: str) -> History:
    """The fold of the wave's records."""
    return History.of(wave, store.journal.records(wave))


def current_plan(store: Store, history: History) -> Plan:
    """The plan that the wave stands on. Raises BadInput CW3009 (none), Refused CW2008 or CW3010 (altered)."""
    if not history.plan_hash:
        raise BadInput(
            "CW3009",
            f"wave {history.wave} was not planned yet",
            state="nothing was done",
            next=f"cutwater wave plan {history.wave}",
        )
    body = store.plans.load(history.plan_hash)
    plan = Plan.from_dict(body)
    if plan.hash != history.plan_hash or plan.wave != history.wave:
        raise Refused(
            "CW3010",
            f"the plan of wave {history.wave} does not give the hash that it was saved under",
            cause=f"saved as {history.plan_hash[:12]}, gives {plan.hash[:12]}",
            state="nothing was executed from it; its approvals are void",
            next=f"cutwater evidence verify, then cutwater wave plan {history.wave}",
        )
    return plan


def put_row(store: Store, history: History) -> None:
    """The wave's row, as the journal has it."""
    store.waves.put(WaveRow(history.wave, history.state, history.condition, history.attempt, history.plan_hash))


def runs_dir(project: Project) -> Path:
    """Where runners write: one .jsonl and one .log per run, one .status.json per wave."""
    folder = project.run_dir / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class Heartbeat:
    """What the runner last said of itself."""

    at: datetime
    pid: int
    run: str
    to: str
    services: tuple[ServiceView, ...]
    doing: str = ""
    waiting: str = ""

    @property
    def trouble(self) -> str:
        """The services that cannot do their work at the moment, in one line; empty while all is well."""
        broken = [item for item in self.services if item.error]
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        return f"{broken[0].name}: {broken[0].error}{more}" if broken else ""

    def write(self, path: Path) -> None:
        """Replaces the file as a whole, so that a reader never sees half of it."""
        part = path.with_suffix(f".{self.pid}.part")
        part.write_text(canonical_json(_texts(asdict(self))), "utf-8")
        part.replace(path)

    @classmethod
    def read(cls, project: Project, wave: str) -> Heartbeat | None:
        """None where no runner has spoken yet."""
        try:
            body = json.loads((runs_dir(project) / f"{wave}.status.json").read_text("utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        services = tuple(_view(item) for item in body["services"])
        return cls(
            parse_iso(body["at"]), body["pid"], body["run"], body["to"], services, body["doing"], body["waiting"]
        )


def error_from(facts: Mapping[str, Any]) -> CutwaterError:
    """The error that another process recorded."""
    kinds: dict[int, type[CutwaterError]] = {
        Exit.REFUSED: Refused,
        Exit.BAD_INPUT: BadInput,
        Exit.UNAVAILABLE: Unavailable,
        Exit.LEASE_HELD: LeaseHeld,
        Exit.INCONCLUSIVE: Inconclusive,
    }
    kind = kinds.get(int(facts.get("exit", 1)), CutwaterError)
    texts = {name: str(facts.get(name, "")) for name in ("code", "what", "cause", "state", "money", "next", "undo")}
    return kind(**texts, details=dict(facts.get("details") or {}))


def _view(item: dict[str, Any]) -> ServiceView:
    caught = item.get("caught_up_at")
    times = {"at": parse_iso(item["at"]), "caught_up_at": parse_iso(caught) if caught else None}
    return ServiceView(**{**item, **times})


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_texts(item) for item in value]
    if isinstance(value, datetime):
        return iso(value)
    return str(value) if isinstance(value, float) else value
