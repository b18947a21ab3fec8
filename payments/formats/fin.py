"""SWIFT FIN: blocks in batches, or the bare fields of a bank's statement file."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from payments.fin import parse_messages
from payments.fin.reader import looks_bare
from payments.formats.base import LIKELY, NO, POSSIBLE, SURE, Options, Source, read_all, too_large
from payments.model import Parsed, refused


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
        payload = read_all(source)
        if payload is None:
            yield too_large(self.name)
            return
        found = False
        for parsed in parse_messages(payload):
            found = True
            yield parsed
        if not found:
            yield refused(self.name, "FIN", "empty", "there is no message in it")


FORMAT = Fin()
