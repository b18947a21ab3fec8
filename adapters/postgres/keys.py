"""What the store has to know of the legacy side before it answers a client: idempotency keys, statuses, reference data.

A client whose request was committed and whose answer was lost asks the other side again, with the same key. So the keys
are brought over before the dark, in bulk, and completed at the fence, when nobody writes any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from adapters.postgres import fence_schema
from adapters.postgres.connection import Connection, connect, translated
from cutwater.core.errors import Refused
from waves.ports import Fence, Outcome

OVERLAP = 100_000  # rows of the watermark's column that are looked at again: ids are not committed in their order
AT_THE_FENCE = (1_000, 30)  # rows and seconds that are enough for what went on since: counts show where they were not
_STAGE = "cutwater_stage"


class StoreKeys:
    """`store.keys` {mark, copies, complete}: rows that the store lacks are copied, rows that it has are left as they are.

    A copy is {source: [schema, table], target: [schema, table], columns: {target column: source column}, constants: {target
    column: text}, watermark: source column}, and perhaps through: {table: [schema, table], join: column of both} for source columns
    that are named `through.<column>`, overlap_seconds: the watermark is a time, else it is a whole number; unless: a target
    column that marks rows which the source never had. The store's fence lets it through. complete: nobody writes; a count that differs then is looked
    into row by row, and Refused (CW3422) where the store lacks some still.
    """

    def __init__(self, source_dsn: str, store_dsn: str) -> None:
        self.source_dsn, self.store_dsn = source_dsn, store_dsn

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        told: dict[str, int] = {}
        with (
            connect(self.source_dsn, fence.wave) as source,
            connect(self.store_dsn, fence.wave) as store,
            translated("bringing keys to the store", "rows that were copied stay; repeating copies what is missing"),
        ):
            for copy in args["copies"]:
                name = ".".join(copy["target"])
                low = self._low(store, copy, bool(args.get("complete")))
                told[name] = self._copy(source, store, copy, fence, low)
                if args.get("complete") and self._lacks(source, store, copy):
                    told[name] += self._copy(source, store, copy, fence, None)
                    if missing := self._lacks(source, store, copy):
                        raise _incomplete(name, missing)
        return {"rows": told}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # what is there is left as it is: done again, it is the same

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"bring {', '.join('.'.join(item['target']) for item in args['copies']) or 'nothing'} up to date in the store"

    def _low(self, store: Connection, copy: Mapping[str, Any], at_the_fence: bool) -> str | None:
        """Where the copy goes on: the highest of what is in the store, less the overlap; None for an empty store."""
        rows, most = AT_THE_FENCE if at_the_fence else (OVERLAP, None)
        mark = copy.get("watermark")
        into = next((to for to, of in copy["columns"].items() if of == mark), None)
        if into is None:
            return None
        seconds = copy.get("overlap_seconds")
        less: sql.Composable = sql.Literal(rows)
        if seconds is not None:
            less = sql.SQL("make_interval(secs => {})").format(sql.Literal(min(int(seconds), most or int(seconds))))
        query = sql.SQL("SELECT (max({}) - {})::text FROM {}").format(
            sql.Identifier(into), less, sql.Identifier(*copy["target"])
        )
        row = store.execute(query + _same(copy)).fetchone()
        return str(row[0]) if row and row[0] is not None else None

    def _copy(
        self, source: Connection, store: Connection, copy: Mapping[str, Any], fence: Fence, low: str | None
    ) -> int:
        names, constants = list(copy["columns"]), dict(copy.get("constants") or {})
        select = sql.SQL("SELECT {} FROM {}").format(
            sql.SQL(", ").join(_column(copy["columns"][name]) for name in names), _from(copy)
        )
        if low is not None:
            select += sql.SQL(" WHERE {} > {}").format(_column(copy["watermark"]), sql.Literal(low))
        staged = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in names)
        cast = self._cast(store, copy, [*names, *constants])
        values = sql.SQL(", ").join(
            [
                *(sql.SQL("s.{}::{}").format(sql.Identifier(name), sql.SQL(cast[name])) for name in names),
                *(sql.SQL("{}::{}").format(sql.Literal(text), sql.SQL(cast[name])) for name, text in constants.items()),
            ]
        )
        with store.transaction():
            fence_schema.check_token(fence_schema.read(store, fence.wave, "FOR SHARE"), fence.wave, fence.token)
            fenced = store.execute("SELECT to_regclass('cutwater.pass') IS NOT NULL").fetchone() == (True,)
            if fenced:  # the store is closed until the switch, to everybody else
                fence_schema.let_through(store, fence.wave, fence.token)
            store.execute(sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DROP").format(sql.Identifier(_STAGE), staged))
            with (
                source.cursor().copy(sql.SQL("COPY ({}) TO STDOUT").format(select)) as rows,
                store.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(_STAGE))) as stage,
            ):
                for piece in rows:
                    stage.write(piece)
            done = store.execute(
                sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} AS s ON CONFLICT DO NOTHING").format(
                    sql.Identifier(*copy["target"]),
                    sql.SQL(", ").join(map(sql.Identifier, [*names, *constants])),
                    values,
                    sql.Identifier(_STAGE),
                )
            )
            if fenced:
                fence_schema.end_pass(store)
            return done.rowcount

    def _cast(self, store: Connection, copy: Mapping[str, Any], names: list[str]) -> dict[str, str]:
        """The target columns' types, as the server writes them."""
        query = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass"
        table = sql.Identifier(*copy["target"]).as_string(store)
        found: dict[str, str] = dict(store.execute(query, (table,)).fetchall())
        return {name: str(found[name]) for name in names}

    def _lacks(self, source: Connection, store: Connection, copy: Mapping[str, Any]) -> int:
        there = store.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*copy["target"])) + _same(copy))
        here = source.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*copy["source"])))
        return max(0, int((here.fetchone() or (0,))[0]) - int((there.fetchone() or (0,))[0]))


def _column(name: str) -> sql.Composable:
    alias, _, column = name.rpartition(".")
    return sql.Identifier("t" if alias == "through" else "s", column)


def _from(copy: Mapping[str, Any]) -> sql.Composable:
    table: sql.Composable = sql.SQL("{} AS s").format(sql.Identifier(*copy["source"]))
    if through := copy.get("through"):
        join = sql.Identifier(through["join"])
        table += sql.SQL(" JOIN {} AS t ON t.{} = s.{}").format(sql.Identifier(*through["table"]), join, join)
    return table


def _same(copy: Mapping[str, Any]) -> sql.Composable:
    """Of the target only the rows that the source has as well."""
    parts: list[sql.Composable] = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(text))
        for name, text in dict(copy.get("constants") or {}).items()
    ]
    if copy.get("unless"):
        parts.append(sql.SQL("{} IS NULL").format(sql.Identifier(copy["unless"])))
    return sql.SQL(" WHERE ") + sql.SQL(" AND ").join(parts) if parts else sql.SQL("")


def _incomplete(name: str, missing: int) -> Refused:
    return Refused(
        "CW3422",
        f"the store lacks {missing:,} keys of the legacy side in {name}",
        cause="rows of the same key stand there with another origin, or the store refuses them",
        state="the route has not moved",
        money="a payment that is tried again could be made twice: nothing is switched",
        next="compare both tables, then cutwater wave cutover again",
    )
