"""What the engine needs of the state store. `cutwater.state` has it on SQLAlchemy, `adapters.memory` in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol


class RecordView(Protocol):
    """One record of the journal."""

    @property
    def seq(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def run_id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def payload(self) -> Any: ...


class JournalStore(Protocol):
    def append(
        self, wave: str, kind: str, payload: dict[str, Any], run_id: str = "", fence: int | None = None
    ) -> RecordView:
        """Adds one record; raises LeaseHeld where `fence` is not the wave's newest token."""

    def records(
        self, wave: str | None = None, kinds: Sequence[str] | None = None, after: int = 0
    ) -> Sequence[RecordView]:
        """In order of `seq`, those behind `after`."""


class RequestView(Protocol):
    @property
    def id(self) -> Any: ...
    @property
    def kind(self) -> str: ...
    @property
    def payload(self) -> Any: ...


class RequestStore(Protocol):
    def pending(self, wave: str) -> Sequence[RequestView]:
        """Open requests, oldest first."""

    def answer(self, request_id: Any, payload: dict[str, Any], /) -> Any:
        """Closes one with its answer."""

    def fail(self, request_id: Any, error: dict[str, Any], /) -> Any:
        """Closes one with the error's facts."""


class EvidenceView(Protocol):
    @property
    def id(self) -> Any: ...
    @property
    def at(self) -> datetime: ...
    @property
    def body(self) -> Any: ...
    @property
    def problem(self) -> str:
        """Why it is not what the journal recorded; empty where it is."""


class EvidenceStore(Protocol):
    def latest(self, kind: str, wave: str) -> EvidenceView | None:
        """The newest evidence of a kind, or None."""


class ApprovalView(Protocol):
    @property
    def who(self) -> str: ...
    @property
    def role(self) -> str: ...


class ApprovalStore(Protocol):
    def of(self, plan_hash: str) -> Sequence[ApprovalView]:
        """Approvals bound to this plan."""


class EngineStore(Protocol):
    """The parts that the engine uses. The wave's row is a projection that callers keep (`History`): the journal decides."""

    @property
    def journal(self) -> JournalStore: ...
    @property
    def requests(self) -> RequestStore: ...
    @property
    def evidence(self) -> EvidenceStore: ...
    @property
    def approvals(self) -> ApprovalStore: ...

    def skew(self, clock: Callable[[], datetime]) -> timedelta:
        """The store's clock minus `clock`."""
