"""A PostgreSQL snapshot as a value: which transactions a copy already holds.

`pg_current_snapshot()` prints `xmin:xmax:xip,...` of 64-bit transaction ids. A transaction is visible when it had
committed: below xmin, or below xmax and not in progress (PostgreSQL documentation, "Transaction ID and Snapshot
Information Functions"; `pg_visible_in_snapshot`). An aborted transaction looks visible too, but never reaches a
logical stream, so the rule is exact for what we judge by it.
"""

from __future__ import annotations

from dataclasses import dataclass

_EPOCH = 1 << 32


@dataclass(frozen=True)
class PgSnapshot:
    """xmin: all below are visible. xmax: all from here on are not. in_progress: between them, not yet visible."""

    xmin: int
    xmax: int
    in_progress: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, text: str) -> PgSnapshot:
        """From the text form; raises ValueError for anything else."""
        parts = text.split(":")
        if len(parts) != 3:
            raise ValueError(f"{text!r} is no pg_snapshot")
        xip = frozenset(int(item) for item in parts[2].split(",") if item)
        found = cls(int(parts[0]), int(parts[1]), xip)
        if found.xmin > found.xmax or any(not found.xmin <= xid < found.xmax for xid in xip):
            raise ValueError(f"{text!r} is no pg_snapshot")
        return found

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, sorted(self.in_progress)))}"

    def sees(self, xid: int) -> bool:
        """Is the committed transaction `xid` (64 bits) visible?"""
        return xid < self.xmin or (xid < self.xmax and xid not in self.in_progress)

    def is_behind(self, other: PgSnapshot) -> bool:
        """Does `other` see a transaction that this one does not? (Ids that were never used count as used.)"""
        return any(other.sees(xid) and not self.sees(xid) for xid in range(self.xmin, other.xmax))

    def sql(self, column: str) -> str:
        """The same as a predicate over a bigint column; numbers only, so safe to put into any SQL dialect."""
        late = ",".join(map(str, sorted(self.in_progress)))
        between = f"{column} < {self.xmax}" + (f" AND {column} NOT IN ({late})" if late else "")
        return f"({column} < {self.xmin} OR ({between}))"


def widen(xid32: int, next_xid: int) -> int:
    """The 64-bit id of a 32-bit one that is known to be at or before `next_xid`, and less than 2**31 behind it."""
    wide = (next_xid & ~(_EPOCH - 1)) | xid32
    return wide - _EPOCH if wide > next_xid else wide


def lsn_to_int(text: str) -> int:
    """`16/B374D848` -> 64-bit position."""
    high, low = text.split("/")
    return (int(high, 16) << 32) | int(low, 16)


def int_to_lsn(value: int) -> str:
    """The inverse of `lsn_to_int`."""
    return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"
