"""ISO 20022 in any wrapper."""

from __future__ import annotations

from collections.abc import Iterator

from payments.formats import base
from payments.formats.base import NO, SURE, Options, Prefixed, Source, take
from payments.iso20022 import parse_stream, parse_tree
from payments.iso20022.xml import begun
from payments.model import Finding, Parsed

_STARTS = (b"<", b"\xff\xfe", b"\xfe\xff")
TREE = 8 * 1024 * 1024  # up to here a tree is quicker; what is larger is read as a stream


class Mx:
    """XML by its first character, in whatever encoding."""

    name = "mx"
    dear = 0

    def sniff(self, head: bytes, hint: str) -> int:
        return SURE if head.startswith(_STARTS) else NO

    def parse_bytes(self, payload: bytes, options: Options) -> Iterator[Parsed]:
        return parse_tree(payload, options.schemas)

    def parse(self, source: Source, options: Options) -> Iterator[Parsed]:
        limit = TREE if options.schemas is None else base.MAX_BYTES  # a schema needs the tree
        payload = take(source, limit)
        if len(payload) < limit:
            yield from parse_tree(payload, options.schemas)
            return
        for parsed in parse_stream(Prefixed(begun(payload), source), options.part):
            if options.schemas is not None and parsed.last:
                words = f"more than {limit >> 20} MiB: read as a stream, not validated"
                parsed = parsed.but(findings=(*parsed.findings, Finding("warn", "not_validated", "Document", words)))
            yield parsed


FORMAT = Mx()
