"""What cutwater remembers: journal, leases, plans, approvals, requests, snapshots, reconciliation runs, evidence.

Importing this package is light: SQLAlchemy is loaded by `open_store`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cutwater.core.clock import Clock, utc_now
from cutwater.state.records import (
    Approval,
    EvidenceRow,
    Lease,
    PlanRow,
    Problem,
    Record,
    RequestRow,
    SnapshotRow,
    WaveRow,
)

if TYPE_CHECKING:
    from cutwater.state.store import Store

__all__ = [
    "Approval",
    "EvidenceRow",
    "Lease",
    "PlanRow",
    "Problem",
    "Record",
    "RequestRow",
    "SnapshotRow",
    "WaveRow",
    "open_store",
]


def open_store(url: str, clock: Clock = utc_now) -> Store:
    """Opens the store at a SQLAlchemy URL and brings its schema to head; see `cutwater.state.store.open_store`."""
    from cutwater.state.store import open_store as opened

    return opened(url, clock)
