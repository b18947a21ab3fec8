"""Writes what the feeds brought: raw.message first, the rest derived from it, each batch exactly once.

One batch is up to four commits in a fixed order: raw.message, core.payment_event, quarantine.message, raw.intake. The first
carries batch number, position and fence in its snapshot, so position and data are one commit. raw.intake has a row for
every message, so it is the batch's last word: where its newest batch is older than raw's, the batch was interrupted and
is finished from raw.message at the next start. Nothing that is there is written again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.iceberg.commits import FENCE
from adapters.iceberg.feed_rows import Tag, batch_rows, events_of, known_keys, newest_tag, own_ids, taken_names
from adapters.iceberg.feed_tables import open_tables, to_arrow
from adapters.iceberg.history import QuickTransaction, is_long, thin_out
from cutwater.core.clock import Clock, iso, utc_now
from cutwater.core.errors import LeaseHeld, Unavailable
from lakehouse.intake import Columns, Intake, in_order, take_in
from lakehouse.ports import Delivery, Position
from lakehouse.tables import PAYMENT_EVENT, QUARANTINE, RAW_INTAKE, RAW_MESSAGE, TableSpec
from payments.model import Parsed

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from waves.ports import Fence

_TRIES = 3
Parse = Callable[[Delivery], Parsed]


@dataclass
class _State:
    """What the lake says; thrown away and read anew after any failure."""

    tables: dict[str, Table]
    batch: int
    positions: dict[str, Position]
    # Limit of this version: every event key of the lake is held in memory (about 300 bytes each).
    known: dict[str, str]


class FeedStore:
    """The lake's side of one feed tap. `tap` names it in the snapshots: the batches of two taps do not mix."""

    def __init__(self, catalog: Catalog, tap: str, parse: Parse, clock: Clock = utc_now) -> None:
        self._catalog, self._tap, self._parse, self._clock = catalog, tap, parse, clock
        self._state: _State | None = None

    def positions(self, streams: Sequence[str], fence: Fence) -> dict[str, Position]:
        """Up to where each stream is in the lake; finishes an interrupted batch first. Empty: nothing taken yet."""
        state = self._open(streams, fence)
        return {name: state.positions.get(name, {}) for name in streams}

    @property
    def batch(self) -> int:
        """The newest batch's number; 0 before the first."""
        return self._state.batch if self._state else 0

    def snapshots(self) -> dict[str, int | None]:
        """The current snapshot of each table: one consistent point between two batches."""
        if self._state is None:
            return {}
        found = {name: table.current_snapshot() for name, table in self._state.tables.items()}
        return {name: item.snapshot_id if item else None for name, item in found.items()}

    def take(self, deliveries: Sequence[Delivery], positions: Mapping[str, Position], fence: Fence) -> Intake:
        """Takes one batch in. positions: behind `deliveries`, for every stream of the tap.

        Raises LeaseHeld where a later token has written, Unavailable where the lake does not answer or another writer
        came first; what was begun is finished at the next call of `positions`.
        """
        ordered = in_order(deliveries)
        parsed = [self._parse(item) for item in ordered]  # before anything is written: a registry may be away
        state = self._open(tuple(positions), fence)
        begin = state.positions
        for left in reversed(range(_TRIES)):
            try:
                return self._write(state, ordered, parsed, positions, fence)
            except _Lost as lost:
                # Another tap or a compaction was quicker. Where nothing of ours is in yet, the batch still fits.
                state = self._open(tuple(positions), fence)
                if lost.begun or not left or state.positions != begin:
                    raise lost.error from lost
        raise AssertionError("unreachable")

    def _write(
        self,
        state: _State,
        ordered: list[Delivery],
        parsed: list[Parsed],
        positions: Mapping[str, Position],
        fence: Fence,
    ) -> Intake:
        at = self._clock()
        result = take_in(ordered, parsed, state.known, at)
        merged = {**state.positions, **positions}
        tag = self._tag(state.batch + 1, fence, at)
        about = {
            **tag,
            "cutwater.stream": ",".join(sorted({item.stream for item in ordered})),
            "cutwater.position": json.dumps({name: _mark(value) for name, value in sorted(merged.items())}),
        }
        self._state = None  # until every commit has gone through, the lake is to be asked again
        self._append(state.tables[RAW_MESSAGE.name], RAW_MESSAGE, result.raw, about)
        self._derived(state.tables, result, tag)
        self._state = replace(state, batch=state.batch + 1, positions=merged)
        state.known.update(result.new_keys)
        return result

    def _derived(self, tables: Mapping[str, Table], result: Intake, tag: dict[str, str]) -> None:
        for spec, columns in (
            (PAYMENT_EVENT, result.events),
            (QUARANTINE, result.quarantine),
            (RAW_INTAKE, result.decisions),
        ):
            if columns["message_id"]:
                self._append(tables[spec.name], spec, columns, tag)

    def _open(self, streams: Sequence[str], fence: Fence) -> _State:
        from sqlalchemy.exc import SQLAlchemyError

        if self._state is None:
            try:
                self._state = self._read(streams, fence)
            except _Lost as lost:
                raise lost.error from lost
            except (SQLAlchemyError, OSError) as error:
                raise _unwritten("CW3310", "the lake could not be read", error, True) from error
        return self._state

    def _read(self, streams: Sequence[str], fence: Fence) -> _State:
        tables = open_tables(self._catalog)
        raw, decided = (newest_tag(tables[name], self._tap) for name in (RAW_MESSAGE.name, RAW_INTAKE.name))
        _check_fence(raw, fence)
        if raw is not None and raw.batch > (decided.batch if decided else 0):
            self._finish(tables, raw, fence)
        positions = dict(raw.positions) if raw else {}
        positions.update(
            taken_names(tables[RAW_MESSAGE.name], [name for name in streams if not name.startswith("kafka:")])
        )
        return _State(tables, raw.batch if raw else 0, positions, known_keys(tables[PAYMENT_EVENT.name]))

    def _finish(self, tables: Mapping[str, Table], raw: Tag, fence: Fence) -> None:
        """Derives the interrupted batch again from raw.message and writes what is missing of it, with its own time."""
        deliveries = in_order(batch_rows(tables[RAW_MESSAGE.name], tables[RAW_INTAKE.name], raw))
        parsed = [self._parse(item) for item in deliveries]
        events = tables[PAYMENT_EVENT.name]
        ids = own_ids(deliveries)
        own, known = events_of(events, ids)
        result = take_in(deliveries, parsed, known, raw.at)
        held = set(_ids(tables[QUARANTINE.name], ids))
        result.events = _without(result.events, "event_key", own)
        result.quarantine = _without(result.quarantine, "message_id", held)
        self._derived(tables, result, self._tag(raw.batch, fence, raw.at))

    def _tag(self, batch: int, fence: Fence, at: datetime) -> dict[str, str]:
        return {
            "cutwater.tap": self._tap,
            "cutwater.batch": str(batch),
            "cutwater.wave": fence.wave,
            "cutwater.run": fence.run_id,
            FENCE: str(fence.token),
            "cutwater.at": iso(at),
        }

    def _append(self, table: Table, spec: TableSpec, columns: Columns, properties: dict[str, str]) -> None:
        from pyiceberg.exceptions import CommitFailedException
        from sqlalchemy.exc import SQLAlchemyError

        begun = spec is not RAW_MESSAGE
        try:
            with QuickTransaction(table) as change:
                change.append(to_arrow(spec, columns), snapshot_properties=properties)
            if is_long(table):
                thin_out(table)
        except CommitFailedException as error:
            raise _Lost(
                _unwritten("CW3304", f"another writer changed {spec.name} first", error, begun), begun
            ) from error
        except (SQLAlchemyError, OSError) as error:
            raise _unwritten("CW3310", f"{spec.name} could not be written", error, True) from error


class _Lost(Exception):
    """A commit came second. begun: raw.message of the batch is in already."""

    def __init__(self, error: Unavailable, begun: bool) -> None:
        super().__init__(str(error))
        self.error, self.begun = error, begun


def _unwritten(code: str, what: str, error: Exception, begun: bool) -> Unavailable:
    return Unavailable(
        code,
        what,
        cause=str(getattr(error, "orig", None) or error).strip().partition("\n")[0][:200],
        state="what is missing of the batch is written at the next poll, nothing twice"
        if begun
        else "nothing of the batch is in the lake; it is taken at the next poll",
        next="the runner polls again by itself; cutwater doctor where it does not pass",
    )


def _check_fence(raw: Tag | None, fence: Fence) -> None:
    if raw is not None and raw.wave == fence.wave and raw.token > fence.token:
        raise LeaseHeld(
            "CW3309",
            f"a later runner of wave {fence.wave} has written the feeds",
            cause=f"its token is {raw.token}, ours {fence.token}",
            state="nothing was written by this runner",
            next=f"cutwater wave status {fence.wave}",
        )


def _mark(position: Position) -> Position:
    """What the snapshot carries: offsets in full, of names the number (raw.message's own rows are the list)."""
    names = position.get("names")
    return {"names": len(names)} if isinstance(names, dict) else position


def _without(columns: Columns, name: str, present: Any) -> Columns:
    keep = [number for number, value in enumerate(columns[name]) if value not in present]
    return {key: [values[number] for number in keep] for key, values in columns.items()}


def _ids(table: Table, ids: frozenset[str]) -> list[str]:
    column = table.scan(selected_fields=("message_id",)).to_arrow()["message_id"].to_pylist()
    return [item for item in column if item in ids]
