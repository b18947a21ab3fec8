"""What the headers of SWIFT messages tell, without their content. Pure: the first bytes in, values out."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

_BASIC = re.compile(rb"\{1:F(?P<service>\d\d)(?P<lt>[A-Z0-9]{12})(?P<session>\d{4})(?P<sequence>\d{6})\}")
_INPUT = re.compile(rb"\{2:I(\d{3})([A-Z0-9]{12})")
_OUTPUT = re.compile(rb"\{2:O(\d{3})\d{4}\d{6}([A-Z0-9]{12})")
_UETR = re.compile(rb"\{121:[0-9a-f]{8}-[0-9a-f-]{27}\}")
_VALIDATION = re.compile(rb"\{119:([A-Z]{3,8})\}")
_ANSWER = re.compile(rb"\{451:([01])\}")
_DEFINITION = re.compile(rb"<(?:\w+:)?MsgDefIdr>([^<]+)<")
_DOCUMENT = re.compile(rb"""<(?:\w+:)?Document[^>]*?["']urn:iso:std:iso:20022:tech:xsd:([^"']+)["']""")
_HEADER = re.compile(rb"""<(?:\w+:)?AppHdr[^>]*?["']urn:iso:std:iso:20022:tech:xsd:([^"']+)["']""")
_BICFI = re.compile(rb"<(?:\w+:)?BICFI>([A-Z0-9]{8,11})<")
_STEM = re.compile(r"(?P<lt>[A-Z0-9]{12})_(?P<session>\d{4})_(?P<sequence>\d{6})\.\w+")


@dataclass(frozen=True)
class Header:
    """One message's header. type: MT103, MT202COV, ACK, NAK, pacs.008.001.08; '' where it could not be read.

    lt, session, sequence: the place in the archive's order; counterparty: BIC8 of the other side.
    """

    type: str = ""
    lt: str = ""
    session: int = 0
    sequence: int = 0
    counterparty: str = ""
    uetr: bool = False
    application_header: str = ""


def fin(head: bytes) -> Header:
    """Blocks 1 to 3 of a FIN message, or an acknowledgement (F21)."""
    basic = _BASIC.search(head)
    if basic is None:
        return Header()
    place = (basic["lt"].decode(), int(basic["session"]), int(basic["sequence"]))
    if basic["service"] == b"21":
        answer = _ANSWER.search(head)
        return Header(("NAK" if answer[1] == b"1" else "ACK") if answer else "", *place)
    other = _INPUT.search(head) or _OUTPUT.search(head)
    if other is None:
        return Header("", *place)
    flag = _VALIDATION.search(head)
    suffix = flag[1].decode() if flag and flag[1] in (b"COV", b"STP", b"REMIT", b"RFDD") else ""
    return Header(f"MT{other[1].decode()}{suffix}", *place, other[2].decode()[:8], _UETR.search(head) is not None)


def mx(head: bytes, name: str) -> Header:
    """The AppHdr and the Document's namespace of an MX message; its place is in the file's name."""
    stem = _STEM.fullmatch(name)
    place = (stem["lt"], int(stem["session"]), int(stem["sequence"])) if stem else ("", 0, 0)
    document, definition, header = _DOCUMENT.search(head), _DEFINITION.search(head), _HEADER.search(head)
    told = document or definition
    own = place[0][:8]
    others = [item.decode()[:8] for item in _BICFI.findall(head)[:2]]
    return Header(
        told[1].decode() if told else "",
        *place,
        next((item for item in others if item != own), ""),
        b"UETR" in head,
        header[1].decode() if header else "",
    )


def named_place(name: str) -> tuple[str, int, int] | None:
    """(LT, session, sequence) of `<lt12>_<session4>_<seq6>.<suffix>`; None for another name."""
    stem = _STEM.fullmatch(name)
    return (stem["lt"], int(stem["session"]), int(stem["sequence"])) if stem else None


@dataclass(frozen=True)
class Range:
    """The sequence numbers of one session: first, last, what is missing between them, what came more than once."""

    lt: str
    session: int
    first: int
    last: int
    count: int
    gaps: tuple[tuple[int, int], ...]
    doubled: tuple[int, ...]


def ranges(places: Iterable[tuple[str, int, int]]) -> list[Range]:
    """Ranges by LT and session, in order. What came before the first number seen, nobody can tell from the archive."""
    by_session: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for lt, session, sequence in places:
        by_session[(lt, session)].append(sequence)
    found = []
    for (lt, session), numbers in sorted(by_session.items()):
        known = sorted(set(numbers))
        gaps = tuple((one + 1, two - 1) for one, two in pairwise(known) if two > one + 1)
        doubled = sorted(number for number, times in Counter(numbers).items() if times > 1)
        found.append(Range(lt, session, known[0], known[-1], len(numbers), gaps, tuple(doubled)))
    return found
