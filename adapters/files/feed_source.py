"""File feeds: a folder whose complete files are deliveries. SWIFT's archive is read by the same class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cutwater.core.clock import Clock, utc_now
from cutwater.core.errors import Unavailable
from lakehouse.ports import Delivery, Fetched, Position

UNFINISHED = (".part", ".tmp", ".filepart")
FETCH_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Seen:
    """A file as the folder shows it. name: relative to the feed's folder, with `/`."""

    name: str
    path: Path
    size: int
    modified_ns: int

    @property
    def stamp(self) -> tuple[int, int]:
        return self.size, self.modified_ns


Envelope = Callable[[str], dict[str, Any]]


class FolderSource:
    """Complete files of one folder (and its dated sub-folders where `depth` is 1), taken once per content.

    Not complete: names that end in `.part` and the like, hidden names, and files younger than `settle` seconds
    whose size or time still changed between two looks. suffixes: which names belong to this feed; empty: all.
    envelope: further fields of the delivery by name (SWIFT: LT, session, sequence).
    """

    def __init__(
        self,
        stream: str,
        folder: Path,
        suffixes: tuple[str, ...] = (),
        depth: int = 0,
        settle: float = 1.0,
        envelope: Envelope | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.stream = stream
        self._folder, self._suffixes, self._depth, self._settle = folder, suffixes, depth, settle
        self._envelope, self._clock = envelope, clock
        self._looked: dict[str, tuple[tuple[int, int], datetime]] = {}  # unsettled: stamp and when it was first so
        self._checked: dict[str, tuple[tuple[int, int], str]] = {}  # read: the stamp and the hash of the content then
        self._listing: list[Seen] | None = None

    def end(self) -> Position:
        """Names of the files that are complete now."""
        self._listing = self._complete()
        return {"names": {item.name: list(item.stamp) for item in self._listing}}

    def fetch(self, after: Position, limit: int) -> Fetched:
        """In order of names. A name taken before is read again only where its size or time has changed."""
        listing, self._listing = self._listing if self._listing is not None else self._complete(), None
        names: dict[str, list[str]] = dict(after.get("names", {}))
        found: list[Delivery] = []
        size = 0
        for item in listing:
            if len(found) >= limit or size >= FETCH_BYTES:
                break
            if self._known(item.name, item.stamp, names):
                continue
            content = self._read(item)
            if content is None:
                continue
            digest = sha256(content).hexdigest()
            before = names.get(item.name, [])
            self._checked[item.name] = (item.stamp, digest)
            if digest in before:
                continue
            found.append(self._delivery(item, content, digest, before))
            names[item.name] = [*before, digest]
            size += len(content)
        return Fetched(found, {"names": names})

    def behind(self, position: Position, end: Position) -> int:
        names = position.get("names", {})
        return sum(1 for name, stamp in end.get("names", {}).items() if not self._known(name, tuple(stamp), names))

    def _known(self, name: str, stamp: tuple[int, ...], names: Mapping[str, list[str]]) -> bool:
        """Is the content that was read at this stamp in the lake? What was read may not have been taken in."""
        checked = self._checked.get(name)
        return checked is not None and checked[0] == stamp and checked[1] in names.get(name, ())

    def close(self) -> None:
        """Nothing is held open."""

    def _delivery(self, item: Seen, content: bytes, digest: str, before: list[str]) -> Delivery:
        fields = self._envelope(item.name) if self._envelope else {}
        headers = dict(fields.pop("headers", {}))
        if before:
            headers["supersedes"] = before[-1]
        received = datetime.fromtimestamp(item.modified_ns // 1_000_000_000, UTC)
        return Delivery(
            self.stream,
            f"{item.name}@{digest[:16]}" if before else item.name,
            content,
            received.replace(microsecond=item.modified_ns % 1_000_000_000 // 1000),
            file_name=item.name,
            headers=headers,
            **fields,
        )

    def _read(self, item: Seen) -> bytes | None:
        """The content; None where the file changed while it was read (it comes at a later look) or is gone."""
        try:
            with item.path.open("rb") as source:
                content = source.read()
                after = os.fstat(source.fileno())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self.stream, item.path, error) from error
        return content if (after.st_size, after.st_mtime_ns) == item.stamp and len(content) == item.size else None

    def _complete(self) -> list[Seen]:
        now = self._clock()
        young: dict[str, tuple[tuple[int, int], datetime]] = {}
        found: list[Seen] = []
        for item in self._walk():
            age = now.timestamp() - item.modified_ns / 1_000_000_000
            if age < self._settle and self._checked.get(item.name, (None, ""))[0] != item.stamp:
                stamp, since = self._looked.get(item.name, (item.stamp, now))
                young[item.name] = (item.stamp, since if stamp == item.stamp else now)
                # A modification time in the future never grows old: then standing still for the same time counts.
                if (now - young[item.name][1]).total_seconds() < self._settle:
                    continue
            found.append(item)
        self._looked = young
        found.sort(key=lambda item: item.name)
        return found

    def _walk(self) -> Iterator[Seen]:
        try:
            yield from self._files(self._folder, "")
            if self._depth:
                with os.scandir(self._folder) as entries:
                    folders = sorted(
                        item.name
                        for item in entries
                        if item.is_dir(follow_symlinks=False) and not item.name.startswith(".")
                    )
                for name in folders:
                    yield from self._files(self._folder / name, f"{name}/")
        except FileNotFoundError as error:
            if self._folder.exists():
                return  # a dated folder was moved away between two looks
            raise _unreadable(self.stream, self._folder, error) from error
        except OSError as error:
            raise _unreadable(self.stream, self._folder, error) from error

    def _files(self, folder: Path, prefix: str) -> Iterator[Seen]:
        with os.scandir(folder) as entries:
            for item in entries:
                name = item.name
                if name.startswith(".") or name.endswith(UNFINISHED):
                    continue
                if self._suffixes and not name.endswith(self._suffixes):
                    continue
                if not item.is_file(follow_symlinks=False):
                    continue
                try:
                    stat = item.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield Seen(
                    prefix + os.fsencode(name).decode("utf-8", "backslashreplace"),
                    Path(item.path),
                    stat.st_size,
                    stat.st_mtime_ns,
                )


def _unreadable(stream: str, path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        "CW3302",
        f"{stream} cannot be read at {path.name}",
        cause=error.strerror or type(error).__name__,
        state="what was taken before is in the lake; other feeds go on",
        next="check the folder and its permissions, then cutwater wave resume",
    )


def file_sources(drop_dir: Path, settle: float = 1.0, clock: Clock = utc_now) -> list[FolderSource]:
    """The two file feeds of the drop: pain.001 batches and Bacs files."""
    return [
        FolderSource("file:pain001", drop_dir / "pain001", (".xml",), settle=settle, clock=clock),
        FolderSource("file:bacs", drop_dir / "bacs", (".txt",), settle=settle, clock=clock),
    ]
