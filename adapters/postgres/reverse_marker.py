"""Where the reverse sync begins, and markers through the store's outbox: the proof that it has brought everything before them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from adapters.postgres.connection import connect, translated, where
from adapters.postgres.fence_schema import check_token, end_pass, install, let_through, read
from adapters.postgres.reverse_outbox import Outbox, Position
from adapters.postgres.reverse_sync import POSITION
from cutwater.core.ids import new_id
from waves.ports import Fence, Outcome, Waiting

_BEGIN = """
INSERT INTO cutwater.reverse (wave, position_xid, position_seq, token) VALUES (%s, %s::xid8, %s, %s) ON CONFLICT (wave) DO NOTHING
"""
_MARKERS = uuid.UUID("0d6b6f0e-2f5f-5b7a-9a53-7c0f6f3f2a11")  # namespace of the event ids of named markers


class BeginReverse:
    """`reverse.begin` {wave}: a wave that has no position yet begins at the end of the store's outbox. Out: position.

    What stands before it was carried by another wave, or by an attempt of this one that was abandoned after its rollback had
    drained it: carried once more it would meet rows that have moved on. A position that is there is left alone. Raises Waiting
    (CW3501) while an open transaction hides where the end is.
    """

    def __init__(self, store_dsn: str, legacy_dsn: str, outbox: tuple[str, str]) -> None:
        self.store_dsn, self.legacy_dsn, self.outbox = store_dsn, legacy_dsn, outbox

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        wave = str(args["wave"])
        end = sql.SQL(
            "SELECT o.xid::text, o.seq, o.xid >= pg_snapshot_xmin(pg_current_snapshot()) FROM {} o "
            "ORDER BY o.xid DESC, o.seq DESC LIMIT 1"
        ).format(sql.Identifier(*self.outbox))
        with (
            connect(self.store_dsn, wave) as store,
            connect(self.legacy_dsn, wave) as legacy,
            translated(f"beginning the reverse sync of {wave}", "no event was carried"),
        ):
            install(legacy)
            xid, seq, hidden = store.execute(end).fetchone() or ("0", 0, False)
            if hidden:
                raise Waiting(
                    "CW3501",
                    f"a transaction is open on {where(self.store_dsn)}: nobody knows yet where its outbox ends",
                    state="nothing was carried",
                    next="it is looked at again by itself",
                )
            with legacy.transaction():
                check_token(read(legacy, wave), wave, fence.token)
                legacy.execute(_BEGIN, (wave, xid, seq, fence.token))
            at, number, *_ = legacy.execute(POSITION, (wave,)).fetchall()[0]
        return {"position": f"{at or 0}/{number or 0}"}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # done twice it changes nothing

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"begin the reverse sync of wave {args['wave']} at the end of the outbox of {where(self.store_dsn)}"


class MarkOutbox:
    """`reverse.mark` {mark?}: an event of ours at the end of the store's outbox; through the fence, where it stands. Out: marker.

    The same `mark` is written once, however often it is asked for; without one, each time a new marker.
    """

    def __init__(self, store_dsn: str, wave: str, outbox: tuple[str, str]) -> None:
        self.store_dsn, self.wave, self.outbox = store_dsn, wave, outbox

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        text = f"{self.wave}:{args['mark']}" if "mark" in args else new_id(f"{self.wave}:reverse:")
        statement = sql.SQL(
            "INSERT INTO {} (event_id, kind, payload) VALUES (%s, 'marker', %s) ON CONFLICT (event_id) DO NOTHING"
        ).format(sql.Identifier(*self.outbox))
        with (
            connect(self.store_dsn, self.wave) as db,
            translated(f"marking {where(self.store_dsn)}", "no marker was written"),
        ):
            fenced = db.execute("SELECT to_regclass('cutwater.pass') IS NOT NULL").fetchone() == (True,)
            with db.transaction():
                if fenced:
                    let_through(db, self.wave, fence.token)
                db.execute(statement, (uuid.uuid5(_MARKERS, text), Jsonb({"marker": text})))
                if fenced:
                    end_pass(db)
        return {"marker": text}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # another marker does no harm, the same one is not written again

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"write a marker into the outbox of {where(self.store_dsn)}"


class ReverseDrained:
    """`reverse.drained` {marker}: everything before the marker is on the legacy side; raises Waiting (CW3501) until then."""

    def __init__(self, store_dsn: str, legacy_dsn: str, wave: str, outbox: tuple[str, str]) -> None:
        self.store_dsn, self.legacy_dsn, self.wave, self.outbox = store_dsn, legacy_dsn, wave, Outbox(*outbox)

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        found = self.observe(args, fence)
        if found is None:
            raise Waiting(
                "CW3501",
                f"the reverse sync of {self.wave} has not come to its marker yet",
                state="the store holds everything; the legacy side is behind",
                next="cutwater wave status",
            )
        return found

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        marker = str(args["marker"])
        with connect(self.legacy_dsn, self.wave) as legacy, translated("looking for the marker"):
            try:
                row = legacy.execute(POSITION, (self.wave,)).fetchone()
            except psycopg.errors.UndefinedTable:
                row = None
        position = Position(row[0] or "0", row[1] or 0) if row else Position("0", 0)
        if row is None or row[3] != marker:  # a later marker may have taken its place
            with connect(self.store_dsn, self.wave) as store, translated("looking for the marker in the outbox"):
                if not self.outbox.passed(store, marker, position):
                    return None
        return {"marker": marker, "position": f"{position.xid}/{position.seq}"}

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"wait until the legacy side holds what the store wrote before marker {args['marker']}"
