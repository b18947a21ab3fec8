"""Locks among live writers: asked for briefly and again, stragglers ended after a named grace, prepared transactions never.

A waiting lock holds up everybody behind it, so each attempt is short and the next one comes a little later. Who still stands in
the way after the grace is ended by its pid and named in the outcome; our own sessions never are.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from psycopg import errors as pg
from psycopg import sql

from adapters.postgres.connection import Connection
from adapters.postgres.fence_tables import Table
from cutwater.core.errors import CutwaterError, Refused, Unavailable

T = TypeVar("T")
_FIRST_MS, _LONGEST_MS = 200, 2_000  # longer than deadlock_timeout (1 s): only then does an autovacuum make way
_PATIENCE_AFTER_GRACE = 60  # seconds until it is said that the table cannot be had
_IN_THE_WAY = [
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
]
# Holders, and those ahead of us in the queue whose lock is more than a write (an ALTER TABLE behind a reader). No query text:
# it may carry names and amounts.
_HOLDERS = """
SELECT DISTINCT a.pid, a.backend_start, coalesce(a.application_name, ''), coalesce(a.usename::text, a.backend_type, ''),
  coalesce(a.state, ''), coalesce(round(extract(epoch FROM clock_timestamp() - a.query_start), 3)::text, 'unknown'),
  coalesce(round(extract(epoch FROM clock_timestamp() - a.xact_start), 3)::text, 'unknown')
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND l.relation = %s AND l.mode = ANY(%s) AND (l.granted OR l.mode NOT IN ('RowShareLock', 'RowExclusiveLock'))
  AND a.pid <> ALL(%s)
ORDER BY a.pid
"""
# Joined over the lock on its own xid: the virtual transaction that the manual names (-1/xid) is only shown after a restart,
# before it the locks still stand under the one that the preparing session had.
_PREPARED = """
SELECT DISTINCT p.gid, p.owner::text, round(extract(epoch FROM clock_timestamp() - p.prepared))::text
FROM pg_prepared_xacts p
JOIN pg_locks x ON x.locktype = 'transactionid' AND x.transactionid = p.transaction AND x.granted AND x.mode = 'ExclusiveLock'
JOIN pg_locks l ON l.virtualtransaction = x.virtualtransaction AND l.pid IS NULL
WHERE p.database = current_database() AND l.locktype = 'relation' AND l.relation = ANY(%s) AND l.mode = ANY(%s) ORDER BY 1
"""
# The pid may belong to another session by now: its start is compared.
_END = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"


def refuse_prepared(db: Connection, relations: Sequence[int], modes: Sequence[str] = _IN_THE_WAY) -> None:
    """Raises Refused (CW3407) with the names of prepared transactions that have written to `relations` (oids)."""
    found = db.execute(_PREPARED, (list(relations), list(modes))).fetchall()
    if not found:
        return
    told = "; ".join(f"'{gid}' of {owner}, {age} s old" for gid, owner, age in found)
    first = sql.Literal(found[0][0]).as_string(db)
    raise Refused(
        "CW3407",
        f"prepared transactions hold writes to tables that are to be fenced: {told}",
        cause="no session holds them and no restart ends them; only their coordinator knows whether they are to be kept",
        state="they were left as they are; a fence that stands already on some tables stays until it is lifted",
        money="what they wrote is in doubt until they are ended",
        next=f"ask their coordinator, then COMMIT PREPARED {first} or ROLLBACK PREPARED {first}, and cutwater wave resume",
        details={"prepared": [gid for gid, _, _ in found]},
    )


@dataclass
class Patience:
    """Carries out short pieces of work under a lock. db: takes the locks; watch: a second session that looks and ends.

    grace_seconds: None never ends anybody. ended: the sessions that were ended, as plain values.
    """

    db: Connection
    watch: Connection
    grace_seconds: float | None
    ended: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started = time.monotonic()

    def through(self, table: Table, work: Callable[[], T], *, also: Sequence[str] = ()) -> T:
        """`work` in a transaction of its own, repeated until it has the lock on `table`.

        also: lock modes that stand in the way besides those of writers. Raises Refused (CW3407, CW3408), Unavailable (CW3409).
        """
        attempt = 0
        while True:
            try:
                with self.db.transaction():
                    self.db.execute(f"SET LOCAL lock_timeout = '{self._wait_ms(attempt)}ms'".encode())
                    return work()
            except (pg.LockNotAvailable, pg.DeadlockDetected):
                self._make_way(table, [*_IN_THE_WAY, *also])
            except CutwaterError as error:
                error.details.setdefault("ended", list(self.ended))
                raise
            attempt += 1
            time.sleep(secrets.randbelow(50) / 1_000)

    def _past(self) -> float:
        """Seconds since the end of the grace, negative before it."""
        return time.monotonic() - self.started - (self.grace_seconds or 0)

    def _wait_ms(self, attempt: int) -> int:
        wished = min(_FIRST_MS << min(attempt, 8), _LONGEST_MS)
        left = -self._past()
        return wished if left <= 0 or self.grace_seconds is None else max(50, min(wished, int(left * 1_000)))

    def _make_way(self, table: Table, modes: list[str]) -> None:
        try:
            refuse_prepared(self.watch, [table.oid], modes)
            if self._past() < 0:
                return
            own = [self.db.info.backend_pid, self.watch.info.backend_pid]
            holders = self.watch.execute(_HOLDERS, (table.oid, modes, own)).fetchall()
            if self._past() > _PATIENCE_AFTER_GRACE:
                raise _not_to_be_had(table, holders)
            if self.grace_seconds is not None:
                for holder in holders:
                    self._end(table, holder)
        except CutwaterError as error:
            error.details.setdefault("ended", list(self.ended))
            raise

    def _end(self, table: Table, holder: tuple[Any, ...]) -> None:
        pid, since, application, user, state, query_age, open_for = holder
        if application.startswith("cutwater/"):
            return
        try:
            gone = self.watch.execute(_END, (pid, since)).fetchone()
        except pg.InsufficientPrivilege as error:
            raise Refused(
                "CW3408",
                f"a session that holds {table} may not be ended by us: pid {pid}, {application or 'no name'}, user {user}",
                cause=str(error).splitlines()[0],
                state="it still writes; the fence stands on the tables before it",
                money="nothing switched",
                next="end it yourself or GRANT pg_signal_backend to the migration role, then cutwater wave resume",
            ) from None
        if gone == (True,):
            self.ended.append(
                {
                    "pid": pid,
                    "application": application,
                    "user": user,
                    "state": state,
                    "query_seconds": query_age,
                    "transaction_seconds": open_for,
                    "table": str(table),
                }
            )


def end_writers(db: Connection, tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Ends whoever has written to `tables` in a transaction that is still open, and says whom. Raises Refused (CW3407, CW3408)."""
    patience = Patience(db, db, 0.0)
    for table in tables:
        patience._make_way(table, _IN_THE_WAY)
    return patience.ended


def _not_to_be_had(table: Table, holders: Sequence[tuple[Any, ...]]) -> Unavailable:
    told = "; ".join(f"pid {h[0]} {h[2] or 'no name'} of {h[3]}, transaction open for {h[6]} s" for h in holders)
    return Unavailable(
        "CW3409",
        f"the lock on {table} could not be had",
        cause=told or "its holders changed all the time",
        state="the fence stands on the tables before it; nothing was switched",
        money="nothing switched",
        next="let these sessions end, then cutwater wave resume",
    )
