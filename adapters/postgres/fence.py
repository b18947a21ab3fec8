"""The fence: a side refuses writes, provably, until it is lifted. The rules and why each: docs/specs/fence.md."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from psycopg import errors as pg
from psycopg import sql

from adapters.postgres import fence_schema as schema
from adapters.postgres import fence_tables as tables
from adapters.postgres.change_stream import write_marker
from adapters.postgres.connection import Connection, connect, translated, where
from adapters.postgres.fence_locks import Patience, refuse_prepared
from adapters.postgres.fence_schema import FenceRow, Sides, dsn_of
from adapters.postgres.fence_tables import Table
from cutwater.core.ids import new_id
from waves.ports import Fence, Outcome

_NOW = """SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


class RaiseFence:
    """`fence.raise` {side, wave, epoch, tables: [[schema, table]...], grace_seconds}.

    Out: marker and lsn (the fence point: no change of these tables comes after it), ended (sessions that were ended), tables,
    epoch, at (the database's clock). Raises LeaseHeld (CW3402), Refused (CW3403, CW3405 to CW3408), Unavailable (CW3409).
    Safe to repeat after a crash at any point: every piece looks at what stands already; only the marker is a new one.
    """

    def __init__(self, sides: Sides) -> None:
        self.sides = sides

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        dsn, wave = dsn_of(self.sides, args["side"]), str(args["wave"])
        with (
            connect(dsn, wave) as db,
            connect(dsn, wave) as watch,
            translated(f"fencing {where(dsn)}", "a fence that stands on some tables stays; repeating is safe"),
        ):
            listed = tables.resolve(db, args["tables"])
            refuse_prepared(db, [t.oid for t in listed])
            tables.refuse_subscribed(db, listed)
            schema.install(db)
            waiting = Patience(db, watch, float(args.get("grace_seconds", 5)))
            row = _closed(waiting, wave, int(args["epoch"]), fence.token)
            standing = tables.armed(db, wave)
            for table in listed:
                if standing.get(table) != row.at:
                    waiting.through(table, partial(_arm, db, table, wave, row, fence.token))
            for table in listed:
                waiting.through(table, partial(_lock, db, table))
            return {
                "side": args["side"],
                "epoch": row.epoch,
                "tables": len(listed),
                "ended": waiting.ended,
                **_mark(db, wave, row, fence.token),
            }

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # the marker's text is known to nobody after a crash: raised again, with a marker that is known

    def describe(self, args: Mapping[str, Any]) -> str:
        named = ", ".join(".".join(pair) for pair in args["tables"])
        return (
            f"fence {len(args['tables'])} tables of {args['side']} at epoch {args['epoch']} ({named}); sessions that still"
            f" write after {args.get('grace_seconds', 5)} s are ended"
        )


class LiftFence:
    """`fence.lift` {side, wave, epoch}: the side takes writes of this epoch. Makes the row where there is none yet."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        dsn = dsn_of(self.sides, args["side"])
        with connect(dsn, args["wave"]) as db, translated(f"opening {where(dsn)}", "the side is as it was"):
            schema.install(db)
            with db.transaction():
                row = schema.write(db, args["wave"], int(args["epoch"]), fence.token, closed=False)
        return {"side": args["side"], "epoch": row.epoch, "at": row.at}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        dsn = dsn_of(self.sides, args["side"])
        with connect(dsn, args["wave"]) as db, translated(f"looking at the fence of {where(dsn)}"):
            row = schema.read(db, args["wave"])
        if row is None or row.closed or row.epoch != int(args["epoch"]):
            return None
        return {"side": args["side"], "epoch": row.epoch, "at": row.at}

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"open {args['side']} for writes of epoch {args['epoch']}"


class DropFence:
    """`fence.drop` {side, wave}: triggers, rows and, with the last wave, functions, tables and schema are gone.

    Somebody else's objects in the schema are left, and the schema with them (`kept`). The side takes writes afterwards.
    """

    def __init__(self, sides: Sides) -> None:
        self.sides = sides

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        dsn, wave = dsn_of(self.sides, args["side"]), str(args["wave"])
        with (
            connect(dsn, wave) as db,
            connect(dsn, wave) as watch,
            translated(f"removing the fence of {where(dsn)}", "what is left of it is removed by the same command"),
        ):
            schema.check_token(schema.read(db, wave), wave, fence.token)
            waiting, guarded = Patience(db, watch, None), tables.guarded(db, wave)
            for table in guarded:
                waiting.through(table, partial(_disarm, db, table, wave, fence.token))
            kept = _remove(db, wave, fence.token)
        return {"side": args["side"], "dropped": [str(table) for table in guarded], "kept": kept}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        dsn = dsn_of(self.sides, args["side"])
        with connect(dsn, args["wave"]) as db, translated(f"looking at the fence of {where(dsn)}"):
            if tables.guarded(db, args["wave"]) or schema.read(db, args["wave"]) is not None:
                return None
            gone = db.execute("SELECT to_regclass('cutwater.fence') IS NULL").fetchone() == (True,)
        return {"side": args["side"], "dropped": [], "kept": ""} if gone else None

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"remove the fence of wave {args['wave']} from {args['side']}: triggers, and schema cutwater with the last wave"


def _closed(waiting: Patience, wave: str, epoch: int, token: int) -> FenceRow:
    # A transaction that checked its epoch holds a share of the row until it ends: it is a writer in flight like any other.
    found = waiting.db.execute("SELECT 'cutwater.fence'::regclass::oid").fetchone()
    home = Table("cutwater", "fence", found[0] if found else 0)
    work = partial(schema.write, waiting.db, wave, epoch, token, closed=True)
    return waiting.through(home, work, also=("RowShareLock",))


def _still_ours(db: Connection, wave: str, row: FenceRow | None, token: int) -> None:
    """A runner that lost its lease while it waited changes nothing more; the row stays as it is until the transaction ends."""
    now = schema.read(db, wave, "FOR SHARE")
    schema.check_token(now, wave, token)
    if row is not None and now != row:
        raise schema.zombie(wave, now.token if now else 0, token)


def _arm(db: Connection, table: Table, wave: str, row: FenceRow, token: int) -> None:
    _still_ours(db, wave, row, token)
    tables.arm(db, table, wave, row.at)


def _lock(db: Connection, table: Table) -> None:
    db.execute(sql.SQL("LOCK TABLE ONLY {} IN SHARE MODE").format(table.quoted))


def _disarm(db: Connection, table: Table, wave: str, token: int) -> None:
    _still_ours(db, wave, None, token)
    tables.disarm(db, table, wave)


def _mark(db: Connection, wave: str, row: FenceRow, token: int) -> Outcome:
    text = new_id(f"{wave}:fence-{row.epoch}:")
    with db.transaction():
        _still_ours(db, wave, row, token)
        lsn = write_marker(db, text)
    now = db.execute(_NOW).fetchone()
    return {"marker": text, "lsn": lsn, "at": now[0] if now else ""}


def _remove(db: Connection, wave: str, token: int) -> str:
    """The wave's rows, and all of it where no other wave is left; what was kept and why, or nothing."""
    if db.execute("SELECT to_regclass('cutwater.fence') IS NULL").fetchone() == (True,):
        return ""
    with db.transaction():
        db.execute("LOCK TABLE cutwater.fence IN EXCLUSIVE MODE")
        schema.check_token(schema.read(db, wave), wave, token)
        for table in ("pass", "reverse", "fence"):
            db.execute(sql.SQL("DELETE FROM {} WHERE wave = %s").format(sql.Identifier("cutwater", table)), (wave,))
        others = db.execute(
            "SELECT wave FROM cutwater.fence UNION SELECT wave FROM cutwater.reverse ORDER BY 1"
        ).fetchall()
        if others:
            return "schema cutwater: used by " + ", ".join(str(row[0]) for row in others)
        try:
            with db.transaction():
                db.execute("DROP FUNCTION cutwater.guard(), cutwater.check_epoch(text, bigint)")
                db.execute("DROP TABLE cutwater.reverse, cutwater.pass, cutwater.fence")
                db.execute("DROP SCHEMA cutwater")
        except pg.DependentObjectsStillExist as error:
            return f"schema cutwater: {(error.diag.message_detail or str(error)).splitlines()[0]}"
    return ""
