"""An ad hoc comparison of two places: types, forms, digests, differing rows, planted differences, one verdict.

Fail closed: whatever was not read, not pinned, not of one form or not proven able to fail keeps the verdict from PASS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from cutwater.core.errors import CutwaterError
from inventory.model import TableMapping
from reconciliation.adhoc_found import COUNTED, Asked, Found, document
from reconciliation.adhoc_ports import Joiner, LocatedSide, TextMaker
from reconciliation.adhoc_rows import drill
from reconciliation.adhoc_schema import mapping_for
from reconciliation.compare import TableResult, both, same_totals
from reconciliation.dialect import Marks
from reconciliation.digests import buckets_for
from reconciliation.equality import Equality
from reconciliation.ports import Pin, PinnedPair
from reconciliation.selfcheck import check_table
from reconciliation.selfcheck_joined import check_joined

__all__ = ["Asked", "Found", "LocatedSide", "compare", "document"]

T = TypeVar("T")
PLANTED = 40
PHASES = 4
DRILLED = 256  # differing buckets whose rows are read and held at once; beyond, both sides are streamed and joined
MOST_BUCKETS = 1 << 14  # each is a row of the answer, once per range of a table
CHOSEN = 4096  # beyond so many buckets a list of them costs more than it spares


def compare(
    source: LocatedSide,
    target: LocatedSide,
    maker: TextMaker,
    joiner: Joiner,
    pins: tuple[Pin, Pin],
    asked: Asked,
    now: str,
) -> Found:
    """Never raises for what a side cannot answer while it is read: that is a reason not to pass."""
    found = Found(pins={"source": pins[0].position, "target": pins[1].position})
    started = time.monotonic()
    source.marks = target.marks = maker.marks = Marks.drawn()
    decided = mapping_for(source, target, asked, found)
    if decided is not None:
        run = _Run(source, target, maker, joiner, PinnedPair(pins[0], pins[1], now), asked, found, *decided)
        try:
            run.rows()
        except CutwaterError as error:
            found.reasons.append(str(error))
    found.reasons += [word for word in (source.unchanged(), target.unchanged()) if word]
    found.seconds["total"] = time.monotonic() - started
    found.moved = source.moved + target.moved
    return found


class _Run:
    """One comparison of rows."""

    def __init__(
        self,
        source: LocatedSide,
        target: LocatedSide,
        maker: TextMaker,
        joiner: Joiner,
        pair: PinnedPair,
        asked: Asked,
        found: Found,
        mapping: TableMapping,
        equality: Equality,
    ) -> None:
        self.source, self.target, self.maker, self.joiner, self.pair = source, target, maker, joiner, pair
        self.asked, self.found, self.mapping, self.equality = asked, found, mapping, equality
        self.result = TableResult(mapping.asset_id, mapping.target)

    def rows(self) -> None:
        """Totals, digests, then the rows of what differs."""
        mapping, result, found = self.mapping, self.result, self.found
        task = self.asked.progress.task("compared", PHASES, "phases")
        result.source_totals, result.target_totals = self._both(lambda side, pin: side.totals(mapping, pin))
        task.advance(1, f"control totals: {result.rows[0]:,} and {result.rows[1]:,} rows")
        found.rows.update({"source": result.rows[0], "target": result.rows[1]})
        result.buckets = found.buckets = min(buckets_for(max(result.rows)), MOST_BUCKETS)
        left, right = self._both(lambda side, pin: side.digests(mapping, pin, result.buckets))
        result.source_digests = left
        result.differing = tuple(sorted(n for n in left.keys() | right.keys() if left.get(n) != right.get(n)))
        task.advance(1, f"digests: {len(result.differing):,} of {result.buckets:,} buckets differ")
        # Without a key, rows that are equal by value only may stand in different buckets: all of them are needed.
        scattered = bool(result.differing) and not mapping.key and not self.equality.verbatim
        if scattered or len(result.differing) > DRILLED:
            self._join(() if scattered or len(result.differing) > CHOSEN else result.differing)
        else:
            self._drill()
        task.advance(1, f"rows, and {found.check.totals[1]} planted differences")
        if mapping.key and not self._surely_unique:
            repeated = self._both(lambda side, pin: 0 if self._is_unique(side) else side.repeated(mapping))
            found.rows["duplicate_in_source"], found.rows["duplicate_in_target"] = repeated
        self._judge(left, right)
        found.judged = True
        task.advance(1, "repeated keys")

    def _drill(self) -> None:
        path = partial(drill, equality=self.equality)
        for item in path(self.mapping, self.source, self.target, self.pair, self.result.buckets, self.result.differing):
            self.found.count(item)
            self.found.list(item, self.asked.listed)
            if self.asked.sink is not None:
                self.asked.sink(item)
        if not self.equality.verbatim and not self._broken:
            self.result.differing = ()  # equal by value: differences may be planted there, too
        check_table(
            self.found.check, self.mapping, self.source, self.target, self.maker, self.pair, self.result, PLANTED, path
        )

    def _join(self, wanted: Sequence[int]) -> None:
        """wanted: () = all rows."""
        found, buckets = self.found, self.result.buckets if wanted else 1
        found.lane = "join"
        with self.joiner.joined(
            self.mapping, self.source, self.target, self.pair, buckets, wanted, self.equality
        ) as joined:
            found.rows.update({name: n for name, n in joined.rows.items() if n})
            found.fields.update(joined.fields)
            for item in joined.differences(None if self.asked.sink is not None else self.asked.listed):
                found.list(item, self.asked.listed)
                if self.asked.sink is not None:
                    self.asked.sink(item)
            equal = joined.equal(2 * PLANTED)
        check_joined(found.check, self.mapping, equal, self.maker, self.joiner, self.pair, self.equality)

    @property
    def _surely_unique(self) -> bool:
        """Both sides hold the same rows, and one of them is kept unique by its own server."""
        same = self.equality.verbatim and not self.result.differing
        return same and (self._is_unique(self.source) or self._is_unique(self.target))

    def _is_unique(self, side: LocatedSide) -> bool:
        """The side's own server keeps the key unique, as it is compared: what a rule makes of it may stand more than once."""
        plain = all(name not in side.derived and side.forms[name].kind != "char" for name in self.mapping.key)
        return plain and bool(side.key) and set(side.key) <= set(self.mapping.key)

    @property
    def _broken(self) -> bool:
        return any(self.found.rows[name] for name in ("differing", *COUNTED.values()))

    def _judge(self, left: Mapping[int, Any], right: Mapping[int, Any]) -> None:
        found, result, verbatim = self.found, self.result, self.equality.verbatim
        if self._broken:
            found.fails.append("rows differ, or a key stands more than once")
        elif result.differing and verbatim:
            found.reasons.append(f"{len(result.differing)} buckets differ, yet no row does: please report this")
        counted = (sum(item.count for item in left.values()), sum(item.count for item in right.values()))
        if counted != result.rows:
            found.reasons.append("counts and digests contradict each other")
        elif not self._broken and verbatim and not same_totals(result.source_totals, result.target_totals):
            found.reasons.append("the control totals differ, yet no row does: please report this")
        if not any(result.rows):
            found.reasons.append("no row was checked: both sides are empty")
        if not found.check.passed:
            missed = "; ".join(found.check.missed[:3])
            found.reasons.append(f"the planted differences were not all found: {missed or 'none could be planted'}")

    def _both(self, call: Callable[[LocatedSide, Pin], T]) -> tuple[T, T]:
        """The same of both sides, at once; how long each took is kept."""

        def timed(name: str, side: LocatedSide, pin: Pin) -> T:
            started = time.monotonic()
            try:
                return call(side, pin)
            finally:
                self.found.seconds[name] += time.monotonic() - started

        return both(
            lambda: timed("source", self.source, self.pair.source),
            lambda: timed("target", self.target, self.pair.target),
        )
