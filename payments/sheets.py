"""The equations of statements: within a page, from page to page, from statement to statement. Amounts in every finding.

A `Sheet` is a page of a statement (MT940, camt.053) or of a report (MT942, camt.052), as far as arithmetic goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import pairwise

from cutwater.core.money import EXACT


@dataclass(slots=True)
class Sheet:
    """opening, closing: signed, None where silent; the intermediate ones (60M, 62M, ITBD) are those of a page between
    others. booked: signed amounts of booked entries alone. summary: direction -> (count, sum) as told. place: names it."""

    place: str
    account: str
    currency: str
    sequence: int | None = None
    page: int | None = None
    opening: Decimal | None = None
    closing: Decimal | None = None
    opening_intermediate: bool = False
    closing_intermediate: bool = False
    opening_day: date | None = None
    booked: list[Decimal] = field(default_factory=list)
    summary: dict[str, tuple[int, Decimal | None]] = field(default_factory=dict)
    currencies: frozenset[str] = frozenset()
    copy: bool = False
    partial: bool = False  # a report of what has happened since the last: its balances need not add up


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """expected and actual as amounts or counts; `difference` is actual less expected."""

    rule: str
    place: str
    expected: Decimal
    actual: Decimal
    currency: str
    text: str

    @property
    def difference(self) -> Decimal:
        return EXACT.subtract(self.actual, self.expected)


def add_up(items: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for item in items:
        total = EXACT.add(total, item)
    return total


def within(sheet: Sheet) -> Iterator[Discrepancy]:
    """Closing = opening + booked entries; the summary = what is there; one currency."""
    if sheet.opening is not None and sheet.closing is not None and not sheet.partial:
        moved = add_up(sheet.booked)
        expected = EXACT.add(sheet.opening, moved)
        if expected != sheet.closing:
            words = f"opening {sheet.opening:f} + entries {moved:f} = {expected:f}, closing {sheet.closing:f}"
            yield Discrepancy("balance_equation", sheet.place, expected, sheet.closing, sheet.currency, words)
    if sheet.booked or not sheet.summary.keys() - {"CRDT", "DBIT"}:
        yield from _summary(sheet)
    if len(sheet.currencies) > 1:
        words = f"the balances are in {', '.join(sorted(sheet.currencies))}"
        size = Decimal(len(sheet.currencies))
        yield Discrepancy("balance_currency", sheet.place, Decimal(1), size, sheet.currency, words)


def _summary(sheet: Sheet) -> Iterator[Discrepancy]:
    """A page without entries (MT941) may still have a summary: that of entries told elsewhere."""
    if not sheet.booked:
        return
    for direction, (count, total) in sorted(sheet.summary.items()):
        amounts = [abs(item) for item in sheet.booked if (item >= 0) == (direction == "CRDT")]
        if len(amounts) != count:
            words = f"{direction}: {count} entries stated, {len(amounts)} there"
            yield Discrepancy(
                "summary_count", sheet.place, Decimal(count), Decimal(len(amounts)), sheet.currency, words
            )
        actual = add_up(amounts)
        if total is not None and actual != total:
            words = f"{direction}: {total:f} stated, {actual:f} there"
            yield Discrepancy("summary_sum", sheet.place, total, actual, sheet.currency, words)


def across(sheets: Iterable[Sheet]) -> Iterator[Discrepancy]:
    """Pages follow one another, statements follow one another, and each opens with what the one before closed with."""
    accounts: dict[tuple[str, str], list[Sheet]] = {}
    for sheet in sheets:
        if sheet.sequence is not None and not sheet.copy and not sheet.partial:
            accounts.setdefault((sheet.account, sheet.currency), []).append(sheet)
    for key in sorted(accounts):
        series = sorted(accounts[key], key=_order)
        for before, after in pairwise(series):
            yield from _next(before, after)


def _order(sheet: Sheet) -> tuple[date, int, int]:
    """By day, then by number: a new year may begin with one again."""
    return (sheet.opening_day or date.min, sheet.sequence or 0, sheet.page or 1)


def _next(before: Sheet, after: Sheet) -> Iterator[Discrepancy]:
    old, new = before.sequence or 0, after.sequence or 0
    if old == new and (before.page or 1) != (after.page or 1):
        step, expected, rule = (after.page or 1), (before.page or 1) + 1, "page_gap"
    elif old == new:
        words = f"statement {new} of {after.account[-4:]:*>8} came twice"
        yield Discrepancy("sequence_repeat", after.place, Decimal(old + 1), Decimal(new), after.currency, words)
        return
    else:
        reset = (
            new < old and before.opening_day and after.opening_day and after.opening_day.year > before.opening_day.year
        )
        step, expected, rule = new, (1 if reset else old + 1), "sequence_gap"
        if before.closing_intermediate:
            words = f"statement {old} ends with page {before.page or 1}, which is not its last"
            yield Discrepancy("page_gap", before.place, Decimal(1), Decimal(0), before.currency, words)
    if step != expected:
        words = f"{expected} is expected, {step} came"
        yield Discrepancy(rule, after.place, Decimal(expected), Decimal(step), after.currency, words)
        return
    if before.closing is not None and after.opening is not None and before.closing != after.opening:
        words = f"closed with {before.closing:f}, opened with {after.opening:f}"
        yield Discrepancy("continuity", after.place, before.closing, after.opening, after.currency, words)
