"""Brings the declared expectations their rows and events, and keeps what came out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cutwater.core.errors import CutwaterError
from inventory.model import TableMapping
from reconciliation.basis import OVERLAP
from reconciliation.breaks import Break
from reconciliation.compare import Verdict
from reconciliation.expectations import Outcome, batch_events, row_events, status_events
from reconciliation.feeds import basename, cutoff_at
from reconciliation.options import BatchEvents, Expectation, ReconcileOptions, RowEvents, StatusEvents
from reconciliation.ports import LakeFeeds, PinnedPair, RecentSide, TableSide

Rows = Mapping[str, list[Mapping[str, Any]]]


@dataclass
class ExpectationResult:
    """What one expectation found over the full population."""

    name: str
    streams: tuple[str, ...]
    rule: Expectation
    verdict: Verdict = Verdict.INCONCLUSIVE
    why: str = ""
    judged: int = 0
    pending: int = 0
    breaks: list[Break] = field(default_factory=list)
    seconds: float = 0.0


def columns_needed(rule: Expectation) -> dict[str, set[str]]:
    """Table -> the columns that an expectation reads."""
    if isinstance(rule, StatusEvents):
        return {
            rule.table: {rule.through.join, rule.status, rule.at},
            rule.through.table: {rule.through.join, rule.through.key},
        }
    if isinstance(rule, RowEvents):
        return {rule.table: {rule.key, rule.at} | {name for name in (rule.amount, rule.currency) if name}}
    part = rule.members
    mine = {part.join, rule.feed, rule.file_name, rule.count, rule.total, rule.at}
    theirs = {part.join, part.key, part.amount} | {match.source for match in part.match}
    return {rule.table: mine, part.table: theirs | ({part.currency} if part.currency else set())}


def applicable(settings: ReconcileOptions, feeds: Sequence[str]) -> list[Expectation]:
    """The expectations about feeds of this wave."""
    return [rule for rule in settings.expectations if set(rule.streams) & set(feeds)]


def read_rows(
    settings: ReconcileOptions,
    mappings: Sequence[TableMapping],
    feeds: Sequence[str],
    source: TableSide,
    pair: PinnedPair,
) -> dict[str, list[Mapping[str, Any]]]:
    """The columns that the expectations need, at the pin: table -> rows. A table outside the wave is left out."""
    needed: dict[str, set[str]] = {}
    for rule in applicable(settings, feeds):
        for table, columns in columns_needed(rule).items():
            needed.setdefault(table, set()).update(columns)
    by_name = {mapping.asset_id.split(":", 1)[1]: mapping for mapping in mappings}
    return {
        table: list(source.rows(_narrowed(by_name[table], columns), pair.source, 1, [0]))
        for table, columns in sorted(needed.items())
        if table in by_name and columns <= {item.name for item in by_name[table].columns}
    }


def read_recent(
    settings: ReconcileOptions,
    mappings: Sequence[TableMapping],
    feeds: Sequence[str],
    source: RecentSide,
    pair: PinnedPair,
    since: datetime,
) -> dict[str, list[Mapping[str, Any]]]:
    """As `read_rows`, of a run that follows a basis: rows since then, and what they belong to or consist of."""
    by_name = {mapping.asset_id.split(":", 1)[1]: mapping for mapping in mappings}
    kept: dict[str, dict[tuple[Any, ...], Mapping[str, Any]]] = {}
    every: dict[str, set[str]] = {}  # rows are shared by the rules: each has what any of them reads
    for rule in applicable(settings, feeds):
        for name, columns in columns_needed(rule).items():
            every.setdefault(name, set()).update(columns)
    for rule in applicable(settings, feeds):
        needed = columns_needed(rule)
        if not all(name in by_name and every[name] <= _names(by_name[name]) for name in needed):
            continue
        early = since - OVERLAP  # context: clocks of rows and of events need not agree to the second
        table = _narrowed(by_name[rule.table], every[rule.table])
        mine = list(source.since(table, pair.source, rule.at, early))
        _keep(kept, table, mine)
        other = (
            rule.through if isinstance(rule, StatusEvents) else rule.members if isinstance(rule, BatchEvents) else None
        )
        if other is not None:
            values = sorted({row[other.join] for row in mine if row[other.join] is not None}, key=str)
            table = _narrowed(by_name[other.table], every[other.table])
            _keep(kept, table, source.having(table, pair.source, other.join, values) if values else ())
    return {table: list(rows.values()) for table, rows in kept.items()}


def _keep(
    kept: dict[str, dict[tuple[Any, ...], Mapping[str, Any]]], mapping: TableMapping, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Each row once: two expectations may ask for the same one."""
    mine = kept.setdefault(mapping.asset_id.split(":", 1)[1], {})
    for number, row in enumerate(rows):
        mine[tuple(row[name] for name in mapping.key) or (number,)] = row


def _names(mapping: TableMapping) -> set[str]:
    return {item.name for item in mapping.columns}


def _narrowed(mapping: TableMapping, columns: set[str]) -> TableMapping:
    kept = tuple(item for item in mapping.columns if item.name in columns or item.name in mapping.key)
    return replace(mapping, columns=kept)


def check_expectations(
    settings: ReconcileOptions,
    feeds: Sequence[str],
    tables: Sequence[str],
    rows: Rows,
    lake: LakeFeeds,
    as_of: datetime,
    lagging: set[str],
    since: datetime | None = None,
) -> list[ExpectationResult]:
    """Every applicable expectation; one whose table or feed was not read to the end is INCONCLUSIVE.

    since: of a run that follows a basis; then it is no fault that nothing was judged.
    """
    return [_checked(rule, settings, rows, lake, as_of, lagging, since) for rule in applicable(settings, feeds)]


def _checked(
    rule: Expectation,
    settings: ReconcileOptions,
    rows: Rows,
    lake: LakeFeeds,
    as_of: datetime,
    lagging: set[str],
    since: datetime | None,
) -> ExpectationResult:
    started = time.monotonic()
    result = ExpectationResult(f"{rule.table} -> {', '.join(rule.streams)}", rule.streams, rule)
    absent = sorted(set(columns_needed(rule)) - set(rows))
    late = sorted(set(rule.streams) & lagging)
    if absent:
        result.why = f"{', '.join(absent)} was not read at the pin"
        return result
    if late:
        result.why = f"{', '.join(late)} did not reach the stated end"
        return result
    try:
        outcome = _evaluate(rule, settings, rows, lake, as_of, since)
    except CutwaterError as error:
        result.why = str(error)
        return result
    result.judged, result.pending, result.breaks = outcome.judged, outcome.pending, outcome.breaks
    result.breaks = result.breaks[: settings.max_breaks_per_asset]
    result.verdict = Verdict.FAIL if outcome.breaks else Verdict.PASS
    nothing = not outcome.judged and not outcome.breaks and since is None
    if nothing and rule.table not in settings.allow_empty:
        result.verdict, result.why = Verdict.INCONCLUSIVE, "no row was judged"
    result.seconds = time.monotonic() - started
    return result


def _evaluate(
    rule: Expectation,
    settings: ReconcileOptions,
    rows: Rows,
    lake: LakeFeeds,
    as_of: datetime,
    since: datetime | None,
) -> Outcome:
    events = lake.events(rule.streams, rule.event_kind)
    cutoff = cutoff_at(as_of, max(settings.grace(stream) for stream in rule.streams))
    if isinstance(rule, StatusEvents):
        return status_events(rule, rows[rule.table], rows[rule.through.table], events, cutoff, since)
    if isinstance(rule, RowEvents):
        return row_events(rule, rows[rule.table], events, cutoff, since)
    files = {basename(item.name): item.message_id for stream in rule.streams for item in lake.messages(stream)}
    return batch_events(rule, rows[rule.table], rows[rule.members.table], events, files, cutoff, since)


def whole_batches(results: Sequence[ExpectationResult], rows: Rows) -> dict[str, str]:
    """Files of batches of which every payment was found with its amount: file name -> why."""
    whole: dict[str, str] = {}
    for result in results:
        rule = result.rule
        if not isinstance(rule, BatchEvents) or result.verdict is Verdict.INCONCLUSIVE:
            continue
        members: dict[Any, list[str]] = {}
        for row in rows[rule.members.table]:
            members.setdefault(row[rule.members.join], []).append(f"{rule.members.key}={row[rule.members.key]}")
        broken = {item.key for item in result.breaks}
        for batch in rows[rule.table]:
            of_batch = members.get(batch[rule.members.join], [])
            if of_batch and not broken & set(of_batch) and str(batch[rule.file_name]) not in broken:
                whole[str(batch[rule.file_name])] = f"all {len(of_batch)} payments of the batch have their line by now"
    return whole
