"""The legacy side's channels at the fence: its outbox is empty, its change stream is applied, and nothing follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from psycopg import sql

from adapters.iceberg.commits import LSN, newest
from adapters.postgres.change_stream import ChangeStream
from adapters.postgres.connection import connect, translated
from adapters.postgres.snapshot import lsn_to_int
from cutwater.core.errors import Refused
from waves.ports import Fence, Outcome, Waiting


class OutboxEmpty:
    """`outbox.empty` {outbox: [schema, table, column]}: no row waits to be published (the column is null while one does)."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        schema, table, column = args["outbox"]
        query = sql.SQL("SELECT count(*) FROM {} WHERE {} IS NULL").format(
            sql.Identifier(schema, table), sql.Identifier(column)
        )
        with connect(self.dsn, fence.wave) as db, translated(f"looking at the outbox {schema}.{table}"):
            row = db.execute(query).fetchone()
        waiting = int(row[0]) if row else 0
        if waiting:
            raise Waiting("CW3420", f"{waiting:,} events of {schema}.{table} are not published yet")
        return {"waiting": 0}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a question: asked again

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"wait until {'.'.join(args['outbox'][:2])} has nothing left to publish"


class StreamDrain:
    """`stream.drain` {marker, lsn}: the change stream has passed the fence, and holds no change that came after it.

    lsn: where the fence's marker stands. Raises Refused (CW3421) where a change was committed behind it: somebody wrote
    through the fence. Judged by the positions in the lake, so that a later runner can ask again.
    """

    def __init__(self, stream: Callable[[], ChangeStream]) -> None:
        self.stream = stream

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        stream, point = self.stream(), lsn_to_int(str(args["lsn"]))
        with stream.lock:
            stream.drain_to(stream.emit_marker(), fence)  # behind the fence's own: all of it has been read
            late = {mapping.asset_id: self._after(stream, mapping.changes, point) for mapping in stream.tables.values()}
        found = {name: count for name, count in late.items() if count}
        if found:
            raise Refused(
                "CW3421",
                f"{sum(found.values())} changes were committed behind the fence",
                cause=", ".join(f"{name} {count}" for name, count in sorted(found.items())),
                state="the lake holds them; the route has not moved",
                money="customers are told to come back; nothing switched",
                next="find out who writes through the fence; the way back begins by itself",
            )
        return {"marker": args["marker"], "lsn": args["lsn"], "changes_after": 0}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a question: asked again

    def describe(self, args: Mapping[str, Any]) -> str:
        return "apply the change stream up to the fence and see that nothing follows"

    def _after(self, stream: ChangeStream, name: str, point: int) -> int:
        """Changes of one table behind the fence; the positions in the metadata spare the look into most tables."""
        table = stream.catalog.load_table(name)
        if int(newest(table, LSN) or 0) <= point:
            return 0
        found: int = table.scan(row_filter=f"_lsn > {point}", selected_fields=("_lsn",)).to_arrow().num_rows
        return found
