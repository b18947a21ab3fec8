"""What the feed store reads back from the lake: tags of snapshots, rows of a batch, event keys, names taken."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.iceberg.commits import FENCE, summaries
from cutwater.core.clock import parse_iso
from lakehouse.intake import message_id
from lakehouse.ports import Delivery, Position

if TYPE_CHECKING:
    from pyiceberg.table import Table

_ENVELOPE = tuple(
    "message_id stream position payload received_at partition offset file_name lt session sequence schema_id headers".split()
)


@dataclass(frozen=True)
class Tag:
    """What one of our snapshots says about its batch. positions is empty in derived tables."""

    snapshot_id: int
    parent_id: int | None
    batch: int
    wave: str
    token: int
    at: datetime
    positions: dict[str, Position]


def newest_tag(table: Table, tap: str) -> Tag | None:
    """The newest batch of `tap` among main's ancestors: commits of others (compaction) stand between them."""
    for snapshot_id, told in summaries(table):
        if told.get("cutwater.tap") == tap:
            snapshot = table.snapshot_by_id(snapshot_id)
            return Tag(
                snapshot_id,
                snapshot.parent_snapshot_id if snapshot else None,
                int(told["cutwater.batch"]),
                told["cutwater.wave"],
                int(told[FENCE]),
                parse_iso(told["cutwater.at"]),
                json.loads(told.get("cutwater.position", "{}")),
            )
    return None


def batch_rows(raw: Table, decided: Table, tag: Tag) -> list[Delivery]:
    """The deliveries of one batch as raw.message holds them: what the snapshot added.

    Where its files are no longer there as it wrote them (compaction), the messages without a decision are the batch.
    """
    from pyiceberg.exceptions import ValidationException

    try:
        scan = raw.incremental_append_scan(
            from_snapshot_id_exclusive=tag.parent_id,
            to_snapshot_id_inclusive=tag.snapshot_id,
            selected_fields=_ENVELOPE,
        )
        rows = scan.to_arrow().to_pylist()
    except (ValueError, ValidationException):
        known = set(decided.scan(selected_fields=("message_id",)).to_arrow()["message_id"].to_pylist())
        rows = [
            row
            for batch in raw.scan(selected_fields=_ENVELOPE).to_arrow_batch_reader()
            for row in batch.to_pylist()
            if row["message_id"] not in known
        ]
    return [_delivery(row) for row in rows]


def _delivery(row: dict[str, Any]) -> Delivery:
    del row["message_id"]
    headers = json.loads(row.pop("headers") or "{}")
    return Delivery(**row, headers=headers)


def own_ids(deliveries: Iterable[Delivery]) -> frozenset[str]:
    return frozenset(message_id(item) for item in deliveries)


def known_keys(events: Table) -> dict[str, str]:
    """Every event key of the lake with its content hash."""
    known: dict[str, str] = {}
    for batch in events.scan(selected_fields=("event_key", "content_hash")).to_arrow_batch_reader():
        known.update(zip(batch.column("event_key").to_pylist(), batch.column("content_hash").to_pylist(), strict=True))
    return known


def events_of(events: Table, ids: frozenset[str]) -> tuple[frozenset[str], dict[str, str]]:
    """(event keys booked by the messages `ids`, all others with their content hash)."""
    own: set[str] = set()
    known: dict[str, str] = {}
    for batch in events.scan(selected_fields=("event_key", "content_hash", "message_id")).to_arrow_batch_reader():
        columns = (batch.column(name).to_pylist() for name in ("event_key", "content_hash", "message_id"))
        for key, content, message in zip(*columns, strict=True):
            if message in ids:
                own.add(key)
            else:
                known[key] = content
    return frozenset(own), known


def taken_names(raw: Table, streams: Sequence[str]) -> dict[str, Position]:
    """The positions of file feeds: every name with the hashes of the contents it was taken with."""
    from pyiceberg.expressions import EqualTo, Or, Reference
    from pyiceberg.expressions.literals import literal

    found: dict[str, dict[str, list[str]]] = {name: {} for name in streams}
    if not streams:
        return {}
    wanted = [EqualTo(term=Reference("stream"), value=literal(name)) for name in streams]
    chosen = Or(*wanted) if len(wanted) > 1 else wanted[0]
    scan = raw.scan(row_filter=chosen, selected_fields=("stream", "file_name", "sha256"))
    for batch in scan.to_arrow_batch_reader():
        columns = (batch.column(name).to_pylist() for name in ("stream", "file_name", "sha256"))
        for stream, name, digest in zip(*columns, strict=True):
            found[stream].setdefault(name, []).append(digest)
    return {stream: {"names": names} for stream, names in found.items()}
