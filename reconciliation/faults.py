"""The faults that the self-check plants: each takes the rows of one bucket and gives them back altered.

A fault says with which class and key it must be found; None where the bucket's rows offer no place for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from inventory.model import FieldClass, TableMapping
from reconciliation.breaks import BreakClass
from reconciliation.encoding import Field, Kind, compared, text_of
from reconciliation.rows import is_money, key_text
from reconciliation.status import is_status

Row = dict[str, Any]
Planted = tuple[list[Row], BreakClass, str]
Fault = Callable[[TableMapping, list[Row]], Planted | None]


def _altered(mapping: TableMapping, rows: list[Row], at: int, values: Row) -> Planted:
    """Row `at` with other values. A keyless row that changes is a missing one; a changed key is none of these faults."""
    cls = BreakClass.FIELD_MISMATCH
    fields = {item.name: item for item in compared(mapping)}
    if any(is_money(fields[name]) for name in values):
        cls = BreakClass.AMOUNT_MISMATCH
    name = key_text(mapping, rows[at])
    if not mapping.key:
        cls = BreakClass.MISSING_IN_TARGET
    return [*rows[:at], {**rows[at], **values}, *rows[at + 1 :]], cls, name


def _open_fields(
    mapping: TableMapping, rows: list[Row], accept: Callable[[Field, Row], bool]
) -> Iterator[tuple[Field, int]]:
    for at, row in enumerate(rows):
        for item in _exact(mapping):
            if accept(item, row):
                yield item, at


@lru_cache(maxsize=512)
def _exact(mapping: TableMapping) -> tuple[Field, ...]:
    """The fields outside the key in which every other text is a difference: not those that a rule is declared for."""
    ruled = {item.name for item in mapping.columns if item.field_class not in (FieldClass.EXACT, FieldClass.DERIVED)}
    return tuple(item for item in compared(mapping) if item.name not in mapping.key and item.name not in ruled)


def _cent(mapping: TableMapping, rows: list[Row]) -> Planted | None:
    """The smallest unit that the column can hold, added to one amount."""
    found = next(_open_fields(mapping, rows, lambda f, r: is_money(f) and r[f.name] is not None), None)
    if found is None or not mapping.key:
        return None
    item, at = found
    unit = Decimal(1).scaleb(-min(item.scale, 2))
    return _altered(mapping, rows, at, {item.name: rows[at][item.name] + unit})


def _dropped(mapping: TableMapping, rows: list[Row]) -> Planted | None:
    return rows[1:], BreakClass.MISSING_IN_TARGET, key_text(mapping, rows[0])


def _extra(mapping: TableMapping, rows: list[Row]) -> Planted | None:
    """The same row twice more: what an XOR of digests cannot see."""
    return [*rows, dict(rows[0]), dict(rows[0])], BreakClass.DUPLICATE_TARGET, key_text(mapping, rows[0])


def _swapped(mapping: TableMapping, rows: list[Row]) -> Planted | None:
    """One column's values of two rows exchanged: count and sums stay the same."""
    if len(rows) < 2 or not mapping.key:
        return None
    for item in _exact(mapping):
        first, second = rows[0][item.name], rows[1][item.name]
        if item.name == "status" or text_of(item, first) == text_of(item, second):
            continue
        cls = BreakClass.AMOUNT_MISMATCH if is_money(item) else BreakClass.FIELD_MISMATCH
        pair = [{**rows[0], item.name: second}, {**rows[1], item.name: first}]
        return [*pair, *rows[2:]], cls, key_text(mapping, rows[0])
    return None


def _emptied(mapping: TableMapping, rows: list[Row]) -> Planted | None:
    """NULL where the text was empty, empty where it was NULL."""
    found = next(_open_fields(mapping, rows, lambda f, r: f.kind is Kind.TEXT and r[f.name] in (None, "")), None)
    if found is None:
        return None
    item, at = found
    return _altered(mapping, rows, at, {item.name: "" if rows[at][item.name] is None else None})


def _late(mapping: TableMapping, rows: list[Row]) -> Planted | None:
    """One microsecond more: what a double or a cut to milliseconds would hide."""

    def fits(item: Field, row: Row) -> bool:
        return item.kind is Kind.INSTANT and hasattr(row[item.name], "tzinfo") and row[item.name].year < 9999

    found = next(_open_fields(mapping, rows, fits), None)
    if found is None:
        return None
    item, at = found
    return _altered(mapping, rows, at, {item.name: rows[at][item.name] + timedelta(microseconds=1)})


def _status(mapping: TableMapping, rows: list[Row]) -> Planted | None:
    found = next(_open_fields(mapping, rows, lambda f, r: f.name == "status" and is_status(r[f.name])), None)
    if found is None or not mapping.key:
        return None
    _, at = found
    other = "RCVD" if rows[at]["status"] != "RCVD" else "ACSC"
    copied, _, name = _altered(mapping, rows, at, {"status": other})
    return copied, BreakClass.STATUS_MISMATCH, name


FAULTS: tuple[tuple[str, Fault], ...] = (
    ("altered cent", _cent),
    ("dropped row", _dropped),
    ("swapped values", _swapped),
    ("NULL vs empty", _emptied),
    ("row doubled twice", _extra),
    ("late by 1 microsecond", _late),
    ("altered status", _status),
)
