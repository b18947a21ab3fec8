"""What a folder's history tells: name patterns, formats by the first bytes, days and intervals. Pure: values in, values out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise

UNFINISHED = (".part", ".tmp", ".filepart")
MOST_PATTERNS = 5
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_PIECE = re.compile(rf"({_UUID})|(\d+)")
_NAMESPACE = re.compile(rb"""xmlns(?::\w+)?\s*=\s*["']urn:iso:std:iso:20022:tech:xsd:([^"']+)["']""")
_ROOT = re.compile(rb"<(?![?!])(?:\w+:)?(\w+)")
_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "zip"),
    (b"-----BEGIN PGP", "pgp"),
    (b"Obj\x01", "avro"),
    (b"PAR1", "parquet"),
)


@dataclass(frozen=True)
class FileSeen:
    """A file of a feed: its name, its size in bytes, when it was last written."""

    name: str
    size: int
    modified: datetime


def pattern(name: str) -> str:
    """The name with its variable pieces as `{yyyymmdd}`, `{hhmmss}`-like `{n:6}`, `{n}` or `{uuid}`."""

    def piece(match: re.Match[str]) -> str:
        if match[1]:
            return "{uuid}"
        digits = match[2]
        if _day(digits) is not None:
            return "{yyyymmdd}"
        # A short number that is glued to letters is part of the name (PAIN001, STD18), not a counter.
        before = name[match.start() - 1 : match.start()]
        return digits if before.isalpha() and len(digits) <= 3 else f"{{n:{len(digits)}}}"

    return _PIECE.sub(piece, name)


def patterns(names: Iterable[str]) -> list[dict[str, object]]:
    """The commonest patterns with their counts, most frequent first; counters of several widths become one `{n}`."""
    found: Counter[str] = Counter(pattern(name) for name in names)
    merged: Counter[str] = Counter()
    widths: dict[str, set[str]] = {}
    for text, count in found.items():
        loose = re.sub(r"\{n:\d+\}", "{n}", text)
        merged[loose] += count
        widths.setdefault(loose, set()).add(text)
    told = [
        {"name": next(iter(widths[loose])) if len(widths[loose]) == 1 else loose, "count": count}
        for loose, count in sorted(merged.items(), key=lambda item: (-item[1], item[0]))
    ]
    return told[:MOST_PATTERNS]


def _day(digits: str) -> date | None:
    if len(digits) != 8 or not "1990" <= digits[:4] <= "2099":
        return None
    try:
        return datetime.strptime(digits, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def days(names: Iterable[str]) -> list[date]:
    """The different days that the names tell, in order."""
    found = {_day(match[2]) for name in names for match in _PIECE.finditer(name) if match[2]}
    return sorted(day for day in found if day is not None)


def interval_seconds(files: Sequence[FileSeen]) -> int | None:
    """The median of the gaps between two files, in seconds; None for fewer than three files."""
    times = sorted(item.modified for item in files)
    gaps = sorted(int((two - one).total_seconds()) for one, two in pairwise(times))
    return gaps[len(gaps) // 2] if len(gaps) >= 2 else None


def sniff(head: bytes) -> str:
    """The format by a file's first bytes (4 kB are enough): pain.001.001.09, bacs-std18, swift-fin, csv, ... or unknown."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<"):
        namespaces = [item.decode("ascii", "replace") for item in _NAMESPACE.findall(text)]
        business = [item for item in namespaces if not item.startswith("head.")]
        root: re.Match[bytes] | None = _ROOT.search(text)
        plain = f"xml:{root[1].decode('ascii', 'replace')}" if root else "xml"
        told: list[str] = business or namespaces or [plain]
        return told[0]
    if text.startswith((b"{1:F", b"\x01{1:F")):
        return "swift-fin"
    if text.startswith((b"{", b"[")):
        return "json"
    return _lines(head)


def _lines(head: bytes) -> str:
    """Formats of lines: Bacs Standard 18 begins with its volume label; else equal lengths, else a separator."""
    lines = [line for line in head.replace(b"\r", b"").split(b"\n") if line]
    if not lines or b"\x00" in head:
        return "unknown"
    if lines[0].startswith(b"VOL1") and any(line.startswith(b"HDR1") for line in lines[:4]):
        return "bacs-std18"
    whole = lines[:-1] if len(lines) > 1 else lines
    for separator, name in ((b",", "csv"), (b";", "csv;"), (b"\t", "tsv"), (b"|", "psv")):
        counts = {line.count(separator) for line in whole}
        if len(counts) == 1 and counts != {0}:
            return name
    if len(whole) > 2 and len({len(line) for line in whole}) == 1:
        return f"fixed-width-{len(whole[0])}"
    return "text"
