"""The one entrance: bytes in, `Parsed` out. Looks at the content; the hint only decides where the content is silent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from io import BytesIO
from pkgutil import iter_modules

from payments import formats
from payments.formats import base
from payments.formats.base import HEAD, LEADING, SURE, Format, Options, Prefixed, Source, all_of
from payments.model import Finding, Parsed, refused

SYNTHETIC = "SYNTHETIC"  # marked as such in its envelope, whatever it looks like
CONTROL_FORMATS = frozenset({"FIN.ACK", "FIN.NAK", "FIN.TRAINING", "FIN.SERVICE", SYNTHETIC})  # nothing to book in them


@cache
def all_formats() -> tuple[Format, ...]:
    """Every format there is, those that are told at a glance first."""
    names = sorted(item.name for item in iter_modules(formats.__path__) if item.name != "base")
    found = [import_module(f"payments.formats.{name}").FORMAT for name in names]
    return tuple(sorted(found, key=lambda item: item.dear))


def sniff(head: bytes, hint: str = "") -> Format | None:
    """The format that is surest of these first bytes; None where none is."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip(LEADING)
    if not start:
        return None
    best, found = 0, None
    for item in all_formats():
        sure = item.sniff(start, hint)
        if sure == SURE:
            return item
        if sure > best:
            best, found = sure, item
    return found


def read(source: Source, options: Options | None = None) -> Iterator[Parsed]:
    """Every message of a stream in order, big ones in parts. A stream with no message in it yields one rejection.

    source: anything with read(); it needs no seek.
    """
    given = options or Options()
    head = source.read(HEAD)
    while head and not head.lstrip(LEADING) and (more := source.read(HEAD)):
        head = more  # nothing but blanks so far: they belong to no message
    found = sniff(head, given.hint)
    if found is None:
        if head.lstrip(LEADING):
            yield refused(
                "", "", "unknown_format", "no known format: neither ISO 20022 XML, SWIFT FIN, nor a bulk file"
            )
        else:
            yield refused("", "", "empty", "there is nothing in it")
        return
    for item in found.parse(Prefixed(head, source), given):
        yield item if item.form else item.but(form=found.name)


def parse(payload: bytes, hint: str = "") -> Parsed:
    """Parses one message or file as a whole; never raises for bad content.

    Where there are several messages in it, type, message id and sender are the first one's, the rest is put together.
    """
    if len(payload) > base.MAX_BYTES:
        text = f"{len(payload)} bytes; at most {base.MAX_BYTES} are parsed"
        return refused("", "", "too_large", text)
    options = Options(hint=hint)
    found = sniff(payload[:HEAD], hint)
    parts = read(BytesIO(payload), options) if found is None else all_of(found, payload, options)
    return merged(item if item.form else item.but(form=found.name if found else "") for item in parts)


def merged(parts: Iterable[Parsed]) -> Parsed:
    """One Parsed out of several; there is at least one."""
    items = list(parts)
    if len(items) == 1:
        return items[0]
    findings: list[Finding] = [finding for item in items for finding in item.findings]
    control: dict[str, str] = {}
    for item in items:
        for name, value in item.control.items():
            control.setdefault(name, value)
    return replace(
        items[0],
        events=tuple(event for item in items for event in item.events),
        findings=tuple(findings),
        control=control,
        statements=tuple(statement for item in items for statement in item.statements),
        batches=tuple(batch for item in items for batch in item.batches),
        part=0,
        last=True,
    )
