"""Bacs Standard 18."""

from __future__ import annotations

from collections.abc import Iterator

from payments.bacs import parts
from payments.formats.base import NO, POSSIBLE, SURE, Options, Source
from payments.model import Parsed


class Bacs:
    """A label begins it; a hint is enough where it is torn."""

    name = "file"
    dear = 0

    def sniff(self, head: bytes, hint: str) -> int:
        return SURE if head[:4] in (b"VOL1", b"HDR1", b"UHL1") else POSSIBLE if "bacs" in hint else NO

    def parse(self, source: Source, options: Options) -> Iterator[Parsed]:
        return parts(source, options.part)


FORMAT = Bacs()
