"""SWIFT FIN: blocks in batches, or the bare fields of a bank's statement file."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from payments.fin import parse_messages
from payments.fin.reader import looks_bare
from payments.formats import base
from payments.formats.base import LIKELY, NO, POSSIBLE, SURE, Options, Source, take, too_large
from payments.model import Parsed, refused

PIECE = 16 * 1024 * 1024


class Fin:
    """Block 1 begins it, another block where that is lost; a bare text has fields at the beginning of its lines."""

    name = "mt"
    dear = 1

    def sniff(self, head: bytes, hint: str) -> int:
        if head.startswith((b"{1:", b"{2:", b"{4:", b"{3:")):
            return SURE
        if looks_bare(head) or b"{1:F" in head:
            return LIKELY
        return POSSIBLE if "fin" in hint else NO

    def parse_bytes(self, payload: bytes, options: Options) -> Iterator[Parsed]:
        return parse_messages(payload) if payload.strip() else self.parse(BytesIO(payload), options)

    def parse(self, source: Source, options: Options) -> Iterator[Parsed]:
        """A batch of any size: it is cut before the last message that is there, and read piece by piece."""
        carry, index, offset, found = b"", 0, 0, False
        while True:
            more = take(source, PIECE)
            payload = carry + more
            cut = len(payload) if len(more) < PIECE else _cut(payload)
            if cut < 0 and len(payload) > base.MAX_BYTES:
                yield too_large(self.name)
                return
            carry, payload = payload[max(cut, 0) :], payload[: max(cut, 0)]
            for parsed in parse_messages(payload):
                found = True
                yield parsed.but(index=index, offset=parsed.offset + offset) if offset or index else parsed
                index += 1
            offset += len(payload)
            if len(more) < PIECE:
                break
        if not found:
            yield refused(self.name, "FIN", "empty", "there is no message in it")


def _cut(payload: bytes) -> int:
    """Where the last message begins; -1 where there is but one."""
    if b"{1:F" in payload:
        place = payload.rfind(b"{1:F")
    else:
        place = payload.rfind(b"\n:20:") + 1
    return place if place > 0 else -1


FORMAT = Fin()
