"""What a run may be told: grace, waits, limits, declared gaps, and what is expected between tables and feeds.

A project states it in `reconcile.yaml`; every default here is the strict one.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """No unknown word is accepted."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Through(Strict):
    """The table that knows the payment's key, joined by a column of the same name on both sides."""

    table: str
    join: str
    key: str


class StatusEvents(Strict):
    """Each row of a status table has an event with that status: a late or lost one is STATUS_MISMATCH(behind)."""

    kind: Literal["status_events"]
    table: str
    through: Through
    status: str
    at: str
    streams: tuple[str, ...]
    event_kind: str = "STATUS"


class RowEvents(Strict):
    """Each row of a table has one event, with the same amount and currency."""

    kind: Literal["row_events"]
    table: str
    key: str
    at: str
    amount: str | None = None
    currency: str | None = None
    streams: tuple[str, ...]
    event_kind: str = "INITIATED"


class Match(Strict):
    """Which column of the member equals which field of an event; `length` cuts the member's value (Bacs: 18)."""

    source: str
    event: Literal["uetr", "instruction_id"]
    length: int | None = None


class Members(Strict):
    """The rows of which a batch consists, joined by the batch's key."""

    table: str
    join: str
    key: str
    amount: str
    currency: str | None = None
    match: tuple[Match, ...]


class BatchEvents(Strict):
    """Each batch's file carries an event per member; count and sum equal what the batch's row states."""

    kind: Literal["batch_events"]
    table: str
    feed: str
    file_name: str
    count: str
    total: str
    at: str
    members: Members
    streams: tuple[str, ...]
    event_kind: str = "INITIATED"


Expectation = Annotated[StatusEvents | RowEvents | BatchEvents, Field(discriminator="kind")]


class ReconcileOptions(Strict):
    """reconcile.yaml. Times in seconds. Patterns are shell patterns over asset ids (`file:*`); the longest match holds."""

    version: Literal[1] = 1
    grace_seconds: dict[str, int] = Field(default_factory=lambda: {"*": 60})
    feed_wait_seconds: int = Field(default=60, ge=0, le=3600)
    planted_per_table: int = Field(default=40, ge=1, le=1000)
    max_breaks_per_asset: int = Field(default=2_000, ge=1)
    allow_empty: tuple[str, ...] = ()
    declared_gaps: dict[str, str] = Field(default_factory=dict)
    expectations: tuple[Expectation, ...] = ()

    def grace(self, asset: str) -> int:
        """Seconds within which absence is pending, not a break."""
        found = _matching(self.grace_seconds, asset)
        return 60 if found is None else self.grace_seconds[found]

    def gap(self, asset: str) -> str | None:
        """Why this asset may stay unchecked without making the run INCONCLUSIVE."""
        found = _matching(self.declared_gaps, asset)
        return None if found is None else self.declared_gaps[found]


def _matching(patterns: dict[str, object] | dict[str, int] | dict[str, str], asset: str) -> str | None:
    return max((item for item in patterns if fnmatchcase(asset, item)), key=len, default=None)
