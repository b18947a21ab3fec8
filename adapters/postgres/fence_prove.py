"""The proof of a fence: writes that are really tried, by the owner and by a superuser, and refused by us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from adapters.postgres import fence_tables as tables
from adapters.postgres.connection import Connection, connect, explain, translated, where
from adapters.postgres.fence_schema import FENCED, Sides, dsn_of
from adapters.postgres.fence_tables import Table
from cutwater.core.errors import Refused, Unavailable
from waves.ports import Fence, Outcome

_COLUMN = """
SELECT attname::text FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum LIMIT 1
"""
_NOW = """SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


class ProveFence:
    """`fence.prove` {side, tables}: INSERT, UPDATE and DELETE are tried on every table, in a savepoint that is rolled back.

    superusers: side -> DSN of a superuser, where there is one: tried as such, and once more as a replica. Out: tables, refused
    (writes), as (who), at. Raises Refused (CW3410) with the name of a table that took a write, or refused it for another reason.
    A TRUNCATE is not tried: it would wait for every reader. That the trigger holds it too is read from the catalog.
    """

    def __init__(self, sides: Sides, superusers: Sides | None = None) -> None:
        self.sides, self.superusers = sides, superusers or {}

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        dsn, above = dsn_of(self.sides, args["side"]), self.superusers.get(args["side"])
        wave, told = str(args.get("wave", fence.wave)), [f"writes on {where(dsn)}"]
        with connect(dsn, wave) as db, translated(f"proving the fence of {where(dsn)}", "every try was rolled back"):
            listed = tables.resolve(db, args["tables"])
            _all_guarded(db, wave, listed)
            refused, told = _try_all(db, listed, "owner"), ["owner"]
            found = db.execute(_NOW).fetchone()
        if above:
            with (
                connect(above, wave) as db,
                translated(f"proving the fence of {where(dsn)}", "every try was rolled back"),
            ):
                refused += _try_all(db, listed, "superuser")
                db.execute("SET session_replication_role = replica")
                refused += _try_all(db, listed, "superuser as a replica")
            told += ["superuser", "superuser as a replica"]
        return {
            "side": args["side"],
            "tables": len(listed),
            "refused": refused,
            "as": told,
            "at": found[0] if found else "",
        }

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a question leaves no trace: it is asked again

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"try to write to {len(args['tables'])} fenced tables of {args['side']}, and be refused"


def _all_guarded(db: Connection, wave: str, listed: list[Table]) -> None:
    standing = tables.armed(db, wave)
    if open_ones := [str(table) for table in listed if table not in standing]:
        raise _not_held(", ".join(open_ones), "its guard is not there, or not ENABLE ALWAYS")


def _try_all(db: Connection, listed: list[Table], who: str) -> int:
    tried = 0
    for table in listed:
        for statement in _writes(db, table):
            _try(db, table, statement, who)
            tried += 1
    return tried


def _writes(db: Connection, table: Table) -> Iterator[sql.Composed]:
    """Writes that touch no row even where nothing holds them: a statement trigger fires all the same."""
    yield sql.SQL("INSERT INTO {} SELECT WHERE false").format(table.quoted)
    yield sql.SQL("DELETE FROM {} WHERE false").format(table.quoted)
    column = db.execute(_COLUMN, (table.oid,)).fetchone()
    if column is not None:
        name = sql.Identifier(column[0])
        yield sql.SQL("UPDATE {} SET {} = DEFAULT WHERE false").format(table.quoted, name)


def _try(db: Connection, table: Table, statement: sql.Composed, who: str) -> None:
    verb = statement.as_string(db).split(" ", 1)[0]
    try:
        with db.transaction(force_rollback=True):
            db.execute(statement)
    except psycopg.Error as error:
        if error.diag.sqlstate == FENCED:
            return
        ours = explain(error, f"{verb} on {table} as {who}", "every try was rolled back")
        if isinstance(ours, Unavailable):
            raise ours from error
        raise _not_held(str(table), f"{verb} as {who} ended with: {str(error).splitlines()[0]}") from error
    raise _not_held(str(table), f"{verb} as {who} was let through")


def _not_held(table: str, cause: str) -> Refused:
    return Refused(
        "CW3410",
        f"the fence does not hold {table}",
        cause=cause,
        state="every try was rolled back; nothing was switched",
        money="legacy writes could go on unseen: no switch",
        next="cutwater wave resume raises the fence again; wave rollback lifts it",
    )
