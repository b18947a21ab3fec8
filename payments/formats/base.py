"""What a format is to the registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol

from payments.model import Parsed, refused
from payments.schemas import Schemas

SURE, LIKELY, POSSIBLE, NO = 100, 60, 20, 0
HEAD = 4096  # how many of the first bytes `sniff` is given
MAX_BYTES = 64 * 1024 * 1024  # a format that does not stream reads no more than this into memory
LEADING = b" \t\r\n\x00\x01$"  # what may stand before a message: blanks, and the separators of RJE and DOS-PCC


@dataclass(frozen=True)
class Options:
    """How to read. Every format takes what concerns it.

    hint: the stream or a format name (`file:bacs`, `swift:fin-in`); it decides only where the content is silent.
    part: how many events a part holds at most; a big message comes in parts.
    beside: the content of a sidecar file (a CSV's manifest), where there is one. schemas: XSDs to validate against.
    """

    hint: str = ""
    part: int = 1000
    beside: bytes | None = None
    schemas: Schemas | None = None


class Format(Protocol):
    """One format of messages or files."""

    name: str
    dear: int  # how dear its `sniff` is: 0 looks at the first bytes, more looks further

    def sniff(self, head: bytes, hint: str) -> int:
        """How sure the content is of this format, 0 to 100, by its first bytes (leading blanks and BOM left out)."""

    def parse(self, source: Source, options: Options) -> Iterator[Parsed]:
        """Every message of `source` in order; raises nothing for bad content. `source` is read from where it stands."""


def all_of(form: Format, payload: bytes, options: Options) -> Iterator[Parsed]:
    """As `parse`, of bytes that are all there: a format that has a shorter way for them has `parse_bytes`."""
    short = getattr(form, "parse_bytes", None)
    found: Iterator[Parsed] = short(payload, options) if short is not None else form.parse(BytesIO(payload), options)
    return found


class Source(Protocol):
    """What a format reads from: it needs no seek."""

    def read(self, size: int = -1, /) -> bytes: ...


def take(source: Source, most: int) -> bytes:
    """The next `most` bytes of `source`, fewer where it ends before."""
    parts, room = [], most
    while room > 0 and (piece := source.read(min(room, 1 << 20))):
        parts.append(piece)
        room -= len(piece)
    return b"".join(parts)


def read_all(source: Source) -> bytes | None:
    """The rest of `source`; None where it is more than a format that does not stream may take."""
    payload = take(source, MAX_BYTES + 1)
    return None if len(payload) > MAX_BYTES else payload


class Prefixed:
    """A stream with bytes that were already taken from it put back in front."""

    def __init__(self, head: bytes, rest: Source) -> None:
        self._head, self._rest = BytesIO(head), rest  # a large head is not copied anew by each small read

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            return self._head.read() + self._rest.read()
        return self._head.read(size) or self._rest.read(size)


def too_large(form: str) -> Parsed:
    """For a format that does not stream: a rejection with what to do about it."""
    return refused(form, "", "too_large", f"more than {MAX_BYTES} bytes: split the file, it is read as a whole")
