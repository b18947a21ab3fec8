"""The change stream: what happened after the copy, from the slot into append-only change tables.

Peek, decode, append with the position in the same Iceberg commit, then advance the slot to the end of the last
commit record. After a crash the lake's positions decide, never the slot: what a table already holds is dropped by
its own position. Caught up means that our own marker came back, never that it is quiet.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapters.iceberg.commits import LSN, Guard, append, newest
from adapters.iceberg.history import KEPT, is_long, thin_out
from adapters.postgres import pgoutput as wire
from adapters.postgres.change_batch import TableChanges, check_relation, filled
from adapters.postgres.connection import Connection, connect, translated
from adapters.postgres.snapshot import int_to_lsn, lsn_to_int, widen
from cutwater.core.errors import Refused, Unavailable
from cutwater.core.ids import new_id
from inventory.model import TableMapping
from waves.ports import Fence, ServiceStatus

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

PREFIX = "cutwater"
AHEAD = "CW3210"  # the copy holds more than the snapshot asked for: the code that a pin is tried again for
_PEEK = """
SELECT lsn::text, xid::text, data FROM pg_logical_slot_peek_binary_changes(%s, NULL, %s,
    'proto_version', '1', 'publication_names', %s, 'messages', 'true')
"""


def write_marker(db: Connection, text: str) -> str:
    """A marker in the WAL, flushed: decoding reads no further than what is flushed. Out: its LSN.

    PostgreSQL 17 can flush a message outside any transaction; before, a transaction of its own does it.
    """
    if db.info.server_version >= 170000:
        found = db.execute("SELECT pg_logical_emit_message(false, %s, %s, true)::text", (PREFIX, text)).fetchone()
    else:
        found = db.execute("SELECT pg_logical_emit_message(true, %s, %s)::text", (PREFIX, text)).fetchone()
    return str(found[0]) if found else ""


class ChangeStream:
    """Follows one wave's slot. Thread-safe: the runner polls, an operator's request may drive it to a marker."""

    name = "stream"

    def __init__(
        self, dsn: str, catalog: Catalog, wave: str, slot: str, mappings: Sequence[TableMapping], limit: int = 20_000
    ) -> None:
        self.dsn, self.catalog, self.wave, self.slot, self.limit = dsn, catalog, wave, slot, limit
        self.tables = {(m.source_schema, m.source_table): m for m in mappings}
        self.lock = threading.RLock()
        self.pending = 0  # changes appended since the last fold
        # A poll may read the marker of a request that is still on its way to us: it is remembered.
        self._markers: deque[str] = deque(maxlen=1_000)
        self._db: Connection | None = None
        self._applied: dict[str, int] = {}
        self._commits: dict[str, int] = {}
        self._relations: dict[int, TableMapping] = {}
        self._identity: dict[int, str] = {}
        self._advanced = 0  # where this process left or first saw the slot
        self._types: dict[tuple[int, int], str] = {}

    def poll(self, fence: Fence) -> ServiceStatus:
        """One batch. `caught_up`: the marker that this poll wrote was the last thing it read."""
        with self.lock:
            marker = self.emit_marker()
            applied, seen, full = self._batch(fence, marker)
            return ServiceStatus(
                self.name,
                busy=full,
                caught_up=seen,
                applied=applied,
                lag="0 changes behind own marker" if seen else "behind own marker",
                detail={"pending_fold": self.pending},
            )

    def drain_to(self, marker: str, fence: Fence, seconds: int = 300) -> None:
        """Polls until `marker` is seen; raises Unavailable (CW3129) when that takes longer than `seconds`."""
        until = time.monotonic() + seconds
        with self.lock:
            while marker not in self._markers:
                if time.monotonic() >= until:
                    break
                self._batch(fence, marker)
            else:
                return
        raise Unavailable(
            "CW3129",
            f"the change stream of {self.wave} did not reach its marker in {seconds} s",
            state="the stream is alive and behind",
            next="cutwater wave status",
        )

    def emit_marker(self) -> str:
        """Writes a marker into the WAL and returns its text."""
        text = new_id(f"{self.wave}:")
        with translated("writing a marker"):
            write_marker(self._connection(), text)
        return text

    def close(self) -> None:
        with self.lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def answer(self, kind: str, payload: Mapping[str, Any], fence: Fence) -> dict[str, Any] | None:
        return None  # `adapters.spark.fold.FoldingStream` answers: it can fold

    def applied_lsn(self, mapping: TableMapping) -> int:
        """Up to which commit the change table holds everything; 0 for none."""
        if mapping.changes not in self._applied:
            text = newest(self.catalog.load_table(mapping.changes), LSN)
            self._applied[mapping.changes] = int(text) if text else 0
        return self._applied[mapping.changes]

    def thin_out(self, names: Iterable[str]) -> None:
        """Expires what nobody stands on in the history of change tables; each is looked at once in `KEPT` commits."""
        for name in names:
            self._commits[name] = self._commits.get(name, KEPT - 1) + 1
            if self._commits[name] % KEPT == 0 and is_long(table := self.catalog.load_table(name)):
                thin_out(table)

    def type_names(self, relation: wire.Relation) -> list[str]:
        """The types of a relation's columns as the inventory writes them."""
        wanted = [(oid, modifier) for _, oid, modifier, _ in relation.columns]
        new = sorted({item for item in wanted if item not in self._types})
        if new:
            query = (
                "SELECT format_type(t, m) FROM unnest(%s::oid[], %s::int[]) WITH ORDINALITY AS x(t, m, n) ORDER BY n"
            )
            with translated("naming the types of columns", "the slot has not moved"):
                found = self._connection().execute(query, ([t for t, _ in new], [m for _, m in new])).fetchall()
            self._types.update(zip(new, (str(row[0]) for row in found), strict=True))
        return [self._types[item] for item in wanted]

    def _connection(self) -> Connection:
        if self._db is None or self._db.closed or self._db.broken:
            self._db = connect(self.dsn, self.wave)
        return self._db

    def _batch(self, fence: Fence, marker: str) -> tuple[int, bool, bool]:
        """(changes appended, marker seen, the limit was reached)."""
        db = self._connection()
        with translated(f"reading slot {self.slot}", "the slot has not moved; nothing of this batch was written"):
            self._alive(db)
            self._unmoved(db)
            next_xid = self._next_xid(db)
            rows = db.execute(_PEEK, (self.slot, self.limit, self.slot)).fetchall()
        batch = _Batch(self, next_xid)
        for lsn, _xid, data in rows:
            batch.take(lsn_to_int(lsn), wire.decode(bytes(data)))
        written = batch.write(fence)
        if batch.end:
            with translated(
                f"advancing slot {self.slot}", "the batch is in the lake; the slot follows at the next poll"
            ):
                db.execute("SELECT pg_replication_slot_advance(%s, %s::pg_lsn)", (self.slot, int_to_lsn(batch.end)))
            self._advanced = max(self._advanced, batch.end)
        self.pending += written
        self._markers.extend(batch.markers)
        return written, marker in batch.markers, len(rows) >= self.limit

    def _next_xid(self, db: Connection) -> int:
        row = db.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
        return int(row[0]) + (1 << 20) if row else 0  # transactions may begin between this and the peek

    def _unmoved(self, db: Connection) -> None:
        """Nobody else may read the slot on: what they took would be in no batch of ours.

        An earlier runner's last batch is in the lake with its position, and is no stranger's.
        """
        row = db.execute(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s", (self.slot,)
        ).fetchone()
        found = lsn_to_int(row[0]) if row and row[0] else 0
        if 0 < self._advanced < found and found > self._newest_in_lake():
            raise Refused(
                "CW3130",
                f"slot {self.slot} stands at {int_to_lsn(found)}, behind which we never read: it was moved or made anew",
                cause="somebody else read it, advanced it, or dropped and created it again",
                state="the lake's copy stands at its last position and cannot be brought forward",
                money="nothing switched; customers are on the old platform",
                next=f"find out who read it; cutwater wave abandon {self.wave}, then plan and backfill again",
            )
        self._advanced = max(self._advanced, found)

    def _newest_in_lake(self) -> int:
        tables = (self.catalog.load_table(mapping.changes) for mapping in self.tables.values())
        return max((int(newest(table, LSN) or 0) for table in tables), default=0)

    def _alive(self, db: Connection) -> None:
        row = db.execute(
            "SELECT wal_status, invalidation_reason FROM pg_replication_slots WHERE slot_name = %s"
            if db.info.server_version >= 170000
            else "SELECT wal_status, NULL FROM pg_replication_slots WHERE slot_name = %s",
            (self.slot,),
        ).fetchone()
        if row is None or row[0] == "lost":
            raise Refused(
                "CW3130",
                f"slot {self.slot} is {'gone' if row is None else 'lost'}: changes after the copy are no longer there to be read",
                cause="dropped by somebody"
                if row is None
                else f"the server removed its WAL ({row[1] or 'max_slot_wal_keep_size'})",
                state="the lake's copy stands at its last position and cannot be brought forward",
                money="nothing switched; customers are on the old platform",
                next=f"cutwater wave abandon {self.wave}, then plan and backfill again",
            )


class _Batch:
    """The decoded messages of one peek, table by table."""

    def __init__(self, stream: ChangeStream, next_xid: int) -> None:
        self.stream, self.next_xid = stream, next_xid
        self.tables: dict[str, TableChanges] = {}
        self.markers: set[str] = set()
        self.end = 0
        self._xid = self._seq = self._final = 0
        self._at = datetime.now(UTC)
        self._open: list[tuple[str, int, tuple[wire.Value, ...]]] = []

    def take(self, lsn: int, message: wire.Decoded) -> None:
        match message:
            case wire.Begin(final, at, xid32):
                self._final, self._at, self._xid, self._seq = final, at, widen(xid32, self.next_xid), 0
                self._open = []
            case wire.Commit(_, end):
                self._flush(end)
                self.end = max(self.end, end)
            case wire.Relation():
                self._relation(message)
            case wire.Insert(oid, new):
                self._open.append(("I", oid, new))
            case wire.Update():
                self._update(message)
            case wire.Delete(oid, old):
                self._open.append(("D", oid, old))
            case wire.Truncate(oids):
                self._refuse_truncate(oids)
            case wire.Message(transactional, _, prefix, content):
                if prefix == PREFIX:
                    self.markers.add(content.decode("utf-8", "replace"))
                if not transactional:
                    self.end = max(self.end, lsn)
            case _:
                pass  # O and Y: origin and type names carry no change

    def _relation(self, message: wire.Relation) -> None:
        mapping = self.stream.tables.get((message.schema, message.table))
        if mapping is not None:
            check_relation(message, mapping, self.stream.type_names(message))
            self.stream._relations[message.oid] = mapping
            self.stream._identity[message.oid] = message.identity

    def _update(self, message: wire.Update) -> None:
        mapping = self.stream._relations.get(message.relation)
        if mapping is None:
            return
        full = self.stream._identity[message.relation] == "f"
        new = filled(message.new, message.old) if full else message.new
        at = [i for i, column in enumerate(mapping.columns) if column.name in mapping.key]
        moved = message.old is not None and (not mapping.key or any(message.old[i] != new[i] for i in at))
        if not moved:
            self._open.append(("U", message.relation, new))
            return
        if wire.UNCHANGED in new:
            raise Refused(
                "CW3123",
                f"a primary key of {mapping.asset_id} was changed in a row with a large unchanged value: its value is not in the stream",
                state="the change stream stands before this change; the slot keeps it",
                next=f"ALTER TABLE {mapping.source_schema}.{mapping.source_table} REPLICA IDENTITY FULL, then abandon and plan again",
            )
        self._open.append(("D", message.relation, message.old or ()))
        self._open.append(("I", message.relation, new))

    def _refuse_truncate(self, oids: tuple[int, ...]) -> None:
        names = [m.asset_id for m in map(self.stream._relations.get, oids) if m is not None]
        if names:
            raise Refused(
                "CW3131",
                f"{', '.join(names)} was truncated on the legacy side",
                cause="a TRUNCATE is never carried over silently",
                state="the change stream stands before it; the lake still holds the rows",
                money="nothing switched; customers are on the old platform",
                next="find out who emptied it; then cutwater wave abandon and plan again",
            )

    def _flush(self, end: int) -> None:
        for seq, (op, oid, row) in enumerate(self._open):
            mapping = self.stream._relations.get(oid)
            if mapping is not None and end > self.stream.applied_lsn(mapping):
                self.tables.setdefault(mapping.changes, TableChanges(mapping)).add(
                    op, end, seq, self._xid, self._at, row
                )
        self._open = []

    def _not_there(self, name: str) -> Guard:
        """The position that this batch was cut at must be the table's own still when the batch is committed."""
        known = self.stream._applied[name]

        def guard(table: Table) -> None:
            found = int(newest(table, LSN) or 0)
            if found != known:
                del self.stream._applied[name]
                raise Unavailable(
                    "CW3204",
                    f"{name} was committed to by another runner while this batch was read",
                    state="nothing of this batch was written to it",
                    next="the next poll reads on from the table's own position",
                )

        return guard

    def write(self, fence: Fence) -> int:
        """Appends per table; each commit carries the batch's end as its position. Returns the number of changes."""
        written = 0
        for name, changes in sorted(self.tables.items()):
            append(self.stream.catalog, name, changes.arrow(), {LSN: str(self.end)}, fence.token, self._not_there(name))
            self.stream._applied[name] = self.end
            written += len(changes)
        self.stream.thin_out(self.tables)
        return written
