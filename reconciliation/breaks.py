"""A break: one named difference with an id that is the same in every run, its age, its state and the money at risk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from dataclasses import field as attribute
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from cutwater.core.clock import iso, parse_iso
from cutwater.core.money import EXACT


class BreakClass(StrEnum):
    """The classes of payments.md that this version can find."""

    MISSING_IN_TARGET = "MISSING_IN_TARGET"
    MISSING_IN_SOURCE = "MISSING_IN_SOURCE"
    AMOUNT_MISMATCH = "AMOUNT_MISMATCH"
    STATUS_MISMATCH = "STATUS_MISMATCH"
    FIELD_MISMATCH = "FIELD_MISMATCH"
    DUPLICATE_TARGET = "DUPLICATE_TARGET"
    DUPLICATE_SOURCE = "DUPLICATE_SOURCE"
    KEY_COLLISION = "KEY_COLLISION"
    PARSE_FAILURE = "PARSE_FAILURE"
    SEQUENCE_GAP = "SEQUENCE_GAP"


MEANING = {
    BreakClass.MISSING_IN_TARGET: "stands in the source at its pin and not in the target",
    BreakClass.MISSING_IN_SOURCE: "stands in the target at its pin and not in the source",
    BreakClass.AMOUNT_MISMATCH: "the same key, another amount of money",
    BreakClass.STATUS_MISMATCH: "the same payment, another status",
    BreakClass.FIELD_MISMATCH: "the same key, another value in the named field",
    BreakClass.DUPLICATE_TARGET: "the target holds the same key more than once",
    BreakClass.DUPLICATE_SOURCE: "the source delivered the same content more than once",
    BreakClass.KEY_COLLISION: "the same event key with another content: not a duplicate, a conflict",
    BreakClass.PARSE_FAILURE: "a message was quarantined: received, kept, not booked",
    BreakClass.SEQUENCE_GAP: "numbers of a contiguous sequence are missing in the source's own archive",
}
OPEN, EXPLAINED, CLOSED = "open", "explained", "closed"
AGE_BUCKETS: tuple[tuple[str, timedelta], ...] = (
    ("< 4 h", timedelta(hours=4)),
    ("< 1 d", timedelta(days=1)),
    ("1-2 d", timedelta(days=2)),
    ("3-5 d", timedelta(days=5)),
    ("> 5 d", timedelta.max),
)


@dataclass(frozen=True)
class Break:
    """One difference. Amounts are exact decimals in text, per currency; source and target are masked for people.

    gross: money at risk. net: target minus source. detail: one sentence. run: the last run that saw (or closed) it.
    """

    cls: BreakClass
    asset: str
    key: str
    field: str = ""
    detail: str = ""
    source: str = ""
    target: str = ""
    gross: Mapping[str, str] = attribute(default_factory=dict)
    net: Mapping[str, str] = attribute(default_factory=dict)
    state: str = OPEN
    reason: str = ""
    owner: str = "nobody"
    first_seen: str = ""
    run: str = ""

    @property
    def id(self) -> str:
        """Stable across runs: class, asset, key and field."""
        text = "\x1f".join((self.cls.value, self.asset, self.key, self.field))
        return "B-" + hashlib.sha256(text.encode()).hexdigest()[:10].upper()

    @property
    def label(self) -> str:
        """`FIELD_MISMATCH(name)`, `STATUS_MISMATCH(behind)`, else the class."""
        return f"{self.cls.value}({self.field})" if self.field else self.cls.value

    @property
    def blocking(self) -> bool:
        return self.state == OPEN

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.id, "label": self.label, **asdict(self), "cls": self.cls.value}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Break:
        known = {key: value for key, value in document.items() if key not in ("id", "label")}
        return cls(**{**known, "cls": BreakClass(document["cls"])})


def age(item: Break, now: datetime) -> timedelta:
    """How long the break has been known."""
    return now - parse_iso(item.first_seen) if item.first_seen else timedelta(0)


def age_bucket(item: Break, now: datetime) -> str:
    """The bucket of payments.md: its name decides the escalation."""
    known = age(item, now)
    return next(name for name, limit in AGE_BUCKETS if known < limit)


def carry_over(
    found: Iterable[Break], previous: Sequence[Break], run: str, now: datetime, judged: frozenset[str]
) -> list[Break]:
    """The breaks of this run with their history.

    A break seen before keeps when it was first seen and who owns it. One that is no longer found is closed by this run,
    if its asset was judged to the end; else nothing is known about it and it stays as it was.
    """
    earlier = {item.id: item for item in previous}
    result: dict[str, Break] = {}
    for item in found:
        known = earlier.get(item.id)
        again = known is not None and known.state != CLOSED
        result[item.id] = replace(
            item,
            first_seen=known.first_seen if known is not None and again else iso(now),
            owner=known.owner if known else item.owner,
            run=run,
        )
    for item in previous:
        if item.id in result or item.state == CLOSED:
            continue
        closed = item.asset in judged
        result[item.id] = replace(item, state=CLOSED, run=run, reason=f"not found by {run}") if closed else item
    order = {OPEN: 0, EXPLAINED: 1, CLOSED: 2}
    return sorted(
        result.values(), key=lambda item: (order[item.state], item.cls.value, item.asset, item.key, item.field)
    )


def add_money(total: dict[str, Decimal], amounts: Mapping[str, str]) -> None:
    """Adds amounts per currency in place, exactly."""
    for currency, amount in amounts.items():
        total[currency] = EXACT.add(total.get(currency, Decimal(0)), Decimal(amount))


def money_at_risk(items: Iterable[Break], what: str = "gross") -> dict[str, Decimal]:
    """Gross or net per currency."""
    total: dict[str, Decimal] = {}
    for item in items:
        add_money(total, item.gross if what == "gross" else item.net)
    return dict(sorted(total.items()))
