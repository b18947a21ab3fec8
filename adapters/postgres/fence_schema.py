"""The schema `cutwater` on a side of a wave: who is fenced, at which epoch, and who may pass (sql/fence.sql)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg import errors as pg

from adapters.postgres.connection import Connection
from cutwater.core.errors import BadInput, LeaseHeld, Refused

FENCED = "WF001"  # SQLSTATE of the guard and of check_epoch: this side takes no writes
OTHER_EPOCH = "WF002"  # SQLSTATE of check_epoch: the request belongs to another epoch
Sides = Mapping[str, str]  # name of a side ("legacy", "store") -> DSN

_VERSION = "cutwater fence 1:%"
_INSTALLED = "SELECT obj_description(to_regnamespace('cutwater'), 'pg_namespace') LIKE %s"
_ROW = """
SELECT epoch, closed, token, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM cutwater.fence WHERE wave = %s
"""
_WRITE = """
INSERT INTO cutwater.fence AS f (wave, epoch, closed, token, at) VALUES (%s, %s, %s, %s, clock_timestamp())
ON CONFLICT (wave) DO UPDATE SET epoch = excluded.epoch, closed = excluded.closed, token = excluded.token,
  at = greatest(excluded.at, f.at + interval '1 microsecond')
"""


@dataclass(frozen=True)
class FenceRow:
    """A row of cutwater.fence. at: RFC 3339, UTC; by the database's clock, but always later than the row's one before."""

    epoch: int
    closed: bool
    token: int
    at: str


def dsn_of(sides: Sides, side: str) -> str:
    """The DSN of `side`; raises BadInput (CW3401) for one that the project does not name."""
    try:
        return sides[side]
    except KeyError:
        raise BadInput(
            "CW3401",
            f"no database is known for the side {side}",
            cause=f"known: {', '.join(sorted(sides)) or 'none'}",
            state="nothing was done",
            next="name its DSN in cutwater.toml, then run the same command",
        ) from None


def install(db: Connection) -> None:
    """Creates what is missing of schema, tables and functions; a present one is left alone."""
    if db.execute(_INSTALLED, (_VERSION,)).fetchone() == (True,):
        return
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(hashtextextended('cutwater.install', 0))")
        db.execute((Path(__file__).parent / "sql" / "fence.sql").read_bytes())


def read(db: Connection, wave: str, lock: str = "") -> FenceRow | None:
    """The wave's row, locked with `lock` ("FOR SHARE") where given; None where there is no row or no schema yet."""
    try:
        with db.transaction():
            found = db.execute(f"{_ROW} {lock}".encode(), (wave,)).fetchone()
    except pg.UndefinedTable:
        return None
    return FenceRow(*found) if found else None


def check_token(row: FenceRow | None, wave: str, token: int, epoch: int | None = None) -> None:
    """Raises LeaseHeld (CW3402) where a later token stands in the row, Refused (CW3403) where a later epoch does."""
    if row is not None and row.token > token:
        raise zombie(wave, row.token, token)
    if row is not None and epoch is not None and row.epoch > epoch:
        raise Refused(
            "CW3403",
            f"wave {wave} is at epoch {row.epoch} already, epoch {epoch} is past",
            state="fence and tables were left as they are",
            next="cutwater wave status",
        )


def zombie(wave: str, newest: int, token: int) -> LeaseHeld:
    """Somebody with a later token has been here."""
    return LeaseHeld(
        "CW3402",
        f"a later runner (token {newest}) holds wave {wave}, this one has token {token}",
        state="this runner wrote nothing",
        next="cutwater wave status",
        details={"newest": newest, "token": token},
    )


def write(db: Connection, wave: str, epoch: int, token: int, *, closed: bool) -> FenceRow:
    """Closes or opens the side; in one transaction of the caller's. Nothing changes where it is so already.

    EXCLUSIVE, because the transactions that checked their epoch hold ROW SHARE: the lock queue is fair, a row lock that many
    share is not, and might never be free.
    """
    db.execute("LOCK TABLE cutwater.fence IN EXCLUSIVE MODE")
    row = read(db, wave)
    check_token(row, wave, token, epoch)
    if row is None or (row.epoch, row.closed) != (epoch, closed):
        db.execute(_WRITE, (wave, epoch, closed, token))
    elif row.token != token:
        db.execute("UPDATE cutwater.fence SET token = %s WHERE wave = %s", (token, wave))
    now = read(db, wave)
    if now is None:
        raise RuntimeError(wave)
    return now


def let_through(db: Connection, wave: str, token: int) -> None:
    """Lets the present transaction write through the fence; raises LeaseHeld (CW3402) for an older token.

    A runner that took over puts its token into the row: from then on the pass of the one before opens nothing.
    """
    row = read(db, wave)
    check_token(row, wave, token)
    if row is not None and row.token < token:
        check_token(read(db, wave, "FOR UPDATE"), wave, token)
        db.execute("UPDATE cutwater.fence SET token = %s WHERE wave = %s", (token, wave))
    db.execute("INSERT INTO cutwater.pass (xid, wave, token) VALUES (pg_current_xact_id(), %s, %s)", (wave, token))


def end_pass(db: Connection) -> None:
    """Ends the present transaction's pass, after what was deferred to its end has been done under it."""
    db.execute("SET CONSTRAINTS ALL IMMEDIATE")
    db.execute("DELETE FROM cutwater.pass WHERE xid = pg_current_xact_id()")
