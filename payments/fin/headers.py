"""FIN's headers and trailers: who sent what to whom, with which numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

_BLOCK1 = re.compile(r"([A-Z])([0-9]{2})([A-Z0-9]{12})([0-9]{4})([0-9]{6})")
_INPUT = re.compile(r"I([0-9]{3})([A-Z0-9]{12})([SUN])?([0-9]?)([0-9]{0,3})")
_OUTPUT = re.compile(
    r"O([0-9]{3})([0-9]{4})([0-9]{6})([A-Z0-9]{12})([0-9]{4})([0-9]{6})(?:([0-9]{6})([0-9]{4})([SUN])?)?"
)
_LOOSE = re.compile(r"([IO])([0-9]{3})(?:([A-Z0-9]{12})?[SUN]?)?")
_SUB = re.compile(r"\{([0-9A-Z]{3}):([^{}]*)\}")


Trouble = tuple[str, str, str, str]  # severity, code, place, words


@dataclass(slots=True)
class Header:
    """What blocks 1, 2, 3, 5 and S say.

    lt, session, sequence: block 1: the receiver's LT with the OSN where direction is O, the sender's with the ISN where
    it is I. mir: message input reference of an output message. mt: three digits; empty for service messages.
    user: block 3, trailers: block 5, system: block S, all by tag.
    """

    service: str = ""
    lt: str = ""
    session: str = ""
    sequence: str = ""
    direction: str = ""
    mt: str = ""
    sender_lt: str = ""
    receiver_lt: str = ""
    priority: str = ""
    mir: str = ""
    input_time: str = ""
    output_at: str = ""
    user: dict[str, str] = field(default_factory=dict)
    trailers: dict[str, str] = field(default_factory=dict)
    system: dict[str, str] = field(default_factory=dict)

    @property
    def sender(self) -> str:
        """BIC11 of the sender: the LT without its ninth character, the terminal code."""
        return bic_of(self.sender_lt)

    @property
    def receiver(self) -> str:
        return bic_of(self.receiver_lt)


# Blocks 1 to 3 of a whole message in one look; whatever does not fit goes the long way. Every repetition is possessive.
_WHOLE = re.compile(
    r"\{1:[A-Z](01)([A-Z0-9]{12})([0-9]{4})([0-9]{6})\}"
    r"\{2:(?:I([0-9]{3})([A-Z0-9]{12})([SUN]?)[0-9]{0,4}+"
    r"|O([0-9]{3})([0-9]{4})([0-9]{6})([A-Z0-9]{12})([0-9]{4})([0-9]{6})([0-9]{6})([0-9]{4})([SUN]?))\}"
    r"(?:\{3:((?:\{[0-9A-Z]{3}:[^{}]{0,200}+\}){0,40}+)\})?\{4:(?=[\r\n])"
)
_TAIL = re.compile(r"(?:\{5:((?:\{[0-9A-Z]{3}:[^{}]{0,200}+\}){0,40}+)\})?(?=[\r\n$\x01\x03 {]|\Z)(?!\{[^1])")


def whole_header(text: str, position: int) -> tuple[Header, int] | None:
    """The header of a message whose blocks 1 to 3 are by the book, and where its text begins."""
    match = _WHOLE.match(text, position)
    if match is None:
        return None
    service, lt, session, sequence, sent, to, urgent, mt, clock, day, own, theirs, isn, outday, outclock, prio, user = (
        match.groups("")
    )
    tags = dict(_SUB.findall(user)) if user else {}
    if sent:
        return Header(service, lt, session, sequence, "I", sent, lt, to, urgent, "", "", "", tags), match.end()
    mir = day + own + theirs + isn
    return (
        Header(service, lt, session, sequence, "O", mt, own, lt, prio, mir, day + clock, outday + outclock, tags),
        match.end(),
    )


def tail(text: str, position: int) -> tuple[dict[str, str], int] | None:
    """Block 5 where there is one, and the place behind the message; None where something else follows."""
    match = _TAIL.match(text, position)
    if match is None:
        return None
    return (dict(_SUB.findall(match[1])) if match[1] else {}), match.end()


@lru_cache(maxsize=4096)
def bic_of(lt: str) -> str:
    return lt[:8] + lt[9:12]


def read_header(blocks: dict[str, str], troubles: list[Trouble]) -> Header:
    """Reads what is readable; what is not is added to the troubles, and stays an empty text."""
    header = Header()
    first = _BLOCK1.match(blocks["1"]) if "1" in blocks else None
    if first is not None:
        _, header.service, header.lt, header.session, header.sequence = first.groups()
    elif "1" in blocks:
        troubles.append(
            ("error", "fin_header", "block 1", "is not application, service, LT, session and sequence number")
        )
    second = blocks.get("2")
    if second is not None:
        _second(troubles, header, second)
    elif header.service == "01":
        troubles.append(("error", "fin_header", "block 2", "is missing: the message has no type"))
    for number, target in (("3", header.user), ("5", header.trailers), ("S", header.system)):
        if number in blocks:
            for tag, value in _SUB.findall(blocks[number]):
                target.setdefault(tag, value)
    return header


def _second(troubles: list[Trouble], header: Header, text: str) -> None:
    if text[:1] == "O" and (match := _OUTPUT.match(text)):
        day, clock = match[3], match[2]
        header.direction, header.mt = "O", match[1]
        header.sender_lt, header.receiver_lt = match[4], header.lt
        header.mir = day + match[4] + match[5] + match[6]
        header.input_time = day + clock
        header.output_at = (match[7] or "") + (match[8] or "")
        header.priority = match[9] or ""
        return
    if text[:1] == "I" and (match := _INPUT.match(text)):
        header.direction, header.mt, header.receiver_lt = "I", match[1], match[2]
        header.sender_lt, header.priority = header.lt, match[3] or ""
        return
    loose = _LOOSE.match(text)
    if loose is None:
        troubles.append(("error", "fin_header", "block 2", "is neither an input nor an output header"))
        return
    # Banks' own exports write an output header without its MIR: the type is readable, the numbers are not there.
    header.direction, header.mt = loose[1], loose[2]
    partner = loose[3] or ""
    header.sender_lt, header.receiver_lt = (header.lt, partner) if loose[1] == "I" else (partner, header.lt)
    troubles.append(("warn", "fin_header", "block 2", "is not complete"))
