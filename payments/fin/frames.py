"""FIN's outer form: where each message begins and ends, and its blocks. Nothing here knows what a message means.

Batches: RJE (`$` between messages), DOS-PCC (0x01 .. 0x03, padded), or messages one after the other. A message that is
broken ends at the next one's beginning, so one does not take its neighbours with it. Every byte belongs to a frame, to the
separators, or is reported. Time is linear: every search is bounded or remembers where it found its mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from payments.fin.headers import Header, Trouble, tail, whole_header

SEPARATORS = " \t\r\n\x00\x01\x03\x1a$"
DEEPEST = 16  # braces within braces; MT096 carries a whole message: four
LONGEST_BLOCK = 65_536  # other than a text block
LONGEST_TEXT = 8 * 1024 * 1024  # SWIFT ends at 10,000 characters, banks' files do not
_BRACE = re.compile(r"[{}]")
_IDS = frozenset("12345S")


@dataclass(slots=True)
class Frame:
    """One message: `text[start:end]`, blocks by their number, and what is wrong with its form."""

    start: int
    end: int = 0
    blocks: dict[str, str] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    text_at: int = 0  # where block 4's text begins
    header: Header | None = None  # where it was read in one look


class _Ahead:
    """The next place of a mark at or after a position; the text is searched once over however many questions."""

    def __init__(self, text: str, *marks: str) -> None:
        self._text, self._marks = text, marks
        self._next = [-2] * len(marks)

    def after(self, position: int) -> int:
        """-1 where there is none."""
        best = -1
        for index, mark in enumerate(self._marks):
            found = self._next[index]
            if found == -2 or 0 <= found < position:
                found = self._next[index] = self._text.find(mark, position)
            if found >= 0 and (best < 0 or found < best):
                best = found
        return best


class Framer:
    """Iterates over the frames of one payload; `strays` holds (start, end) of bytes that belong to no message."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.strays: list[tuple[int, int]] = []
        self._ends = _Ahead(text, "\n-}", "\r-}")
        self._starts = _Ahead(text, "\n{1:", "${1:", "\x01{1:", "}{1:F", "\x03{1:")
        self._any = _Ahead(text, "{1:", "{4:")
        self._first = _Ahead(text, "{1:")

    def __iter__(self) -> Iterator[Frame]:
        text, position, size = self.text, 0, len(self.text)
        while True:
            while position < size and text[position] in SEPARATORS:
                position += 1
            if position >= size:
                return
            if text[position] != "{" or text[position + 2 : position + 3] != ":" or text[position + 1] not in _IDS:
                found = self._any.after(position)
                stop = found if found >= 0 else size
                self.strays.append((position, stop))
                position = stop
                continue
            frame = self._whole(position)
            if frame is None:
                frame = Frame(position)
                frame.end = self._message(frame, position)
            if text.startswith("}", frame.end):
                frame.troubles.append(("warn", "fin_blocks", "block 5", "a brace too many stands behind it"))
                frame.end += 1
            position = frame.end
            yield frame

    def _whole(self, position: int) -> Frame | None:
        """A message that is by the book from its first brace to its last: read in one look."""
        found = whole_header(self.text, position)
        if found is None:
            return None
        header, begin = found
        end, other = self._ends.after(begin), self._starts.after(begin)
        if end < 0 or 0 <= other < end or end - begin > LONGEST_TEXT:
            return None
        behind = tail(self.text, end + 3)
        if behind is None:
            return None
        header.trailers = behind[0]
        return Frame(position, behind[1], {"4": self.text[begin:end]}, [], begin, header)

    def _message(self, frame: Frame, position: int) -> int:
        """Reads blocks up to the end of the message; returns the place behind it, always further than `position`."""
        text, blocks = self.text, frame.blocks
        while text[position : position + 1] == "{" and text[position + 2 : position + 3] == ":":
            number = text[position + 1]
            if number not in _IDS or (number == "1" and blocks):
                break
            if number in blocks:
                if number == "4":
                    break  # a bare text block after another is the next message
                frame.troubles.append(("error", "fin_blocks", f"block {number}", "stands twice in one message"))
            content, after = self._block(frame, number, position)
            blocks.setdefault(number, content)
            if after < 0:
                # Braces without end are one broken message, not as many as there are braces.
                nested = number == "4" and text[position + 3 : position + 4] == "{"
                after = self._beyond(position + 3) if nested else self._resume(position + 3)
                while number == "1" and self._no_header(after):
                    after = self._resume(after + 3)
                if "4" in blocks or text[after + 1 : after + 2] != "4":
                    return after
            position = after
            probe = position
            while text[probe : probe + 1] in ("\r", "\n", " "):
                probe += 1
            if text[probe : probe + 1] == "{" and text[probe + 1 : probe + 2] not in ("1", "4"):
                position = probe
            elif text[probe : probe + 3] == "{4:" and "4" not in blocks:
                position = probe
        return position

    def _block(self, frame: Frame, number: str, position: int) -> tuple[str, int]:
        """(content, place behind the block); the place is -1 where the block has no end."""
        if number in "12":
            return self._flat(frame, number, position)
        if number in "35S":
            return self._tagged(frame, number, position)
        return self._fourth(frame, position)

    def _flat(self, frame: Frame, number: str, position: int) -> tuple[str, int]:
        end = self.text.find("}", position, position + 256)
        inner = self.text.find("{", position + 1, position + 256)
        if end < 0 or 0 <= inner < end:
            frame.troubles.append(("error", "fin_blocks", f"block {number}", "does not end"))
            return self.text[position + 3 : position + 67], -1
        return self.text[position + 3 : end], end + 1

    def _tagged(self, frame: Frame, number: str, position: int) -> tuple[str, int]:
        """A block of `{tag:value}` groups. One that lacks its last brace ends where its groups end."""
        text, place = self.text, position + 3
        limit = position + LONGEST_BLOCK
        while text[place : place + 1] == "{" and text[place + 2 : place + 3] != ":":
            brace = _BRACE.search(text, place + 1, limit)
            if brace is None or brace[0] == "{":
                break
            place = brace.end()
        content = text[position + 3 : place]
        if text[place : place + 1] == "}":
            return content, place + 1
        if text[place : place + 1] == "{" and text[place + 2 : place + 3] == ":" and place > position + 3:
            frame.troubles.append(("warn", "fin_blocks", f"block {number}", "lacks its closing brace"))
            return content, place
        return self._nested(frame, number, position)

    def _nested(self, frame: Frame, number: str, position: int) -> tuple[str, int]:
        """To the brace that closes the block. At most DEEPEST braces stand open, so no character is seen oftener."""
        depth, place, limit = 0, position, position + LONGEST_BLOCK
        while (brace := _BRACE.search(self.text, place, limit)) is not None:
            place = brace.end()
            depth += 1 if brace[0] == "{" else -1
            if depth == 0:
                return self.text[position + 3 : place - 1], place
            if depth > DEEPEST:
                break
        frame.troubles.append(("error", "fin_blocks", f"block {number}", "does not end"))
        return self.text[position + 3 : position + 259], -1

    def _fourth(self, frame: Frame, position: int) -> tuple[str, int]:
        text, begin = self.text, position + 3
        frame.text_at = begin
        if text[begin : begin + 1] == "{":
            return self._nested(frame, "4", position)
        end, other = self._ends.after(begin), self._starts.after(begin)
        if end >= 0 and (other < 0 or end < other) and end - begin <= LONGEST_TEXT:
            return text[begin:end], end + 3
        stop = other if other >= 0 else len(text)
        stop = min(stop, begin + LONGEST_TEXT)
        # Behind the mark's first character: it may be the brace that ends this message.
        close = text.rfind("-}", begin, stop + 1)
        if close < 0:
            close = text.find("}{5:", begin, stop)
        if close < 0:
            close = text.rfind("}", begin, stop + 1)
        if close >= 0:
            frame.troubles.append(("warn", "fin_blocks", "block 4", "does not end with a line `-}`"))
            return text[begin:close], close + (2 if text[close] == "-" else 1)
        frame.troubles.append(("error", "fin_blocks", "block 4", "does not end"))
        return text[begin:stop], max(stop, begin)

    def _no_header(self, position: int) -> bool:
        """A `{1:` with another brace where the 25 characters of a header should be."""
        begin = position + 3
        brace = _BRACE.search(self.text, begin, begin + 25) if self.text.startswith("{1:", position) else None
        return brace is not None and brace[0] == "{"

    def _beyond(self, position: int) -> int:
        found = self._first.after(position)
        return found if found >= 0 else len(self.text)

    def _resume(self, position: int) -> int:
        """Where the next message may begin."""
        found = self._any.after(position)
        return found if found >= 0 else len(self.text)
