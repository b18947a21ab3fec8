"""Planted differences for the join lane: rows that it found equal are altered in a copy and joined again by the same lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cutwater.core.errors import CutwaterError
from inventory.model import TableMapping
from reconciliation.adhoc_ports import Joiner, TextMaker
from reconciliation.equality import Equality
from reconciliation.ports import PinnedPair
from reconciliation.selfcheck import SelfCheck, plant

Row = Mapping[str, Any]


def check_joined(
    check: SelfCheck,
    mapping: TableMapping,
    equal: Sequence[tuple[Row, Row]],
    maker: TextMaker,
    joiner: Joiner,
    pair: PinnedPair,
    equality: Equality,
) -> None:
    """equal: (source's row, target's row) that were found equal. One fault is planted in every two of them."""
    groups = [[dict(theirs) for _, theirs in equal[at : at + 2]] for at in range(0, len(equal), 2)]
    planted, altered = plant(mapping, groups)
    if not planted:
        return
    try:
        with maker.copy_of(mapping, [mine for mine, _ in equal]) as left, maker.copy_of(mapping, altered) as right:
            with joiner.joined(mapping, left, right, pair, 1, (), equality) as joined:
                seen = {(item.cls, item.key) for item in joined.differences(None)}
    except CutwaterError as error:
        check.missed.append(f"the self-check could not run: {error}")
        return
    for kind, cls, key in planted:
        check.count(kind, (cls, key) in seen, key)
