"""One table: schema, control totals, bucket digests, and the rows of the buckets that differ."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Any, TypeVar

from cutwater.core.errors import CutwaterError
from cutwater.core.hashing import sha256_json
from inventory.model import FieldClass, TableMapping
from reconciliation.breaks import Break, BreakClass
from reconciliation.digests import buckets_for
from reconciliation.encoding import compared
from reconciliation.ports import BucketDigest, PinnedPair, TableSide
from reconciliation.rows import Witness, differences

T = TypeVar("T")
# Kept: a thread for each question costs as much as the question.
_POOL = ThreadPoolExecutor(8, thread_name_prefix="reconcile")
BATCH = 1024  # buckets whose rows are held in memory at once, on either side


class Verdict(StrEnum):
    """The words of every result."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """FAIL before INCONCLUSIVE before PASS; nothing at all is INCONCLUSIVE."""
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.PASS if verdicts and all(item is Verdict.PASS for item in verdicts) else Verdict.INCONCLUSIVE


@dataclass
class TableResult:
    """What was found out about one table. Totals as `TableSide.totals` gives them."""

    asset: str
    target: str
    verdict: Verdict = Verdict.INCONCLUSIVE
    why: str = ""
    source_totals: dict[str, Any] = field(default_factory=dict)
    target_totals: dict[str, Any] = field(default_factory=dict)
    buckets: int = 0
    differing: tuple[int, ...] = ()
    digest_hash: dict[str, str] = field(default_factory=dict)
    breaks: list[Break] = field(default_factory=list)
    not_listed: int = 0
    ignored: tuple[str, ...] = ()
    seconds: float = 0.0
    source_digests: dict[int, BucketDigest] = field(default_factory=dict, repr=False)
    witness: Witness = field(default_factory=Witness, repr=False)

    @property
    def rows(self) -> tuple[int, int]:
        """Rows on both sides."""
        return int(self.source_totals.get("rows", 0)), int(self.target_totals.get("rows", 0))


@dataclass(frozen=True)
class CompareOptions:
    """max_breaks: how many breaks of one table are listed; the rest is counted. allow_empty: assets that may be empty."""

    max_breaks: int = 2_000
    allow_empty: frozenset[str] = frozenset()


def compare_table(
    mapping: TableMapping,
    source: TableSide,
    target: TableSide,
    pair: PinnedPair,
    options: CompareOptions,
    buckets: int | None = None,
) -> TableResult:
    """Never raises for what a side cannot answer: an error is a result that does not pass."""
    result = TableResult(mapping.asset_id, mapping.target)
    started = time.monotonic()
    try:
        _compare(mapping, source, target, pair, options, result, buckets)
    except CutwaterError as error:
        result.verdict = Verdict.FAIL if result.breaks else Verdict.INCONCLUSIVE
        result.why = str(error)
    result.seconds = time.monotonic() - started
    return result


def _compare(
    mapping: TableMapping,
    source: TableSide,
    target: TableSide,
    pair: PinnedPair,
    options: CompareOptions,
    result: TableResult,
    buckets: int | None,
) -> None:
    result.ignored = tuple(item.name for item in mapping.columns if item.field_class is FieldClass.IGNORED)
    result.breaks, uncovered = schema_differences(
        mapping, source.columns(mapping, pair.source), target.columns(mapping, pair.target)
    )
    if result.breaks:
        result.verdict, result.why = Verdict.FAIL, "the structure differs: rows were not compared"
        return
    result.source_totals, result.target_totals = both(
        lambda: source.totals(mapping, pair.source), lambda: target.totals(mapping, pair.target)
    )
    result.buckets = buckets or buckets_for(max(result.rows))
    left, right = both(
        lambda: source.digests(mapping, pair.source, result.buckets),
        lambda: target.digests(mapping, pair.target, result.buckets),
    )
    result.source_digests = left
    result.digest_hash = {"source": digest_hash(left), "target": digest_hash(right)}
    result.differing = tuple(
        sorted(number for number in left.keys() | right.keys() if left.get(number) != right.get(number))
    )
    for item in drill_down(mapping, source, target, pair, result.buckets, result.differing, result.witness):
        if len(result.breaks) < options.max_breaks:
            result.breaks.append(item)
        else:
            result.not_listed += 1
    result.verdict, result.why = _verdict(mapping, result, left, right, options, uncovered)


def both(source: Callable[[], T], target: Callable[[], T]) -> tuple[T, T]:
    """Both stores at work at once; the source's error comes first where both fail."""
    ahead = _POOL.submit(source)
    try:
        found = target()
    except BaseException as error:
        wait([ahead])  # also of an interruption: nobody closes a side that is still read
        if isinstance(error, CutwaterError):
            ahead.result()
        raise
    return ahead.result(), found


def schema_differences(
    mapping: TableMapping, source: Mapping[str, str], target: Mapping[str, str]
) -> tuple[list[Break], list[str]]:
    """Mapped columns that a side does not have, as breaks; columns of the source that no mapping covers, by name."""
    found = [
        Break(BreakClass.FIELD_MISMATCH, mapping.asset_id, "schema", item.name, f"the {side} has no column {item.name}")
        for item in mapping.columns
        for side, columns in (("source", source), ("target", target))
        if item.name not in columns
    ]
    mapped = {item.name for item in mapping.columns}
    return found, sorted(name for name in source if name not in mapped)


def drill_down(
    mapping: TableMapping,
    source: TableSide,
    target: TableSide,
    pair: PinnedPair,
    buckets: int,
    wanted: Sequence[int],
    witness: Witness | None = None,
) -> Iterator[Break]:
    """The breaks in the wanted buckets; both sides' rows are held for `BATCH` buckets at a time."""
    parts = (wanted[at : at + BATCH] for at in range(0, len(wanted), BATCH))
    return chain.from_iterable(
        differences(
            mapping,
            source.rows(mapping, pair.source, buckets, part),
            target.rows(mapping, pair.target, buckets, part),
            witness,
        )
        for part in parts
    )


def digest_hash(digests: Mapping[int, BucketDigest]) -> str:
    """One hash over all bucket digests, for the evidence."""
    return sha256_json([[number, item.count, f"{item.total:030x}"] for number, item in sorted(digests.items())])


def _verdict(
    mapping: TableMapping,
    result: TableResult,
    left: Mapping[int, BucketDigest],
    right: Mapping[int, BucketDigest],
    options: CompareOptions,
    uncovered: list[str],
) -> tuple[Verdict, str]:
    """Fail closed: every reason not to pass is looked for before PASS is said."""
    if result.breaks:
        return Verdict.FAIL, ""
    if result.differing:
        return Verdict.INCONCLUSIVE, f"{len(result.differing)} buckets differ, yet no row does: please report this"
    counted = (sum(item.count for item in left.values()), sum(item.count for item in right.values()))
    if counted != result.rows or not same_totals(result.source_totals, result.target_totals):
        return Verdict.INCONCLUSIVE, "the control totals and the digests contradict each other: please report this"
    if uncovered:
        return Verdict.INCONCLUSIVE, f"no mapping covers the source's column {', '.join(uncovered)}"
    if not compared(mapping):
        return Verdict.INCONCLUSIVE, "every column is ignored"
    if not result.rows[0] and mapping.asset_id not in options.allow_empty:
        return Verdict.INCONCLUSIVE, "no row was checked: the table is empty on both sides (allow_empty accepts that)"
    return Verdict.PASS, ""


def same_totals(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Equal counts and equal sums; a currency without rows on one side counts as zero there."""

    def plain(totals: Mapping[str, Any]) -> object:
        sums = {
            (name, currency): str(value) if value != value else value  # NaN is NaN here, as in PostgreSQL
            for name, by in totals["sums"].items()
            for currency, value in by.items()
        }
        return totals["rows"], totals["rows_by_currency"], {key: value for key, value in sums.items() if value}

    return plain(left) == plain(right)
