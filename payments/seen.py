"""Which keys came before, in eight bytes each: what a large statement has to remember of its entries."""

from __future__ import annotations

from array import array
from hashlib import blake2b


class Seen:
    """A set of keys that counts repetitions. Many keys are kept as 64-bit hashes in an open table: two million in 32 MiB.

    Up to FEW they are kept as they are, which is quicker. Two keys of one file that share a hash by chance (about one in ten million for files of two million entries) would be
    taken for a repetition: the second one's key gets a number that it does not need.
    """

    FEW = 4096

    def __init__(self) -> None:
        self._few: dict[str, int] | None = {}
        self._table = array("Q")
        self._size = 0
        self._again: dict[int, int] = {}

    def count(self, key: str) -> int:
        """How many times the key has come, this time included."""
        few = self._few
        if few is not None:
            found = few[key] = few.get(key, 0) + 1
            if len(few) > self.FEW:
                self._become_many(few)
            return found
        mark = _mark(key)
        if self._put(mark):
            return 1
        found = self._again[mark] = self._again.get(mark, 1) + 1
        return found

    def _become_many(self, few: dict[str, int]) -> None:
        self._few, self._table = None, array("Q", bytes(16 * 8 * 1024))
        for key, count in few.items():
            mark = _mark(key)
            if not self._put(mark) or count > 1:
                self._again[mark] = self._again.get(mark, 0) + count

    def _put(self, mark: int) -> bool:
        """False where it was there."""
        table = self._table
        mask = len(table) - 1
        place = mark & mask
        while table[place]:
            if table[place] == mark:
                return False
            place = (place + 1) & mask
        table[place] = mark
        self._size += 1
        if self._size * 2 > len(table):
            self._grow()
        return True

    def _grow(self) -> None:
        old, self._table = self._table, array("Q", bytes(16 * len(self._table)))
        mask = len(self._table) - 1
        for mark in old:
            if mark:
                place = mark & mask
                while self._table[place]:
                    place = (place + 1) & mask
                self._table[place] = mark


def _mark(key: str) -> int:
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") or 1
