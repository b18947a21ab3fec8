"""The store's outbox, read in the order of its transactions, and never past one that could still commit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from psycopg import sql

from adapters.postgres.connection import Connection
from cutwater.core.errors import Refused

# seq alone is no order: a lower one may commit later. Below the snapshot's xmin every transaction has ended, so nothing can
# appear there any more. The batch ends with a whole transaction: legacy readers never see half a payment.
_READ = """
WITH taken AS (
  SELECT o.xid FROM {outbox} o WHERE (o.xid, o.seq) > (%(xid)s::xid8, %(seq)s) AND o.xid < pg_snapshot_xmin(pg_current_snapshot())
  ORDER BY o.xid, o.seq LIMIT %(limit)s
), upto AS (SELECT xid FROM taken ORDER BY xid DESC LIMIT 1)
SELECT o.xid::text, o.seq, o.event_id::text, o.kind, o.payload::text,
  jsonb_build_object('event_id', o.event_id, 'kind', o.kind, 'seq', o.seq, 'created_at', o.created_at)::text
FROM {outbox} o, upto WHERE (o.xid, o.seq) > (%(xid)s::xid8, %(seq)s) AND o.xid <= upto.xid ORDER BY o.xid, o.seq
"""
_WAITING = """
SELECT (SELECT count(*) FROM {outbox} o WHERE o.xid >= pg_snapshot_xmin(pg_current_snapshot()) AND (o.xid, o.seq) > (%(xid)s::xid8, %(seq)s)),
  %(xid)s::xid8 >= pg_snapshot_xmax(pg_current_snapshot())
"""
_MARKER = (
    "SELECT (o.xid, o.seq) <= (%s::xid8, %s) FROM {outbox} o WHERE o.kind = 'marker' AND o.payload ->> 'marker' = %s"
)


class Position(NamedTuple):
    """The last event that was carried over: its transaction (xid8 as text) and its seq. ("0", 0) before the first."""

    xid: str
    seq: int


@dataclass(frozen=True)
class Event:
    """One row of the outbox. Texts are PostgreSQL's own: an amount never passes through a float."""

    xid: str
    seq: int
    event_id: str
    kind: str
    payload_text: str
    event_text: str

    @cached_property
    def payload(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(self.payload_text, parse_float=str)
        return found

    @property
    def marker(self) -> str | None:
        """The text of a marker event, None for any other."""
        return str(self.payload["marker"]) if self.kind == "marker" else None


@dataclass(frozen=True)
class Batch:
    """Whole transactions in their order. full: there are more. waiting: committed events that an open transaction holds back."""

    events: tuple[Event, ...]
    full: bool = False
    waiting: int = 0

    @property
    def marker(self) -> str | None:
        """The last marker of the batch."""
        return next((event.marker for event in reversed(self.events) if event.marker is not None), None)

    def first_transaction(self) -> Batch:
        """The events of the first transaction only; there are more behind it."""
        return Batch(tuple(e for e in self.events if e.xid == self.events[0].xid), full=True)


class Outbox:
    """The outbox table of a store."""

    def __init__(self, schema: str, table: str) -> None:
        self.name = sql.Identifier(schema, table)

    def read(self, store: Connection, position: Position, limit: int) -> Batch:
        """About `limit` events after `position`. Raises Refused (CW3505) where the store has not come as far as the position."""
        place = {"xid": position.xid, "seq": position.seq, "limit": limit}
        waiting, behind = store.execute(sql.SQL(_WAITING).format(outbox=self.name), place).fetchone() or (0, False)
        if behind:
            raise Refused(
                "CW3505",
                f"the store has not come as far as the position of the reverse sync ({position.xid}/{position.seq})",
                cause="it was restored from a backup, or another database took its place",
                state="nothing was written",
                money="payments that the legacy side holds may be missing in the store",
                next="find out what was lost; reconcile both sides before going on",
            )
        rows = store.execute(sql.SQL(_READ).format(outbox=self.name), place).fetchall()
        return Batch(tuple(Event(*row) for row in rows), full=len(rows) >= limit, waiting=waiting)

    def passed(self, store: Connection, marker: str, position: Position) -> bool:
        """Whether `marker` stands at or before `position`; raises Refused (CW3506) where the outbox does not hold it."""
        found = store.execute(sql.SQL(_MARKER).format(outbox=self.name), (*position, marker)).fetchone()
        if found is None:
            raise Refused(
                "CW3506",
                f"the store's outbox holds no marker {marker}",
                cause="it was never written, or the outbox was purged",
                state="nothing was changed",
                next="cutwater wave resume writes a new one",
            )
        return bool(found[0])
