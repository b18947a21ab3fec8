"""What a file drop or a SWIFT archive holds: names, SHA-256, times; sequences from the archive's file names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from cutwater.core.clock import iso
from cutwater.core.errors import Unavailable
from cutwater.core.hashing import sha256_file
from reconciliation.ports import SourceFile

UNFINISHED = (".part", ".tmp", ".filepart")  # still being written
_ARCHIVED = re.compile(r"(?P<lt>[A-Z0-9]{12})_(?P<session>\d{4})_(?P<sequence>\d{6})\.(fin|xml)")


class FileListing:
    """Lists complete files. A file's hash is kept as long as its size and time stay the same."""

    def __init__(self, drop: Path, swift: Path) -> None:
        self.drop, self.swift = drop, swift
        self._hashes: dict[tuple[str, int, int], str] = {}

    def files(self, stream: str) -> list[SourceFile]:
        """`file:<feed>` lists <drop>/<feed>; `swift:<kind>-<direction>` lists that direction's .fin or .xml files.

        Raises Unavailable CW4011 where the folder cannot be read.
        """
        kind, feed = stream.split(":", 1)
        try:
            if kind == "file":
                return self._hashed(self._walk(self.drop / feed, ""), swift=False)
            form, direction = feed.rsplit("-", 1)
            suffixes = (".xml",) if form == "mx" else (".fin", ".ack")
            return self._hashed(self._walk(self.swift / direction, suffixes), swift=True)
        except OSError as error:
            raise Unavailable(
                "CW4011", f"the folder of {stream} could not be listed", cause=str(error), next="the same command again"
            ) from error

    def _walk(self, folder: Path, suffixes: str | tuple[str, ...]) -> Iterator[tuple[str, os.stat_result]]:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(Path(entry.path), suffixes)
                elif (
                    entry.is_file(follow_symlinks=False)  # as the intake: what a link points to is not a delivery
                    and entry.name.endswith(suffixes)
                    and not entry.name.startswith(".")
                    and not entry.name.endswith(UNFINISHED)
                ):
                    try:
                        yield entry.path, entry.stat()
                    except FileNotFoundError:  # renamed or cleared away since the listing
                        continue

    def _hashed(self, found: Iterator[tuple[str, os.stat_result]], swift: bool) -> list[SourceFile]:
        listed = list(found)
        new = [(path, stat) for path, stat in listed if (path, stat.st_size, stat.st_mtime_ns) not in self._hashes]
        if new:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda item: self._file(item[0], item[1], swift), new))
        return [self._file(path, stat, swift) for path, stat in listed]

    def _file(self, path: str, stat: os.stat_result, swift: bool) -> SourceFile:
        known = (path, stat.st_size, stat.st_mtime_ns)
        if known not in self._hashes:
            self._hashes[known] = sha256_file(Path(path))
        name = os.fsencode(os.path.basename(path)).decode("utf-8", "backslashreplace")  # as the intake names it
        at = iso(datetime.fromtimestamp(stat.st_mtime, UTC))
        archived = _ARCHIVED.fullmatch(name) if swift else None
        if archived is None:  # a plain file, or an acknowledgement: it has no number of its own
            return SourceFile(name, self._hashes[known], at)
        return SourceFile(name, self._hashes[known], at, archived["lt"], archived["session"], int(archived["sequence"]))
