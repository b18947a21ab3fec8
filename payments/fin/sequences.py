"""Gaps in SWIFT's numbering: OSN per (LT, session) on receipt, ISN per (LT, session) on sending. Held as ranges, not numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from payments.fin.headers import Header


@dataclass(frozen=True, slots=True)
class Gap:
    """direction: O for received (OSN), I for sent (ISN). first and last are both missing."""

    direction: str
    lt: str
    session: str
    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


@dataclass
class Sequences:
    """Takes headers in any order; asks for gaps at any time. repeats: numbers that came more than once, with how often."""

    repeats: dict[tuple[str, str, str, int], int] = field(default_factory=dict)
    _ranges: dict[tuple[str, str, str], list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, header: Header) -> None:
        """Exports that carry no numbers write zeros: those are not counted."""
        if header.service != "01" or not header.direction or not header.sequence.isdigit():
            return
        number = int(header.sequence)
        if number == 0 and header.session == "0000":
            return
        key = (header.direction, header.lt, header.session)
        if not _insert(self._ranges.setdefault(key, []), number):
            place = (*key, number)
            self.repeats[place] = self.repeats.get(place, 1) + 1

    def gaps(self) -> Iterator[Gap]:
        """Between the lowest and the highest number of each session; what lies before and behind nobody can know."""
        for (direction, lt, session), ranges in sorted(self._ranges.items()):
            for (_, end), (start, _) in pairwise(ranges):
                yield Gap(direction, lt, session, end + 1, start - 1)


def _insert(ranges: list[tuple[int, int]], number: int) -> bool:
    """Adds a number to sorted, disjoint ranges; False where it was there."""
    at = bisect_right(ranges, (number, 10**9)) - 1
    if at >= 0 and ranges[at][0] <= number <= ranges[at][1]:
        return False
    joins_left = at >= 0 and ranges[at][1] == number - 1
    joins_right = at + 1 < len(ranges) and ranges[at + 1][0] == number + 1
    if joins_left and joins_right:
        ranges[at : at + 2] = [(ranges[at][0], ranges[at + 1][1])]
    elif joins_left:
        ranges[at] = (ranges[at][0], number)
    elif joins_right:
        ranges[at + 1] = (number, ranges[at + 1][1])
    else:
        ranges.insert(at + 1, (number, number))
    return True
