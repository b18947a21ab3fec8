# ruff: noqa: S608 - names of columns are c0, c1, ...; numbers are integers; nothing of a user is in here
"""The SQL of the join lane: tables `l` and `r` hold canonical texts in columns c0, c1, ... of all compared fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutwater.core.money import MINOR_UNITS
from reconciliation.rules import Rule

MASK_BITS = 60


@dataclass(frozen=True)
class Shape:
    """width: number of fields. key: positions of the key's. rules: position -> pairwise rule. currency: position, if any."""

    width: int
    key: tuple[int, ...]
    rules: Mapping[int, Rule]
    currency: int | None = None

    @property
    def others(self) -> list[int]:
        """Positions outside the key."""
        return [at for at in range(self.width) if at not in self.key]

    @property
    def names(self) -> str:
        return _list(range(self.width))

    @property
    def key_names(self) -> str:
        return _list(self.key)


def _list(positions: Sequence[int] | range, prefix: str = "") -> str:
    return ", ".join(f"{prefix}c{at}" for at in positions)


def repeating(shape: Shape, side: str) -> str:
    """The keys that stand more than once on a side."""
    return f"SELECT {shape.key_names} FROM {side} GROUP BY {shape.key_names} HAVING count(*) > 1"


def alone(shape: Shape, side: str) -> str:
    """The rows of a side whose key is in no `dups`."""
    same = " AND ".join(f"d.c{at} IS NOT DISTINCT FROM s.c{at}" for at in shape.key)
    return f"SELECT s.rowid AS number, s.* FROM {side} AS s ANTI JOIN dups AS d ON {same}"


def pairs(shape: Shape) -> str:
    """`a`, `b` (numbers of the rows in l and r, NULL where missing) and masks m0, m1, ... of the fields that differ; of the
    keys that stand once or not at all on either side, what is not equal."""
    same = " AND ".join(f"x.c{at} IS NOT DISTINCT FROM y.c{at}" for at in shape.key)
    masks = []
    for first in range(0, max(len(shape.others), 1), MASK_BITS):
        bits = [
            f"(({_differ(shape, at)})::BIGINT << {bit})"
            for bit, at in enumerate(shape.others[first : first + MASK_BITS])
        ]
        masks.append(" | ".join(bits) or "0")
    named = ", ".join(f"{text} AS m{number}" for number, text in enumerate(masks))
    any_of = " OR ".join(f"m{number} <> 0" for number in range(len(masks)))
    inner = f"SELECT x.number AS a, y.number AS b, {named} FROM lone_l AS x FULL JOIN lone_r AS y ON {same}"
    return f"SELECT * FROM ({inner}) AS j WHERE a IS NULL OR b IS NULL OR {any_of}"


def _differ(shape: Shape, at: int) -> str:
    verbatim = f"x.c{at} IS DISTINCT FROM y.c{at}"
    rule = shape.rules.get(at)
    return f"{verbatim} AND NOT coalesce({_agree(shape, at, rule)}, false)" if rule else verbatim


def _agree(shape: Shape, at: int, rule: Rule) -> str:
    """reconciliation.rules.agree in SQL."""
    left, right = f"x.c{at}", f"y.c{at}"
    if rule.kind == "enriched":
        return f"{left} IS NULL"
    if rule.kind == "truncated":
        return f"length({left}) > {rule.number} AND {right} = left({left}, {rule.number})"
    apart = f"abs(TRY_CAST({left} AS DECIMAL(38, 10)) - TRY_CAST({right} AS DECIMAL(38, 10)))"
    units: dict[int, list[str]] = {}
    for currency, places in MINOR_UNITS.items():
        units.setdefault(places, []).append(currency)
    cases = "".join(
        f" WHEN x.c{shape.currency} IN ({', '.join(repr(name) for name in names)}) THEN {_units(rule.number, places)}"
        for places, names in units.items()
    )
    most = f"CASE{cases} ELSE {_units(rule.number, 2)} END" if shape.currency is not None else _units(rule.number, 2)
    return f"{apart} <= {most}"


def _units(number: int, places: int) -> str:
    return f"({number}::DECIMAL(38, 10) / {10**places})::DECIMAL(38, 10)"


def counts(shape: Shape) -> str:
    """One row over `pairs`: missing in the target, missing in the source, differing, then per field outside the key."""
    fields = "".join(
        f", coalesce(sum((m{place // MASK_BITS} >> {place % MASK_BITS}) & 1) FILTER (a IS NOT NULL AND b IS NOT NULL), 0)"
        for place in range(len(shape.others))
    )
    return f"SELECT count(*) FILTER (b IS NULL), count(*) FILTER (a IS NULL), count(*) FILTER (a IS NOT NULL AND b IS NOT NULL){fields} FROM pairs"


def listed(shape: Shape, most: int | None) -> str:
    """a, b, masks, the fields of the source, those of the target."""
    masks = ", ".join(f"p.m{number}" for number in range((max(len(shape.others), 1) + MASK_BITS - 1) // MASK_BITS))
    some = "" if most is None else f" LIMIT {int(most)}"
    chosen = f"SELECT * FROM pairs ORDER BY a NULLS LAST, b{some}"
    return (
        f"SELECT p.a, p.b, {masks}, {_list(range(shape.width), 'x.')}, {_list(range(shape.width), 'y.')} FROM ({chosen}) AS p "
        f"LEFT JOIN l AS x ON x.rowid = p.a LEFT JOIN r AS y ON y.rowid = p.b ORDER BY p.a NULLS LAST, p.b"
    )


def doubled(shape: Shape) -> str:
    """Per key of `dups`: the key, how often it stands in l and in r, whether the sets of their rows differ."""
    same = " AND ".join(f"d.c{at} IS NOT DISTINCT FROM s.c{at}" for at in shape.key)
    of = {side: f"SELECT s.* FROM {side} AS s SEMI JOIN dups AS d ON {same}" for side in ("l", "r")}
    apart = (
        f"(SELECT * FROM ({of['l']}) EXCEPT SELECT * FROM ({of['r']})) UNION ALL "
        f"(SELECT * FROM ({of['r']}) EXCEPT SELECT * FROM ({of['l']}))"
    )
    every = (
        f"SELECT {shape.key_names}, 1 AS nl, 0 AS nr, 0 AS x FROM ({of['l']}) UNION ALL "
        f"SELECT {shape.key_names}, 0, 1, 0 FROM ({of['r']}) UNION ALL SELECT {shape.key_names}, 0, 0, 1 FROM ({apart})"
    )
    return f"SELECT {shape.key_names}, sum(nl) AS nl, sum(nr) AS nr, sum(x) > 0 AS apart FROM ({every}) GROUP BY {shape.key_names}"


def multiset(shape: Shape) -> str:
    """Without a key: the fields, how often such a row stands in l and in r, where that differs."""
    every = f"SELECT *, 1 AS nl, 0 AS nr FROM l UNION ALL SELECT *, 0, 1 FROM r"  # noqa: F541
    return f"SELECT {shape.names}, sum(nl) AS nl, sum(nr) AS nr FROM ({every}) GROUP BY {shape.names} HAVING sum(nl) <> sum(nr)"


def equal(shape: Shape, most: int) -> str:
    """The fields of the source, then of the target, of up to `most` rows that are equal."""
    same = " AND ".join(f"x.c{at} IS NOT DISTINCT FROM y.c{at}" for at in shape.key or range(shape.width))
    columns = f"{_list(range(shape.width), 'x.')}, {_list(range(shape.width), 'y.')}"
    if not shape.key:
        rows = {side: f"SELECT {shape.names} FROM {side} GROUP BY {shape.names}" for side in ("l", "r")}
        return f"SELECT {columns} FROM ({rows['l']}) AS x JOIN ({rows['r']}) AS y ON {same} LIMIT {int(most)}"
    rest = "SELECT a FROM pairs WHERE a IS NOT NULL"
    step = f"greatest((SELECT count(*) FROM l) // {max(int(most), 1)}, 1)"
    chosen = f"SELECT * FROM lone_l WHERE number NOT IN ({rest}) AND number % {step} = 0 LIMIT {int(most)}"
    return f"SELECT {columns} FROM ({chosen}) AS x JOIN lone_r AS y ON {same}"
