"""Changes folded into the current tables at a stated PostgreSQL snapshot: after it, copy and source are equal there.

The same act is the end of the hand-over (first fold), the refresh of the copy, the pin of a reconciliation and the
ground of a repair.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapters.iceberg.commits import CHUNK, CHUNK_RANGE, FENCE, FOLDED, PG_SNAPSHOT, check_fence, summaries
from adapters.postgres.change_stream import AHEAD, ChangeStream
from adapters.postgres.connection import connect, translated
from adapters.postgres.snapshot import PgSnapshot
from adapters.spark import fold_sql
from adapters.spark.session import commit_sql, spark
from cutwater.core.clock import parse_iso, utc_now
from cutwater.core.errors import Refused, Unavailable
from inventory.model import TableMapping
from waves.ports import Fence, Outcome, ServiceStatus

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from cutwater.core.config import Project


_PARALLEL = 3  # tables folded at the same time: a MERGE waits more than it computes


class FoldingStream(ChangeStream):
    """The change stream of a wave together with its fold; answers `pin` and `repair`."""

    def __init__(self, project: Project, *args: Any, fold_every_seconds: int = 60, **more: Any) -> None:
        super().__init__(*args, **more)
        self.project, self.fold_every = project, fold_every_seconds
        self._rests_until = self._poised_until = 0.0
        self._polled: ServiceStatus | None = None
        self._next_fold: float | None = None  # none before the first fold ended the hand-over

    def poll(self, fence: Fence) -> ServiceStatus:
        with self.lock:
            if self._polled is not None and time.monotonic() < self._poised_until:
                return replace(self._polled, busy=False)
            status = self._polled = super().poll(fence)
        if self._next_fold is None and all(self.is_handed_over(m) for m in self.tables.values()):
            self._next_fold = time.monotonic() + self.fold_every
        if status.caught_up and self.pending and self._next_fold is not None and time.monotonic() >= self._next_fold:
            self.fold_now(fence)
        return status

    def is_handed_over(self, mapping: TableMapping) -> bool:
        """Has a fold ended the hand-over of this table?"""
        return any(FOLDED in summary for _, summary in summaries(self.catalog.load_table(mapping.target)))

    def rest(self, seconds: float) -> None:
        """No fold by itself for so long, whoever asks for one meanwhile."""
        self._rests_until = time.monotonic() + seconds
        self._next_fold = max(self._next_fold or 0.0, self._rests_until)

    def poise(self, seconds: float) -> None:
        """No poll by itself for so long: whoever drains it meanwhile waits for no batch that is under way."""
        with self.lock:
            self._poised_until = time.monotonic() + seconds

    def drain_to(self, marker: str, fence: Fence, seconds: int = 300) -> None:
        self._poised_until = 0.0
        super().drain_to(marker, fence, seconds)

    def fold_now(self, fence: Fence) -> Outcome:
        """Takes a snapshot and a marker, drains to the marker, folds; see `fold`."""
        with self.lock:
            with connect(self.dsn, self.wave) as db, translated("taking a snapshot"):
                row = db.execute("SELECT pg_current_snapshot()::text").fetchone()
            snapshot = str(row[0]) if row else ""
            marker = self.emit_marker()
            self.drain_to(marker, fence)
            return {"marker": marker, **self.fold(snapshot, fence)}

    def answer(self, kind: str, payload: Mapping[str, Any], fence: Fence) -> Outcome | None:
        """`pin` {pg_snapshot, marker} and `repair` {tables: {target: [[key values]]}}."""
        if kind == "pin":
            until = str(payload.get("until", ""))
            if until and parse_iso(until) < utc_now():
                raise Unavailable(
                    "CW3133", "nobody waits for this pin any more", state="nothing was folded for it", next="ask again"
                )
            with self.lock:
                # Not to the asker's marker: a runner that died may have read it already, and nobody would see it again.
                # Our own lies behind it.
                self.drain_to(self.emit_marker(), fence)
                return self.fold(str(payload["pg_snapshot"]), fence)
        if kind == "repair":
            from adapters.spark.repair import repair

            return repair(self, payload["tables"], str(payload.get("run", "")), fence)
        return None

    def fold(self, snapshot: str, fence: Fence) -> Outcome:
        """Folds every table at `snapshot`; the stream must have passed a marker written after it was taken.

        Returns {"tables": {target: {"snapshot": id, "changes": n}}, "pg_snapshot", "seconds", "as_of"}.
        """
        started, now = time.monotonic(), PgSnapshot.parse(snapshot)
        with self.lock, ThreadPoolExecutor(_PARALLEL) as pool:
            ordered = sorted(self.tables.values(), key=lambda m: m.target)
            outcomes = pool.map(lambda m: self._fold_table(m, now, fence), ordered)
            tables = {m.target: outcome for m, outcome in zip(ordered, outcomes, strict=True)}
            self.pending = 0
            self._next_fold = max(time.monotonic() + self.fold_every, self._rests_until)
        seconds = str(Decimal(str(round(time.monotonic() - started, 3))))
        return {"tables": tables, "pg_snapshot": snapshot, "seconds": seconds, "as_of": utc_now().isoformat()}

    def _fold_table(self, mapping: TableMapping, now: PgSnapshot, fence: Fence) -> dict[str, Any]:
        current = self.catalog.load_table(mapping.target)
        check_fence(current, fence.token)
        ranges = copied(current)
        if not ranges:
            raise Refused(
                "CW3207",
                f"{mapping.target} holds no copy to fold changes into",
                state="nothing was changed",
                next=f"cutwater wave run {self.wave}",
            )
        if any(now.is_behind(item.snapshot) for item in ranges):
            raise Unavailable(
                AHEAD,
                f"{mapping.target} holds more than the snapshot that was asked for",
                cause="changes were folded in between",
                state="nothing was changed",
                next="ask again with a snapshot of now",
            )
        changes = self._count(mapping, now, ranges)
        first = not any(FOLDED in summary for _, summary in summaries(current))
        if changes:
            where = fold_sql.window(mapping, now, ranges)
            statement = fold_sql.merge(mapping, where) if mapping.key else fold_sql.rebuild(mapping, where)
            commit_sql(spark(self.project), statement, {FOLDED: str(now), FENCE: str(fence.token)})
            current = self.catalog.load_table(mapping.target)
        elif first:
            _note(current, now, fence)
        snapshot = current.current_snapshot()
        return {"snapshot": str(snapshot.snapshot_id) if snapshot else "", "changes": changes}

    def _count(self, mapping: TableMapping, now: PgSnapshot, ranges: Sequence[fold_sql.CopiedRange]) -> int:
        """Changes of the window, counted from the change table's files: Spark is not asked where there are none."""
        from pyiceberg.expressions import GreaterThanOrEqual

        floor = GreaterThanOrEqual(term="_xid", value=min(item.snapshot.xmin for item in ranges))
        names = ["_xid", *mapping.key[:1]] if len(ranges) > 1 else ["_xid"]
        found = self.catalog.load_table(mapping.changes).scan(row_filter=floor, selected_fields=tuple(names)).to_arrow()
        keys = found[names[1]].to_pylist() if len(ranges) > 1 else [None] * found.num_rows
        return sum(
            now.sees(xid) and not fold_sql.range_of(key, ranges).snapshot.sees(xid)
            for xid, key in zip(found["_xid"].to_pylist(), keys, strict=True)
        )


def copied(table: Table) -> list[fold_sql.CopiedRange]:
    """What the current table holds, from its own history: the last fold's snapshot, else the ranges of the copy."""
    import json

    ranges: list[tuple[int | None, PgSnapshot]] = []
    for _, summary in summaries(table):
        if FOLDED in summary:
            return [fold_sql.CopiedRange(None, PgSnapshot.parse(summary[FOLDED]))]
        if CHUNK in summary:
            ranges.append((json.loads(summary[CHUNK_RANGE])["upper"], PgSnapshot.parse(summary[PG_SNAPSHOT])))
    ranges.sort(key=lambda item: (item[0] is None, item[0] or 0))
    return [fold_sql.CopiedRange(upper, snapshot) for upper, snapshot in ranges]


def _note(table: Table, now: PgSnapshot, fence: Fence) -> None:
    """An empty commit that ends the hand-over of a table that nobody changed meanwhile."""
    import pyarrow as pa

    empty = pa.Table.from_batches([], schema=table.schema().as_arrow())
    table.append(empty, snapshot_properties={FOLDED: str(now), FENCE: str(fence.token)})


class StreamRest:
    """`stream.rest` {seconds}: the stream goes on, and does not fold by itself meanwhile: a fold holds up who drains it."""

    def __init__(self, stream: Callable[[], FoldingStream]) -> None:
        self.stream = stream

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        stream = self.stream()
        with stream.lock:
            stream.rest(float(args["seconds"]))
        return {"seconds": args["seconds"]}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a runner that came later has its own stream: it is told again

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"let the copies be folded by themselves only after {args['seconds']} s"


class StreamPoise:
    """`stream.poise` {seconds}: what was under way is in the lake, and nothing begins by itself until it is drained."""

    def __init__(self, stream: Callable[[], FoldingStream]) -> None:
        self.stream = stream

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        self.stream().poise(float(args["seconds"]))
        return {"seconds": args["seconds"]}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a runner that came later has its own stream: it is told again

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"end the stream's poll that is under way, and begin none for {args['seconds']} s"


class StreamFold:
    """`stream.fold` {mappings}: the first fold ends the hand-over. Performed by the stream that the runner polls."""

    def __init__(self, stream: Callable[[], FoldingStream]) -> None:
        self.stream = stream

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        return self.stream().fold_now(fence)

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # folding again is exact: a window that was folded is empty

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"follow the changes to an own marker, then fold them into {len(args['mappings'])} tables"
