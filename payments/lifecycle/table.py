"""The transition table: which status may follow which. Data, and a scheme may have rows of its own.

ISO 20022 publishes the codes (external code set ExternalPaymentTransactionStatus) and no order; the order is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Effect(StrEnum):
    """What one status did to what its reporter had said before."""

    ADVANCE = "advance"
    REPEAT = "repeat"  # said again
    LATE = "late"  # a step that lies behind: kept in the history, the state does not go back
    ANOMALY = "anomaly"  # what must not follow: kept, listed, the state stays
    UNKNOWN = "unknown"  # a code the table does not know: kept, the state stays
    NOTE = "note"  # says nothing about this payment's progress


@dataclass(frozen=True)
class Table:
    """ranks: how far a code is; moving to the same or a higher rank is legal, also where ranks are left out.

    barred: code -> (rank from which it may no longer be entered, what it is then). Such a code keeps the rank from which
    it was entered (PDNG), or ends (terminal). exits: code -> the only codes that may follow it. notes: codes that are kept
    and move nothing (PART is about a group; the RV* codes verify an account).
    """

    ranks: Mapping[str, int]
    barred: Mapping[str, tuple[int, Effect]]
    terminal: frozenset[str]
    exits: Mapping[str, frozenset[str]] = field(default_factory=dict)
    entries: Mapping[str, frozenset[str]] = field(default_factory=dict)
    notes: frozenset[str] = frozenset()

    def with_rows(
        self,
        ranks: Mapping[str, int] | None = None,
        terminal: frozenset[str] | None = None,
        exits: Mapping[str, frozenset[str]] | None = None,
    ) -> Table:
        """The same table with a scheme's own rows over it."""
        return replace(
            self,
            ranks={**self.ranks, **(ranks or {})},
            terminal=self.terminal if terminal is None else terminal,
            exits={**self.exits, **(exits or {})},
        )

    def step(self, state: str, rank: int, code: str) -> tuple[str, int, Effect]:
        """(state, rank) of a reporter and the next code -> the new state and rank, and what the code did."""
        if code == state:
            return state, rank, Effect.REPEAT
        if code in self.notes:
            return state, rank, Effect.NOTE
        if code in self.barred:
            limit, otherwise = self.barred[code]
            allowed = rank < limit and state not in self.terminal and self._fits(state, code)
            return (code, rank, Effect.ADVANCE) if allowed else (state, rank, otherwise)
        to = self.ranks.get(code)
        if to is None:
            return state, rank, Effect.UNKNOWN
        if state in self.terminal:
            # A refused payment keeps the rank it had: what comes behind it is late, what settles is not.
            late = to <= rank if state in self.ranks else to < SETTLED
            return state, rank, Effect.LATE if late else Effect.ANOMALY
        if to < rank:
            return state, rank, Effect.LATE
        if not self._fits(state, code):
            return state, rank, Effect.ANOMALY
        return code, to, Effect.ADVANCE

    def _fits(self, state: str, code: str) -> bool:
        if state in self.exits and code not in self.exits[state]:
            return False
        return code not in self.entries or state in self.entries[code]


SETTLED = 50
_RANKS = {
    "NAK": 5,
    "ACK": 8,
    "RCVD": 10,
    "PATC": 15,
    "ACTC": 20,
    "ACCP": 30,
    "ACWC": 30,
    "ACFC": 35,
    "ACFW": 35,
    "ACSP": 40,
    "ACPD": 40,
    "ACSC": 50,
    "ACWP": 50,
    "ACCC": 60,
}
DEFAULT = Table(
    ranks=_RANKS,
    barred={
        "PDNG": (SETTLED, Effect.LATE),
        "RJCT": (SETTLED, Effect.ANOMALY),
        "CANC": (SETTLED, Effect.ANOMALY),
        "BLCK": (SETTLED + 1, Effect.ANOMALY),
    },
    terminal=frozenset({"ACCC", "RJCT", "CANC", "BLCK"}),
    exits={"ACWP": frozenset({"ACCC", "BLCK"})},
    entries={"BLCK": frozenset({"ACWP"})},
    notes=frozenset({"PART", "CPUC", "PRES", "ACIS", "RCVC", "RVCM", "RVMC", "RVNA", "RVNC", "RVNM"}),
)
# A scheme's own rows, by its code (SvcLvl or LclInstrm); `tables` of a ledger replaces or extends them.
SCHEMES: dict[str, Table] = {
    # Instant: the creditor's bank has credited when it says ACSC, nothing follows.
    "INST": DEFAULT.with_rows(terminal=DEFAULT.terminal | {"ACSC"}),
}
