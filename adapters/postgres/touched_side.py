# ruff: noqa: S608 - identifiers and values are quoted by the driver
"""The source side of a run that follows a basis: of each table the rows whose keys are asked for, read at the pin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import sql

from adapters.postgres.compare_side import PostgresSide, translated_call
from adapters.postgres.touched import Key, narrowed
from inventory.model import TableMapping
from reconciliation.dialect import quote
from reconciliation.ports import Pin
from reconciliation.readings import rows_from


class TouchedSide(PostgresSide):
    """keys: asset -> the keys that are compared; a table that it does not name is compared as a whole."""

    def __init__(self, dsn: str, application: str = "cutwater/reconcile") -> None:
        super().__init__(dsn, application)
        self.keys: dict[str, Sequence[Key]] = {}

    def _relation(self, mapping: TableMapping) -> str:
        whole = self._named(mapping)
        keys = self.keys.get(mapping.asset_id)
        return whole if keys is None else narrowed(whole, mapping, keys)

    def since(self, mapping: TableMapping, pin: Pin, column: str, instant: datetime) -> Iterator[Mapping[str, Any]]:
        yield from self._where(mapping, pin, f"{quote(column)} >= {sql.Literal(instant).as_string(None)}")

    def having(
        self, mapping: TableMapping, pin: Pin, column: str, values: Sequence[Any]
    ) -> Iterator[Mapping[str, Any]]:
        yield from self._where(mapping, pin, f"{quote(column)} = ANY ({sql.Literal(list(values)).as_string(None)})")

    @translated_call
    def _where(self, mapping: TableMapping, pin: Pin, condition: str) -> Iterator[Mapping[str, Any]]:
        relation = f"(SELECT * FROM {self._named(mapping)} WHERE {condition})"
        return rows_from(mapping, self._read(pin, self._dialect_at(pin).rows(relation, mapping, 1, [0])))
