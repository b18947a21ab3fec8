"""From the journal to the post-implementation review: planned and actual side by side. Pure: equal facts, equal document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from cutwater.core.clock import parse_iso
from runbooks.executed import Executed, fold
from runbooks.facts import Facts
from runbooks.review import Dark, Failure, HeldLine, HeldReview, Judged, Part, Review, RunLine, Said
from runbooks.stepcards import landmarks
from runbooks.timeline import dark_plan, judged, parts
from runbooks.words import age, clock, count, precise, span
from waves import life
from waves.approvals import Rule, standing
from waves.dark import dark_windows
from waves.point_of_no_return import DECISION_RECORDED
from waves.store import RecordView


def compile_review(facts: Facts) -> Review:
    """The whole review of the wave's present attempt."""
    plan, done, found = facts.plan, fold(facts.records), parts(facts)
    records = _attempt(facts.records)
    dark, held = _dark(facts, records, found), _held(facts, records)
    word, verdict = _verdict(done, found, held)
    window, window_word = _window(facts, found)
    point = facts.point
    return Review(
        id=f"PIR-{plan.wave}-{plan.hash[:8]}",
        wave=plan.wave,
        title=plan.title,
        zone=facts.settings.timezone,
        rendered_at=facts.rendered_at,
        plan_hash=plan.hash,
        plan_version=f"v{facts.plan_version}" if facts.plan_version else "not saved",
        made_by=tuple(facts.makers),
        journal_seq=facts.journal[0],
        journal_hash=facts.journal[1],
        state=" ".join(filter(None, (done.state or "not planned", done.condition))),
        word=word,
        verdict=verdict,
        sentence=_sentence(found, dark, held),
        window=window,
        window_word=window_word,
        last_safe=clock(point.latest_start if point else None, facts.settings.timezone, "not known: no window"),
        parts=found,
        dark=dark,
        said=tuple(sorted((*_approvals(facts), *_decisions(records)), key=lambda item: item.at)),
        gates=tuple(_gates(records)),
        held=held,
        failures=tuple(_failures(records)),
        runs=_runs(records),
    )


def _attempt(records: Sequence[RecordView]) -> list[RecordView]:
    """The records since the wave was last planned."""
    found: list[RecordView] = []
    for record in records:
        if record.kind == "wave.state" and record.payload.get("to") == life.PLANNED:
            found = []
        found.append(record)
    return found


def _dark(facts: Facts, records: Sequence[RecordView], found: Sequence[Part]) -> tuple[Dark, ...]:
    lines, fence = [], landmarks(facts.plan).dark
    for item in dark_windows(records):
        planned = dark_plan(found, item.began, item.side, fence)
        word = judged(item.milliseconds, planned)[0]
        lines.append(Dark(item.began, item.ended, item.side or "dark still", item.milliseconds, planned, word))
    return tuple(lines)


def _approvals(facts: Facts) -> Iterator[Said]:
    """Who said yes to this plan, and whether it counts (maker and checker)."""
    counted = set(standing(Rule.of(facts.plan), facts.makers, facts.approvals).counted)
    for item in facts.approvals:
        good = (item.who, item.role) in counted
        note = "counts" if good else "does not count"
        yield Said(item.at, "approval of the plan", item.who, item.role, item.note, note, "pass" if good else "fail")


def _decisions(records: Sequence[RecordView]) -> Iterator[Said]:
    for record in records:
        if record.kind == DECISION_RECORDED:
            body = record.payload
            note, word = _lateness(record.at, body)
            about, who = f"decision: {body.get('about', '?')}", str(body.get("who", "?"))
            yield Said(record.at, about, who, str(body.get("role", "")), str(body.get("reason", "")), note, word)


def _lateness(at: datetime, body: Mapping[str, Any]) -> tuple[str, str]:
    """Of a rollback that was decided on: how far from the latest safe start."""
    point = body.get("point_of_no_return")
    latest = point.get("latest_start") if isinstance(point, Mapping) else None
    if not latest:
        return "", "pass"
    over = at - parse_iso(str(latest))
    if over > timedelta():
        return f"{span(over)} behind the latest safe start", "late"
    return f"{span(-over)} before the latest safe start", "pass"


def _gates(records: Sequence[RecordView]) -> Iterator[Judged]:
    for record in records:
        if record.kind == "gate.evaluated":
            body = record.payload
            minutes = body.get("age_minutes")
            yield Judged(
                record.at,
                str(body.get("gate", "?")),
                str(body.get("word", "unknown")),
                str(body.get("verdict", "?")),
                str(body.get("value", "")),
                str(body.get("threshold", "")),
                str(body.get("evidence", "")) or "none",
                "no evidence" if minutes is None else age(int(minutes)),
                str(body.get("reason", "")),
                str(body.get("evidence_hash", "")),
            )


def _held(facts: Facts, records: Sequence[RecordView]) -> HeldReview:
    zone = facts.settings.timezone
    proved = tuple(_proved(record, zone) for record in records if record.kind == "held.proof")
    body: Mapping[str, Any] | None = facts.held
    if body is None:
        return HeldReview("unknown", "The ledger was not asked.", (), (), proved)
    lines = tuple(
        HeldLine(currency, *(_total(ends.get(name)) for name in ("held", "released", "returned", "open")))
        for currency, ends in sorted(body["by_currency"].items())
    )
    problems = tuple(str(item) for item in body["problems"])
    held, released, returned, left = (int(body[name]) for name in ("held", "released", "returned", "open"))
    told = f"{held} held = {released} released + {returned} returned + {left} open"
    if problems:
        return HeldReview("fail", f"Does not add up: {told}.", lines, problems, proved)
    if left:
        return HeldReview("late", f"Adds up, and {left} are open: {told}.", lines, (), proved)
    note = "" if proved else " No proof stands in the journal."
    text = (
        f"Adds up, none is open: {told}.{note}"
        if held
        else f"No payment was held: callers got 503 and came back.{note}"
    )
    return HeldReview("pass" if proved else "unknown", text, lines, (), proved)


def _proved(record: RecordView, zone: str) -> str:
    body = record.payload
    word = "adds up" if body.get("holds") else "DOES NOT ADD UP"
    return (
        f"{clock(record.at, zone)}, record {record.seq}: {word}, {body.get('held')} held, {body.get('released')} released, "
        f"{body.get('returned')} returned, {body.get('open')} open"
    )


def _total(part: object) -> str:
    return f"{part.get('count', 0):,}: {part.get('sum', '0')}" if isinstance(part, Mapping) else "0"


def _failures(records: Sequence[RecordView]) -> Iterator[Failure]:
    for record in records:
        if record.kind == "effect.failed":
            body, error = record.payload, record.payload.get("error") or {}
            again = body.get("again_in_seconds")
            told = (
                f"try {body.get('try', '?')}, again in {again} s" if again else f"try {body.get('try', '?')}, the last"
            )
            yield Failure(
                record.at, str(body.get("effect", "?")), str(error.get("code", "")), str(error.get("what", "")), told
            )


def _runs(records: Sequence[RecordView]) -> tuple[RunLine, ...]:
    found: list[RunLine] = []
    for record in records:
        if record.kind == "run.started":
            found.append(
                RunLine(
                    record.run_id, str(record.payload.get("to", "")), record.at, None, "did not say: died, or goes on"
                )
            )
        elif record.kind == "run.ended" and found and found[-1].run == record.run_id:
            line = found[-1]
            found[-1] = RunLine(line.run, line.target, line.began, record.at, str(record.payload.get("reason", "")))
    return tuple(found)


def _window(facts: Facts, found: Sequence[Part]) -> tuple[str, str]:
    """When it was to be, and whether it was then."""
    plan, zone = facts.plan.window, facts.settings.timezone
    cut = [part for part in found if part.kind == "cutover"]
    if not plan.get("start") or not plan.get("end"):
        return "none planned", "unknown"
    start, end = parse_iso(plan["start"]), parse_iso(plan["end"])
    told = f"{clock(start, zone)} until {clock(end, zone)}"
    if not cut:
        return told, "unknown"
    outside = [part.name for part in cut if not start <= part.began < end]
    return (f"{told}; outside it: {', '.join(outside)}", "late") if outside else (told, "pass")


def _verdict(done: Executed, found: Sequence[Part], held: HeldReview) -> tuple[str, str]:
    if held.word == "fail":
        return "fail", "HELD PAYMENTS DO NOT ADD UP"
    if done.condition == life.FAILED:
        return "fail", f"FAILED in {done.state}"
    if done.state in (life.CUTTING_OVER, life.ROLLING_BACK):
        return "blocked", "UNDER WAY"
    if done.state in (life.CUT_OVER, life.COMPLETED):
        return ("late", "HELD PAYMENTS OPEN") if held.word == "late" else ("pass", done.state.replace("_", " "))
    if any(part.kind == "cutover" for part in found):
        return "late", "ROLLED BACK"
    return "unknown", "NOT CUT OVER"


def _sentence(found: Sequence[Part], dark: Sequence[Dark], held: HeldReview) -> str:
    cut = [part for part in found if part.kind == "cutover"]
    back = [part for part in found if part.kind == "back"]
    rows = [row for part in found for row in part.steps]
    over = sum(1 for row in rows if row.word == "late")
    planned = sum(1 for row in rows if row.variance_ms is not None)
    lengths = [item.actual_ms for item in dark if item.actual_ms is not None]
    longest = f", the longest {precise(max(lengths))}" if lengths else ""
    return (
        f"{count(len(cut), 'cutover')}, {count(len(back), 'way back', 'ways back')}, {count(len(dark), 'dark window')}{longest}. "
        f"{over} of {planned} planned steps went over plan; {len(rows) - planned} had no plan or did not end. {held.sentence}"
    )
