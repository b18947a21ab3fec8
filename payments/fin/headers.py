"""FIN's headers and trailers: who sent what to whom, with which numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from payments.fin.frames import Frame

_BLOCK1 = re.compile(r"([A-Z])([0-9]{2})([A-Z0-9]{12})([0-9]{4})([0-9]{6})")
_INPUT = re.compile(r"I([0-9]{3})([A-Z0-9]{12})([SUN])?([0-9]?)([0-9]{0,3})")
_OUTPUT = re.compile(
    r"O([0-9]{3})([0-9]{4})([0-9]{6})([A-Z0-9]{12})([0-9]{4})([0-9]{6})(?:([0-9]{6})([0-9]{4})([SUN])?)?"
)
_LOOSE = re.compile(r"([IO])([0-9]{3})(?:([A-Z0-9]{12})?[SUN]?)?")
_SUB = re.compile(r"\{([0-9A-Z]{3}):([^{}]*)\}")


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


def bic_of(lt: str) -> str:
    return lt[:8] + lt[9:12]


def read_header(frame: Frame) -> Header:
    """Reads what is readable; what is not is added to the frame's troubles, and stays an empty text."""
    blocks = frame.blocks
    header = Header()
    first = _BLOCK1.match(blocks["1"]) if "1" in blocks else None
    if first is not None:
        _, header.service, header.lt, header.session, header.sequence = first.groups()
    elif "1" in blocks:
        frame.troubles.append(("error", "block 1", "is not application, service, LT, session and sequence number"))
    second = blocks.get("2")
    if second is not None:
        _second(frame, header, second)
    elif header.service == "01":
        frame.troubles.append(("error", "block 2", "is missing: the message has no type"))
    for number, target in (("3", header.user), ("5", header.trailers), ("S", header.system)):
        if number in blocks:
            for tag, value in _SUB.findall(blocks[number]):
                target.setdefault(tag, value)
    return header


def _second(frame: Frame, header: Header, text: str) -> None:
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
        frame.troubles.append(("error", "block 2", "is neither an input nor an output header"))
        return
    # Banks' own exports write an output header without its MIR: the type is readable, the numbers are not there.
    header.direction, header.mt = loose[1], loose[2]
    partner = loose[3] or ""
    header.sender_lt, header.receiver_lt = (header.lt, partner) if loose[1] == "I" else (partner, header.lt)
    frame.troubles.append(("warn", "block 2", "is not complete"))
