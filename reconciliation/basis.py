"""What a run may stand on: an earlier full run that passed, and the points from which everything after it is known.

A run that follows a basis compares what may have changed since: equal then, and equal in all that was touched since, is
equal now. Whoever makes the sides finds out what was touched, from a change stream that is not the copier's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cutwater.core.clock import parse_iso
from cutwater.core.errors import Inconclusive
from reconciliation.feeds import basename
from reconciliation.options import ReconcileOptions
from reconciliation.ports import SourceFile

# How much earlier than the basis the lake's feeds are read again: clocks of two systems are not one. Where they are
# further apart a short run does not pass, and everything is compared.
OVERLAP = timedelta(seconds=10)
AT_THE_FENCE = 14  # planted faults per table


@dataclass(frozen=True)
class FeedBasis:
    """Up to where a feed was found complete. past: partition -> offset. files: name -> modified_at, as the source lists
    it. anchors: per logical terminal and session the file with the highest number, so that a gap behind it is seen."""

    messages: int = 0
    past: Mapping[int, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    anchors: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Basis:
    """run, as_of: of the run that passed. pg_snapshot: what the source was seen by. copies: lake table -> snapshot id, each
    equal to the source as `copied_at` (a pg_snapshot) saw it: that of the full run, which shorter runs may have followed.
    marks: change and feed tables -> the snapshot before which nothing has to be looked at (None: from the beginning).
    storage: source table -> what tells that it was rewritten. rows: asset -> rows that were compared."""

    run: str
    as_of: str
    pg_snapshot: str
    copied_at: str
    copies: Mapping[str, int | None]
    marks: Mapping[str, int | None]
    storage: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    feeds: Mapping[str, FeedBasis] = field(default_factory=dict)

    def since(self, settings: ReconcileOptions) -> datetime:
        """Rows and events from here on are judged again: what the basis could have called pending."""
        longest = max([*settings.grace_seconds.values(), 0])
        return parse_iso(self.as_of) - timedelta(seconds=longest)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Basis:
        """Raises Inconclusive (CW4017) for what is no basis of this version."""
        try:
            feeds = {
                name: FeedBasis(
                    int(item["messages"]),
                    {int(part): int(past) for part, past in item["past"].items()},
                    dict(item["files"]),
                    tuple(dict(anchor) for anchor in item["anchors"]),
                )
                for name, item in data["feeds"].items()
            }
            known = {name: data[name] for name in cls.__dataclass_fields__ if name != "feeds"}
            return cls(**known, feeds=feeds)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Inconclusive(
                "CW4017", "what this run should stand on cannot be read", cause=f"{type(error).__name__}: {error}"
            ) from error


def advanced(basis: Basis, run: str, as_of: str, pg_snapshot: str, feeds: Mapping[str, FeedBasis]) -> Basis:
    """The basis that a run leaves which passed and itself followed `basis`: the same copies, certified up to a later point."""
    joined = {name: _joined(item, feeds.get(name, FeedBasis())) for name, item in basis.feeds.items()}
    return replace(basis, run=run, as_of=as_of, pg_snapshot=pg_snapshot, feeds={**feeds, **joined})


def _joined(before: FeedBasis, after: FeedBasis) -> FeedBasis:
    last = {(item["lt"], item["session"]): item for item in (*before.anchors, *after.anchors)}
    known = {item["name"] for item in before.anchors}  # they were handed in again: not counted twice
    fresh = after.messages - sum(1 for name in after.files if name in known)
    return FeedBasis(
        before.messages + max(fresh, 0),
        {**before.past, **after.past},
        {**before.files, **after.files},
        tuple(last.values()),
    )


def marked_from(started_at: datetime, settings: ReconcileOptions) -> datetime:
    """The instant whose lake snapshots are the marks of the feeds: before all that may still be pending at the start."""
    longest = max([*settings.grace_seconds.values(), 0])
    return started_at - timedelta(seconds=longest) - 2 * OVERLAP


def at_the_fence(settings: ReconcileOptions) -> ReconcileOptions:
    """The outbox is empty and the topics are drained: what a topic lacks now is not pending, it is missing. Files follow
    their own clock and keep their grace. Clients wait: each table gets each kind of planted fault twice at the most, as
    the full run that this one follows has planted more."""
    strict = {name: 0 for name in settings.grace_seconds if name.startswith("kafka:")} | {"kafka:*": 0}
    planted = min(settings.planted_per_table, AT_THE_FENCE)
    return settings.model_copy(
        update={"grace_seconds": {**settings.grace_seconds, **strict}, "planted_per_table": planted}
    )


def told(basis: Basis) -> dict[str, Any]:
    """For the evidence: what this run stands on."""
    return {
        "run": basis.run,
        "as_of": basis.as_of,
        "pg_snapshot": basis.pg_snapshot,
        "rows": sum(basis.rows.values()),
        "messages": sum(item.messages for item in basis.feeds.values()),
    }


def feed_basis(messages: int, past: Mapping[int, int], files: Sequence[SourceFile], missing: set[str]) -> FeedBasis:
    """From what a full run found. missing: names that the lake did not hold yet: they are looked for again."""
    last: dict[tuple[str, str], SourceFile] = {}
    for item in files:
        if item.lt and item.sequence is not None and basename(item.name) not in missing:
            before = last.get((item.lt, item.session))
            if before is None or (before.sequence or 0) < item.sequence:
                last[item.lt, item.session] = item
    return FeedBasis(
        messages,
        dict(past),
        {basename(item.name): item.modified_at for item in files if basename(item.name) not in missing},
        tuple(asdict(item) for item in last.values()),
    )
