"""The feeds of a run: source ends first, then a bounded wait for the lake, then the checks.

What the lake did not reach in time is INCONCLUSIVE for that feed: a stalled tap is not a lost message, and not a pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cutwater.core.clock import iso, parse_iso
from cutwater.core.errors import CutwaterError
from reconciliation import feeds as check
from reconciliation.breaks import EXPLAINED, Break
from reconciliation.compare import Verdict
from reconciliation.feeds import FeedResult
from reconciliation.options import ReconcileOptions
from reconciliation.ports import FeedView, SourceFile

SOURCES = 4  # that are asked at the same time


@dataclass
class SourceEnd:
    """Up to where one feed's source was looked at."""

    offsets: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    files: Sequence[SourceFile] = ()
    error: str = ""


class FeedRun:
    """One look at a wave's feeds, up to the points that `look` found."""

    def __init__(
        self,
        streams: Sequence[str],
        view: FeedView,
        options: ReconcileOptions,
        now: Callable[[], datetime],
        pause: Callable[[float], None] = time.sleep,
        follows: bool = False,
    ) -> None:
        self.streams, self.view, self.options, self.now, self.pause = list(streams), view, options, now, pause
        self.follows = follows  # a basis: that a feed had nothing since is no fault
        self.ends: dict[str, SourceEnd] = {}
        self.looked_at = now()
        self.pins: dict[str, str] = {}

    def look(self) -> None:
        """Reads every source's end; a source that does not answer is remembered as an error."""
        self.looked_at = self.now()
        with ThreadPoolExecutor(SOURCES, thread_name_prefix="feeds") as pool:  # none waits for another's answer
            self.ends = dict(zip(self.streams, pool.map(self._end, self.streams), strict=True))

    def _end(self, stream: str) -> SourceEnd:
        try:
            if stream.startswith("kafka:"):
                return SourceEnd(offsets=self.view.sources.ends(stream))
            return SourceEnd(files=self.view.sources.files(stream))
        except CutwaterError as error:
            return SourceEnd(error=str(error))

    def wait(self) -> set[str]:
        """Polls the lake until it has passed every end, or the time is up; returns the streams that lag."""
        deadline = self.now() + timedelta(seconds=self.options.feed_wait_seconds)
        while True:
            self.pins = dict(self.view.lake.refresh())
            lagging = {stream for stream in self.streams if not self.ends[stream].error and not self._passed(stream)}
            if not lagging or self.now() >= deadline:
                return lagging
            self.pause(0.5)

    def results(self, lagging: set[str]) -> list[FeedResult]:
        """The checks of every feed."""
        return [self._result(stream, stream in lagging) for stream in self.streams]

    def _passed(self, stream: str) -> bool:
        end = self.ends[stream]
        if stream.startswith("kafka:"):
            runs = self.view.lake.offsets(stream)
            if check.offsets_passed(end.offsets, runs):
                return True
            return not any(self._tail(stream, number, runs.get(number, ())) for number in end.offsets)
        return not check.files_missing(end.files, self.view.lake.messages(stream))

    def _tail(self, stream: str, number: int, runs: check.Runs) -> bool:
        """Whether records (not transaction markers) stand between the lake's last offset and the stated end."""
        begin, past = self.ends[stream].offsets[number]
        reached = max((stop for _, stop in runs), default=begin)
        tail = [(max(reached, begin), past)] if reached < past else []
        return bool(tail and self.view.sources.missing_really(stream, number, tail))

    def _result(self, stream: str, lags: bool) -> FeedResult:
        started = time.monotonic()
        result, end = FeedResult(stream), self.ends[stream]
        if end.error:
            result.why = f"the source could not be looked at: {end.error}"
            return result
        try:
            (self._of_topic if stream.startswith("kafka:") else self._of_files)(result, end, lags)
            self._intake(result)
        except CutwaterError as error:
            result.why = str(error)
        else:
            result.verdict, result.why = self._verdict(result, lags)
        result.seconds = time.monotonic() - started
        return result

    def _of_topic(self, result: FeedResult, end: SourceEnd, lags: bool) -> None:
        stream, runs = result.stream, self.view.lake.offsets(result.stream)
        result.past = {number: past for number, (_, past) in end.offsets.items()}
        result.point = ", ".join(f"{number}:{past}" for number, (_, past) in sorted(end.offsets.items()))
        result.source = sum(past - begin for begin, past in end.offsets.values())
        reached = {number: max((stop for _, stop in runs.get(number, ())), default=0) for number in end.offsets}
        # Above the lake's last offset nothing can be called lost while the tap lags: that part is pending.
        judged = {
            number: (begin, min(past, max(reached[number], begin)) if lags else past)
            for number, (begin, past) in end.offsets.items()
        }
        result.pending = sum(past - judged[number][1] for number, (_, past) in end.offsets.items())
        result.lake = sum(_within(runs.get(number, ()), bounds) for number, bounds in judged.items())

        def really(number: int, missing: check.Runs) -> Sequence[int]:
            return self.view.sources.missing_really(stream, number, missing)

        result.breaks.extend(check.offset_breaks(stream, judged, runs, really))
        result.checks.append("offsets contiguous per partition from the first one kept to the stated end")

    def _of_files(self, result: FeedResult, end: SourceEnd, lags: bool) -> None:
        stream, messages = result.stream, self.view.lake.messages(result.stream)
        cutoff = self._cutoff(stream)
        result.files = tuple(end.files)
        result.point = f"{len(end.files)} files listed at {iso(self.looked_at)[:19]}Z"
        missing = check.files_missing(end.files, messages)
        result.absent = frozenset(check.basename(item.name) for item in missing)
        result.source, result.lake = len(end.files), len(end.files) - len(missing)
        result.pending = sum(1 for item in missing if parse_iso(item.modified_at) >= cutoff)
        result.breaks.extend(check.file_breaks(stream, end.files, messages, cutoff))
        result.checks.append("every file by name and SHA-256")
        if stream.startswith("swift:"):
            result.breaks.extend(check.sequence_breaks(stream, end.files, messages, cutoff))
            result.checks.append("sequence contiguous per logical terminal and session")

    def _intake(self, result: FeedResult) -> None:
        intake = self.view.lake.intake(result.stream)
        result.outcomes = dict(sorted(intake.outcomes.items()))
        result.breaks.extend(check.intake_breaks(result.stream, intake, self._cutoff(result.stream)))
        result.checks.append("received = accepted + duplicate + conflict + quarantined + control")
        undecided = result.outcomes.get("", 0)
        if sum(result.outcomes.values()) != intake.messages:
            result.why = f"{intake.messages} messages were received, {sum(result.outcomes.values())} outcomes are known"
        result.pending += undecided

    def _cutoff(self, stream: str) -> datetime:
        return check.cutoff_at(self.looked_at, self.options.grace(stream))

    def _verdict(self, result: FeedResult, lags: bool) -> tuple[Verdict, str]:
        if any(item.blocking for item in result.breaks):
            return Verdict.FAIL, ""
        if result.why:
            return Verdict.INCONCLUSIVE, result.why
        if lags:
            text = f"the lake did not reach the stated end within {self.options.feed_wait_seconds} s"
            return Verdict.INCONCLUSIVE, text
        if not result.source and not self.follows and result.stream not in self.options.allow_empty:
            return Verdict.INCONCLUSIVE, "the source holds no message: nothing was checked (allow_empty accepts that)"
        return Verdict.PASS, ""


def explain_control_totals(results: Sequence[FeedResult], whole: Mapping[str, str]) -> None:
    """A file whose own totals disagree is explained once every payment of its batch has its line.

    whole: file name -> why. The finding stays in the report; it does not block any more.
    """
    for result in results:
        result.breaks = [_explained(item, whole) for item in result.breaks]
        if result.verdict is Verdict.FAIL and not any(item.blocking for item in result.breaks):
            result.verdict = Verdict.INCONCLUSIVE if result.why else Verdict.PASS


def shorten(results: Sequence[FeedResult], most: int) -> None:
    """Lists at most `most` breaks of a feed, what blocks first: after the verdict, which rests on all of them."""
    for result in results:
        result.breaks = sorted(result.breaks, key=lambda item: not item.blocking)[:most]


def _explained(item: Break, whole: Mapping[str, str]) -> Break:
    if item.field == "control_total" and item.key in whole:
        return replace(item, state=EXPLAINED, reason=whole[item.key])
    return item


def _within(runs: check.Runs, bounds: tuple[int, int]) -> int:
    begin, past = bounds
    return sum(max(0, min(stop, past) - max(first, begin)) for first, stop in runs)
