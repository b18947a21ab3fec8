"""The reverse sync: what the store has committed, written into the legacy tables exactly once, in the order of its commits.

Rows and position are one transaction of the legacy side, let through the fence by its own pass; the next position is taken under
a lock on the wave's row, with the token. So a kill at any instant, a lost answer to a commit and a zombie all end in the same rows.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

import psycopg

from adapters.postgres.connection import Connection, connect, explain, translated
from adapters.postgres.fence_schema import check_token, end_pass, install, let_through, read, zombie
from adapters.postgres.reverse_mapping import ReverseMapping, Statements, compiled
from adapters.postgres.reverse_outbox import Batch, Event, Outbox, Position
from cutwater.core.errors import CutwaterError, Refused, Unavailable
from waves.ports import Fence, Outcome, ServiceStatus

POSITION = "SELECT position_xid::text, position_seq, coalesce(token, 0), marker FROM cutwater.reverse WHERE wave = %s"
_ADVANCE = """
UPDATE cutwater.reverse SET position_xid = %s::xid8, position_seq = %s, marker = coalesce(%s, marker), token = %s WHERE wave = %s
"""


class ReverseSync:
    """Service `reverse`. Thread-safe. `limit`: about how many events a poll takes; a store's transaction is never cut."""

    name = "reverse"

    def __init__(
        self,
        store_dsn: str,
        legacy_dsn: str,
        wave: str,
        outbox: tuple[str, str],
        mapping: ReverseMapping,
        limit: int = 500,
    ) -> None:
        self.store_dsn, self.legacy_dsn, self.wave, self.limit = store_dsn, legacy_dsn, wave, limit
        self.outbox, self.mapping, self.lock = Outbox(*outbox), mapping, threading.RLock()
        self._store: Connection | None = None
        self._legacy: Connection | None = None
        self._compiled: dict[str, list[Statements]] = {}

    def poll(self, fence: Fence) -> ServiceStatus:
        """One batch. caught_up: everything that had ended in the store when the batch was read is on the legacy side.

        Raises LeaseHeld (CW3402), Refused (CW3502 to CW3505), Unavailable; polled again it goes on where it stood.
        """
        with self.lock:
            try:
                with translated(
                    f"reverse sync of {self.wave}", "rows and position stand as after the last whole batch"
                ):
                    batch, position = self._step(fence)
            except BaseException:
                self.close()
                raise
        detail = {"position": f"{position.xid}/{position.seq}"}
        lag = f"{batch.waiting} events behind an open transaction of the store" if batch.waiting else "0 events behind"
        return ServiceStatus(
            self.name,
            busy=batch.full,
            caught_up=not batch.full and not batch.waiting,
            applied=len(batch.events),
            lag=f"more than {self.limit} events behind" if batch.full else lag,
            detail=detail,
        )

    def answer(self, kind: str, payload: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None

    def close(self) -> None:
        """Lets go of both connections; the next poll opens them again."""
        with self.lock:
            for db in (self._store, self._legacy):
                if db is not None:
                    db.close()
            self._store = self._legacy = None
            self._compiled = {}

    def _step(self, fence: Fence) -> tuple[Batch, Position]:
        store, legacy = self._connections()
        position = self._position(legacy, fence)
        batch = self.outbox.read(store, position, self.limit)
        if not batch.events:
            return batch, position
        try:
            return batch, self._carry(legacy, batch, position, fence)
        except Refused:
            # What stands before the event that is refused is carried over: one transaction of the store at a time.
            first = batch.first_transaction()
            if len(first.events) == len(batch.events):
                raise
            return first, self._carry(legacy, first, position, fence)

    def _carry(self, legacy: Connection, batch: Batch, position: Position, fence: Fence) -> Position:
        """Writes the batch and its position in one transaction; nothing where somebody else moved the position meanwhile."""
        with legacy.transaction():
            if self._position(legacy, fence, lock=True) != position:
                raise Unavailable(
                    "CW3508",
                    f"the position of the reverse sync of {self.wave} was moved by somebody else",
                    state="nothing was written by this poll",
                    next="the poll is repeated by itself",
                )
            let_through(legacy, self.wave, fence.token)
            for event in batch.events:
                self._write(legacy, event)
            end_pass(legacy)
            last, marker = batch.events[-1], batch.marker
            legacy.execute(_ADVANCE, (last.xid, last.seq, marker, fence.token, self.wave))
        return Position(last.xid, last.seq)

    def _write(self, legacy: Connection, event: Event) -> None:
        if event.marker is not None:
            return
        for statements in self._statements(legacy, event):
            if not statements.write.applies(event.payload):
                continue
            arguments = {"payload": event.payload_text, "event": event.event_text}
            try:
                written = legacy.execute(statements.do, arguments).rowcount
                if written == 0 and legacy.execute(statements.same, arguments).fetchone() is None:
                    raise _another_row(event, statements)
            except psycopg.Error as error:
                raise self._told(error, event, statements) from error

    def _statements(self, legacy: Connection, event: Event) -> list[Statements]:
        if event.kind not in self._compiled:
            if event.kind not in self.mapping:
                raise Refused(
                    "CW3502",
                    f"the store's outbox holds an event of kind {event.kind}, which the reverse mapping does not know",
                    state=f"the position stands before it (event {event.event_id})",
                    next="add the kind to the mapping, then cutwater wave resume",
                )
            self._compiled[event.kind] = [compiled(legacy, write) for write in self.mapping[event.kind]]
        return self._compiled[event.kind]

    def _told(self, error: psycopg.Error, event: Event, statements: Statements) -> CutwaterError:
        ours = explain(error, f"reverse sync into {'.'.join(statements.write.table)}", "the batch was rolled back")
        if ours.code != "CW3106":
            return ours
        return Refused(
            "CW3504",
            f"the legacy side refuses a row of {'.'.join(statements.write.table)} from the reverse sync",
            cause=ours.cause,
            state=f"the position stands before event {event.event_id}",
            money="the store holds the payment; the legacy side does not yet",
            next="mend the cause, then cutwater wave resume",
        )

    def _connections(self) -> tuple[Connection, Connection]:
        if self._legacy is None or self._store is None:
            self.close()
            self._store = connect(self.store_dsn, self.wave)
            self._legacy = connect(self.legacy_dsn, self.wave)
            install(self._legacy)
            self._legacy.execute("INSERT INTO cutwater.reverse (wave) VALUES (%s) ON CONFLICT DO NOTHING", (self.wave,))
        return self._store, self._legacy

    def _position(self, legacy: Connection, fence: Fence, *, lock: bool = False) -> Position:
        row = legacy.execute((POSITION + (" FOR UPDATE" if lock else "")).encode(), (self.wave,)).fetchone()
        if row is None:
            raise Unavailable(
                "CW3508",
                f"the row of {self.wave} in cutwater.reverse is gone",
                next="the poll makes it again by itself",
            )
        if row[2] > fence.token:
            raise zombie(self.wave, row[2], fence.token)
        check_token(read(legacy, self.wave), self.wave, fence.token)
        return Position(row[0] or "0", row[1] or 0)


def _another_row(event: Event, statements: Statements) -> Refused:
    table, missing = ".".join(statements.write.table), statements.write.mode == "update"
    key = {name: statements.write.columns[name].path for name in statements.write.key}
    return Refused(
        "CW3503",
        f"{table} holds {'no row' if missing else 'another row'} where the reverse sync writes event {event.event_id}",
        cause=f"looked for by {json.dumps(key)}",
        state="the position stands before it",
        money="the store holds the payment; the legacy side has something else",
        next="find out who wrote there, then cutwater wave resume",
    )
