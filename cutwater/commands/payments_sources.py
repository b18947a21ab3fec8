"""Where messages come from: files, folders, archives (zip, tar, gz, bz2, xz; nested), standard input.

Each source is a stream that can be read once, with the SHA-256 of its bytes. Archives are unpacked into temporary files one
member at a time, and no archive may unfold into much more than it is: see `Budget`.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cutwater.core.errors import BadInput

IN_MEMORY = 8 * 1024 * 1024  # a member larger than this lies on disk while it is read
FREE = 64 * 1024 * 1024  # what an archive may unfold into whatever its own size
RATIO = 200  # and how many times its own size beyond that
DEEPEST = 3  # archives within archives
MEMBERS = 100_000
PIECE = 1 << 20
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, NotImplementedError,
    ValueError,
)  # fmt: skip
_SINGLE: tuple[tuple[bytes, Callable[..., Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)


class Bomb(Exception):
    """An archive unfolds into more than it may."""


@dataclass
class Budget:
    """How much one outermost archive has unfolded into, over all its members and what is nested in them."""

    packed: int
    unfolded: int = 0

    def take(self, size: int) -> None:
        self.unfolded += size
        if self.unfolded > FREE and self.unfolded > RATIO * max(self.packed, 1):
            raise Bomb


@dataclass
class Source:
    """One stream of messages. trouble: (code, words) where it could not be opened; `data` is empty then.

    beside: a sidecar manifest's content. hint: what the name says of the content, where the content is silent.
    known: when it came to be known, as a POSIX time; None where nothing tells.
    """

    path: str
    data: IO[bytes] | None = None
    sha256: str = ""
    hint: str = ""
    beside: bytes | None = None
    known: float | None = None
    trouble: tuple[str, str] | None = None


def sources(paths: Sequence[Path | str]) -> Iterator[Source]:
    """Every source beneath `paths` in order; `-` is standard input. Raises BadInput where a path is not there."""
    for path in paths:
        if str(path) != "-" and not Path(path).exists():
            raise BadInput("CW2214", f"there is no file or folder {path}", next="cutwater payments parse PATH...")
    for path in paths:
        if str(path) == "-":
            yield from _standard_input()
            continue
        own = Path(path)
        for found in _files(own):
            yield from _file(found)


def _standard_input() -> Iterator[Source]:
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
        size = _copy(sys.stdin.buffer, spool, None)
        yield from _opened("-", spool, Budget(size), 0, "", {})


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for item in sorted(path.rglob("*")):
        # A manifest is read with its file; hidden files and folders are nobody's messages.
        hidden = any(part.startswith(".") for part in item.relative_to(path).parts)
        if item.is_file() and not hidden and not _is_manifest(item):
            yield item


def _is_manifest(path: Path) -> bool:
    """A JSON file that stands beside a CSV file of its name."""
    if path.suffix.lower() != ".json":
        return False
    stem = path.name.removesuffix(".json").removesuffix(".manifest")
    return any((path.parent / name).is_file() for name in (stem, f"{stem}.csv", f"{stem}.CSV") if name != path.name)


def _manifest_names(name: str) -> tuple[str, ...]:
    stem = name.rpartition(".")[0] or name
    return (f"{name}.manifest.json", f"{stem}.manifest.json", f"{name}.json", f"{stem}.json")


def _file(path: Path) -> Iterator[Source]:
    try:
        with path.open("rb") as data:
            known = path.stat().st_mtime
            if not data.seekable():
                with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
                    size = _copy(data, spool, None)
                    yield from _opened(str(path), spool, Budget(size), 0, path.name, {}, known)
                return
            beside = {
                name: (path.parent / name) for name in _manifest_names(path.name) if (path.parent / name).is_file()
            }
            yield from _opened(str(path), data, Budget(path.stat().st_size), 0, path.name, beside, known)
    except OSError as error:
        yield Source(str(path), trouble=("unreadable", f"the file cannot be read: {error.strerror or error}"))


def _opened(
    label: str,
    data: IO[bytes],
    budget: Budget,
    depth: int,
    name: str,
    beside: dict[str, Any],
    known: float | None = None,
) -> Iterator[Source]:
    """The stream itself, or what an archive holds. data: seekable, at its beginning."""
    data.seek(0)
    head = data.read(512)
    data.seek(0)
    unpack = _unpacker(head)
    if unpack is None:
        yield Source(label, data, _digest(data), _hint(name), _beside(beside), known)
        return
    if depth >= DEEPEST:
        words = f"more than {DEEPEST} archives stand one in another: unpack it first"
        yield _refused(label, data, "archive_depth", words)
        return
    count = 0
    try:
        for source in unpack(label, data, budget, depth, known):
            count += 1
            yield source
    except Bomb:
        words = f"it unfolds into more than {RATIO} times its size (over {FREE >> 20} MiB): it is not read further"
        yield _refused(label, data, "archive_bomb", words)
        count += 1
    except _BROKEN as error:
        words = f"the archive cannot be read: {str(error)[:120] or type(error).__name__}"
        yield _refused(label, data, "archive", words)
        count += 1
    if not count:
        yield _refused(label, data, "empty", "there is no file in the archive")


def _refused(label: str, data: IO[bytes], code: str, words: str) -> Source:
    """An archive that is not read, or not further: its own hash says which it was."""
    return Source(label, sha256=_digest(data), trouble=(code, words))


def _digest(data: IO[bytes]) -> str:
    digest = hashlib.sha256()
    data.seek(0)
    while piece := data.read(PIECE):
        digest.update(piece)
    data.seek(0)
    return digest.hexdigest()


def _unpacker(head: bytes) -> Callable[..., Iterator[Source]] | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zip
    if head[257:262] == b"ustar":
        return _tar
    if any(head.startswith(magic) for magic, _ in _SINGLE):
        return _single
    return None


def _single(label: str, data: IO[bytes], budget: Budget, depth: int, known: float | None) -> Iterator[Source]:
    head = data.read(8)
    data.seek(0)
    opener = next(opener for magic, opener in _SINGLE if head.startswith(magic))
    name = Path(label).name
    for end in (".gz", ".bz2", ".xz", ".tgz"):
        name = name.removesuffix(end)
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
        with opener(data) as stream:
            _copy(stream, spool, budget)
        yield from _opened(label, spool, budget, depth + 1, name, {}, known)


def _zip(label: str, data: IO[bytes], budget: Budget, depth: int, known: float | None) -> Iterator[Source]:
    with zipfile.ZipFile(data) as archive:
        names = {item.filename: item for item in archive.infolist() if not item.is_dir()}
        _bound(len(archive.infolist()))
        # Two members may have one name: each is read, none is hidden behind the other.
        for item in sorted((item for item in archive.infolist() if not item.is_dir()), key=lambda item: item.filename):
            name = item.filename
            if _beside_another(name, names):
                continue
            own = f"{label}!/{name}"
            try:
                with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
                    with archive.open(item) as stream:
                        _copy(stream, spool, budget)
                    beside = {
                        other: archive.read(other)
                        for other in _manifest_names(name)
                        if other in names and names[other].file_size < PIECE
                    }
                    yield from _opened(own, spool, budget, depth + 1, name, beside, known)
            except _BROKEN as error:
                yield Source(own, trouble=("archive", f"the member cannot be read: {str(error)[:120]}"))


def _tar(label: str, data: IO[bytes], budget: Budget, depth: int, known: float | None) -> Iterator[Source]:
    with tarfile.open(fileobj=data, mode="r:") as archive:
        names: dict[str, tarfile.TarInfo] = {}
        for item in archive:
            _bound(len(names))
            if not item.isdir():
                names[item.name] = item
        for name in sorted(names):
            own = f"{label}!/{name}"
            if not names[name].isfile():
                yield Source(own, trouble=("archive_member", "a link or a device is no file: it is not followed"))
                continue
            if _beside_another(name, names):
                continue
            with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
                stream = archive.extractfile(names[name])
                if stream is not None:
                    _copy(stream, spool, budget)
                beside = {}
                for item_name in _manifest_names(name):
                    if item_name in names and names[item_name].size < PIECE:
                        member = archive.extractfile(names[item_name])
                        beside[item_name] = member.read() if member else b""
                yield from _opened(own, spool, budget, depth + 1, name, beside, known)


def _beside_another(name: str, names: dict[str, Any]) -> bool:
    if not name.lower().endswith(".json"):
        return False
    stem = name.removesuffix(".json").removesuffix(".manifest")
    return any(item in names for item in (stem, f"{stem}.csv", f"{stem}.CSV") if item != name)


def _bound(count: int) -> None:
    if count > MEMBERS:
        raise Bomb


def _copy(source: Any, target: Any, budget: Budget | None) -> int:
    size = 0
    while piece := source.read(PIECE):
        size += len(piece)
        if budget is not None:
            budget.take(len(piece))
        target.write(piece)
    return size


def _hint(name: str) -> str:
    """A CSV file's columns may be known by its manifest alone."""
    return "csv" if name.lower().endswith(".csv") else ""


def _beside(found: dict[str, Any]) -> bytes | None:
    for item in found.values():
        if isinstance(item, Path):
            with item.open("rb") as data:
                return data.read(PIECE + 1)
        return bytes(item)
    return None
