"""Everything that a runbook is made from. The command collects it, `compile` reads nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from runbooks.settings import Settings
from runbooks.stepcards import has_steps
from waves.calendars import Calendar
from waves.gates import GateResult
from waves.plan import Plan
from waves.point_of_no_return import PointOfNoReturn
from waves.store import RecordView


class ApprovalView(Protocol):
    """cutwater.state.records.Approval."""

    @property
    def who(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def note(self) -> str: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True)
class Facts:
    """records: of this wave, in order. gates: as answered at `rendered_at`. reconciliations: bodies, newest first.
    evidence: body of the newest evidence of kind reconciliation, {} where there is none. estate: the newest inventory
    snapshot as plain data. journal: (seq, hash) of the journal's end. point: of no return, of a plan with a cutover.
    elsewhere: step -> what it took in other waves of this project. makers: who planned it. held: the ledger's proof.
    """

    plan: Plan
    rendered_at: datetime
    plan_version: int = 0
    records: Sequence[RecordView] = ()
    gates: Sequence[GateResult] = ()
    reconciliations: Sequence[Mapping[str, Any]] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    approvals: Sequence[ApprovalView] = ()
    estate: Mapping[str, Any] | None = None
    settings: Settings = field(default_factory=Settings)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    journal: tuple[int, str] = (0, "")
    point: PointOfNoReturn | None = None
    elsewhere: Mapping[str, Sequence[timedelta]] = field(default_factory=dict)
    makers: Sequence[str] = ()
    held: Mapping[str, Any] | None = None

    @property
    def by_steps(self) -> bool:
        """Whether the engine carries the cutover out."""
        return has_steps(self.plan)

    def kind_of(self, asset: str) -> str:
        return asset.partition(":")[0]

    @property
    def tables(self) -> int:
        return len(self.plan.mappings)

    @property
    def feeds(self) -> list[str]:
        """Assets that arrive as messages or files."""
        return [item for item in self.plan.assets if self.kind_of(item) in ("kafka", "file", "swift")]

    @property
    def marks(self) -> frozenset[str]:
        """What the catalogue's `when` asks for."""
        found = {self.kind_of(item) for item in self.plan.assets} | {self.plan.accepts_writes}
        found |= {"tables"} if self.tables else set()
        found |= {"feeds"} if self.feeds else set()
        found |= {"fence"} if self.settings.fence or self.plan.accepts_writes != "readers" else set()
        found |= {"takes_writes"} if self.plan.accepts_writes != "readers" else set()
        return frozenset(found)
