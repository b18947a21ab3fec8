"""Where two texts part, for people: each side in parts, those that differ with their code points where eyes cannot tell. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

CLOSE = 400  # characters up to which parts are aligned; longer texts are split at their common start and end
POINTS = 8


@dataclass(frozen=True)
class Part:
    """differs: it is not in the other text. points: its first code points, '' where the letters speak for themselves."""

    text: str
    differs: bool = False
    points: str = ""


def marked(source: str, target: str) -> tuple[list[Part], list[Part]]:
    """Both texts in parts; a part that is missing on one side is an empty part there."""
    found: tuple[list[Part], list[Part]] = ([], [])
    for same, before, after in _aligned(source, target):
        if same:
            found[0].append(Part(before))
            found[1].append(Part(after))
            continue
        unclear = any(not letter.isascii() or not letter.isprintable() or letter == " " for letter in before + after)
        for side, text in zip(found, (before, after), strict=True):
            side.append(Part(text, True, _points(text) if unclear else ""))
    return found


def _aligned(source: str, target: str) -> Iterator[tuple[bool, str, str]]:
    if max(len(source), len(target)) <= CLOSE:
        for word, a, b, c, d in SequenceMatcher(None, source, target, autojunk=False).get_opcodes():
            yield word == "equal", source[a:b], target[c:d]
        return
    shorter = min(len(source), len(target))
    head = next((at for at in range(shorter) if source[at] != target[at]), shorter)
    tail = next((at for at in range(shorter - head) if source[-1 - at] != target[-1 - at]), shorter - head)
    yield True, source[:head], target[:head]
    yield False, source[head : len(source) - tail], target[head : len(target) - tail]
    yield True, source[len(source) - tail :], target[len(target) - tail :]


def _points(text: str) -> str:
    told = " ".join(f"U+{ord(letter):04X}" for letter in text[:POINTS])
    return told + (" ..." if len(text) > POINTS else "")


def line(parts: list[Part], most: int = 60) -> str:
    """One side on one line: what differs between brackets, long equal parts cut."""
    told = []
    for part in parts:
        if part.differs:
            told.append(f"[{part.points or part.text[:most]}]" if part.text or len(parts) > 1 else "[]")
        else:
            told.append(part.text if len(part.text) <= 16 else f"{part.text[:6]}...{part.text[-6:]}")
    return "".join(told)
