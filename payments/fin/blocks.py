"""FIN's outer form: messages, blocks, headers, fields. Nothing here knows what a message means."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from payments.values import Findings

_BETWEEN = " \t\r\n\x00\x01\x03$"  # RJE separates messages by `$`, DOS-PCC frames them
_FIELD = re.compile(r"^:([0-9]{2}[A-Z]?|NS):", re.MULTILINE)
_SUB = re.compile(r"\{([0-9A-Z]{3}):([^{}]*)\}")
_END = re.compile(r"\r?\n-\}")
_BLOCK1 = re.compile(r"([A-Z])([0-9]{2})([A-Z0-9]{12})([0-9]{4})([0-9]{6})")
_INPUT = re.compile(r"I([0-9]{3})([A-Z0-9]{12})")
_OUTPUT = re.compile(r"O([0-9]{3})([0-9]{4})([0-9]{6})([A-Z0-9]{12})([0-9]{4})([0-9]{6})")


@dataclass(frozen=True)
class Fin:
    """One message: its blocks by number as text, and what the headers say.

    lt, session, sequence: block 1: the receiver's LT with the OSN where direction is O, the sender's with the ISN where
    it is I. mir: message input reference of an output message. mt: three digits; empty for service messages.
    """

    blocks: dict[str, str]
    service: str = ""
    lt: str = ""
    session: str = ""
    sequence: str = ""
    direction: str = ""
    mt: str = ""
    sender_lt: str = ""
    receiver_lt: str = ""
    mir: str = ""
    user: dict[str, str] = field(default_factory=dict)  # block 3
    trailers: dict[str, str] = field(default_factory=dict)  # block 5

    @property
    def sender(self) -> str:
        """BIC11 of the sender: the LT without its ninth character, the terminal code."""
        return self.sender_lt[:8] + self.sender_lt[9:12]


def split(text: str, findings: Findings) -> list[dict[str, str]]:
    """The blocks of every message; bytes that belong to none are an error finding: every byte is accounted for."""
    messages: list[dict[str, str]] = []
    position = 0
    while True:
        while position < len(text) and text[position] in _BETWEEN:
            position += 1
        if position >= len(text):
            return messages
        end = _block_end(text, position)
        if end is None or text[position + 2 : position + 3] != ":":
            findings.error("fin_blocks", f"character {position}", "no complete block begins here")
            return messages
        number, body = text[position + 1], text[position + 3 : end - 1]
        if number == "1" or not messages:
            messages.append({})
        if number in messages[-1]:
            findings.error("fin_blocks", f"character {position}", f"block {number[:1]!r} stands twice in one message")
        messages[-1][number] = body
        position = end


def _block_end(text: str, start: int) -> int | None:
    if text[start] != "{":
        return None
    if text.startswith(("{4:\r\n", "{4:\n"), start):
        match = _END.search(text, start)
        return match.end() if match else None
    depth = 0
    for match in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.end()
    return None


def headers(blocks: dict[str, str], findings: Findings) -> Fin:
    """Reads blocks 1, 2, 3 and 5; what is not readable is a finding and an empty text."""
    first = _BLOCK1.match(blocks.get("1", ""))
    if first is None:
        findings.error("fin_header", "block 1", "block 1 is not F, service, LT, session and sequence number")
        return Fin(blocks)
    base = {"service": first[2], "lt": first[3], "session": first[4], "sequence": first[5]}
    user = dict(_SUB.findall(blocks.get("3", "")))
    trailers = dict(_SUB.findall(blocks.get("5", "")))
    second = blocks.get("2", "")
    if match := _INPUT.match(second):
        return Fin(
            blocks,
            **base,
            direction="I",
            mt=match[1],
            sender_lt=first[3],
            receiver_lt=match[2],
            user=user,
            trailers=trailers,
        )
    if match := _OUTPUT.match(second):
        mir = match[3] + match[4] + match[5] + match[6]
        return Fin(
            blocks,
            **base,
            direction="O",
            mt=match[1],
            sender_lt=match[4],
            receiver_lt=first[3],
            mir=mir,
            user=user,
            trailers=trailers,
        )
    if base["service"] == "01":
        findings.error("fin_header", "block 2", "block 2 is neither an input nor an output header")
    return Fin(blocks, **base, user=user, trailers=trailers)


def fields(text: str) -> list[tuple[str, str]]:
    """Tags and values of block 4 in order; lines of one value are joined by a line feed."""
    body = text.replace("\r\n", "\n")
    marks = list(_FIELD.finditer(body))
    ends = [mark.start() for mark in marks[1:]] + [len(body)] * bool(marks)
    return [
        (mark[1], body[mark.end() : end].rstrip("\n").removesuffix("\n-").rstrip("\n"))
        for mark, end in zip(marks, ends, strict=True)
    ]


def tag_values(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The same as a dictionary; a tag that repeats becomes `Tag[2]`, so that nothing is lost."""
    out: dict[str, str] = {}
    seen: dict[str, int] = {}
    for tag, value in pairs:
        seen[tag] = seen.get(tag, 0) + 1
        out[f"{tag}[{seen[tag]}]" if seen[tag] > 1 else tag] = value
    return out
