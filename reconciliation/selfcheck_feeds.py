"""Planted differences for feeds: a lost record, a lost file, an altered file, a missing number, in copies of the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from cutwater.core.errors import CutwaterError
from reconciliation import feeds
from reconciliation.breaks import BreakClass
from reconciliation.feed_run import FeedRun
from reconciliation.feeds import FeedResult
from reconciliation.ports import FeedView, LakeMessage, SourceFile
from reconciliation.selfcheck import SelfCheck


def check_feeds(check: SelfCheck, results: Sequence[FeedResult], run: FeedRun, view: FeedView) -> None:
    """Plants a lost offset, a lost file, an altered file and a missing number in copies of each feed's own input."""
    for result in results:
        end = run.ends[result.stream]
        try:
            if end.offsets:
                _lost_offset(check, result, end.offsets, view.lake.offsets(result.stream))
            elif end.files:
                _lost_files(check, result, end.files, view.lake.messages(result.stream))
        except CutwaterError as error:
            check.missed.append(f"{result.stream}: the self-check could not run: {error}")


def _lost_offset(
    check: SelfCheck, result: FeedResult, ends: Mapping[int, tuple[int, int]], runs: Mapping[int, feeds.Runs]
) -> None:
    for number, (begin, end) in sorted(ends.items()):
        held = [run for run in runs.get(number, ()) if min(run[1], end) - max(run[0], begin) > 2]
        if not held:
            continue
        first, past = held[0]
        hole = (max(first, begin) + min(past, end)) // 2
        cut = {**runs, number: [(first, hole), (hole + 1, past), *(run for run in runs[number] if run != held[0])]}
        found = feeds.offset_breaks(
            result.stream, ends, cut, lambda _, missing: [at for a, b in missing for at in range(a, b)]
        )
        key = f"partition {number} offset {hole}"
        check.count("lost record", any(item.key == key for item in found), f"{result.stream} {key}")


def _lost_files(
    check: SelfCheck, result: FeedResult, files: Sequence[SourceFile], messages: Sequence[LakeMessage]
) -> None:
    late = datetime.max.replace(tzinfo=UTC)
    known = {feeds.basename(item.name) for item in messages}
    chosen = next((item for item in files if feeds.basename(item.name) in known), None)
    if chosen is None:
        return
    name = feeds.basename(chosen.name)
    without = [item for item in messages if feeds.basename(item.name) != name]
    lost = feeds.file_breaks(result.stream, files, without, late)
    check.count("lost file", any(b.cls is BreakClass.MISSING_IN_TARGET and b.key == name for b in lost), result.stream)
    other = [replace(item, sha256="0" * 64) if feeds.basename(item.name) == name else item for item in messages]
    changed = feeds.file_breaks(result.stream, files, other, late)
    check.count("altered file", any(b.field == "sha256" and b.key == name for b in changed), result.stream)
    _lost_number(check, result, files, messages, late)


def _lost_number(
    check: SelfCheck, result: FeedResult, files: Sequence[SourceFile], messages: Sequence[LakeMessage], late: datetime
) -> None:
    numbered = {(item.lt, item.session, item.sequence) for item in files if item.lt and item.sequence is not None}
    for lt, session, number in sorted(numbered, key=str):
        if number is None or not {(lt, session, number - 1), (lt, session, number + 1)} <= numbered:
            continue

        def keep(item: SourceFile | LakeMessage, gone: tuple[str, str, int] = (lt, session, number)) -> bool:
            return (item.lt, item.session, item.sequence) != gone

        found = feeds.sequence_breaks(
            result.stream, [f for f in files if keep(f)], [m for m in messages if keep(m)], late
        )
        key = f"{lt} session {session} {number}"
        check.count("sequence gap", any(item.key == key for item in found), f"{result.stream} {key}")
        return
