"""A table read in ranges of its blocks, on a few connections in one snapshot: no sort of the whole, and short statements.

The planner takes a bucket's number for a column with as many values as rows; a range is small enough for a hash aggregate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Context, Decimal, Inexact
from threading import local
from typing import Any

import psycopg

Row = tuple[Any, ...]
SMALLEST_BLOCKS = 2_048  # 16 MiB: less is one query
PARTS = 8
_WIDE = Context(prec=4_000, traps=[Inexact])  # a numeric without a scale may have thousands of digits


def ranges(blocks: int) -> list[str]:
    """Conditions over ctid that hold for every row once; [''] for a small table, or one that is none (blocks = 0)."""
    if blocks < 2 * SMALLEST_BLOCKS:
        return [""]
    step = max(SMALLEST_BLOCKS, -(-blocks // PARTS))
    starts = list(range(0, blocks, step))
    upper = [f" AND ctid < '({start},0)'::tid" for start in starts[1:]] + [""]  # the last one has no end
    return [f"ctid >= '({start},0)'::tid{end}" for start, end in zip(starts, upper, strict=True)]


def read(open_one: Callable[[], psycopg.Connection[Any]], queries: Sequence[str], workers: int) -> list[list[Row]]:
    """Each query's rows, in the order of the queries. Connections are opened by `open_one` and closed here.

    Raises what the first query to fail raised; those that had not begun are not begun then.
    """
    own, opened = local(), []

    def one(query: str) -> list[Row]:
        if not hasattr(own, "connection"):
            own.connection = open_one()
            opened.append(own.connection)
        return list(own.connection.execute(query.encode(), prepare=True).fetchall())

    with ThreadPoolExecutor(workers, thread_name_prefix="ranges") as pool:
        try:
            return list(pool.map(one, queries))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for connection in opened:
                connection.cancel_safe(timeout=5)
            raise
        finally:
            pool.shutdown(wait=True)
            for connection in opened:
                connection.close()


def added(parts: Iterable[Iterable[Row]]) -> list[Row]:
    """Rows of (group, numbers...) of all parts, the numbers of equal groups added; NULL adds nothing and stays alone."""
    found: dict[Any, list[Any]] = {}
    for rows in parts:
        for group, *numbers in rows:
            before = found.get(group)
            found[group] = numbers if before is None else [_sum(a, b) for a, b in zip(before, numbers, strict=True)]
    return [(group, *numbers) for group, numbers in found.items()]


def _sum(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    return _WIDE.add(one, other) if isinstance(one, Decimal) else one + other
