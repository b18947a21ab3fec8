"""The As-Is estate: discovered, listed, shown, compared."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cutwater.core.clock import Clock, utc_now
from cutwater.core.config import Project
from cutwater.core.errors import BadInput, Inconclusive, Unavailable
from cutwater.core.ids import new_id
from cutwater.core.progress import Progress
from cutwater.state import SnapshotRow, open_store
from inventory import discover as discovery
from inventory import drift as drifting
from inventory.drift import Drift
from inventory.model import Asset, AssetKind, Edge, Finding, Snapshot

UNCONFIGURED = "no system of this kind is configured"
# The worst first; an asset without a finding is "seen".
RISK = ("blocked", "unknown", "late")


@dataclass(frozen=True)
class Observed:
    """Over how long the estate was looked at. days: whole days between the first and the last snapshot."""

    days: int
    snapshots: int
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Line:
    """An asset in a list. state: blocked, unknown, late or seen; findings: why."""

    asset: Asset
    state: str
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """What `list` shows. hidden: kind -> how many assets the filter left out."""

    snapshot: str
    taken_at: datetime
    observed: Observed
    lines: tuple[Line, ...]
    hidden: dict[str, int]
    not_checked: dict[str, str]


@dataclass(frozen=True)
class AssetView:
    """What `show` shows: the asset, what it feeds and is fed by, what is to be known, and since when it was seen."""

    line: Line
    outgoing: tuple[Edge, ...]
    incoming: tuple[Edge, ...]
    snapshot: str
    observed: Observed


@dataclass(frozen=True)
class Discovered:
    """One discovery: its snapshot, how long it took, and what changed since the one before (None: it is the first)."""

    snapshot: Snapshot
    milliseconds: int
    drift: Drift | None
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> dict[str, str]:
        """What is configured and could not be looked at."""
        return {kind: why for kind, why in self.snapshot.not_checked.items() if why != UNCONFIGURED}

    def require(self) -> None:
        """Raises Inconclusive CW2110 where a configured system, or a part of it, was not looked at."""
        if self.failed:
            raise Inconclusive(
                "CW2110",
                f"not checked: {', '.join(self.failed)}",
                cause="; ".join(f"{kind}: {why}" for kind, why in self.failed.items()),
                state=f"snapshot {self.snapshot.id} is saved and says so",
                next="mend the cause, then cutwater inventory discover",
            )


def discover(project: Project, progress: Progress | None = None, clock: Clock = utc_now) -> Discovered:
    """Looks at every configured system and saves the snapshot.

    Where none could be looked at, nothing is saved: CW2105, BadInput where every one of them has something to mend
    (a password, a right, an address), Unavailable where waiting may help.
    """
    from cutwater.wiring import discoverers

    found = discoverers(project)
    began = clock()
    failures: list[BaseException] = []
    snapshot = discovery.discover(found, began, new_id("I", clock), progress, lambda _, error: failures.append(error))
    kinds = {item.kind.value for item in found}
    if not found or kinds <= set(snapshot.not_checked):
        hopeless = not found or all(isinstance(error, BadInput) for error in failures)
        raise (BadInput if hopeless else Unavailable)(
            "CW2105",
            "no system could be looked at",
            cause="; ".join(f"{kind}: {snapshot.not_checked[kind]}" for kind in sorted(kinds)) or "none is configured",
            state="no snapshot was saved",
            next="mend [endpoints] in cutwater.toml or start the systems, then cutwater inventory discover",
        )
    with open_store(project.state_url) as store:
        before = store.snapshots.latest()
        snapshot = Snapshot.from_dict(store.snapshots.get(store.snapshots.save(snapshot.as_dict())))
    return Discovered(
        snapshot,
        int((clock() - began).total_seconds() * 1000),
        drifting.drift(Snapshot.from_dict(before), snapshot) if before else None,
        dict(sorted(Counter(item.kind.value for item in snapshot.assets).items())),
    )


def latest(project: Project) -> Snapshot:
    """The last snapshot; raises BadInput CW2101 where there is none."""
    return _latest(project)[0]


def listing(project: Project, kinds: Sequence[str] = (), sort: str = "id") -> Listing:
    """The last snapshot's assets of some kinds (all where none is named), by id or by risk."""
    wanted = {_kind(name) for name in kinds} or set(AssetKind)
    snapshot, observed = _latest(project)
    lines = [_line(item, snapshot.findings) for item in snapshot.assets if item.kind in wanted]
    if sort == "risk":
        lines.sort(key=lambda line: (RISK.index(line.state) if line.state in RISK else len(RISK), line.asset.id))
    hidden = Counter(item.kind.value for item in snapshot.assets if item.kind not in wanted)
    return Listing(
        snapshot.id, snapshot.taken_at, observed, tuple(lines), dict(sorted(hidden.items())), snapshot.not_checked
    )


def show(project: Project, asset_id: str) -> AssetView:
    """One asset of the last snapshot; raises BadInput CW2102 with the closest ids for an unknown one."""
    snapshot, observed = _latest(project)
    asset = snapshot.asset(asset_id)
    if asset is None:
        known = [item.id for item in snapshot.assets]
        near = difflib.get_close_matches(asset_id, known, n=3) or [
            name for name in known if asset_id.lower() in name.lower()
        ]
        raise BadInput(
            "CW2102",
            f"snapshot {snapshot.id} holds no asset {asset_id}",
            cause=f"close to it: {', '.join(near[:3])}" if near else "",
            next="cutwater inventory list",
        )
    return AssetView(
        _line(asset, snapshot.findings),
        tuple(edge for edge in snapshot.edges if edge.source == asset_id),
        tuple(edge for edge in snapshot.edges if edge.target == asset_id),
        snapshot.id,
        observed,
    )


def diff(project: Project, before: str = "", after: str = "") -> Drift:
    """Drift from one snapshot to another; by default from the last but one to the last.

    Raises BadInput CW2104 where there is only one, CW2009 for an unknown id.
    """
    with open_store(project.state_url) as store:
        rows = store.snapshots.list()
        if not rows:
            raise _none()
        newest = after or rows[-1].id
        older = before or _before(rows, newest)
        return drifting.drift(
            Snapshot.from_dict(store.snapshots.get(older)), Snapshot.from_dict(store.snapshots.get(newest))
        )


def _before(rows: list[SnapshotRow], newest: str) -> str:
    earlier = [row.id for row in rows[: next((n for n, row in enumerate(rows) if row.id == newest), 0)]]
    if not earlier:
        raise BadInput(
            "CW2104",
            f"there is no snapshot before {newest}",
            state="nothing was compared",
            next="cutwater inventory discover   (again, later)",
        )
    return earlier[-1]


def _latest(project: Project) -> tuple[Snapshot, Observed]:
    with open_store(project.state_url) as store:
        body, rows = store.snapshots.latest(), store.snapshots.list()
    if body is None:
        raise _none()
    first, last = rows[0].taken_at, rows[-1].taken_at
    return Snapshot.from_dict(body), Observed((last - first).days, len(rows), first, last)


def _none() -> BadInput:
    return BadInput("CW2101", "there is no inventory snapshot yet", next="cutwater inventory discover")


def _kind(name: str) -> AssetKind:
    try:
        return AssetKind(name.lower())
    except ValueError:
        raise BadInput(
            "CW2103", f"--kind {name} is unknown", next=f"known: {', '.join(kind.value for kind in AssetKind)}"
        ) from None


def _line(asset: Asset, findings: Sequence[Finding]) -> Line:
    mine = [item for item in findings if item.asset == asset.id]
    state = min(
        (item.state for item in mine), key=lambda name: RISK.index(name) if name in RISK else len(RISK), default="seen"
    )
    return Line(asset, state, tuple(item.text for item in mine))
