"""The way back is whole: every row of the store stands on the legacy side, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from psycopg import sql

from adapters.postgres.connection import Connection, connect, translated
from cutwater.core.errors import Refused
from waves.ports import Fence, Outcome

_BATCH = 5_000  # rows of the store that are looked up at a time
_SHOWN = 3
Row = tuple[str | None, ...]


class BackCheck:
    """`reconcile.back` {compare}: pairs of {store: [schema, table], legacy: [schema, table], key: a column of the
    store, columns: {store's: legacy's}, unless: a column that marks what stays in the store}. Out: rows
    compared per table; without a pair nothing is said to pass. Raises Refused (CW3423) where a row is missing or differs.

    Both databases write the values as text under the same session settings; numbers are compared as numbers.
    """

    def __init__(self, store_dsn: str, legacy_dsn: str) -> None:
        self.store_dsn, self.legacy_dsn = store_dsn, legacy_dsn

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        told: dict[str, int] = {}
        with (
            connect(self.store_dsn, fence.wave) as store,
            connect(self.legacy_dsn, fence.wave) as legacy,
            translated("comparing the store with the legacy side"),
        ):
            for pair in args["compare"]:
                rows, wrong = self._pair(store, legacy, pair)
                told[".".join(pair["store"])] = rows
                if wrong:
                    raise _differs(pair, wrong)
        return {"verdict": "PASS" if told else "NOTHING COMPARED", "rows": told}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a question: asked again

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"see that the legacy side holds every row of {len(args['compare'])} tables of the store"

    def _pair(self, store: Connection, legacy: Connection, pair: Mapping[str, Any]) -> tuple[int, list[str]]:
        ours = sorted(pair["columns"], key=lambda name: (name != pair["key"], name))
        theirs = [pair["columns"][name] for name in ours]
        rows, wrong = 0, []
        look = sql.SQL("SELECT {} FROM {} WHERE {}::text = ANY(%s)").format(
            _texts(theirs), sql.Identifier(*pair["legacy"]), sql.Identifier(theirs[0])
        )
        for batch in _batches(store, pair, ours):
            found = {row[0]: row for row in legacy.execute(look, ([row[0] for row in batch],)).fetchall()}
            rows += len(batch)
            wrong += [str(row[0]) for row in batch if found.get(row[0]) != row]
        return rows, wrong


def _batches(store: Connection, pair: Mapping[str, Any], columns: Sequence[str]) -> Iterator[list[Row]]:
    query = sql.SQL("SELECT {} FROM {}").format(_texts(columns), sql.Identifier(*pair["store"]))
    if pair.get("unless"):
        query += sql.SQL(" WHERE {} IS NULL").format(sql.Identifier(pair["unless"]))
    with store.transaction(), store.cursor(name="cutwater_back") as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(_BATCH):
            yield [tuple(row) for row in rows]


def _texts(columns: Sequence[str]) -> sql.Composed:
    """As text; of numerics without the zeros at their end, which are no difference of value."""
    return sql.SQL(", ").join(
        sql.SQL(
            "CASE WHEN pg_typeof({0}) = 'numeric'::regtype THEN trim_scale({0}::text::numeric)::text ELSE {0}::text END"
        ).format(sql.Identifier(name))
        for name in columns
    )


def _differs(pair: Mapping[str, Any], wrong: Sequence[str]) -> Refused:
    shown = ", ".join(sorted(wrong)[:_SHOWN]) + (f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else "")
    return Refused(
        "CW3423",
        f"{len(wrong)} rows of {'.'.join(pair['store'])} are missing or different in {'.'.join(pair['legacy'])}",
        cause=f"keys {shown}",
        state="the route is dark; the store holds them, nothing was removed",
        money="payments wait; none is lost",
        next="mend the reverse mapping or the rows, then cutwater wave resume",
    )
