"""The values that the store gives out. Plain data: importing them loads no database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from cutwater.core.clock import iso
from cutwater.core.hashing import sha256_json


@dataclass(frozen=True)
class Record:
    """One record of the journal. `hash` covers every other field; `prev_hash` is the hash of record `seq - 1`."""

    seq: int
    at: datetime
    wave: str
    run_id: str
    kind: str
    payload: dict[str, Any]
    prev_hash: str
    hash: str

    def computed_hash(self) -> str:
        """What `hash` has to be (docs/specs/journal.md)."""
        return sha256_json(
            {
                "seq": self.seq,
                "at": iso(self.at),
                "wave": self.wave,
                "run_id": self.run_id,
                "kind": self.kind,
                "payload": self.payload,
                "prev_hash": self.prev_hash,
            }
        )


@dataclass(frozen=True)
class Problem:
    """What `verify` found wrong. `seq` is the record it was found at (0: the store as a whole)."""

    seq: int
    text: str


@dataclass(frozen=True)
class Lease:
    """The right to run one wave. `token` rises strictly per wave; times are the store's clock, aware UTC."""

    wave: str
    token: int
    holder: str
    expires_at: datetime
    acquired_at: datetime


@dataclass(frozen=True)
class WaveRow:
    """Where a wave stands. `condition`: '' | PAUSED | FAILED. `updated_at` is set by the store."""

    name: str
    state: str
    condition: str = ""
    attempt: int = 1
    plan_hash: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True)
class PlanRow:
    """A frozen plan. `version` counts from 1 within its wave."""

    plan_hash: str
    wave: str
    version: int
    body: dict[str, Any]
    saved_at: datetime


@dataclass(frozen=True)
class Approval:
    """Somebody's word on one plan, by its hash."""

    id: int
    wave: str
    plan_hash: str
    who: str
    role: str
    note: str
    at: datetime


@dataclass(frozen=True)
class RequestRow:
    """A word from the command line to the wave's runner. `state`: open | answered | failed."""

    id: int
    wave: str
    kind: str
    payload: dict[str, Any]
    state: str
    asked_at: datetime
    answer: dict[str, Any] | None = None  # the answer, or the error where state is failed
    answered_at: datetime | None = None


@dataclass(frozen=True)
class SnapshotRow:
    """One inventory snapshot in a list: `assets` counts them."""

    id: str
    taken_at: datetime
    assets: int


@dataclass(frozen=True)
class EvidenceRow:
    """One piece of evidence. `sha256` is of what the caller names (a report, a body). problem: why it is not what the
    journal recorded; empty where it is, or where nobody looked. seq: of its record in the journal."""

    id: str
    at: datetime
    kind: str
    wave: str
    body: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""
    problem: str = ""
    seq: int = 0


@dataclass(frozen=True)
class HeldPayment:
    """A payment in the ledger. state: HELD | RELEASED | RETURNED. amount: None where the body names none that can be
    read; then currency is empty. offered_at: when it was first sent to the new side. receipt: what that answered."""

    id: int
    wave: str
    key: str
    account: str
    channel: str
    received_at: datetime
    currency: str
    amount: Decimal | None
    body: dict[str, Any]
    state: str = "HELD"
    offered_at: datetime | None = None
    settled_at: datetime | None = None
    receipt: str = ""
    reason: str = ""


@dataclass(frozen=True)
class HeldTotal:
    """How many and how much. The sum of what has no readable amount is zero, under the currency ''."""

    count: int = 0
    total: Decimal = Decimal(0)


@dataclass(frozen=True)
class HeldProof:
    """held = released + returned + open, by count and by sum per currency, in the ledger and in the control totals.

    by_currency: currency -> {"held", "released", "returned", "open"} -> total. problems: what does not add up.
    """

    wave: str
    held: int
    released: int
    returned: int
    open: int
    offered: int  # of the open ones: sent to the new side, answer not recorded yet
    by_currency: dict[str, dict[str, HeldTotal]]
    problems: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Everything adds up; payments may still be open."""
        return not self.problems

    @property
    def settled(self) -> bool:
        """Everything adds up and nothing is open."""
        return self.holds and self.open == 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "wave": self.wave,
            "held": self.held,
            "released": self.released,
            "returned": self.returned,
            "open": self.open,
            "offered": self.offered,
            "by_currency": {
                currency: {name: {"count": item.count, "sum": f"{item.total:f}"} for name, item in parts.items()}
                for currency, parts in self.by_currency.items()
            },
            "problems": list(self.problems),
            "holds": self.holds,
            "settled": self.settled,
        }
