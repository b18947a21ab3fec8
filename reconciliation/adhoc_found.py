"""What is asked of an ad hoc comparison, and what it found out: `document` gives that as plain data. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cutwater.core.progress import Progress, Silent
from reconciliation.adhoc_rows import Difference
from reconciliation.breaks import BreakClass
from reconciliation.causes import cause
from reconciliation.compare import Verdict
from reconciliation.digests import DIGEST_BITS
from reconciliation.rules import Rule
from reconciliation.selfcheck import SelfCheck

COUNTED = {
    BreakClass.MISSING_IN_TARGET: "missing_in_target",
    BreakClass.MISSING_IN_SOURCE: "missing_in_source",
    BreakClass.DUPLICATE_SOURCE: "duplicate_in_source",
    BreakClass.DUPLICATE_TARGET: "duplicate_in_target",
}


@dataclass(frozen=True)
class Asked:
    """key: () = a primary key that both sides know, else a multiset. columns: () = all. rules: of columns that are not compared
    exactly. listed: how many breaks are listed; counts are never capped. sink: is told every break. progress: is told each phase."""

    key: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rules: Mapping[str, Rule] = field(default_factory=dict)
    listed: int = 500
    sink: Callable[[Difference], None] | None = None
    progress: Progress = field(default_factory=Silent)


@dataclass
class Found:
    """reasons: why it does not pass. fails: why it fails. rows, fields: as `document` names them. lane: how rows were found.
    judged: every row was looked at, to the end."""

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
    grade: str = "exact"
    lane: str = "digests"
    seconds: dict[str, float] = field(default_factory=lambda: {"total": 0.0, "source": 0.0, "target": 0.0})
    moved: int = 0
    judged: bool = False

    @property
    def verdict(self) -> Verdict:
        if self.fails:
            return Verdict.FAIL
        return Verdict.INCONCLUSIVE if self.reasons else Verdict.PASS

    def count(self, item: Difference) -> None:
        """One difference into the counts. Of a table with a key the repeated rows are counted in another way."""
        name = COUNTED.get(item.cls, "differing")
        if name not in ("duplicate_in_source", "duplicate_in_target") or not self.key:
            self.rows[name] += item.count
        self.fields.update(list(item.fields))

    def list(self, item: Difference, most: int) -> None:
        """One difference into the causes and, up to `most`, into the list."""
        for name, (before, after) in item.fields.items():
            if why := cause(before, after).split(":")[0]:
                self.causes[name][why] += 1
        if len(self.breaks) < most:
            fields = {name: {"source": before, "target": after} for name, (before, after) in item.fields.items()}
            self.breaks.append({"class": str(item.cls), "key": dict(item.names), "rows": item.count, "fields": fields})


def document(found: Found) -> dict[str, Any]:
    """`cutwater.reconcile.compare/1` without its schema."""
    hits, planted = found.check.totals
    by = found.rows
    rows = {name: by[name] for name in ("source", "target", "differing", *COUNTED.values())}
    # Of a comparison that broke off nothing is known to match.
    rows["matched"] = (
        by["source"] - by["differing"] - by["missing_in_target"] - by["duplicate_in_source"] * bool(found.key)
        if found.judged
        else 0
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
        "grade": found.grade,
        "lane": found.lane,
        "seconds": {name: str(round(value, 3)) for name, value in found.seconds.items()},
        "bytes_moved": found.moved,
    }
