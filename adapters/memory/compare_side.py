"""Both sides of a comparison in memory, hashed by the Python reference: for tests and for what has no SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from cutwater.core.errors import Inconclusive
from inventory.model import TableMapping
from reconciliation.dialect import currency_column, summed
from reconciliation.digests import bucket_of_row, digests_of
from reconciliation.encoding import Kind
from reconciliation.ports import BucketDigest, Pin, TableSide


class MemorySide:
    """Rows by asset id of the source table. `declared` overrides the columns that a side says it has."""

    def __init__(
        self, tables: Mapping[str, Sequence[Mapping[str, Any]]], declared: Mapping[str, dict[str, str]] | None = None
    ) -> None:
        self.tables = {name: list(rows) for name, rows in tables.items()}
        self.declared = dict(declared or {})

    def columns(self, mapping: TableMapping, pin: Pin) -> dict[str, str]:
        self._rows(mapping)
        return self.declared.get(mapping.asset_id) or {item.name: item.lake_type for item in mapping.columns}

    def totals(self, mapping: TableMapping, pin: Pin) -> dict[str, Any]:
        by = currency_column(mapping)
        counts: dict[str, int] = defaultdict(int)
        columns = summed(mapping)
        sums: dict[str, dict[str, Decimal]] = {item.name: {} for item in columns}
        for row in self._rows(mapping):
            currency = (row[by] or "") if by else ""
            counts[currency] += 1
            for item in columns:
                by_currency = "" if item.kind is Kind.INT else currency
                found = sums[item.name]
                found[by_currency] = found.get(by_currency, Decimal(0)) + Decimal(row[item.name] or 0)
        return {"rows": sum(counts.values()), "rows_by_currency": dict(counts), "sums": sums}

    def digests(self, mapping: TableMapping, pin: Pin, buckets: int) -> dict[int, BucketDigest]:
        return digests_of(mapping, self._rows(mapping), buckets)

    def rows(self, mapping: TableMapping, pin: Pin, buckets: int, wanted: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        for row in self._rows(mapping):
            if buckets == 1 or bucket_of_row(mapping, row, buckets) in wanted:
                yield dict(row)

    @contextmanager
    def copy_of(self, mapping: TableMapping, rows: Sequence[Mapping[str, Any]]) -> Iterator[TableSide]:
        yield MemorySide({mapping.asset_id: rows})

    def _rows(self, mapping: TableMapping) -> list[Mapping[str, Any]]:
        if mapping.asset_id not in self.tables:
            raise Inconclusive("CW4003", f"{mapping.asset_id} is not there")
        return self.tables[mapping.asset_id]
