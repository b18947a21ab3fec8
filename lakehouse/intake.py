"""The intake as a pure function: deliveries and what is known to rows of the lake's tables (docs/specs/feed-intake.md).

Every message ends in exactly one outcome: in = accepted + duplicate + conflict + quarantined + control.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from lakehouse.ports import Delivery
from payments.identity import canonical
from payments.model import Finding, Parsed, PaymentEvent
from payments.registry import CONTROL_FORMATS

Columns = dict[str, list[Any]]
_dump = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode


@dataclass
class Intake:
    """Rows as columns, one dictionary a table (lakehouse.tables), and the event keys that are new by them."""

    raw: Columns
    decisions: Columns
    events: Columns
    quarantine: Columns
    new_keys: dict[str, str] = field(default_factory=dict)  # event key -> content hash
    outcomes: Counter[str] = field(default_factory=Counter)


def message_id(delivery: Delivery) -> str:
    """SHA-256 of stream and position: the same delivery has the same id."""
    return sha256(f"{delivery.stream}|{delivery.position}".encode()).hexdigest()


def in_order(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """The one order in which a batch is judged, so that a repetition of it comes to the same decisions."""
    return sorted(deliveries, key=lambda item: (item.stream, item.partition or 0, item.offset or 0, item.position))


def take_in(deliveries: Sequence[Delivery], parsed: Sequence[Parsed], known: Mapping[str, str], at: datetime) -> Intake:
    """Judges one batch. `parsed` stands beside `deliveries`, both in the order of `in_order`.

    known: event keys that the lake holds, with their content hash; not changed. at: the batch's time, aware UTC.
    Same key and same content: a duplicate. Same key and other content: a conflict; the whole message goes to
    quarantine, because a message that contradicts what is booked is not trusted in its other parts either.
    """
    ids = [message_id(item) for item in deliveries]
    result = Intake(_raw(deliveries, ids, at), _empty(_DECISIONS), {}, _empty(_QUARANTINE))
    booked: list[tuple[str, str, PaymentEvent]] = []
    for own, delivery, message in zip(ids, deliveries, parsed, strict=True):
        findings = (*message.findings, *_envelope_findings(delivery, message))
        outcome, fresh, duplicates, held = _judge(message, findings, known, result.new_keys)
        booked.extend((own, delivery.stream, event) for event in fresh)
        result.new_keys.update((event.event_key, event.content_hash) for event in fresh)
        result.outcomes[outcome] += 1
        _decide(result.decisions, own, delivery, message, findings, outcome, duplicates, at)
        for number, finding in enumerate(held):
            _hold(result.quarantine, own, delivery, finding, delivery.payload if number == 0 else None, at)
    result.events = _events(booked, at)
    return result


def _judge(
    message: Parsed, findings: Sequence[Finding], known: Mapping[str, str], new: Mapping[str, str]
) -> tuple[str, list[PaymentEvent], int, list[Finding]]:
    """(outcome, events to book, number of duplicates, reasons for quarantine)."""
    errors = [item for item in findings if item.severity == "error"]
    if errors:
        return "quarantined", [], 0, errors
    if not message.events:
        return ("control" if message.type in CONTROL_FORMATS else "accepted"), [], 0, []
    fresh: dict[str, PaymentEvent] = {}
    duplicates, conflicts = 0, []
    for event in message.events:
        key = event.event_key
        before = known.get(key) or new.get(key)
        if before is None and key in fresh:
            before = fresh[key].content_hash
        if before is None:
            fresh[key] = event
        elif before == event.content_hash:
            duplicates += 1
        else:
            conflicts.append(
                Finding(
                    "error", "conflict", key, f"other content ({event.content_hash[:16]}) than known ({before[:16]})"
                )
            )
    if conflicts:
        return "conflict", [], duplicates, conflicts
    return ("accepted" if fresh else "duplicate"), list(fresh.values()), duplicates, []


def _envelope_findings(delivery: Delivery, message: Parsed) -> tuple[Finding, ...]:
    """What only the envelope can tell: a name used again, a SWIFT header that is not what the archive's name says."""
    found: tuple[Finding, ...] = ()
    before = delivery.headers.get("supersedes")
    if before:
        found += (
            Finding("warn", "name_reused", delivery.file_name or "", "the same name came before with other content"),
        )
    if delivery.lt and message.control.get("lt"):
        told = (message.control["lt"], message.control["session"], message.control["sequence"])
        named = (delivery.lt, delivery.session or "", f"{delivery.sequence or 0:06d}")
        if told != named:
            text = f"block 1 says {'_'.join(told)}, the archive's name {'_'.join(named)}"
            found += (Finding("warn", "header_mismatch", "block 1", text),)
    return found


_RAW = tuple(
    "message_id stream position partition offset file_name lt session sequence schema_id sha256 size headers payload "
    "received_at ingest_day".split()
)
_DECISIONS = tuple("message_id stream outcome format events duplicates findings control decided_at".split())
_QUARANTINE = tuple("message_id stream rule place text payload quarantined_at".split())


def _empty(names: Sequence[str]) -> Columns:
    return {name: [] for name in names}


def _raw(deliveries: Sequence[Delivery], ids: list[str], at: datetime) -> Columns:
    # Column by column: ten times as fast as a dictionary a row.
    columns: Columns = {"message_id": ids}
    for name in _RAW[1:10]:
        columns[name] = [getattr(item, name) for item in deliveries]
    columns["sha256"] = [sha256(item.payload).hexdigest() for item in deliveries]
    columns["size"] = [len(item.payload) for item in deliveries]
    columns["headers"] = [_dump(item.headers) if item.headers else None for item in deliveries]
    columns["payload"] = [item.payload for item in deliveries]
    columns["received_at"] = [item.received_at for item in deliveries]
    columns["ingest_day"] = [at.date()] * len(ids)
    return columns


def _decide(
    columns: Columns,
    own: str,
    delivery: Delivery,
    message: Parsed,
    findings: Sequence[Finding],
    outcome: str,
    duplicates: int,
    at: datetime,
) -> None:
    columns["message_id"].append(own)
    columns["stream"].append(delivery.stream)
    columns["outcome"].append(outcome)
    columns["format"].append(message.type or None)
    columns["events"].append(len(message.events))
    columns["duplicates"].append(duplicates)
    columns["findings"].append(
        _dump([{"severity": f.severity, "rule": f.code, "place": f.path, "text": f.message} for f in findings])
        if findings
        else None
    )
    columns["control"].append(_dump(message.control) if message.control else None)
    columns["decided_at"].append(at)


def _hold(
    columns: Columns, own: str, delivery: Delivery, finding: Finding, payload: bytes | None, at: datetime
) -> None:
    for name, value in zip(
        _QUARANTINE, (own, delivery.stream, finding.code, finding.path, finding.message, payload, at), strict=True
    ):
        columns[name].append(value)


def _events(booked: list[tuple[str, str, PaymentEvent]], at: datetime) -> Columns:
    events = [event for _, _, event in booked]
    columns: Columns = {
        "event_key": [item.event_key for item in events],
        "content_hash": [item.content_hash for item in events],
        "message_id": [own for own, _, _ in booked],
        "stream": [stream for _, stream, _ in booked],
        "family": [item.family for item in events],
        "kind": [item.kind.value for item in events],
        "sender": [item.sender or None for item in events],
        "message_ref": [item.message_id or None for item in events],
        "ordinal": [item.ordinal for item in events],
        "payment_key": [item.payment_key for item in events],
        "amount": [item.amount.amount if item.amount else None for item in events],
        "currency": [item.amount.currency if item.amount else None for item in events],
        "extra": [_dump(kept) if (kept := _kept(item)) else None for item in events],
        "ingested_at": [at] * len(events),
    }
    for name in _SAME:
        columns[name] = [getattr(item, name) for item in events]
    return columns


def _kept(event: PaymentEvent) -> dict[str, str]:
    """What the event says and the table has no column for: the model's other fields by name, and its `extra` by path."""
    kept = dict(event.extra)
    for name, value in vars(event).items():
        if value is not None and name not in _COLUMNS:
            kept[name] = value if value.__class__ is str else canonical(value)
    return kept


_SAME = tuple(
    "uetr end_to_end_id instruction_id value_date status reason reporter event_time debtor_account creditor_account "
    "batch_id".split()
)
_COLUMNS = frozenset(
    (
        *_SAME,
        "event_key",
        "content_hash",
        "family",
        "kind",
        "sender",
        "message_id",
        "ordinal",
        "payment_key",
        "amount",
        "extra",
    )
)
