"""The SWIFT archive's share of the inventory: a scan of headers; of each file only its first bytes are read."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cutwater.core.clock import iso
from cutwater.core.errors import Unavailable
from inventory.model import Asset, AssetKind, Finding
from inventory.ports import Discovery
from inventory.swift import Header, fin, mx, named_place, ranges

FIN_BYTES, MX_BYTES = 768, 6144
MOST_NAMED = 20  # gaps, sessions and counterparties that are named one by one
_FEEDS = {("in", ".fin"): "fin-in", ("out", ".fin"): "fin-out", ("in", ".xml"): "mx-in", ("out", ".xml"): "mx-out"}
_PERSONAL = ("MT1", "MT2", "MT9", "pain.", "pacs.", "camt.")


@dataclass
class _Feed:
    """What was counted of one feed."""

    types: Counter[str] = field(default_factory=Counter)
    headers: Counter[str] = field(default_factory=Counter)
    counterparties: Counter[str] = field(default_factory=Counter)
    places: list[tuple[str, int, int]] = field(default_factory=list)
    days: set[str] = field(default_factory=set)
    uetr: int = 0
    size: int = 0
    unread: int = 0
    misnamed: int = 0
    first: float = 0
    last: float = 0


@dataclass(frozen=True)
class SwiftArchiveDiscoverer:
    """Looks at an archive `{in,out}/<yyyymmdd>/<lt12>_<session4>_<seq6>.{fin,ack,xml}`."""

    folder: Path

    @property
    def kind(self) -> AssetKind:
        return AssetKind.SWIFT

    def discover(self, now: datetime) -> Discovery:
        """Raises Unavailable CW2106 where the archive cannot be read."""
        feeds: defaultdict[str, _Feed] = defaultdict(_Feed)
        answers: Counter[str] = Counter()
        for direction in ("in", "out"):
            for day, entry in _messages(self.folder, direction):
                suffix = os.path.splitext(entry.name)[1]
                if suffix == ".ack":
                    answers[fin(_head(entry.path, FIN_BYTES)).type or "unread"] += 1
                elif (direction, suffix) in _FEEDS:
                    _take(feeds[_FEEDS[(direction, suffix)]], day, entry)
        assets = tuple(_asset(name, feeds[name], answers if name == "fin-out" else Counter()) for name in sorted(feeds))
        findings = tuple(item for asset in assets for item in _findings(asset, feeds[asset.name]))
        return Discovery(assets, (), findings, {"folder": str(self.folder), "answers": dict(sorted(answers.items()))})


def _messages(folder: Path, direction: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """(day, file) of one direction; a direction that does not exist yet has none."""
    try:
        os.stat(folder)
        if not (folder / direction).is_dir():
            return
        for day in sorted(os.scandir(folder / direction), key=lambda item: item.name):
            if day.is_dir():
                yield from ((day.name, entry) for entry in os.scandir(day.path) if entry.is_file())
    except OSError as error:
        raise Unavailable(
            "CW2106",
            f"the SWIFT archive {folder} cannot be read",
            cause=error.strerror or "",
            state="nothing was changed",
            next="mend swift_dir in cutwater.toml or the folder's rights",
        ) from error


def _take(feed: _Feed, day: str, entry: os.DirEntry[str]) -> None:
    is_fin = entry.name.endswith(".fin")
    try:
        head, known = _head(entry.path, FIN_BYTES if is_fin else MX_BYTES), entry.stat()
    except FileNotFoundError:  # moved on while we look
        return
    except OSError:
        feed.unread += 1
        return
    header: Header = fin(head) if is_fin else mx(head, entry.name)
    feed.days.add(day)
    feed.size += known.st_size
    feed.first = min(feed.first or known.st_mtime, known.st_mtime)
    feed.last = max(feed.last, known.st_mtime)
    if not header.type:
        feed.unread += 1
        return
    feed.types[header.type] += 1
    feed.uetr += header.uetr
    if header.application_header:
        feed.headers[header.application_header] += 1
    if header.counterparty:
        feed.counterparties[header.counterparty] += 1
    if header.lt:
        feed.places.append((header.lt, header.session, header.sequence))
    if named_place(entry.name) != (header.lt, header.session, header.sequence):
        feed.misnamed += 1


def _head(path: str, limit: int) -> bytes:
    with open(path, "rb") as source:
        return source.read(limit)


def _asset(name: str, feed: _Feed, answers: Counter[str]) -> Asset:
    sessions = ranges(feed.places)
    gaps = [(item.lt, item.session, *gap) for item in sessions for gap in item.gaps]
    count = feed.types.total() + feed.unread
    days = sorted(feed.days)
    return Asset(
        f"swift:{name}",
        AssetKind.SWIFT,
        name,
        structure={
            "types": sorted(feed.types),
            "application_headers": sorted(feed.headers),
            "terminals": sorted({item.lt for item in sessions}),
        },
        measures={
            "volume": count,
            "unit": "messages",
            "exact": True,
            "bytes": feed.size,
            "types": dict(sorted(feed.types.items())),
            "answers": dict(sorted(answers.items())),
            "with_uetr": feed.uetr,
            "unread": feed.unread,
            "misnamed": feed.misnamed,
            "counterparties": dict(sorted(feed.counterparties.most_common(MOST_NAMED))),
            "sessions": [
                {
                    **asdict(item),
                    "name": f"{item.lt} {item.session:04d}",
                    "session": f"{item.session:04d}",
                    "gaps": len(item.gaps),
                    "doubled": len(item.doubled),
                }
                for item in sessions[-MOST_NAMED:]
            ],
            "missing": sum(last - first + 1 for *_, first, last in gaps),
            "gaps": [
                {
                    "name": f"{lt} {session:04d} {first:06d}",
                    "lt": lt,
                    "session": f"{session:04d}",
                    "first": first,
                    "last": last,
                }
                for lt, session, first, last in gaps[:MOST_NAMED]
            ],
            "doubled": sum(len(item.doubled) for item in sessions),
            "days": {"first": days[0], "last": days[-1], "count": len(days)} if days else {},
            "first_seen": iso(_instant(feed.first)),
            "pii": {
                kind: {"what": "name, account", "by": "format", "hit_rate": ""}
                for kind in sorted(feed.types)
                if kind.startswith(_PERSONAL)
            },
        },
        evidence="header scan",
        last_seen=_instant(feed.last),
        confidence="0.90" if not gaps and not feed.unread else "0.75",
    )


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _findings(asset: Asset, feed: _Feed) -> Iterator[Finding]:
    gaps, missing = asset.measures["gaps"], asset.measures["missing"]
    if isinstance(gaps, list) and gaps:
        first = gaps[0]
        where = f"{first['lt']} {first['session']}, from {first['first']:06d} to {first['last']:06d}"
        yield Finding(asset.id, "late", f"{missing} sequence numbers missing; first gap: {where}")
    if asset.measures["doubled"]:
        yield Finding(asset.id, "late", f"{asset.measures['doubled']} sequence numbers came more than once")
    if feed.unread:
        yield Finding(asset.id, "unknown", f"{feed.unread} files without a readable header")
    if feed.misnamed:
        yield Finding(asset.id, "late", f"{feed.misnamed} files whose name is not their header's place")
    answers = asset.measures["answers"]
    if isinstance(answers, dict) and answers and asset.name == "fin-out":
        answered = sum(answers.values())
        if answered < feed.types.total():
            yield Finding(asset.id, "late", f"{feed.types.total() - answered} sent messages without ACK or NAK")
