"""Bytes to FIN messages: framed (blocks) or bare (fields alone, as banks' statement files come), with their byte offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from payments.fin.fields import Fields, split_fields
from payments.fin.frames import Frame, Framer
from payments.fin.guess import guess_type
from payments.fin.headers import Header, Trouble, read_header

_BREAK = re.compile(r"^(?:-\}?[ \r\x00\x03\x1a]*$|:20:)", re.MULTILINE)
_FRAMING = "\x00\x01\x03\x1a \r\n"
_DECLARED = re.compile(r"^:?([1-9][0-9]{2})(?: [0-9]{2})?:?\r?$", re.MULTILINE)
_FIELD = re.compile(rb"(?:\A|[\r\n])[ \t]{0,8}:[0-9]{2}[A-Z]?:")
# A payload with no byte outside these needs no look at each text: `}` and `$` stand in the frames too.
_INSIDE = (
    bytes(range(48, 58))
    + bytes(range(65, 91))
    + bytes(range(97, 123))
    + b"/-?:().,'+\r\n =!\"%&*<>;{@#_}$\x01\x03\x00\x1a"
)
_OUTSIDE = re.compile(r"[^A-Za-z0-9/\-?:().,'+\r\n =!\"%&*<>;{@#_]")  # set z, the widest


@dataclass(slots=True)
class FinMessage:
    """One message. offset, end: its bytes in the payload. troubles: (severity, code, place, words) of what its form lacks.

    fields: block 4 in order. nested: block 4 of a service message (`{177:..}{451:0}`). head: what stands before the
    first field. bare: there are no headers, the type is `header.mt` as declared or guessed from the fields.
    """

    offset: int
    end: int
    header: Header
    fields: Fields = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    nested: str = ""
    head: str = ""
    bare: bool = False


def looks_bare(payload: bytes) -> bool:
    """Whether FIN fields stand at the beginning, or behind a few lines of a bank's own header."""
    return _FIELD.search(payload[:1024]) is not None


def read_fin(payload: bytes) -> Iterator[FinMessage]:
    """Every message of one payload, broken ones included; bytes of no message come as one without type and fields."""
    plain = payload.isascii()
    text = payload.decode("latin-1")  # one character a byte: offsets are the file's
    if text.startswith("\u00ef\u00bb\u00bf"):
        text = "   " + text[3:]
    if "{1:" not in text and "{4:" not in text and "{2:" not in text:
        yield from _bare(text, plain)
        return
    framer, reported = Framer(text), 0
    clean = plain and not payload.translate(None, _INSIDE)
    for frame in framer:
        for start, end in framer.strays[reported:]:
            yield _stray(text, start, end)
        reported = len(framer.strays)
        yield _framed(text, frame, plain, clean)
    for start, end in framer.strays[reported:]:
        yield _stray(text, start, end)


def _framed(text: str, frame: Frame, plain: bool, clean: bool) -> FinMessage:
    header = frame.header or read_header(frame.blocks, frame.troubles)
    message = FinMessage(frame.start, frame.end, header, troubles=frame.troubles)
    body = frame.blocks.get("4")
    if body is None:
        if header.service in ("01", ""):
            frame.troubles.append(("error", "fin_blocks", "block 4", "is missing: there is no text"))
    elif body.startswith("{"):
        message.nested = body
    else:
        body = body if plain else _decoded(body, frame.troubles)
        message.head, message.fields = split_fields(body)
        if not clean or "}" in body or "$" in body:
            _charset(frame.troubles, body)
    if frame.header is None and "1" not in frame.blocks:
        message.bare = True
        if "2" not in frame.blocks:
            header.mt = guess_type(message.fields)
        frame.troubles.append(("warn", "fin_header", "block 1", "is missing: the sender is not known"))
    return message


def _bare(text: str, plain: bool) -> Iterator[FinMessage]:
    for start, end in _pieces(text):
        troubles: list[Trouble] = []
        body = text[start:end].strip(_FRAMING)
        body = body if plain else _decoded(body, troubles)
        head, fields = split_fields(body)
        if not fields:
            yield _stray(text, start, end)
            continue
        declared = _DECLARED.search(head)
        header = Header(mt=declared[1] if declared else guess_type(fields))
        _charset(troubles, body)
        yield FinMessage(start, end, header, fields, troubles, head=head, bare=True)


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """A bare message ends at a line `-`, or where the next `:20:` stands; MT204 alone repeats that tag (behind :19:)."""
    start, seen = 0, False
    for match in _BREAK.finditer(text):
        if match[0][0] == "-":
            if text[start : match.start()].strip("\r\n \t"):
                yield start, match.start()
            start, seen = match.end(), False
        elif not seen:
            seen = True
        elif not ("\n:19:" in text[start : start + 200] or "\r:19:" in text[start : start + 200]):
            yield start, match.start()
            start = match.start()
    if text[start:].strip(_FRAMING):
        yield start, len(text)


def _stray(text: str, start: int, end: int) -> FinMessage:
    words = f"{end - start} bytes belong to no message"
    return FinMessage(
        start, end, Header(), troubles=[("error", "fin_blocks", f"byte {start}", words)], head=text[start : start + 80]
    )


def _decoded(body: str, troubles: list[Trouble]) -> str:
    """Banks write names as UTF-8 or Latin-1; both are outside SWIFT's sets and both are read."""
    if body.isascii():
        return body
    raw = body.encode("latin-1")
    try:
        body = raw.decode("utf-8")
    except UnicodeDecodeError:
        troubles.append(("warn", "charset", "block 4", "outside SWIFT's character sets; read as Latin-1"))
    else:
        troubles.append(("warn", "charset", "block 4", "outside SWIFT's character sets; read as UTF-8"))
    return body


def _charset(troubles: list[Trouble], body: str) -> None:
    found = _OUTSIDE.search(body)
    if found and body.isascii():
        troubles.append(("warn", "charset", "block 4", f"{found[0]!a} is outside SWIFT's character sets"))
