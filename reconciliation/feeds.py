"""Completeness of feeds: what the source had at a stated point against what the lake holds (payments.md, level 1).

The functions are pure: values in, breaks out. `feed_run` brings the values and waits for the lake.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cutwater.core.clock import parse_iso
from reconciliation.breaks import EXPLAINED, Break, BreakClass
from reconciliation.compare import Verdict
from reconciliation.ports import Intake, IntakeRow, LakeMessage, SourceFile

Runs = Sequence[tuple[int, int]]  # half-open [first, past)


@dataclass
class FeedResult:
    """What was found out about one feed. source, lake: messages on either side; pending: absent inside the grace."""

    stream: str
    verdict: Verdict = Verdict.INCONCLUSIVE
    why: str = ""
    point: str = ""  # up to where the source was looked at
    source: int = 0
    lake: int = 0
    pending: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    breaks: list[Break] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    past: dict[int, int] = field(default_factory=dict, repr=False)  # partition -> the stated end
    files: tuple[SourceFile, ...] = field(default=(), repr=False)  # as the source listed them
    absent: frozenset[str] = field(default=frozenset(), repr=False)  # of these, names that the lake does not hold


def missing_offsets(end: tuple[int, int], runs: Runs) -> list[tuple[int, int]]:
    """The half-open runs within [begin, end) that the lake does not hold."""
    at, past = end
    missing = []
    for first, stop in sorted(runs):
        if first > at:
            missing.append((at, min(first, past)))
        at = max(at, stop)
        if at >= past:
            break
    return [*missing, *([(at, past)] if at < past else [])] if at < past or missing else []


def offsets_passed(ends: Mapping[int, tuple[int, int]], runs: Mapping[int, Runs]) -> bool:
    """Whether the lake has reached the stated end of every partition (gaps below it are another matter)."""
    return all(
        begin >= end or max((stop for _, stop in runs.get(number, ())), default=0) >= end
        for number, (begin, end) in ends.items()
    )


def offset_breaks(
    stream: str,
    ends: Mapping[int, tuple[int, int]],
    runs: Mapping[int, Runs],
    really: Callable[[int, Runs], Sequence[int]],
) -> Iterator[Break]:
    """A break per lost record; `really` tells which offsets hold a record (a transaction's marker holds none)."""
    for number, end in sorted(ends.items()):
        missing = missing_offsets(end, runs.get(number, ()))
        for offset in really(number, missing) if missing else ():
            text = "the topic holds this record, the lake does not"
            yield Break(BreakClass.MISSING_IN_TARGET, stream, f"partition {number} offset {offset}", detail=text)


def files_missing(files: Sequence[SourceFile], messages: Sequence[LakeMessage]) -> list[SourceFile]:
    """Files of the source that the lake has under no name."""
    known = {basename(item.name) for item in messages}
    return [item for item in files if basename(item.name) not in known]


def file_breaks(
    stream: str, files: Sequence[SourceFile], messages: Sequence[LakeMessage], cutoff: datetime
) -> Iterator[Break]:
    """Lost files and files whose content differs from what was taken in; younger than `cutoff` is pending."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        by_name[basename(message.name)].add(message.sha256)
    for item in files:
        hashes = by_name.get(basename(item.name))
        if hashes is None:
            if parse_iso(item.modified_at) < cutoff:
                text = "the source lists this file, the lake does not hold it"
                yield Break(BreakClass.MISSING_IN_TARGET, stream, basename(item.name), detail=text)
        elif item.sha256 not in hashes:
            text = "the file's SHA-256 is not the one that was taken in"
            seen = ", ".join(sorted(value[:12] for value in hashes))
            yield Break(BreakClass.FIELD_MISMATCH, stream, basename(item.name), "sha256", text, item.sha256[:12], seen)
    listed = {basename(item.name) for item in files}
    for name in sorted(by_name.keys() - listed):
        yield Break(
            BreakClass.MISSING_IN_SOURCE,
            stream,
            name,
            detail="taken in, no longer listed by the source",
            state=EXPLAINED,
            reason="a source may clear away what it has delivered; the lake keeps it",
        )


def sequence_breaks(
    stream: str, files: Sequence[SourceFile], messages: Sequence[LakeMessage], cutoff: datetime
) -> Iterator[Break]:
    """Numbers missing per (logical terminal, session) in source and lake together: SEQUENCE_GAP names them.

    A number that the source lists and the lake lacks is no gap: it is a lost file, and `file_breaks` names it.
    """
    told = [(item.lt, item.session, item.sequence, item.received_at) for item in messages]
    told += [(item.lt, item.session, item.sequence, item.modified_at) for item in files]
    seen: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for lt, unit, number, when in told:
        if number is not None and lt:
            seen[lt, unit][number] = min(seen[lt, unit].get(number, when), when)
    for (terminal, session), numbers in sorted(seen.items()):
        for first, last in gaps(sorted(numbers)):
            if parse_iso(numbers[last + 1]) >= cutoff:
                continue  # what follows the gap is inside the grace: the gap may still be filled
            named = str(first) if first == last else f"{first}-{last}"
            count = last - first + 1
            yield Break(
                BreakClass.SEQUENCE_GAP,
                stream,
                f"{terminal} session {session} {named}",
                detail=f"{count} number{'s' * (count > 1)} missing between {first - 1} and {last + 1}",
            )


def gaps(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The closed gaps between ascending numbers."""
    for before, after in itertools.pairwise(numbers):
        if after > before + 1:
            yield before + 1, after - 1


def intake_breaks(stream: str, intake: Intake, cutoff: datetime) -> Iterator[Break]:
    """in = accepted + duplicate + conflict + quarantined + control, and each message booked as it was decided."""
    if intake.doubled:
        text = f"{intake.doubled} deliveries stand twice in raw.message"
        yield Break(BreakClass.DUPLICATE_TARGET, stream, "raw.message", detail=text)
    if intake.events_doubled:
        text = f"{intake.events_doubled} event keys stand twice in core.payment_event"
        yield Break(BreakClass.DUPLICATE_TARGET, stream, "core.payment_event", detail=text)
    for row in intake.rows:
        yield from _of_message(stream, row, cutoff)


def _of_message(stream: str, row: IntakeRow, cutoff: datetime) -> Iterator[Break]:
    name = basename(row.name)
    match row.outcome:
        case "":
            if parse_iso(row.received_at) < cutoff:
                text = "received, and neither booked nor quarantined"
                yield Break(BreakClass.MISSING_IN_TARGET, stream, name, "intake", text)
        case "conflict":
            yield Break(
                BreakClass.KEY_COLLISION,
                stream,
                name,
                detail=_told(row.findings, "the same key was booked with another content"),
            )
        case "quarantined":
            yield Break(BreakClass.PARSE_FAILURE, stream, name, detail=_told(row.findings, "quarantined"))
        case "duplicate":
            yield _duplicate(stream, name, "the same content was delivered before")
        case "accepted":
            if row.duplicates:
                yield _duplicate(
                    stream, name, f"{row.duplicates} of its {row.events} events were known with the same content"
                )
            if row.booked != row.events - row.duplicates:
                text = f"{row.events - row.duplicates} events were accepted, {row.booked} are booked"
                yield Break(BreakClass.MISSING_IN_TARGET, stream, name, "events", text)
    for rule, place, words in _findings(row.findings):
        if rule == "control_total":
            yield Break(BreakClass.FIELD_MISMATCH, stream, name, "control_total", f"{place}: {words}".strip(": "))


def _duplicate(stream: str, name: str, text: str) -> Break:
    reason = "same event key and same content hash: dropped once, booked once"
    return Break(BreakClass.DUPLICATE_SOURCE, stream, name, detail=text, state=EXPLAINED, reason=reason)


def _findings(text: str) -> list[tuple[str, str, str]]:
    try:
        items = json.loads(text) if text else []
    except ValueError:
        return [("unreadable", "", text[:200])]
    found = items if isinstance(items, list) else [items]
    return [
        (str(item.get("rule", "")), str(item.get("place", "")), str(item.get("text", "")))
        for item in found
        if isinstance(item, dict)
    ]


def _told(findings: str, otherwise: str) -> str:
    told = [" ".join(part for part in item if part) for item in _findings(findings)]
    return "; ".join(told[:3]) or otherwise


def basename(name: str) -> str:
    """The last part of a path: archives are listed by folder, files by name."""
    return name.rsplit("/", 1)[-1]


def cutoff_at(as_of: datetime, grace_seconds: int) -> datetime:
    """What is older than this must be there."""
    return as_of - timedelta(seconds=grace_seconds)
