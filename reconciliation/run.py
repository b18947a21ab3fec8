"""One reconciliation run: pin, tables, feeds, expectations, planted differences, one verdict.

Pure of adapters: `cutwater.commands.reconcile` brings the sides. The pin is held only while tables are read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cutwater.core.clock import Clock, iso, parse_iso, utc_now
from cutwater.core.errors import CutwaterError
from cutwater.core.progress import Progress, Silent
from inventory.model import TableMapping
from reconciliation.basis import Basis
from reconciliation.breaks import Break, carry_over
from reconciliation.cases import ExpectationResult, check_expectations, read_recent, read_rows, whole_batches
from reconciliation.compare import CompareOptions, TableResult, Verdict, compare_table, worst
from reconciliation.feed_run import FeedRun, explain_control_totals, shorten
from reconciliation.feeds import FeedResult
from reconciliation.options import ReconcileOptions
from reconciliation.ports import CopySide, FeedView, PinnedPair, Pinner, RecentSide, TableSide
from reconciliation.selfcheck import SelfCheck, check_table
from reconciliation.selfcheck_feeds import check_feeds


@dataclass(frozen=True)
class NotChecked:
    """What no verdict covers. declared: known beforehand and accepted, so it does not make the run INCONCLUSIVE."""

    what: str
    why: str
    declared: bool


@dataclass
class RunResult:
    """Everything that the evidence and the report are made from."""

    run: str
    wave: str
    started_at: datetime
    verdict: Verdict = Verdict.INCONCLUSIVE
    as_of: str = ""
    pg_snapshot: str = ""  # what the source was seen by, for a run that follows
    basis: Basis | None = None  # what this run stands on
    source_pin: str = ""
    target_pin: str = ""
    snapshots: dict[str, str] = field(default_factory=dict)
    lake_pins: dict[str, str] = field(default_factory=dict)
    tables: list[TableResult] = field(default_factory=list)
    feeds: list[FeedResult] = field(default_factory=list)
    expectations: list[ExpectationResult] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)
    not_checked: list[NotChecked] = field(default_factory=list)
    self_check: SelfCheck = field(default_factory=SelfCheck)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def open_breaks(self) -> list[Break]:
        return [item for item in self.breaks if item.blocking]


@dataclass(frozen=True)
class Context:
    """What a run needs beside its two sides. previous: the breaks of the run before, for first-seen and closing."""

    run: str
    settings: ReconcileOptions = field(default_factory=ReconcileOptions)
    previous: Sequence[Break] = ()
    clock: Clock = utc_now
    pause: Callable[[float], None] = time.sleep
    progress: Progress = field(default_factory=Silent)
    other_assets: Sequence[str] = ()  # assets of the wave that are neither table nor feed
    basis: Basis | None = None  # sides and feed view then hold what was touched since it, and a few rows more


def reconcile(
    wave: str,
    mappings: Sequence[TableMapping],
    feeds: Sequence[str],
    source: TableSide,
    target: TableSide,
    pinner: Pinner,
    feed_view: FeedView | None,
    options: Context,
) -> RunResult:
    """Runs all levels and gives one verdict. Never raises for what a side cannot answer."""
    result = RunResult(options.run, wave, options.clock(), basis=options.basis)
    with ThreadPoolExecutor(1, thread_name_prefix="feeds") as pool:
        # Of a run that follows a basis the feeds are looked at while the tables are read: somebody may be waiting for it.
        run = feed_run(feeds, feed_view, options) if feed_view is not None and feeds else None
        ahead = pool.submit(_waited, run) if run is not None and options.basis is not None else None
        rows = _pinned_part(result, mappings, feeds, (source, target), pinner, options)
        if run is not None and feed_view is not None:
            with _timed(result, "feeds"):
                _feeds(result, run, feed_view, mappings, rows, options, ahead)
        elif feeds:
            result.not_checked.extend(NotChecked(item, "no view of the feeds was given", False) for item in feeds)
    for asset in options.other_assets:
        gap = options.settings.gap(asset)
        result.not_checked.append(
            NotChecked(asset, gap or "this version does not compare such assets", gap is not None)
        )
    _conclude(result, options)
    return result


def feed_run(feeds: Sequence[str], view: FeedView, options: Context) -> FeedRun:
    """One look at the feeds of a run."""
    return FeedRun(sorted(feeds), view, options.settings, options.clock, options.pause, options.basis is not None)


def _waited(run: FeedRun) -> set[str]:
    """The sources' ends, and the streams that the lake did not bring up to them in time."""
    run.look()
    return run.wait()


def _pinned_part(
    result: RunResult,
    mappings: Sequence[TableMapping],
    feeds: Sequence[str],
    sides: tuple[TableSide, TableSide],
    pinner: Pinner,
    options: Context,
) -> dict[str, list[Mapping[str, Any]]]:
    """Everything that is read at the pin: the tables' results, and rows for the expectations."""
    source, target = sides
    rows: dict[str, list[Mapping[str, Any]]] = {}
    started = time.monotonic()
    with _timed(result, "pin and tables"):
        try:
            with pinner.pinned(mappings) as pair:
                _note_pins(result, pair)
                result.seconds["pin"] = round(time.monotonic() - started, 3)
                _tables(result, mappings, source, target, pair, options)
                rows = _rows(mappings, feeds, source, pair, options)
        except CutwaterError as error:
            _unread(result, mappings, str(error))
    return rows


def _rows(
    mappings: Sequence[TableMapping], feeds: Sequence[str], source: TableSide, pair: PinnedPair, options: Context
) -> dict[str, list[Mapping[str, Any]]]:
    """What the expectations have to be held against."""
    if options.basis is not None and isinstance(source, RecentSide):
        since = options.basis.since(options.settings)
        return read_recent(options.settings, mappings, feeds, source, pair, since)
    return read_rows(options.settings, mappings, feeds, source, pair)


def _tables(
    result: RunResult,
    mappings: Sequence[TableMapping],
    source: TableSide,
    target: TableSide,
    pair: PinnedPair,
    options: Context,
) -> None:
    settings = options.settings
    limits = CompareOptions(settings.max_breaks_per_asset, frozenset(settings.allow_empty))
    task = options.progress.task("tables compared", len(mappings), "tables")
    for mapping in sorted(mappings, key=lambda item: item.asset_id):
        found = compare_table(mapping, source, target, pair, limits)
        result.tables.append(found)
        if isinstance(target, CopySide) and found.source_digests:
            check_table(result.self_check, mapping, source, target, target, pair, found, settings.planted_per_table)
        task.advance(1, f"{mapping.asset_id} {found.verdict.value}")


def _unread(result: RunResult, mappings: Sequence[TableMapping], why: str) -> None:
    """Every table that was not reached stands in the result, with the reason."""
    done = {item.asset for item in result.tables}
    for mapping in sorted(mappings, key=lambda item: item.asset_id):
        if mapping.asset_id not in done:
            result.tables.append(TableResult(mapping.asset_id, mapping.target, why=why))
    if len(done) == len(mappings):
        result.not_checked.append(NotChecked("the pinned source", why, False))


def _feeds(
    result: RunResult,
    run: FeedRun,
    view: FeedView,
    mappings: Sequence[TableMapping],
    rows: Mapping[str, list[Mapping[str, Any]]],
    options: Context,
    ahead: Future[set[str]] | None,
) -> None:
    basis = options.basis
    try:
        lagging = ahead.result() if ahead is not None else _waited(run)
        result.lake_pins = run.pins
        result.feeds = run.results(lagging)
        known = [mapping.asset_id.split(":", 1)[1] for mapping in mappings]
        as_of = parse_iso(result.as_of) if result.as_of else run.looked_at
        since = basis.since(options.settings) if basis is not None else None
        result.expectations = check_expectations(
            options.settings, run.streams, known, rows, view.lake, as_of, lagging, since
        )
        explain_control_totals(result.feeds, whole_batches(result.expectations, rows))
        shorten(result.feeds, options.settings.max_breaks_per_asset)
        check_feeds(result.self_check, result.feeds, run, view)
    except CutwaterError as error:
        done = {item.stream for item in result.feeds}
        result.not_checked.extend(NotChecked(item, str(error), False) for item in run.streams if item not in done)


def _conclude(result: RunResult, options: Context) -> None:
    """One verdict; every reason not to pass is written down as a sentence."""
    parts: list[TableResult | FeedResult | ExpectationResult] = [*result.tables, *result.feeds, *result.expectations]
    found = [item for part in parts for item in part.breaks]
    for part in parts:
        if part.verdict is Verdict.INCONCLUSIVE:
            name = _name(part)
            gap = options.settings.gap(name)
            result.not_checked.append(NotChecked(name, part.why, gap is not None))
    result.breaks = carry_over(found, options.previous, result.run, options.clock(), _judged(result))
    verdicts: list[Verdict] = [part.verdict for part in parts if part.verdict is not Verdict.INCONCLUSIVE]
    if result.open_breaks:
        verdicts.append(Verdict.FAIL)
    if any(not item.declared for item in result.not_checked):
        verdicts.append(Verdict.INCONCLUSIVE)
    if not result.self_check.passed:
        verdicts.append(Verdict.INCONCLUSIVE)
    result.verdict = worst(verdicts)
    result.breaks = [replace(item, run=item.run or result.run) for item in result.breaks]


def _name(part: TableResult | FeedResult | ExpectationResult) -> str:
    if isinstance(part, TableResult):
        return part.asset
    return part.stream if isinstance(part, FeedResult) else part.name


def _judged(result: RunResult) -> frozenset[str]:
    """Assets whose checks all came to an end: only there may a break that is not found any more be closed.

    A run that follows a basis does not look at everything again: what was known stays as it was.
    """
    if result.basis is not None:
        return frozenset()
    open_ended = {item.asset for item in result.tables if item.verdict is Verdict.INCONCLUSIVE or item.not_listed}
    open_ended |= {item.stream for item in result.feeds if item.verdict is Verdict.INCONCLUSIVE}
    for item in result.expectations:
        if item.verdict is Verdict.INCONCLUSIVE:
            open_ended |= set(item.streams)
    every = {item.asset for item in result.tables} | {item.stream for item in result.feeds}
    every |= {name for item in result.expectations for name in item.streams}
    return frozenset(every - open_ended)


def _note_pins(result: RunResult, pair: PinnedPair) -> None:
    result.as_of = pair.as_of or iso(result.started_at)
    result.pg_snapshot = str(pair.source.handle.get("pg_snapshot", ""))
    result.source_pin = f"{pair.source.kind} {pair.source.position}"
    result.snapshots = {name: str(number) for name, number in sorted(pair.target.handle.get("snapshots", {}).items())}
    result.target_pin = f"{pair.target.kind} {pair.target.position}"


class _timed:
    """Notes the seconds of a phase."""

    def __init__(self, result: RunResult, name: str) -> None:
        self.result, self.name, self.started = result, name, time.monotonic()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self.result.seconds[self.name] = round(time.monotonic() - self.started, 3)
