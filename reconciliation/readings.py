"""What the compiled queries return, as values. Shared by the adapters of both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from cutwater.core.money import EXACT
from inventory.model import TableMapping
from reconciliation.dialect import summed
from reconciliation.digests import combine
from reconciliation.encoding import Kind, compared, reader_of
from reconciliation.ports import BucketDigest


def digests_from(rows: Sequence[tuple[Any, ...]]) -> dict[int, BucketDigest]:
    """(bucket, count, sum of lane a, sum of lane b) as digests."""
    return {int(bucket): BucketDigest(int(n), combine(int(a), int(b))) for bucket, n, a, b in rows}


def rows_from(mapping: TableMapping, rows: Sequence[tuple[Any, ...]]) -> Iterator[Mapping[str, Any]]:
    """Canonical texts, in the order of the compared fields, as Python values."""
    fields = compared(mapping)
    names, readers = [item.name for item in fields], [reader_of(item) for item in fields]
    return (
        {name: text if text is None else read(text) for name, read, text in zip(names, readers, row, strict=True)}
        for row in rows
    )


def totals_from(mapping: TableMapping, rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """(currency, rows, sums...) as {"rows", "rows_by_currency", "sums": {column: {currency: Decimal}}}.

    Whole numbers are counts and references, no money: their sums stand under no currency.
    """
    sums: dict[str, dict[str, Decimal]] = {item.name: {} for item in summed(mapping)}
    counts: dict[str, int] = {}
    for currency, count, *values in sorted(rows):
        counts[str(currency)] = int(count)
        for item, value in zip(summed(mapping), values, strict=True):
            by = "" if item.kind is Kind.INT else str(currency)
            sums[item.name][by] = EXACT.add(sums[item.name].get(by, Decimal(0)), Decimal(value or 0))
    return {"rows": sum(counts.values()), "rows_by_currency": counts, "sums": sums}


def size_of(rows: Sequence[tuple[Any, ...]]) -> int:
    """About how many bytes came: of a text its characters, of anything else eight."""
    return sum(len(value) if isinstance(value, str) else 8 for row in rows for value in row)
