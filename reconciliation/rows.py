"""Rows to keys to fields: names every difference between two sets of rows of one table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from cutwater.core.money import EXACT
from cutwater.core.redaction import mask
from inventory.model import TableMapping
from reconciliation.breaks import Break, BreakClass
from reconciliation.dialect import currency_column
from reconciliation.digests import lanes
from reconciliation.encoding import Field, Kind, compared, encode_row, key_fields, text_of
from reconciliation.status import direction, is_status

Row = Mapping[str, Any]
MONEY = ("amount*", "*balance*", "charges", "control_sum", "*_limit")
SHOWN = {"currency", "status", "channel", "credit_debit", "kind", "reason_code", "topic", "event_type", "feed"}


def is_money(field: Field) -> bool:
    """A decimal column whose name says money."""
    return field.kind is Kind.DECIMAL and any(fnmatchcase(field.name, pattern) for pattern in MONEY)


def shown(field: Field, value: Any) -> str:
    """A value for people: numbers, dates and codes as they are; any other text masked to its last four characters."""
    text = text_of(field, value)
    if text is None:
        return "NULL"
    if field.kind in (Kind.DATE, Kind.INSTANT, Kind.LOCAL):
        return str(value)
    if field.kind not in (Kind.TEXT, Kind.BINARY) or field.name in SHOWN or field.uuid:
        return text
    return f"'{mask(text)}'" if len(text) <= 24 else f"'{mask(text[-8:])}' ({len(text)} characters)"


def key_text(mapping: TableMapping, row: Row) -> str:
    """`payment_id=17`; of a keyless row the first 15 hex digits of its digest."""
    fields = key_fields(mapping)
    if not mapping.key:
        return f"row#{lanes(encode_row(fields, row))[0]:015x}"
    return ", ".join(f"{item.name}={text_of(item, row[item.name])}" for item in fields)


@dataclass
class Witness:
    """Keeps the rows behind the breaks, up to `most` a side: for the peer's report (datacompy)."""

    most: int = 200
    source: list[Row] = field(default_factory=list)
    target: list[Row] = field(default_factory=list)

    def keep(self, mine: list[Row], theirs: list[Row]) -> None:
        """The rows of one key that breaks."""
        self.source.extend(mine[: self.most - len(self.source)])
        self.target.extend(theirs[: self.most - len(self.target)])


def differences(
    mapping: TableMapping, source: Iterable[Row], target: Iterable[Row], witness: Witness | None = None
) -> Iterator[Break]:
    """Every break between two sets of rows that should be equal."""
    key, fields = key_fields(mapping), compared(mapping)

    def grouped(rows: Iterable[Row]) -> dict[bytes, list[Row]]:
        found: dict[bytes, list[Row]] = defaultdict(list)
        for row in rows:
            found[encode_row(key, row)].append(row)
        return found

    left, right = grouped(source), grouped(target)
    for encoded in sorted(left.keys() | right.keys()):
        mine, theirs = left.get(encoded, []), right.get(encoded, [])
        found = list(_of_key(mapping, fields, mine, theirs))
        if found and witness is not None:
            witness.keep(mine, theirs)
        yield from found


def _of_key(mapping: TableMapping, fields: tuple[Field, ...], mine: list[Row], theirs: list[Row]) -> Iterator[Break]:
    if not mapping.key:
        yield from _multiset(mapping, mine, theirs)
    elif not theirs:
        yield _missing(mapping, mine[0], BreakClass.MISSING_IN_TARGET)
    elif not mine:
        yield _missing(mapping, theirs[0], BreakClass.MISSING_IN_SOURCE)
    else:
        yield from _of_one_key(mapping, fields, mine, theirs)


def _of_one_key(
    mapping: TableMapping, fields: tuple[Field, ...], mine: list[Row], theirs: list[Row]
) -> Iterator[Break]:
    if len(mine) == len(theirs) == 1 and encode_row(fields, mine[0]) == encode_row(fields, theirs[0]):
        return
    for cls, rows in ((BreakClass.DUPLICATE_SOURCE, mine), (BreakClass.DUPLICATE_TARGET, theirs)):
        if len(rows) > 1:
            gross, net = _risk(mapping, rows[0], (len(rows) - 1) * (-1 if rows is mine else 1))
            text = f"the key stands {len(rows)} times"
            yield Break(cls, mapping.asset_id, key_text(mapping, rows[0]), detail=text, gross=gross, net=net)
    rest = Counter(encode_row(fields, row) for row in theirs)
    rest.subtract(encode_row(fields, row) for row in mine)
    if any(rest.values()):
        yield from _fields(mapping, fields, mine[0], next(r for r in theirs if rest[encode_row(fields, r)] >= 0))


def _fields(mapping: TableMapping, fields: tuple[Field, ...], mine: Row, theirs: Row) -> Iterator[Break]:
    for item in fields:
        if text_of(item, mine[item.name]) == text_of(item, theirs[item.name]):
            continue
        before, after = shown(item, mine[item.name]), shown(item, theirs[item.name])
        if before == after:
            after += " (differs where it is masked)"
        yield _of_field(mapping, item, mine, theirs, (before, after))


def _of_field(mapping: TableMapping, field: Field, mine: Row, theirs: Row, values: tuple[str, str]) -> Break:
    asset, key = mapping.asset_id, key_text(mapping, mine)
    before, after = mine[field.name], theirs[field.name]
    if is_money(field):
        by = currency_column(mapping)
        currency = str((mine[by] if by else "") or "")
        delta = EXACT.subtract(_decimal(after), _decimal(before))
        gross, net = {currency: str(abs(delta))}, {currency: str(delta)}
        text = f"target - source = {delta}"
        return Break(BreakClass.AMOUNT_MISMATCH, asset, key, field.name, text, *values, gross, net)
    if field.name == "status" and is_status(before) and is_status(after):
        way = direction(before, after)
        text = "the statuses exclude each other" if way == "conflict" else f"the target is {way}"
        return Break(BreakClass.STATUS_MISMATCH, asset, key, way, text, *values)
    return Break(BreakClass.FIELD_MISMATCH, asset, key, field.name, "", *values)


def _missing(mapping: TableMapping, row: Row, cls: BreakClass) -> Break:
    gross, net = _risk(mapping, row, -1 if cls is BreakClass.MISSING_IN_TARGET else 1)
    return Break(cls, mapping.asset_id, key_text(mapping, row), detail=outline(mapping, row), gross=gross, net=net)


def _multiset(mapping: TableMapping, mine: list[Row], theirs: list[Row]) -> Iterator[Break]:
    """Keyless rows: all rows here have the same encoding; only how many there are can differ."""
    surplus = len(theirs) - len(mine)
    if not surplus:
        return
    row = (mine or theirs)[0]
    cls = BreakClass.MISSING_IN_TARGET if surplus < 0 else BreakClass.MISSING_IN_SOURCE
    if surplus > 0 and mine:
        cls = BreakClass.DUPLICATE_TARGET
    gross, net = _risk(mapping, row, surplus)
    text = f"{len(mine)} in the source, {len(theirs)} in the target: {outline(mapping, row)}"
    yield Break(cls, mapping.asset_id, key_text(mapping, row), detail=text, gross=gross, net=net)


def _risk(mapping: TableMapping, row: Row, times: int) -> tuple[dict[str, str], dict[str, str]]:
    """Gross and net of `times` rows more in the target, by the table's first column of money."""
    money = next((item for item in compared(mapping) if is_money(item) and item.name.startswith("amount")), None)
    money = money or next((item for item in compared(mapping) if item.name == "control_sum"), None)
    if money is None or row[money.name] is None:
        return {}, {}
    by = currency_column(mapping)
    currency = str((row[by] if by else "") or "")
    amount = EXACT.multiply(_decimal(row[money.name]), Decimal(times))
    return {currency: str(abs(amount))}, {currency: str(amount)}


def outline(mapping: TableMapping, row: Row, most: int = 4) -> str:
    """The first fields that tell a person which row it is, masked."""
    picked = [item for item in compared(mapping) if item.name not in mapping.key and row[item.name] is not None]
    rank: Callable[[Field], bool] = lambda item: not (is_money(item) or item.name in SHOWN or item.uuid)  # noqa: E731
    return ", ".join(f"{item.name} {shown(item, row[item.name])}" for item in sorted(picked, key=rank)[:most])


def _decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) and value.is_finite() else Decimal(0)
