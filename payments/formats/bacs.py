"""Bacs Standard 18."""

from __future__ import annotations

from collections.abc import Iterator

from payments.bacs import parse_bacs
from payments.formats.base import NO, POSSIBLE, SURE, Options, Source, read_all, too_large
from payments.model import Parsed


class Bacs:
    """A label begins it; a hint is enough where it is torn."""

    name = "file"
    dear = 0

    def sniff(self, head: bytes, hint: str) -> int:
        return SURE if head[:4] in (b"VOL1", b"HDR1", b"UHL1") else POSSIBLE if "bacs" in hint else NO

    def parse(self, source: Source, options: Options) -> Iterator[Parsed]:
        payload = read_all(source)
        yield too_large(self.name) if payload is None else parse_bacs(payload)


FORMAT = Bacs()
