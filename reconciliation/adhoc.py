"""An ad hoc comparison of two places: types, forms, digests, differing rows, planted differences, one verdict.

Fail closed: whatever was not read, not pinned, not of one form or not proven able to fail keeps the verdict from PASS.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cutwater.core.errors import BadInput, CutwaterError
from inventory.model import ColumnMapping, FieldClass, TableMapping
from reconciliation.adhoc_rows import Difference, drill
from reconciliation.breaks import BreakClass
from reconciliation.causes import cause
from reconciliation.compare import TableResult, Verdict, both, same_totals
from reconciliation.digests import DIGEST_BITS, buckets_for
from reconciliation.forms import Form, common, only_width, type_of
from reconciliation.ports import CopySide, Pin, PinnedPair, TableSide
from reconciliation.selfcheck import SelfCheck, check_table

PLANTED = 40
_COUNTED = {
    BreakClass.MISSING_IN_TARGET: "missing_in_target",
    BreakClass.MISSING_IN_SOURCE: "missing_in_source",
    BreakClass.DUPLICATE_SOURCE: "duplicate_in_source",
    BreakClass.DUPLICATE_TARGET: "duplicate_in_target",
}


class LocatedSide(TableSide, Protocol):
    """A side that says its own columns. forms: set before it is compared."""

    types: dict[str, str]
    key: tuple[str, ...]
    forms: dict[str, Form]

    def repeated(self, mapping: TableMapping) -> int:
        """Rows beyond the first of their key."""

    def unchanged(self) -> str:
        """What happened to it since it was pinned, in words; '' where nothing did."""


@dataclass(frozen=True)
class Asked:
    """key: () = a primary key that both sides know, else a multiset. columns: () = all. ignored: columns left out by the
    user. listed: how many breaks are listed; counts are never capped. sink: is told every break."""

    key: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    listed: int = 500
    sink: Callable[[Difference], None] | None = None


@dataclass
class Found:
    """What a comparison found out; `document` gives it as plain data."""

    reasons: list[str] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pins: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    rows: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    causes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    breaks: list[dict[str, Any]] = field(default_factory=list)
    check: SelfCheck = field(default_factory=SelfCheck)
    buckets: int = 0
    ignored: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        if self.fails:
            return Verdict.FAIL
        return Verdict.INCONCLUSIVE if self.reasons else Verdict.PASS


def mapping_for(source: LocatedSide, target: LocatedSide, asked: Asked, found: Found) -> TableMapping | None:
    """Columns, forms and key of both sides; None where rows cannot be compared. Sets the sides' forms."""
    wanted = asked.columns or tuple(source.types)
    for name in (*asked.key, *asked.columns, *asked.ignored):
        if name not in source.types and name not in target.types:
            raise BadInput(
                "CW4034",
                f"no side has a column {name}",
                cause=f"they have {', '.join(source.types)}",
                next="names are verbatim: mind the case",
            )
    found.ignored = tuple(name for name in wanted if name in asked.ignored)
    missing = [name for name in (*wanted, *asked.key) if name not in target.types or name not in source.types]
    found.fails += [
        f"the {'target' if name in source.types else 'source'} has no column {name}" for name in dict.fromkeys(missing)
    ]
    extra = [name for name in target.types if name not in source.types and not asked.columns]
    found.notes += [f"the target's column {name} is not in the source: it was not compared" for name in extra]
    if missing:
        return None
    columns, forms = [], {}
    found.key = asked.key or (
        source.key if source.key and source.key == target.key and set(source.key) <= set(wanted) else ()
    )
    for name in dict.fromkeys((*found.key, *wanted)):
        if name in found.ignored and name not in found.key:
            continue
        left, right = type_of(source.types[name]), type_of(target.types[name])
        form = common(left, right)
        if form is None:
            found.reasons.append(f"{name}: {left.text} and {right.text} have no common form without a loss")
            continue
        if only_width(left, right):
            found.notes.append(f"{name}: {left.text} and {right.text}, compared by value")
        forms[name] = form
        columns.append(ColumnMapping(name, form.source_type, form.lake_type, True, FieldClass.EXACT))
    if found.reasons or not columns:
        found.reasons += [] if columns else ["no column is left to compare"]
        return None
    source.forms = target.forms = forms
    return TableMapping("adhoc", "source", "adhoc.target", found.key, tuple(columns))


def compare(
    source: LocatedSide, target: LocatedSide, maker: CopySide, pins: tuple[Pin, Pin], asked: Asked, now: str
) -> Found:
    """Never raises for what a side cannot answer while it is read: that is a reason not to pass."""
    found = Found(pins={"source": pins[0].position, "target": pins[1].position})
    started = time.monotonic()
    mapping = mapping_for(source, target, asked, found)
    if mapping is not None:
        try:
            _rows(mapping, source, target, maker, PinnedPair(pins[0], pins[1], now), asked, found)
        except CutwaterError as error:
            found.reasons.append(str(error))
    found.reasons += [word for word in (source.unchanged(), target.unchanged()) if word]
    found.seconds["total"] = round(time.monotonic() - started, 3)
    return found


def _rows(
    mapping: TableMapping,
    source: LocatedSide,
    target: LocatedSide,
    maker: CopySide,
    pair: PinnedPair,
    asked: Asked,
    found: Found,
) -> None:
    result = TableResult(mapping.asset_id, mapping.target)
    result.source_totals, result.target_totals = both(
        lambda: source.totals(mapping, pair.source), lambda: target.totals(mapping, pair.target)
    )
    found.rows.update({"source": result.rows[0], "target": result.rows[1]})
    result.buckets = found.buckets = buckets_for(max(result.rows))
    left, right = both(
        lambda: source.digests(mapping, pair.source, result.buckets),
        lambda: target.digests(mapping, pair.target, result.buckets),
    )
    result.source_digests = left
    result.differing = tuple(sorted(n for n in left.keys() | right.keys() if left.get(n) != right.get(n)))
    for item in drill(mapping, source, target, pair, result.buckets, result.differing):
        _note(found, item, asked.listed)
        if asked.sink is not None:
            asked.sink(item)
    if mapping.key:
        for name, side in (("source", source), ("target", target)):
            found.rows[f"duplicate_in_{name}"] = side.repeated(mapping)
    check_table(found.check, mapping, source, target, maker, pair, result, PLANTED, drill)
    _judge(found, result, left, right)


def _note(found: Found, item: Difference, most: int) -> None:
    name = _COUNTED.get(item.cls, "differing")
    if name not in ("duplicate_in_source", "duplicate_in_target") or not found.key:
        found.rows[name] += item.count
    found.fields.update(list(item.fields))
    for name, (before, after) in item.fields.items():
        if why := cause(before, after).split(":")[0]:
            found.causes[name][why] += 1
    if len(found.breaks) < most:
        fields = {name: {"source": before, "target": after} for name, (before, after) in item.fields.items()}
        found.breaks.append({"class": str(item.cls), "key": dict(item.names), "rows": item.count, "fields": fields})


def _judge(found: Found, result: TableResult, left: Mapping[int, Any], right: Mapping[int, Any]) -> None:
    if found.breaks or any(found.rows[name] for name in _COUNTED.values()):
        found.fails.append("rows differ, or a key stands more than once")
    elif result.differing:
        found.reasons.append(f"{len(result.differing)} buckets differ, yet no row does: please report this")
    counted = (sum(item.count for item in left.values()), sum(item.count for item in right.values()))
    if counted != result.rows:
        found.reasons.append("counts and digests contradict each other")
    elif not found.breaks and not same_totals(result.source_totals, result.target_totals):
        found.reasons.append("the control totals differ, yet no row does: please report this")
    if not any(result.rows):
        found.reasons.append("no row was checked: both sides are empty")
    if not found.check.passed:
        missed = "; ".join(found.check.missed[:3])
        found.reasons.append(f"the planted differences were not all found: {missed or 'none could be planted'}")


def document(found: Found) -> dict[str, Any]:
    """`cutwater.reconcile.compare/1` without its schema."""
    hits, planted = found.check.totals
    by = found.rows
    rows = {name: by[name] for name in ("source", "target", "differing", *_COUNTED.values())}
    rows["matched"] = (
        by["source"] - by["differing"] - by["missing_in_target"] - by["duplicate_in_source"] * bool(found.key)
    )
    return {
        "verdict": str(found.verdict),
        "reasons": [*found.fails, *found.reasons],
        "notes": found.notes,
        "pins": found.pins,
        "key": list(found.key),
        "rows": rows,
        "fields": {name: {"differing": number} for name, number in sorted(found.fields.items())},
        "causes": {name: dict(by.most_common()) for name, by in sorted(found.causes.items())},
        "breaks": found.breaks,
        "planted": {"n": planted, "found": hits},
        "miss_probability": f"{found.buckets * 2.0**-DIGEST_BITS:.1e}",
        "grade": "exact" if not found.ignored else f"exact without {', '.join(found.ignored)}",
        "seconds": {name: str(value) for name, value in found.seconds.items()},
    }
