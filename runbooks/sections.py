"""The sections that are not tasks: scope, T-minus, calendar, gates, rollback of what was executed, comms, sign-off."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from inventory.model import qualified
from runbooks import words
from runbooks.executed import Executed, StepRun
from runbooks.facts import Facts
from runbooks.model import (
    Asset,
    CalendarLine,
    CalendarSource,
    Caution,
    Command,
    GateView,
    HeldChannel,
    Message,
    Milestone,
    SignOff,
    Undo,
)
from runbooks.people import DUTIES
from runbooks.stepcards import landmarks, ways
from runbooks.words import clock, count, day
from waves.calendars import business_day, in_flight_since, lint_window
from waves.gates import GateResult
from waves.steps import CUTOVER_KINDS

KIND_WORDS = {"postgres": "table", "kafka": "Kafka topic", "api": "API", "file": "file feed", "swift": "SWIFT feed"}


def flows(facts: Facts) -> tuple[Asset, ...]:
    """What moves, and where to."""
    targets = {
        f"postgres:{qualified(m['source_schema'], m['source_table'])}": str(m["target"]) for m in facts.plan.mappings
    }
    known = {str(item.get("id")): item for item in (facts.estate or {}).get("assets", ())}
    found = []
    for name in sorted(facts.plan.assets):
        kind = facts.kind_of(name)
        target = targets.get(
            name, "raw.message, core.payment_event" if kind in ("kafka", "file", "swift") else "callers are switched"
        )
        found.append(
            Asset(name, KIND_WORDS.get(kind, kind), target, _counted(known.get(name)), facts.plan.reasons.get(name, ""))
        )
    return tuple(found)


def _counted(asset: Mapping[str, Any] | None) -> str:
    measures = (asset or {}).get("measures", {})
    volume = measures.get("volume") if isinstance(measures, Mapping) else None
    if not isinstance(volume, int):
        return "not counted"
    return f"{'' if measures.get('exact', True) else '~'}{volume:,} {measures.get('unit', '')}".strip()


def outgoing(facts: Facts) -> tuple[str, ...]:
    """What leaves the wave's side: who reads from it afterwards."""
    mode = facts.plan.accepts_writes
    lines = {
        "readers": "Readers move to the To-Be side. The legacy store keeps its writer; nothing flows back.",
        "feeds": "Messages and files go to the To-Be ingest, whose event store is the record; the reverse sync keeps the legacy store current.",
        "store": "Writes go to the To-Be store and its outbox; the reverse sync keeps the legacy store current.",
    }
    swift = [item for item in facts.plan.assets if item.startswith("swift:") and item.endswith("-out")]
    return (lines.get(mode, mode), *(f"{item}: outgoing; the sequence (ISN) goes on without a gap." for item in swift))


def left_behind(facts: Facts) -> tuple[tuple[str, ...], str]:
    """(assets of the estate that this wave does not move, a note on what that list rests on)."""
    if facts.estate is None:
        return (), "Not checked: there is no inventory snapshot."
    names = sorted(str(item["id"]) for item in facts.estate.get("assets", ()))
    rest = tuple(name for name in names if name not in facts.plan.assets)
    gaps = facts.estate.get("not_checked") or {}
    unseen = f" Not looked at: {', '.join(sorted(gaps))}." if gaps else ""
    note = f"{len(rest)} of {len(names)} assets of the inventory of {str(facts.estate.get('taken_at', '?'))[:16]}Z stay behind.{unseen}"
    return rest, note


def bridges(facts: Facts) -> tuple[str, ...]:
    """Obligations that a wave leaves: references to what has not moved yet."""
    return tuple(text for name, text in sorted(facts.plan.reasons.items()) if name.startswith("bridge:"))


MILESTONES = (
    (-35, "Window and schedule published; freeze of changes to the wave's assets agreed", "lead"),
    (-28, "First walkthrough of this runbook, card by card; deputies named", "lead"),
    (-21, "First announcement to customers, schemes and callers", "communications"),
    (-14, "Second walkthrough; dual run clean from here on; incident capacity booked", "lead"),
    (-7, "Second announcement; rollback rehearsed from here on counts as fresh", "communications"),
    (-1, "Go or no-go meeting over section 7; final freeze", "decider"),
    (0, "Cutover: section 6", "lead"),
    (1, "First daily reconciliation of hypercare", "reconciliation"),
)


def milestones(facts: Facts, start: datetime | None) -> tuple[Milestone, ...]:
    """T-35 to the end of hypercare; what falls on no business day comes before it."""
    if start is None:
        return ()
    first = start.astimezone(ZoneInfo(facts.settings.timezone)).date()
    today = facts.rendered_at.astimezone(ZoneInfo(facts.settings.timezone)).date()
    calendars = [facts.calendars[name] for name in facts.settings.schemes if name in ("chaps", "bacs")]
    last = (facts.settings.hypercare_days, "Hypercare ends where section 13 allows it", "decider")
    found = []
    for number, what, duty in (*MILESTONES, last):
        wanted = first + timedelta(days=number)
        on = business_day(wanted, calendars) if number < 0 else wanted
        notes = [f"moved from {wanted:%a %d %b}"] if on != wanted else []
        notes += ["past when rendered"] if on < today else []
        found.append(Milestone(f"T{number:+d}" if number else "T-0", on, what, DUTIES[duty][0], "; ".join(notes)))
    return tuple(found)


def calendar(facts: Facts, start: datetime | None, end: datetime | None) -> tuple[CalendarLine, ...]:
    """What the schemes do in the window, up to their next opening."""
    if start is None or end is None:
        return ()
    lines: list[CalendarLine] = []
    for name in facts.settings.schemes:
        scheme = facts.calendars[name]
        opening = scheme.next_opening(start)
        until = max(end, opening + timedelta(minutes=1)) if opening is not None else end
        lines += [CalendarLine(item.at, item.calendar, item.kind, item.text) for item in scheme.events(start, until)]
    return tuple(sorted(lines, key=lambda item: (item.at, item.scheme, item.kind)))


def calendar_sources(facts: Facts, start: datetime | None) -> tuple[CalendarSource, ...]:
    """Every scheme with the source of its times, also those that do nothing in the window."""
    found = []
    first = (start or facts.rendered_at).astimezone(ZoneInfo(facts.settings.timezone)).date()
    for name in facts.settings.schemes:
        scheme = facts.calendars[name]
        held = scheme.version(first)
        if held is None:
            continue
        since = in_flight_since(first, scheme) if start else None
        note = "never stops: payments arrive all through the window" if held.never_stops else ""
        if since is not None:
            note = f"{scheme.cycle_days}-day cycle: files submitted since {day(since)} are in flight"
        found.append(CalendarSource(scheme.name, held.source, held.valid_from, held.checked, note))
    return tuple(found)


def cautions(facts: Facts, start: datetime | None, end: datetime | None) -> tuple[Caution, ...]:
    if start is None or end is None:
        return ()
    schemes = [facts.calendars[name] for name in facts.settings.schemes]
    return tuple(
        Caution(item.day, item.rule, item.text) for item in lint_window(start, end, facts.settings.timezone, schemes)
    )


def gates(facts: Facts) -> tuple[GateView, ...]:
    """Every gate of the plan with its answer at the time of rendering; an unanswered one is unknown."""
    answers: dict[str, GateResult] = {item.gate: item for item in facts.gates}
    found = []
    for gate in facts.plan.gates:
        said = answers.get(gate.id)
        limit = words.age(gate.max_age_minutes)
        if said is None:
            found.append(
                GateView(gate.id, gate.title or gate.query, gate.query, gate.threshold, "not asked", "NO-GO", "unknown",
                         "the gate was not asked", "none", "no evidence", limit)
            )  # fmt: skip
            continue
        age = "no evidence" if said.age_minutes is None else words.age(said.age_minutes)
        found.append(
            GateView(gate.id, said.title, gate.query, gate.threshold, said.value or "nothing", said.verdict, said.word,
                     said.reason, said.evidence or "none", age, limit)
        )  # fmt: skip
    return tuple(found)


def undo(facts: Facts, done: Executed) -> tuple[Undo, ...]:
    """Compiled from what the journal says was executed, the last step first; never from the plan."""
    titles = {spec.id: spec.title for spec in facts.plan.steps}
    return tuple(
        Undo(
            run.step,
            titles.get(run.step, run.step),
            run.completed_at or run.started_at,
            _undo_text(facts, run),
            tuple(reversed(run.created)),
        )
        for run in done.in_reverse()
    )


def _undo_text(facts: Facts, run: StepRun) -> str:
    spec = next((item for item in facts.plan.steps if item.id == run.step), None)
    if spec is not None and spec.kind in (*CUTOVER_KINDS, "retire"):
        if spec.kind == "retire":
            return "none: rollback is refused from here on"
        return "; ".join(ways(facts.plan, spec)[1]) or "nothing of its own to undo"
    parts = []
    if run.services:
        parts.append(f"stop {', '.join(reversed(run.services))}")
    slots = [name for name in run.created if name.startswith("postgres:slot/")]
    publications = [name for name in run.created if name.startswith("postgres:publication/")]
    tables = [name for name in run.created if name.startswith("lake:")]
    other = [name for name in run.created if name not in {*slots, *publications, *tables}]
    parts += [f"drop the {name.removeprefix('postgres:').replace('/', ' ')}" for name in reversed(slots)]
    parts += [f"drop the {name.removeprefix('postgres:').replace('/', ' ')}" for name in reversed(publications)]
    parts += [f"drop {count(len(tables), 'table')} in the lake"] if tables else []
    parts += [f"remove {', '.join(reversed(other))}"] if other else []
    return "; ".join(parts) or "nothing of its own to remove"


def messages(facts: Facts, start: datetime | None) -> tuple[Message, ...]:
    """Numbered; each names the next one's time. In the window one is due at least every `comms_every_minutes`."""
    wave, zone, fenced = facts.plan.wave, facts.settings.timezone, "fence" in facts.marks
    marks = landmarks(facts.plan)
    held = f"Payments are held from {marks.dark} on, none is lost." if fenced else "Writers go on; readers move."
    reminder = (
        "requests in the window are answered with 503 and Retry-After" if fenced else "readers move in the window"
    )
    middle = "fenced and draining; count and value of what is held" if fenced else "marker set, streams draining"
    released = "; held payments are released" if fenced else ""
    pace = timedelta(minutes=facts.settings.comms_every_minutes)
    lines: list[tuple[str, timedelta, str, str]] = [
        ("T-21", timedelta(days=-21), "customers, callers, schemes", f"{wave} will be moved in the window of section 5. What changes for you, and whom to ask."),
        ("T-7", timedelta(days=-7), "customers, callers, schemes", f"{wave}: reminder; {reminder}."),
        ("T-1, after the go or no-go", timedelta(days=-1), "all duties, board", f"{wave}: ruled GO or NO-GO, by the decider."),
        ("C01", timedelta(), "all duties, board, service desk", f"{wave}: cutover begins. {held}"),
        (marks.point, pace, "all duties, service desk", f"{wave}: {middle}."),
        (marks.ruling, pace * 2, "all duties, board, service desk", f"{wave}: the ruling, the latest safe rollback start, irreversible effects so far."),
        ("C19, or R11", pace * 3, "customers, callers, schemes, board", f"{wave}: on the To-Be side (or: back on the legacy side){released}."),
        ("T+1", timedelta(days=1), "board, all duties", f"{wave}: first daily reconciliation of hypercare, raw break counts first."),
    ]  # fmt: skip
    found = []
    for number, (after, at, audience, text) in enumerate(lines, start=1):
        nxt = lines[number] if number < len(lines) else None
        when, then = (start + at if start else None), (start + nxt[1] if start and nxt else None)
        told = (
            f"Next: #{number + 1}, {nxt[0]}, no later than {clock(then, zone, 'a time to be set')}."
            if nxt
            else "This is the last planned message."
        )
        found.append(Message(number, after, when, audience, text, then, told))
    return tuple(found)


def held(facts: Facts) -> tuple[HeldChannel, ...]:
    """Where payments wait between fence and release, and what proves that none is released twice."""
    if "fence" not in facts.marks:
        return ()
    kinds = {facts.kind_of(item) for item in facts.plan.assets}
    lines = {
        "api": HeldChannel(
            "API", "at the caller: 503 and Retry-After", "idempotency key, migrated and complete at the fence"
        ),
        "kafka": HeldChannel(
            "Kafka", "in the topic, behind the consumer's last committed offset", "offsets and event key"
        ),
        "file": HeldChannel("Files", "in the drop, whole files only", "file hash and control totals"),
        "swift": HeldChannel(
            "SWIFT", "in the interface's queue, unacknowledged", "UETR and session/sequence; PDE is not a new payment"
        ),
        "postgres": HeldChannel(
            "Direct writers", "refused by the fence; they try again", "UETR, unique in the payment table"
        ),
    }
    return tuple(line for kind, line in lines.items() if kind in kinds)


def sign_off(facts: Facts) -> SignOff:
    """The newest reconciliation. Not checked is never green."""
    body = facts.evidence
    if not body:
        return SignOff(
            "unknown",
            "NOT RUN",
            "none",
            "never",
            "unknown",
            "everything",
            "No reconciliation of this wave is on record.",
        )
    verdict = str(body.get("verdict", "?"))
    word = {"PASS": "pass", "FAIL": "fail"}.get(verdict, "unknown")
    missing = body.get("not_checked", ())
    names = _names(missing)
    breaks = body.get("open_breaks")
    return SignOff(
        word,
        verdict,
        str(body.get("run", "?")),
        str(body.get("as_of") or "not stated"),
        f"{breaks:,}" if isinstance(breaks, int) else "not counted",
        "; ".join(names) if names else "nothing",
        f"This is the dual run's evidence. {landmarks(facts.plan).final} signs the final one.",
    )


def _names(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key}: {text}" for key, text in sorted(value.items())]
    if not isinstance(value, list | tuple):
        return [str(value)] if value else []
    found = []
    for item in value:
        if isinstance(item, Mapping):
            kind = "declared" if item.get("declared") else "not declared"
            found.append(f"{item.get('what', item)} ({item.get('why', 'no reason given')}; {kind})")
        else:
            found.append(str(item))
    return found


TRIGGERS = (
    "A payment is lost or doubled, in any channel.",
    "5xx above 1% for 15 minutes on the switched side.",
    "A reconciliation says FAIL, or INCONCLUSIVE twice.",
    "The morning's batch has not ended by 07:00.",
    "The latest safe rollback start draws near and C13 is not ruled.",
)


def triggers(facts: Facts) -> tuple[str, ...]:
    """When to roll back; the ruling's card is that of this plan."""
    return tuple(line.replace("C13", landmarks(facts.plan).ruling) for line in TRIGGERS)


HYPERCARE = (
    "A reconciliation each day; its report goes to the board with raw counts first.",
    "A named watch day and night for the first 72 hours, then in business hours.",
    "The reverse sync's lag and the legacy side's fence are looked at twice a day.",
    "Every open break has an owner and an age; beyond one day it goes to the decider.",
)

EXIT = (
    "Matched at least 99.9% on each of 14 days in a row, and no divergence unexplained.",
    "No payment held; the ledger of section 11 is closed and signed.",
    "A month end went through, or the decider waives it in writing.",
    "Rollback is no longer wanted: the decider signs, then the wave is completed and the old side may go.",
)


def commands(facts: Facts) -> tuple[Command, ...]:
    """What the cards call, in order, ready to paste; what this plan has no steps for is marked."""
    wave = facts.plan.wave
    if facts.by_steps:
        return _step_commands(wave, facts.tables > 0)
    lines = [
        Command("before", "cutwater doctor"),
        Command("before", f"cutwater wave show {wave}"),
        Command("before", "cutwater evidence verify"),
        Command("before", f"cutwater runbook render {wave}"),
        Command("C02, C08, C09, R11", f"cutwater wave status {wave}"),
        Command("C10, C18, R05", f"cutwater reconcile run {wave}"),
        Command("C10", f"cutwater reconcile breaks --wave {wave}"),
        Command("streams dead", f"cutwater wave resume {wave}"),
        Command("give the wave up", f"cutwater wave abandon {wave}"),
        Command("C04 to C16", f"cutwater wave cutover {wave}", False),
        Command("R03 to R08", f"cutwater wave rollback {wave}", False),
        Command("after section 13", f"cutwater wave complete {wave}", False),
    ]
    if facts.tables:
        lines.insert(
            5,
            Command("C03, in psql", "SELECT gid, prepared, owner, database FROM pg_prepared_xacts ORDER BY prepared;"),
        )
        lines.insert(6, Command("C07, in psql", f"SELECT pg_logical_emit_message(true, 'cutwater', 'fence {wave}');"))
    return tuple(lines)


def _step_commands(wave: str, tables: bool) -> tuple[Command, ...]:
    prepared = "SELECT gid, prepared, owner, database FROM pg_prepared_xacts ORDER BY prepared;"
    return (
        Command("before", "cutwater doctor"),
        Command("before", f"cutwater wave show {wave}"),
        Command("before", "cutwater evidence verify"),
        Command("before", f"cutwater runbook render {wave}"),
        Command("C02, all along", f"cutwater wave status {wave}"),
        *((Command("C03, in psql", prepared),) if tables else ()),
        Command(f"S01 to S{len(CUTOVER_KINDS):02d}", f"cutwater wave cutover {wave}"),
        Command("outside the window", f"cutwater wave cutover {wave} --outside-window REASON --as WHO"),
        Command("runner gone", f"cutwater wave resume {wave}"),
        Command("C17, R10", f"cutwater wave held {wave}"),
        Command("C18", f"cutwater reconcile run {wave}"),
        Command("R01, B01 and on", f"cutwater wave rollback {wave}"),
        Command("behind the latest safe start", f"cutwater wave rollback {wave} --decision TEXT --as WHO --role ROLE"),
        Command("afterwards", f"cutwater runbook render {wave} --actuals"),
        Command("after section 13", f"cutwater wave complete {wave} --yes {wave}"),
        Command("before S01 only: give the wave up", f"cutwater wave abandon {wave}"),
    )
