"""The differences between the rows of two places, key by key. Rows of a key that repeats are never paired by luck."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inventory.model import TableMapping
from reconciliation.breaks import BreakClass
from reconciliation.compare import both
from reconciliation.encoding import Field, Kind, compared, encode_row, key_fields, text_of, value_of
from reconciliation.equality import VERBATIM, Equality
from reconciliation.ports import PinnedPair, TableSide
from reconciliation.rows import is_money, key_text
from reconciliation.status import is_status

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
    mapping: TableMapping,
    source: TableSide,
    target: TableSide,
    pair: PinnedPair,
    buckets: int,
    wanted: Sequence[int],
    equality: Equality = VERBATIM,
) -> Iterator[Difference]:
    """Every difference in the wanted buckets; both sides' rows of all of them are held."""
    if not wanted:
        return
    left, right = both(
        lambda: _grouped(mapping, source.rows(mapping, pair.source, buckets, wanted), equality),
        lambda: _grouped(mapping, target.rows(mapping, pair.target, buckets, wanted), equality),
    )
    for encoded in sorted(left.keys() | right.keys()):
        yield from of_key(mapping, left.get(encoded, []), right.get(encoded, []), equality)


def _grouped(mapping: TableMapping, rows: Iterable[Row], equality: Equality) -> dict[bytes, list[Row]]:
    key = key_fields(mapping)
    found: dict[bytes, list[Row]] = defaultdict(list)
    for row in rows:
        seen = equality.read(row)
        found[encode_row(key, seen)].append(seen)
    return found


def of_key(mapping: TableMapping, mine: list[Row], theirs: list[Row], equality: Equality) -> Iterator[Difference]:
    """The differences between the rows of one key (without a key: between rows that are equal)."""
    if len(mine) == len(theirs) == 1 and mine[0] == theirs[0]:
        return  # nearly all of them: what is the same value has the same text
    row = (mine or theirs)[0]
    key, names = key_text(mapping, row), {item.name: told(item, row[item.name]) for item in key_fields(mapping)}
    if not mapping.key:
        if cls := of_multiset(len(mine), len(theirs)):
            yield Difference(cls, key, names, abs(len(mine) - len(theirs)))
        return
    if not mine or not theirs:
        cls = BreakClass.MISSING_IN_SOURCE if not mine else BreakClass.MISSING_IN_TARGET
        yield Difference(cls, key, names)
    for cls, rows in ((BreakClass.DUPLICATE_SOURCE, mine), (BreakClass.DUPLICATE_TARGET, theirs)):
        if len(rows) > 1:
            yield Difference(cls, key, names, len(rows) - 1)
    if len(mine) == len(theirs) == 1:
        fields = equality.differing(mapping, mine[0], theirs[0])
        if fields:
            pairs = {item.name: (told(item, mine[0][item.name]), told(item, theirs[0][item.name])) for item in fields}
            cls = class_of((item, mine[0][item.name], theirs[0][item.name]) for item in fields)
            yield Difference(cls, key, names, 1, pairs)
    elif mine and theirs and _unequal(mapping, mine, theirs):
        yield Difference(BreakClass.FIELD_MISMATCH, key, names)


def of_multiset(mine: int, theirs: int) -> BreakClass | None:
    """What it is that equal rows without a key stand so often on either side."""
    if mine == theirs:
        return None
    if mine > theirs:
        return BreakClass.MISSING_IN_TARGET
    return BreakClass.DUPLICATE_TARGET if mine else BreakClass.MISSING_IN_SOURCE


def class_of(differing: Iterable[tuple[Field, Any, Any]]) -> BreakClass:
    """The class of a row by its fields that differ: (field, source's value, target's)."""
    found = {
        BreakClass.AMOUNT_MISMATCH
        if is_money(item)
        else BreakClass.STATUS_MISMATCH
        if item.name == "status" and is_status(mine) and is_status(theirs)
        else BreakClass.FIELD_MISMATCH
        for item, mine, theirs in differing
    }
    worst = (BreakClass.AMOUNT_MISMATCH, BreakClass.STATUS_MISMATCH)
    return next((cls for cls in worst if cls in found), BreakClass.FIELD_MISMATCH)


def _unequal(mapping: TableMapping, mine: list[Row], theirs: list[Row]) -> bool:
    """Whether rows of one key are on one side that the other has not in any number."""
    fields = compared(mapping)
    left, right = ({encode_row(fields, row) for row in rows} for rows in (mine, theirs))
    return left != right


def told(field: Field, value: Any) -> str | None:
    """A value for people: as its canonical text, but dates and instants as they are written."""
    dated = value is not None and field.kind in (Kind.DATE, Kind.INSTANT, Kind.LOCAL)
    return str(value) if dated else text_of(field, value)


def told_text(field: Field, text: str | None) -> str | None:
    """The same for a canonical text."""
    return told(field, value_of(field, text))
