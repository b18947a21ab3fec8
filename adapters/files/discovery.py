"""The file drop's share of the inventory: each folder is a feed; its history tells pattern, rhythm and format."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cutwater.core.clock import iso
from cutwater.core.errors import Unavailable
from inventory.files import UNFINISHED, FileSeen, days, interval_seconds, patterns, sniff
from inventory.model import Asset, AssetKind, Finding
from inventory.ports import Discovery

HEAD_BYTES = 4096
SNIFFED = 60  # files of a feed whose first bytes are read: the newest, and the oldest ten
STALE_UNFINISHED_SECONDS = 3600
_PERSONAL = {
    "pain": "name, account",
    "pacs": "name, account",
    "camt": "name, account",
    "bacs": "name, account",
    "swift": "name, account",
}


@dataclass(frozen=True)
class FileDropDiscoverer:
    """Looks at a drop folder. Feeds are its first-level folders; nothing is opened but the first bytes of some files."""

    folder: Path

    @property
    def kind(self) -> AssetKind:
        return AssetKind.FILE

    def discover(self, now: datetime) -> Discovery:
        """Raises Unavailable CW2106 where the folder cannot be read."""
        assets, findings, not_checked = [], [], {}
        for feed in _feeds(self.folder):
            try:
                files, unfinished = _history(feed)
                heads = {item.name: _head(feed / item.name) for item in _some(files)}
            except OSError as error:
                not_checked[feed.name] = f"{feed.name}: {error.strerror}"
                continue
            asset = _asset(feed.name, files, unfinished, Counter(sniff(head) for head in heads.values()))
            assets.append(asset)
            findings += list(_findings(asset, unfinished, now))
        return Discovery(tuple(assets), (), tuple(findings), {"folder": str(self.folder)}, not_checked)


def _feeds(folder: Path) -> list[Path]:
    try:
        return sorted(Path(item.path) for item in os.scandir(folder) if item.is_dir() and not item.name.startswith("."))
    except OSError as error:
        raise Unavailable(
            "CW2106",
            f"the drop folder {folder} cannot be read",
            cause=error.strerror or "",
            state="nothing was changed",
            next="mend drop_dir in cutwater.toml or the folder's rights",
        ) from error


def _history(feed: Path) -> tuple[list[FileSeen], list[FileSeen]]:
    """(complete files, unfinished ones) of a feed and the folders below it, by name."""
    complete: list[FileSeen] = []
    unfinished: list[FileSeen] = []
    for name, entry in _walk(feed):
        try:
            known = entry.stat()
        except FileNotFoundError:  # taken away, or renamed to its final name, while we look
            continue
        seen = FileSeen(name, known.st_size, datetime.fromtimestamp(known.st_mtime_ns // 10**9, UTC))
        (unfinished if name.endswith(UNFINISHED) else complete).append(seen)
    return sorted(complete, key=lambda item: item.name), sorted(unfinished, key=lambda item: item.name)


def _walk(folder: Path, prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
        elif entry.is_file():
            yield prefix + entry.name, entry


def _some(files: Sequence[FileSeen]) -> list[FileSeen]:
    ordered = sorted(files, key=lambda item: item.modified)
    return ordered if len(ordered) <= SNIFFED else ordered[:10] + ordered[10 - SNIFFED :]


def _head(path: Path) -> bytes:
    with path.open("rb") as source:
        return source.read(HEAD_BYTES)


def _asset(name: str, files: Sequence[FileSeen], unfinished: Sequence[FileSeen], formats: Counter[str]) -> Asset:
    told, business = patterns(item.name for item in files), days(item.name for item in files)
    times = sorted(item.modified for item in files)
    personal = {kind: what for kind in formats for begin, what in _PERSONAL.items() if kind.startswith(begin)}
    return Asset(
        f"file:{name}",
        AssetKind.FILE,
        name,
        structure={"patterns": sorted(str(item["name"]) for item in told), "formats": sorted(formats)},
        measures={
            "volume": len(files),
            "unit": "files",
            "exact": True,
            "bytes": sum(item.size for item in files),
            "largest_bytes": max((item.size for item in files), default=0),
            "unfinished": len(unfinished),
            "empty": sum(not item.size for item in files),
            "patterns": told,
            "days": {"first": business[0], "last": business[-1], "count": len(business)} if business else {},
            "interval_seconds": interval_seconds(files),
            "first_seen": iso(times[0]) if times else None,
            "pii": {kind: {"what": what, "by": "format", "hit_rate": ""} for kind, what in sorted(personal.items())},
        },
        evidence="names, sizes and first bytes",
        last_seen=times[-1] if times else None,
        confidence="0.90" if len(files) >= 20 else "0.60",
    )


def _findings(asset: Asset, unfinished: Sequence[FileSeen], now: datetime) -> Iterator[Finding]:
    if not asset.measures["volume"]:
        yield Finding(asset.id, "unknown", "no file was ever seen")
    stale = [item for item in unfinished if (now - item.modified).total_seconds() > STALE_UNFINISHED_SECONDS]
    if stale:
        yield Finding(asset.id, "late", f"{len(stale)} unfinished files older than an hour")
    if asset.measures["empty"]:
        yield Finding(asset.id, "late", f"{asset.measures['empty']} empty files")
    formats = asset.structure["formats"]
    if isinstance(formats, list) and "unknown" in formats:
        yield Finding(asset.id, "unknown", "some files are of no known format")
