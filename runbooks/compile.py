"""From the plan, its journal and its evidence to the runbook. Pure: equal facts give an equal document."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from cutwater.core.clock import parse_iso
from cutwater.core.errors import BadInput
from runbooks import sections, tasks
from runbooks.executed import Executed, fold
from runbooks.facts import Facts
from runbooks.model import NOBODY, Approved, Card, Criterion, GateView, NoReturnView, Person, Runbook, SignOff
from runbooks.people import people
from runbooks.stepcards import landmarks
from runbooks.words import clock, count, span
from waves import life
from waves.approvals import Rule, standing
from waves.point_of_no_return import rollback_runs


def compile_runbook(facts: Facts) -> Runbook:
    """All sections. Raises BadInput CW5009 where a scheme has no calendar."""
    _check_schemes(facts)
    done = fold(facts.records)
    start, end = _window(facts)
    forward, back = tasks.cutover(facts, done, start), tasks.rollback(facts, done)
    last_call = tasks.computed(facts) if facts.by_steps else tasks.no_return(facts, back, start, end)
    staff, asked, signed = people(facts), sections.gates(facts), sections.sign_off(facts)
    cards = (*forward.cards, *back.cards)
    criteria = _criteria(facts, done, staff, asked, signed, last_call, _wanted(facts), cards)
    word, verdict, sentence = _verdict(criteria)
    zone = facts.settings.timezone
    return Runbook(
        **_control(facts, done),
        verdict=verdict,
        verdict_word=word,
        verdict_sentence=sentence,
        criteria=criteria,
        people=staff,
        **_from_sections(facts, start, end),
        done=tasks.done_steps(facts, done),
        cards=forward.cards,
        path=forward.path,
        finish=forward.schedule.finish if start and not forward.schedule.unmeasured else None,
        finish_note=tasks.finish_note(forward, zone) if start else "The wave has no window: times are offsets.",
        gates=asked,
        no_return=last_call,
        undo=sections.undo(facts, done),
        rollback=back.cards,
        rollback_path=back.path,
        sign_off=signed,
        by_steps=facts.by_steps,
        last=tasks.last(facts, done, start).cards,
        marks=landmarks(facts.plan),
    )


def _control(facts: Facts, done: Executed) -> dict[str, Any]:
    """Section 1: which plan, which journal, who approved."""
    plan = facts.plan
    return {
        "id": f"RB-{plan.wave}-{plan.hash[:8]}",
        "wave": plan.wave,
        "title": plan.title,
        "accepts_writes": plan.accepts_writes,
        "zone": facts.settings.timezone,
        "rendered_at": facts.rendered_at,
        "plan_hash": plan.hash,
        "plan_version": f"v{facts.plan_version}" if facts.plan_version else "not saved",
        "journal_seq": facts.journal[0],
        "journal_hash": facts.journal[1],
        "state": " ".join(filter(None, (done.state or "not planned", done.condition))),
        "attempt": done.attempt,
        "approvals": tuple(Approved(item.who, item.role, item.at, item.note) for item in facts.approvals),
        "approvals_wanted": _wanted(facts),
    }


def _from_sections(facts: Facts, start: datetime | None, end: datetime | None) -> dict[str, Any]:
    """What the sections module tells, by field of the runbook."""
    rest, note = sections.left_behind(facts)
    return {
        "flows": sections.flows(facts),
        "out": sections.outgoing(facts),
        "left_behind": rest,
        "left_note": note,
        "notes": sections.bridges(facts),
        "bridge": facts.settings.bridge,
        "milestones": sections.milestones(facts, start),
        "window_start": start,
        "window_end": end,
        "calendar": sections.calendar(facts, start, end),
        "calendar_sources": sections.calendar_sources(facts, start),
        "cautions": sections.cautions(facts, start, end),
        "triggers": sections.triggers(facts),
        "messages": sections.messages(facts, start),
        "held": sections.held(facts),
        "hypercare": sections.HYPERCARE,
        "exit": sections.EXIT,
        "commands": sections.commands(facts),
    }


def _check_schemes(facts: Facts) -> None:
    for name in facts.settings.schemes:
        if name not in facts.calendars:
            raise BadInput(
                "CW5009",
                f"there is no calendar of the scheme {name}",
                cause=f"known: {', '.join(facts.calendars)}",
                next=f"add calendars/{name}.yaml to the project, or mend `schemes` in runbook.yaml",
            )


def _window(facts: Facts) -> tuple[datetime | None, datetime | None]:
    start, end = facts.plan.window.get("start"), facts.plan.window.get("end")
    return (parse_iso(start), parse_iso(end)) if start and end else (None, None)


def _wanted(facts: Facts) -> tuple[str, ...]:
    """Roles whose approval the plan asks for."""
    roles = [str(role) for step in facts.plan.steps if step.kind == "approval" for role in step.params.get("roles", ())]
    return tuple(dict.fromkeys(roles))


def _criteria(
    facts: Facts,
    done: Executed,
    staff: tuple[Person, ...],
    asked: tuple[GateView, ...],
    signed: SignOff,
    last_call: NoReturnView,
    wanted: tuple[str, ...],
    cards: tuple[Card, ...],
) -> tuple[Criterion, ...]:
    wave = facts.plan.wave
    start, end = _window(facts)
    found = [
        _state(facts, done),
        _approved(facts, wanted),
        *(Criterion(gate.word, f"gate {gate.id}", f"{gate.value} (wanted {gate.threshold}), {gate.age} old" if gate.age != "no evidence" else gate.value,
                    "" if gate.word == "pass" else _ask_again(gate, wave)) for gate in asked),
        Criterion("pass" if signed.not_checked == "nothing" and signed.word == "pass" else "unknown", "nothing left unchecked",
                  f"not checked: {signed.not_checked}", "" if signed.not_checked == "nothing" else "declare it in reconcile.yaml, or check it"),
        _named(staff),
        _rehearsed(facts),
        _no_return(last_call, facts.settings.timezone),
    ]  # fmt: skip
    if facts.by_steps:
        found.append(_lengths(facts, cards))
    if start is not None and end is not None:
        touched = sections.cautions(facts, start, end)
        text = (
            "; ".join(f"{item.day:%d %b} {item.text}" for item in touched)
            or "touches no holiday, period end or clock change"
        )
        found.append(
            Criterion(
                "late" if touched else "pass",
                "calendar",
                text,
                "move the window, or have the decider accept it" if touched else "",
            )
        )
    return tuple(found)


def _rehearsed(facts: Facts) -> Criterion:
    """A rollback from end to end, here or in a rehearsal, within 7 days of this document."""
    name = "rollback rehearsed within 7 days"
    runs = rollback_runs(facts.records) if facts.by_steps else []
    if not runs:
        return Criterion("unknown", name, "no rehearsal is on record", _rehearse(facts))
    last = runs[-1]
    word = "pass" if facts.rendered_at - last.ended_at <= timedelta(days=7) else "late"
    text = f"{count(len(runs), 'rollback')} on record, the last {clock(last.ended_at, facts.settings.timezone)} in {span(last.length)}"
    return Criterion(word, name, text, "" if word == "pass" else _rehearse(facts))


def _lengths(facts: Facts, cards: tuple[Card, ...]) -> Criterion:
    """Whether the engine's steps have run before; what was not measured is an estimate and says so."""
    steps = [card for card in cards if card.id[0] in "SB"]
    guessed = [card.id for card in steps if card.took.basis in ("estimate", "none")]
    text = f"{len(steps) - len(guessed)} of {len(steps)} steps measured or with a time box"
    if not guessed:
        return Criterion("pass", "steps measured", text)
    return Criterion("unknown", "steps measured", f"{text}; estimates: {', '.join(guessed)}", _rehearse(facts))


def _rehearse(facts: Facts) -> str:
    return f"cutwater wave rehearse {facts.plan.wave}" if facts.by_steps else "rehearse R01 to R11, note the times"


def _ask_again(gate: GateView, wave: str) -> str:
    return f"cutwater wave status {wave}" if gate.query.startswith("stream.") else f"cutwater reconcile run {wave}"


def _state(facts: Facts, done: Executed) -> Criterion:
    wave, condition = facts.plan.wave, f" {done.condition}" if done.condition else ""
    if done.state == "READY" and not done.condition:
        return Criterion("pass", "wave state", "READY")
    if facts.by_steps and done.state in (life.CUT_OVER, life.COMPLETED) and not done.condition:
        return Criterion("pass", "wave state", f"{done.state}: what happened tells the review (--actuals)")
    if facts.by_steps and done.state in (life.CUTTING_OVER, life.ROLLING_BACK):
        return Criterion("late", "wave state", f"{done.state}{condition}", life.next_command(wave, done.state))
    if done.condition == "FAILED":
        return Criterion("fail", "wave state", f"{done.state}{condition}", f"cutwater wave status {wave}")
    return Criterion(
        "blocked",
        "wave state",
        f"{done.state or 'not planned'}{condition}, wanted READY",
        f"cutwater wave run {wave} --to ready",
    )


def _approved(facts: Facts, wanted: tuple[str, ...]) -> Criterion:
    if facts.makers:
        return _counted(facts)
    given = {item.role for item in facts.approvals}
    missing = [role for role in wanted if role not in given]
    if facts.approvals and not missing:
        return Criterion("pass", "plan approved", f"by {', '.join(sorted(given))}")
    who = ", ".join(missing) or "anybody"
    role = missing[0] if missing else "ROLE"
    command = f"cutwater wave approve {facts.plan.wave} --as PERSON --role {role}"
    return Criterion("blocked", "plan approved", f"not approved by {who}", command)


def _counted(facts: Facts) -> Criterion:
    """Maker and checker: only words that count."""
    found = standing(Rule.of(facts.plan), facts.makers, facts.approvals)
    void = "".join(f"; {who} as {role} does not count: {why}" for who, role, why in found.void)
    if found.complete:
        said = ", ".join(f"{who} as {role}" for who, role in found.counted)
        return Criterion("pass", "plan approved", f"by {said}{void}")
    role = next(iter(found.missing_roles), "ROLE")
    command = f"cutwater wave approve {facts.plan.wave} --as PERSON --role {role}"
    return Criterion("blocked", "plan approved", f"lacks {found.missing}{void}", command)


def _named(staff: tuple[Person, ...]) -> Criterion:
    nobody = [item.duty for item in staff if item.name == NOBODY]
    alone = [item.duty for item in staff if item.name != NOBODY and item.deputy == NOBODY]
    if not nobody and not alone:
        return Criterion("pass", "people and deputies named", f"{len(staff)} of {len(staff)}")
    who = f"all {len(staff)} duties" if len(nobody) == len(staff) else ", ".join(nobody)
    parts = [f"nobody: {who}"] if nobody else []
    parts += [f"no deputy: {', '.join(alone)}"] if alone else []
    return Criterion(
        "blocked" if nobody else "late",
        "people and deputies named",
        "; ".join(parts),
        "name them: roles in the wave file, deputies in runbook.yaml",
    )


def _no_return(last_call: NoReturnView, zone: str) -> Criterion:
    name = "latest safe rollback start"
    if last_call.known == "exact":
        return Criterion("pass", name, clock(last_call.latest, zone))
    if last_call.known == "estimate":
        text = f"{clock(last_call.latest, zone)}, by estimate: no rollback was measured yet"
        return Criterion("unknown", name, text, "rehearse the rollback")
    if last_call.known == "bound" and not last_call.unmeasured:
        text = f"before {clock(last_call.latest, zone)}: a rollback was neither measured nor estimated"
        return Criterion("unknown", name, text, "rehearse the rollback, or give window.rollback_minutes")
    if last_call.known == "bound":
        text = (
            f"before {clock(last_call.latest, zone)}: {count(len(last_call.unmeasured), 'rollback task')} not measured"
        )
        return Criterion("unknown", name, text, "rehearse the rollback, or give time boxes in runbook.yaml")
    return Criterion("unknown", name, last_call.sentence, "give the wave a window and the rollback's tasks time boxes")


def _verdict(criteria: tuple[Criterion, ...]) -> tuple[str, str, str]:
    bad = [item for item in criteria if item.word != "pass"]
    if not bad:
        return "pass", "GO", f"All {len(criteria)} criteria are met. The decider rules; this page does not."
    kinds = Counter(item.word for item in bad)
    parts = ", ".join(f"{kinds[word]} {word}" for word in ("fail", "blocked", "late", "unknown") if kinds[word])
    return "fail", "NO-GO", f"{len(bad)} of {len(criteria)} criteria are not met: {parts}."
