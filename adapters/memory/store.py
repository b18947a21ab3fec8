"""The parts of the state store that the engine uses, in memory: a hash-chained journal, requests, evidence, approvals.

For tests that run the engine hundreds of times. The same rules as `cutwater.state`; not durable, one process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from cutwater.core.clock import Clock, utc_now
from cutwater.core.errors import LeaseHeld
from cutwater.core.hashing import GENESIS, canonical_json
from cutwater.state.records import Approval, EvidenceRow, Problem, Record, RequestRow

Hook = Callable[[int, str, str], None]  # (ordinal of the append, kind, "before" | "after")


class MemoryJournal:
    """Append, records, verify. `hook` is called around every append: a test raises there to play a crash."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.rows, self.tokens = clock, list[Record](), dict[str, int]()
        self.hook: Hook = lambda ordinal, kind, when: None

    def append(
        self, wave: str, kind: str, payload: dict[str, Any], run_id: str = "", fence: int | None = None
    ) -> Record:
        if fence is not None and fence != self.tokens.get(wave):
            raise LeaseHeld("CW2003", f"token {fence} of wave {wave} is not the newest", state="nothing was written")
        canonical_json(payload)  # refuses what has no canonical form, as the real store does
        ordinal = len(self.rows) + 1
        self.hook(ordinal, kind, "before")
        previous = self.rows[-1].hash if self.rows else GENESIS
        bare = Record(ordinal, self.clock(), wave, run_id, kind, payload, previous, "")
        record = Record(ordinal, bare.at, wave, run_id, kind, payload, previous, bare.computed_hash())
        self.rows.append(record)
        self.hook(ordinal, kind, "after")
        return record

    def records(self, wave: str | None = None, kinds: Sequence[str] | None = None, after: int = 0) -> list[Record]:
        return [
            row
            for row in self.rows
            if row.seq > after and (wave is None or row.wave == wave) and (kinds is None or row.kind in kinds)
        ]

    def verify(self) -> list[Problem]:
        problems, previous = [], GENESIS
        for place, row in enumerate(self.rows, start=1):
            if (row.seq, row.prev_hash, row.hash) != (place, previous, row.computed_hash()):
                problems.append(Problem(place, f"record {place} ({row.kind}) does not stand in the chain"))
            previous = row.hash
        return problems


class MemoryRequests:
    def __init__(self, clock: Clock) -> None:
        self.clock, self.rows = clock, dict[int, RequestRow]()

    def ask(self, wave: str, kind: str, payload: dict[str, Any] | None = None) -> int:
        number = len(self.rows) + 1
        self.rows[number] = RequestRow(number, wave, kind, payload or {}, "open", self.clock())
        return number

    def pending(self, wave: str) -> list[RequestRow]:
        return [row for row in self.rows.values() if row.wave == wave and row.state == "open"]

    def answer(self, request_id: int, payload: dict[str, Any], /) -> None:
        self._settle(request_id, "answered", payload)

    def fail(self, request_id: int, error: dict[str, Any], /) -> None:
        self._settle(request_id, "failed", error)

    def result(self, request_id: int) -> RequestRow:
        return self.rows[request_id]

    def _settle(self, request_id: int, state: str, answer: dict[str, Any]) -> None:
        row = self.rows[request_id]
        if row.state == "open":
            self.rows[request_id] = RequestRow(
                row.id, row.wave, row.kind, row.payload, state, row.asked_at, answer, self.clock()
            )


class MemoryEvidence:
    def __init__(self, clock: Clock) -> None:
        self.clock, self.rows = clock, list[EvidenceRow]()

    def add(self, kind: str, wave: str, body: dict[str, Any], sha256: str = "") -> str:
        self.rows.append(EvidenceRow(f"E{len(self.rows) + 1}", self.clock(), kind, wave, body, sha256))
        return self.rows[-1].id

    def latest(self, kind: str, wave: str) -> EvidenceRow | None:
        return next((row for row in reversed(self.rows) if row.kind == kind and row.wave == wave), None)


class MemoryApprovals:
    def __init__(self, clock: Clock) -> None:
        self.clock, self.rows = clock, list[Approval]()

    def add(self, wave: str, plan_hash: str, who: str, role: str, note: str = "") -> Approval:
        self.rows.append(Approval(len(self.rows) + 1, wave, plan_hash, who, role, note, self.clock()))
        return self.rows[-1]

    def of(self, plan_hash: str) -> list[Approval]:
        return [row for row in self.rows if row.plan_hash == plan_hash]


class MemoryStore:
    """What `waves.store.EngineStore` asks for, and a fencing token per wave."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self.journal = MemoryJournal(clock)
        self.requests = MemoryRequests(clock)
        self.evidence = MemoryEvidence(clock)
        self.approvals = MemoryApprovals(clock)

    def skew(self, clock: Callable[[], datetime]) -> timedelta:
        """None: there is one clock."""
        return timedelta()

    def next_token(self, wave: str) -> int:
        """A new runner's token; every earlier one is void."""
        self.journal.tokens[wave] = self.journal.tokens.get(wave, 0) + 1
        return self.journal.tokens[wave]

    def started(self, wave: str) -> datetime | None:
        """When the wave's first record was written."""
        rows = self.journal.records(wave)
        return rows[0].at if rows else None
