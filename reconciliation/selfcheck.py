"""Planted differences: a run that could not have failed does not pass.

From buckets that were found equal, the target's own rows are taken into a copy, one fault is planted per bucket, and the
copy goes through the same compiled digests and the same drill-down against the real source. Each fault must be found
with its class and its key.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from cutwater.core.errors import CutwaterError
from inventory.model import TableMapping
from reconciliation.breaks import BreakClass
from reconciliation.compare import TableResult, both, drill_down
from reconciliation.digests import bucket_of_row
from reconciliation.encoding import encode_row, key_fields
from reconciliation.faults import FAULTS, Row
from reconciliation.ports import CopySide, Pin, PinnedPair, TableSide
from reconciliation.rows import key_text


class Named(Protocol):
    """A difference, as the check needs it."""

    @property
    def cls(self) -> BreakClass: ...
    @property
    def key(self) -> str: ...


Drill = Callable[[TableMapping, TableSide, TableSide, PinnedPair, int, Sequence[int]], Iterable[Named]]


@dataclass
class SelfCheck:
    """planted, found: numbers per kind of fault; missed: what was not found, in words."""

    planted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    found: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    missed: list[str] = field(default_factory=list)

    @property
    def totals(self) -> tuple[int, int]:
        return sum(self.found.values()), sum(self.planted.values())

    @property
    def passed(self) -> bool:
        found, planted = self.totals
        return planted > 0 and found == planted and not self.missed

    @property
    def bound(self) -> str:
        """Rule of three: n of n found bounds the rate of misses at about 3/n with 95 % confidence."""
        found, planted = self.totals
        if not planted:
            return "nothing was planted: no bound"
        if found < planted:
            return f"{planted - found} of {planted} planted faults were missed"
        parts = Decimal(300) / Decimal(planted)
        return f"misses <= {parts.quantize(Decimal('0.1'))}% at 95% (3/{planted})"

    def count(self, kind: str, found: bool, where: str) -> None:
        """One planted fault's outcome."""
        self.planted[kind] += 1
        if found:
            self.found[kind] += 1
        else:
            self.missed.append(f"{kind} in {where}")


class Held:
    """The source's rows of the chosen buckets, read at the same time as the target's; all else is asked of the source."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], side: TableSide) -> None:
        self.held = list(rows)
        self.columns, self.totals, self.digests = side.columns, side.totals, side.digests

    def rows(self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        chosen = set(wanted)
        return (row for row in self.held if bucket_of_row(mapping, row, buckets) in chosen)


def check_table(
    check: SelfCheck,
    mapping: TableMapping,
    source: TableSide,
    target: TableSide,
    maker: CopySide,
    pair: PinnedPair,
    result: TableResult,
    most: int,
    drill: Drill = drill_down,
) -> None:
    """Plants up to `most` faults in one table, one per bucket, and counts what was found. drill: the path that is checked."""
    equal = [number for number in sorted(result.source_digests) if number not in set(result.differing)]
    chosen = _spread(equal, most)
    if not chosen:
        return
    try:
        mine, rows = both(
            lambda: list(source.rows(mapping, pair.source, result.buckets, chosen)),
            lambda: list(target.rows(mapping, pair.target, result.buckets, chosen)),
        )
        planted, altered = plant(mapping, _bucketed(mapping, map(dict, rows), result.buckets))
        with maker.copy_of(mapping, altered) as copy:
            seen = _found(mapping, Held(mine, source), copy, pair, result, chosen, drill)
    except CutwaterError as error:
        check.missed.append(f"{mapping.asset_id}: the self-check could not run: {error}")
        return
    for kind, cls, key in planted:
        check.count(kind, (cls, key) in seen, f"{mapping.asset_id} {key}")


def _found(
    mapping: TableMapping,
    source: TableSide,
    copy: TableSide,
    pair: PinnedPair,
    result: TableResult,
    chosen: Sequence[int],
    drill: Drill,
) -> set[tuple[BreakClass, str]]:
    """(class, key) of every break that the normal path names between the real source and the copy."""
    right = copy.digests(mapping, pair.target, result.buckets)
    differing = [number for number in chosen if result.source_digests.get(number) != right.get(number)]
    return {(item.cls, item.key) for item in drill(mapping, source, copy, pair, result.buckets, differing)}


def _bucketed(mapping: TableMapping, rows: Iterable[Row], buckets: int) -> list[list[Row]]:
    """The rows by bucket, in the order of the buckets."""
    by_bucket: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_bucket[bucket_of_row(mapping, row, buckets)].append(row)
    return [by_bucket[number] for number in sorted(by_bucket)]


def plant(mapping: TableMapping, groups: Iterable[list[Row]]) -> tuple[list[tuple[str, BreakClass, str]], list[Row]]:
    """One fault in each group of rows, in turn: (kind, class, key) of each, and all rows with the faults in them."""
    key = key_fields(mapping)
    planted: list[tuple[str, BreakClass, str]] = []
    given: list[Row] = []
    altered: list[Row] = []
    for turn, group in enumerate(groups):
        given += group
        times = Counter(encode_row(key, row) for row in group) if mapping.key else Counter()
        rows = [row for row in group if times[encode_row(key, row)] <= 1]  # rows of a key that repeats are not paired
        altered.extend(row for row in group if times[encode_row(key, row)] > 1)
        if not rows:
            continue
        for step in range(len(FAULTS)):
            kind, fault = FAULTS[(turn + step) % len(FAULTS)]
            outcome = fault(mapping, rows)
            if outcome is not None:
                copied, cls, name = outcome
                planted.append((kind, cls, name))
                altered.extend(copied)
                break
        else:
            altered.extend(rows)
    return _standing(mapping, planted, given, altered), altered


def _standing(
    mapping: TableMapping, planted: list[tuple[str, BreakClass, str]], given: list[Row], altered: list[Row]
) -> list[tuple[str, BreakClass, str]]:
    """The faults that another one did not undo: without a key, a row that is altered may become one that was dropped."""
    if mapping.key:
        return planted
    before, after = (Counter(key_text(mapping, row) for row in rows) for rows in (given, altered))
    return [item for item in planted if before[item[2]] != after[item[2]]]


def _spread(numbers: Sequence[int], most: int) -> list[int]:
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[at * len(numbers) // most] for at in range(most)]
