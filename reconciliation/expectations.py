"""What tables and feeds must tell of each other: declared as data, checked over the full population.

Pure: rows of the pinned source and events of the lake in, breaks out. Absent inside the grace is pending, not a break.
since: where a run follows a basis, what is older was judged there: it only serves to find what belongs together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from cutwater.core.money import EXACT
from reconciliation.breaks import Break, BreakClass
from reconciliation.options import BatchEvents, Match, RowEvents, StatusEvents
from reconciliation.ports import LakeEvent
from reconciliation.status import RANK, direction

Row = Mapping[str, Any]


@dataclass
class Outcome:
    """What one expectation found: rows judged, rows inside the grace, breaks."""

    judged: int = 0
    pending: int = 0
    breaks: list[Break] = field(default_factory=list)


def status_events(
    rule: StatusEvents,
    statuses: Iterable[Row],
    owners: Iterable[Row],
    events: Sequence[LakeEvent],
    cutoff: datetime,
    since: datetime | None = None,
) -> Outcome:
    """Each status that is older than the cutoff has its event; one break per payment, by its latest such status."""
    outcome, asset = Outcome(), rule.streams[0]
    keys = {row[rule.through.join]: str(row[rule.through.key]) for row in owners}
    there: Counter[tuple[str, str]] = Counter()
    best: dict[str, str] = {}
    for event in events:
        there[event.uetr, event.status] += 1
        if RANK.get(event.status, 0) >= RANK.get(best.get(event.uetr, ""), 0):
            best[event.uetr] = event.status
    missing: dict[str, list[Row]] = defaultdict(list)
    last: dict[str, Row] = {}
    for row in statuses:
        key = keys.get(row[rule.through.join], f"{rule.through.join}={row[rule.through.join]}")
        if key not in last or row[rule.at] >= last[key][rule.at]:
            last[key] = row
        found = there[key, str(row[rule.status])]
        if found:
            there[key, str(row[rule.status])] -= 1
        if since is not None and row[rule.at] < since:
            continue
        if not found and row[rule.at] >= cutoff:
            outcome.pending += 1
            continue
        outcome.judged += 1
        if not found:
            missing[key].append(row)
    for key, rows in sorted(missing.items()):
        row = max(rows, key=lambda item: item[rule.at])
        text = f"{row[rule.status]} of {row[rule.at]:%Y-%m-%d %H:%M:%S} has no event"
        more = f", nor have {len(rows) - 1} more" if len(rows) > 1 else ""
        latest = best.get(key, "no status at all")
        outcome.breaks.append(
            Break(
                BreakClass.STATUS_MISMATCH,
                asset,
                f"uetr={key}",
                "behind",
                f"{text}{more}",
                str(last[key][rule.status]),
                latest,
            )
        )
    told = [event for event in events if since is None or event.event_time is None or event.event_time >= since]
    outcome.breaks.extend(_ahead(asset, rule, there, told, last, cutoff))
    return outcome


def _ahead(
    asset: str,
    rule: StatusEvents,
    left: Counter[tuple[str, str]],
    events: Sequence[LakeEvent],
    last: Mapping[str, Row],
    cutoff: datetime,
) -> Iterator[Break]:
    """Events that no row of the source explains."""
    for event in events:
        if left[event.uetr, event.status] <= 0 or event.event_time is None or event.event_time >= cutoff:
            continue
        left[event.uetr, event.status] -= 1
        row = last.get(event.uetr)
        if row is None:
            text = f"an event says {event.status}; the source does not know the payment"
            yield Break(BreakClass.MISSING_IN_SOURCE, asset, f"uetr={event.uetr}", "payment", text)
            continue
        way = direction(str(row[rule.status]), event.status)
        way = "conflict" if way == "behind" else way
        text = f"an event says {event.status}; the source has no such status"
        yield Break(
            BreakClass.STATUS_MISMATCH, asset, f"uetr={event.uetr}", way, text, str(row[rule.status]), event.status
        )


def row_events(
    rule: RowEvents,
    rows: Iterable[Row],
    events: Sequence[LakeEvent],
    cutoff: datetime,
    since: datetime | None = None,
) -> Outcome:
    """Each row that is older than the cutoff has exactly one event, of the same amount and currency."""
    outcome, asset = Outcome(), rule.streams[0]
    by_key: dict[str, list[LakeEvent]] = defaultdict(list)
    for event in events:
        by_key[event.uetr].append(event)
    for row in rows:
        key = str(row[rule.key])
        found = by_key.pop(key, [])
        if since is not None and row[rule.at] < since:
            continue
        amount = row[rule.amount] if rule.amount else None
        currency = str(row[rule.currency]) if rule.currency else ""
        if not found:
            if row[rule.at] >= cutoff:
                outcome.pending += 1
                continue
            gross, net = _money(currency, None if amount is None else -amount)
            text = f"the row of {row[rule.at]:%Y-%m-%d %H:%M:%S} has no event"
            outcome.breaks.append(
                Break(BreakClass.MISSING_IN_TARGET, asset, f"uetr={key}", "", text, gross=gross, net=net)
            )
        outcome.judged += 1
        for event in found[:1]:
            outcome.breaks.extend(_values(asset, key, amount, currency, event))
        if len(found) > 1:
            text = f"{len(found)} events tell of one row"
            gross, net = _money(currency, None if amount is None else amount * (len(found) - 1))
            outcome.breaks.append(
                Break(BreakClass.DUPLICATE_TARGET, asset, f"uetr={key}", "", text, gross=gross, net=net)
            )
    for key, left in sorted(by_key.items()):
        if since is not None and any(item.event_time is None or item.event_time < since for item in left):
            continue
        if all(item.event_time is not None and item.event_time < cutoff for item in left):
            gross, net = _money(left[0].currency, left[0].amount)
            text = "an event tells of a payment that the source does not know"
            outcome.breaks.append(
                Break(BreakClass.MISSING_IN_SOURCE, asset, f"uetr={key}", "", text, gross=gross, net=net)
            )
    return outcome


def _values(asset: str, key: str, amount: Decimal | None, currency: str, event: LakeEvent) -> Iterator[Break]:
    if amount is not None and event.amount != amount:
        delta = EXACT.subtract(event.amount or Decimal(0), amount)
        gross, net = _money(currency, delta)
        text = f"event - row = {delta}"
        yield Break(
            BreakClass.AMOUNT_MISMATCH, asset, f"uetr={key}", "amount", text, str(amount), str(event.amount), gross, net
        )
    if currency and event.currency != currency:
        yield Break(BreakClass.FIELD_MISMATCH, asset, f"uetr={key}", "currency", "", currency, event.currency)


def batch_events(
    rule: BatchEvents,
    batches: Iterable[Row],
    members: Iterable[Row],
    events: Sequence[LakeEvent],
    files: Mapping[str, str],
    cutoff: datetime,
    since: datetime | None = None,
) -> Outcome:
    """Each member of a batch has its line, whichever file brought it; the row's count and sum are its members'.

    files: file name -> id of the message that brought it. A payment without its line is named, and so is a line of the
    batch's file that belongs to no payment. A corrected file that follows closes what the first one lacked.
    """
    outcome = Outcome()
    told = _index(rule.members.match, events)
    of_batch: dict[Any, list[Row]] = defaultdict(list)
    explained: set[int] = set()
    for row in members:
        of_batch[row[rule.members.join]].append(row)
    of_message: dict[str, list[LakeEvent]] = defaultdict(list)
    for event in events:
        of_message[event.message_id].append(event)
    for batch in batches:
        if since is not None and batch[rule.at] < since:
            continue
        asset = f"file:{batch[rule.feed]}" if f"file:{batch[rule.feed]}" in rule.streams else rule.streams[0]
        if batch[rule.at] >= cutoff:
            outcome.pending += 1
            continue
        outcome.judged += 1
        rows = of_batch[batch[rule.members.join]]
        for row in rows:
            found = _find(rule.members.match, row, told)
            if found is None:
                outcome.breaks.append(_lost(rule, asset, batch, row))
            else:
                explained.add(id(found))
                outcome.breaks.extend(_line(rule, asset, row, found))
        outcome.breaks.extend(_stated(rule, asset, batch, rows))
        for event in of_message.get(files.get(str(batch[rule.file_name]), ""), []):
            if id(event) not in explained:
                outcome.breaks.append(_surplus(asset, batch[rule.file_name], event))
    return outcome


def _index(matches: Sequence[Match], events: Sequence[LakeEvent]) -> dict[tuple[str, str], LakeEvent]:
    fields = {match.event for match in matches}
    return {(name, getattr(event, name)): event for event in events for name in fields if getattr(event, name)}


def _find(matches: Sequence[Match], row: Row, told: Mapping[tuple[str, str], LakeEvent]) -> LakeEvent | None:
    for match in matches:
        text = str(row[match.source])
        found = told.get((match.event, text if match.length is None else text[: match.length]))
        if found is not None:
            return found
    return None


def _lost(rule: BatchEvents, asset: str, batch: Row, row: Row) -> Break:
    currency = str(row[rule.members.currency]) if rule.members.currency else ""
    gross, net = _money(currency, -row[rule.members.amount])
    key = f"{rule.members.key}={row[rule.members.key]}"
    text = f"{batch[rule.file_name]} has no line for it"
    return Break(BreakClass.MISSING_IN_TARGET, asset, key, "", text, gross=gross, net=net)


def _line(rule: BatchEvents, asset: str, row: Row, event: LakeEvent) -> Iterator[Break]:
    amount = row[rule.members.amount]
    if event.amount != amount:
        currency = str(row[rule.members.currency]) if rule.members.currency else event.currency
        delta = EXACT.subtract(event.amount or Decimal(0), amount)
        gross, net = _money(currency, delta)
        key = f"{rule.members.key}={row[rule.members.key]}"
        text = f"line - row = {delta}"
        yield Break(BreakClass.AMOUNT_MISMATCH, asset, key, "amount", text, str(amount), str(event.amount), gross, net)


def _stated(rule: BatchEvents, asset: str, batch: Row, rows: Sequence[Row]) -> Iterator[Break]:
    """The source against itself: what the batch's row states and what its members add up to."""
    name, total = str(batch[rule.file_name]), Decimal(0)
    for row in rows:
        total = EXACT.add(total, row[rule.members.amount])
    if len(rows) != batch[rule.count]:
        text = "the batch's row against its payments"
        yield Break(BreakClass.FIELD_MISMATCH, asset, name, "count", text, str(batch[rule.count]), str(len(rows)))
    if total != batch[rule.total]:
        text = "the batch's row against its payments"
        delta = EXACT.subtract(total, batch[rule.total])
        gross, net = _money(str(batch.get("currency") or ""), delta)
        yield Break(
            BreakClass.AMOUNT_MISMATCH, asset, name, "control_sum", text, str(batch[rule.total]), str(total), gross, net
        )


def _surplus(asset: str, file_name: object, event: LakeEvent) -> Break:
    gross, net = _money(event.currency, event.amount)
    text = f"{file_name} has a line that belongs to no payment of its batch"
    key = f"{file_name} {event.uetr or event.instruction_id}"
    return Break(BreakClass.MISSING_IN_SOURCE, asset, key, "line", text, gross=gross, net=net)


def _money(currency: str, amount: Decimal | None) -> tuple[dict[str, str], dict[str, str]]:
    return ({}, {}) if amount is None else ({currency: str(abs(amount))}, {currency: str(amount)})
