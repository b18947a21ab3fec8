"""Everything that a runbook is made from. The command collects it, `compile` reads nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from runbooks.executed import RecordView
from runbooks.settings import Settings
from waves.calendars import Calendar
from waves.gates import GateResult
from waves.plan import Plan


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
    snapshot as plain data. journal: (seq, hash) of the journal's end.
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
