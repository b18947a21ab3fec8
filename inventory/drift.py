"""Drift: the difference of two snapshots. Structure voids approvals, traffic does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from inventory.model import Asset, Snapshot


@dataclass(frozen=True)
class Change:
    """One difference. what: added, removed, structure, measure, edge_added, edge_removed. field: its name, dotted."""

    asset: str
    what: str
    field: str = ""
    before: object = None
    after: object = None

    @property
    def structural(self) -> bool:
        return self.what != "measure" and not (self.what.startswith("edge") and self.field != "fk")


@dataclass(frozen=True)
class Drift:
    """before, after: the snapshots' ids. not_comparable: kind -> why its assets were left out of the comparison."""

    before: str
    after: str
    before_at: datetime
    after_at: datetime
    changes: tuple[Change, ...]
    not_comparable: Mapping[str, str]

    @property
    def structural(self) -> tuple[Change, ...]:
        return tuple(item for item in self.changes if item.structural)


def drift(before: Snapshot, after: Snapshot) -> Drift:
    """What changed from one snapshot to the other; a kind or an asset that one of them could not look at is left out and named."""
    left_out: dict[str, str] = {}
    for snapshot in (before, after):
        for what, why in snapshot.not_checked.items():
            left_out.setdefault(what, f"not checked in {snapshot.id}: {why}")
    one, two = ({item.id: item for item in side.assets if not _hidden(item.id, left_out)} for side in (before, after))
    changes: list[Change] = []
    for asset_id in sorted({*one, *two}):
        if asset_id not in one:
            changes.append(Change(asset_id, "added"))
        elif asset_id not in two:
            changes.append(Change(asset_id, "removed"))
        else:
            changes += _of_asset(one[asset_id], two[asset_id])
    changes += _of_edges(before, after, left_out)
    return Drift(before.id, after.id, before.taken_at, after.taken_at, tuple(changes), dict(sorted(left_out.items())))


def _hidden(asset_id: str, left_out: Mapping[str, str]) -> bool:
    """`not_checked` names a kind (`kafka`), or a part of one, which may be an asset (`postgres.payhub.payment`)."""
    kind, _, name = asset_id.partition(":")
    return kind in left_out or f"{kind}.{name}" in left_out


def _of_asset(one: Asset, two: Asset) -> list[Change]:
    found = [
        Change(two.id, "structure", field, before, after)
        for field, before, after in _fields(one.structure, two.structure)
    ]
    found += [
        Change(two.id, "measure", field, before, after) for field, before, after in _fields(one.measures, two.measures)
    ]
    return found


def _fields(one: Mapping[str, object], two: Mapping[str, object], prefix: str = "") -> list[tuple[str, object, object]]:
    """(dotted name, before, after) of what differs. Lists of things with a `name` are compared by that name."""
    found: list[tuple[str, object, object]] = []
    for key in sorted({*one, *two}):
        before, after = one.get(key), two.get(key)
        if before == after:
            continue
        left, right = _named(before), _named(after)
        if left is not None and right is not None:
            inner = _fields(left, right, f"{prefix}{key}.")
            found += inner or [(f"{prefix}{key}", before, after)]  # none: the same members in another order
        else:
            found.append((f"{prefix}{key}", before, after))
    return found


def _named(value: object) -> Mapping[str, object] | None:
    if isinstance(value, Mapping):
        return value
    if (
        isinstance(value, list | tuple)
        and value
        and all(isinstance(item, Mapping) and "name" in item for item in value)
    ):
        return {str(item["name"]): item for item in value}
    return None


def _of_edges(before: Snapshot, after: Snapshot, left_out: Mapping[str, str]) -> list[Change]:
    def of(snapshot: Snapshot) -> dict[tuple[str, str, str], str]:
        return {
            (edge.source, edge.kind, edge.target): edge.target
            for edge in snapshot.edges
            if not _hidden(edge.source, left_out) and not _hidden(edge.target, left_out)
        }

    one, two = of(before), of(after)
    return [Change(key[0], "edge_removed", key[1], before=key[2]) for key in sorted(set(one) - set(two))] + [
        Change(key[0], "edge_added", key[1], after=key[2]) for key in sorted(set(two) - set(one))
    ]
