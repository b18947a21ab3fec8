"""The differences between the rows of two places, key by key. Rows of a key that repeats are never paired by luck."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inventory.model import TableMapping
from reconciliation.breaks import BreakClass
from reconciliation.compare import BATCH
from reconciliation.encoding import Field, Kind, compared, encode_row, key_fields, text_of
from reconciliation.ports import PinnedPair, TableSide
from reconciliation.rows import is_money, key_text

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """One break. key: as in `key_text`. names: column -> canonical text of the key, or of the whole row where there is no
    key. count: how many rows it stands for. fields: column -> (source, target), canonical texts, None is NULL."""

    cls: BreakClass
    key: str
    names: Mapping[str, str | None]
    count: int = 1
    fields: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)


def drill(
    mapping: TableMapping, source: TableSide, target: TableSide, pair: PinnedPair, buckets: int, wanted: Sequence[int]
) -> Iterator[Difference]:
    """Every difference in the wanted buckets; both sides' rows are held for `BATCH` buckets at a time."""
    for at in range(0, len(wanted), BATCH):
        part = wanted[at : at + BATCH]
        left = _grouped(mapping, source.rows(mapping, pair.source, buckets, part))
        right = _grouped(mapping, target.rows(mapping, pair.target, buckets, part))
        for encoded in sorted(left.keys() | right.keys()):
            yield from _of_key(mapping, left.get(encoded, []), right.get(encoded, []))


def _grouped(mapping: TableMapping, rows: Iterable[Row]) -> dict[bytes, list[Row]]:
    key, found = key_fields(mapping), defaultdict(list)
    for row in rows:
        found[encode_row(key, row)].append(row)
    return found


def _of_key(mapping: TableMapping, mine: list[Row], theirs: list[Row]) -> Iterator[Difference]:
    row = (mine or theirs)[0]
    key, names = key_text(mapping, row), {item.name: told(item, row[item.name]) for item in key_fields(mapping)}
    if not mapping.key:
        surplus = len(mine) - len(theirs)
        if surplus:
            cls = BreakClass.MISSING_IN_TARGET if surplus > 0 else BreakClass.MISSING_IN_SOURCE
            if surplus < 0 and mine:
                cls = BreakClass.DUPLICATE_TARGET
            yield Difference(cls, key, names, abs(surplus))
        return
    if not mine or not theirs:
        cls = BreakClass.MISSING_IN_SOURCE if not mine else BreakClass.MISSING_IN_TARGET
        yield Difference(cls, key, names)
    for cls, rows in ((BreakClass.DUPLICATE_SOURCE, mine), (BreakClass.DUPLICATE_TARGET, theirs)):
        if len(rows) > 1:
            yield Difference(cls, key, names, len(rows) - 1)
    if len(mine) == len(theirs) == 1:
        yield from _fields(mapping, mine[0], theirs[0], key, names)
    elif mine and theirs and _unequal(mapping, mine, theirs):
        yield Difference(BreakClass.FIELD_MISMATCH, key, names)


def _unequal(mapping: TableMapping, mine: list[Row], theirs: list[Row]) -> bool:
    """Whether rows of one key are on one side that the other has not in any number."""
    fields = compared(mapping)
    left, right = ({encode_row(fields, row) for row in rows} for rows in (mine, theirs))
    return left != right


def told(field: Field, value: Any) -> str | None:
    """A value for people: as its canonical text, but dates and instants as they are written."""
    return (
        str(value)
        if value is not None and field.kind in (Kind.DATE, Kind.INSTANT, Kind.LOCAL)
        else text_of(field, value)
    )


def _fields(
    mapping: TableMapping, mine: Row, theirs: Row, key: str, names: Mapping[str, str | None]
) -> Iterator[Difference]:
    found = {
        item: (told(item, mine[item.name]), told(item, theirs[item.name]))
        for item in compared(mapping)
        if text_of(item, mine[item.name]) != text_of(item, theirs[item.name])
    }
    if found:
        cls = BreakClass.AMOUNT_MISMATCH if any(map(is_money, found)) else BreakClass.FIELD_MISMATCH
        yield Difference(cls, key, names, 1, {item.name: pair for item, pair in found.items()})
