"""The runbook as Markdown: the same facts, one line per fact, so that two versions diff cleanly."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial

from cutwater.core.tokens import TOKENS
from runbooks import words
from runbooks.html import SECTIONS
from runbooks.model import Card, NoReturnView, Runbook

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")
_LEADING = re.compile(r"^(\s*)([-+=]|\d+[.)])(?=\s)")


def plain(text: object) -> str:
    """Text from the outside as literal Markdown: one line, nothing in it is markup, a table cell or HTML."""
    line = " ".join(str(text).split()).replace("&", "&amp;")
    return _LEADING.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", line))


def code(text: object) -> str:
    """Text as inline code, whatever back-ticks it holds."""
    line = " ".join(str(text).split()).replace("|", "\\|")
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}" if line else ""


def state(word: str, text: str = "") -> str:
    return f"{TOKENS[word].glyph} {plain(text) or TOKENS[word].word}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table; nothing where it has no rows."""
    if not rows:
        yield "(none)"
        return
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def render_markdown(book: Runbook) -> str:
    """The whole document, a line feed at its end."""
    lines = list(_front(book))
    for (number, _, name), body in zip(SECTIONS, _BODIES, strict=True):
        lines += ["", f"## {number} {name}", "", *body(book)]
    lines += ["", "---", "", f"{plain(book.id)}, sha256 {code(book.hash)}"]
    return "\n".join(lines) + "\n"


def _front(book: Runbook) -> Iterator[str]:
    at = partial(words.clock, zone=book.zone)
    first = book.people[0]
    yield f"# {plain(book.wave)} {plain(book.title)}: {state(book.verdict_word, book.verdict)}"
    yield ""
    yield f"{plain(book.verdict_sentence)} As of {at(book.rendered_at)}."
    yield ""
    yield f"- Window: {at(book.window_start)} until {at(book.window_end)}"
    contact = f", {plain(first.contact)}" if first.contact else ""
    yield f"- Decider: {plain(first.name)}, deputy: {plain(first.deputy)}{contact}"
    yield f"- Bridge: {plain(book.bridge) or 'not given'}"
    yield f"- Latest safe rollback start: {_moment(book)} (limit: {plain(book.no_return.limit)})"
    yield f"- Over by: {at(book.finish, missing='unknown')}"
    yield f"- Accepts writes after the switch: {plain(book.accepts_writes)}"
    yield f"- Rollback: {' -> '.join(f'{card.id} {plain(card.title)}' for card in book.rollback)}"
    yield ""
    rows = [
        (
            state(c.word),
            plain(c.name),
            plain(c.value),
            code(c.next) if c.next.startswith("cutwater ") else plain(c.next),
        )
        for c in book.criteria
    ]
    yield from table(("State", "Criterion", "Seen", "Next"), rows)


def _moment(book: Runbook) -> str:
    view: NoReturnView = book.no_return
    if view.known == "none":
        return "unknown"
    about = {"bound": "before ", "estimate": "about "}.get(view.known, "")
    return f"{about}{words.clock(view.latest, book.zone)}"


def _control(book: Runbook) -> Iterator[str]:
    yield f"- Runbook {code(book.id)}, attempt {book.attempt}, wave {plain(book.state)}"
    yield f"- Plan {plain(book.plan_version)} {code(book.plan_hash)}"
    yield f"- Journal up to record {book.journal_seq} {code(book.journal_hash)}"
    yield f"- Approvals wanted: {plain(', '.join(book.approvals_wanted)) or 'none named by the plan'}"
    yield ""
    if not book.approvals:
        yield state("blocked", "NOT APPROVED")
        return
    rows = [(plain(a.who), plain(a.role), words.clock(a.at, book.zone), plain(a.note)) for a in book.approvals]
    yield from table(("Who", "Role", "When", "Note"), rows)


def _scope(book: Runbook) -> Iterator[str]:
    yield from table(
        ("Asset", "Kind", "Goes to", "Last counted"),
        [(code(f.id), plain(f.kind), code(f.target), plain(f.counted)) for f in book.flows],
    )
    yield ""
    yield from (f"- Out: {plain(line)}" for line in book.out)
    yield from (f"- Obligation: {plain(line)}" for line in book.notes)
    yield f"- Left behind: {plain(book.left_note)}"
    yield from (f"  - {code(name)}" for name in book.left_behind)


def _roles(book: Runbook) -> Iterator[str]:
    rows = [(plain(p.duty), plain(p.role), plain(p.name), plain(p.deputy), plain(p.does)) for p in book.people]
    yield from table(("Duty", "Role", "Person", "Deputy", "Does"), rows)


def _before(book: Runbook) -> Iterator[str]:
    rows = [(m.offset, words.day(m.day), plain(m.what), plain(m.duty), plain(m.note), "[ ]") for m in book.milestones]
    yield from table(("Day", "Date", "What", "By", "Note", "Done"), rows)


def _calendar(book: Runbook) -> Iterator[str]:
    yield from (f"- {state('late', 'CAUTION')} {words.day(c.day)}: {plain(c.text)}" for c in book.cautions)
    if not book.cautions:
        yield (
            "No bank holiday, period end or change of the clocks is touched."
            if book.window_start
            else "The wave has no window."
        )
    yield ""
    rows = [(words.clock(c.at, book.zone), plain(c.scheme), plain(f"{c.kind}: {c.text}")) for c in book.calendar]
    yield from table(("When", "Scheme", "What"), rows)
    yield ""
    sources = [
        (plain(s.scheme), plain(s.source), s.valid_from.isoformat(), s.checked.isoformat(), plain(s.note))
        for s in book.calendar_sources
    ]
    yield from table(("Scheme", "Source", "Valid from", "Checked", "For this window"), sources)


def _tasks(book: Runbook) -> Iterator[str]:
    yield "### Done so far"
    yield ""
    rows = [
        (
            code(s.id),
            plain(s.title),
            s.state,
            words.seconds_clock(s.started, book.zone) if s.started else "-",
            words.seconds_clock(s.completed, book.zone) if s.completed else "-",
            plain(s.took.text) if s.took.basis != "none" else "-",
        )
        for s in book.done
    ]
    yield from table(("Step", "Title", "State", "Started", "Ended", "Took"), rows)
    yield ""
    yield "### The cutover"
    yield ""
    yield plain(book.finish_note)
    yield f"Critical path: {' -> '.join(book.path) if book.path else 'not known while a task is not measured'}"
    for card in book.cards:
        yield from _card(card, book.zone)


def _card(card: Card, zone: str) -> Iterator[str]:
    marks = [text for text, on in (("critical", card.critical), ("irreversible", card.irreversible)) if on]
    starts = (
        words.short_clock(card.starts, zone) if card.starts else words.offset(timedelta(milliseconds=card.offset_ms))
    )
    yield ""
    yield f"#### {card.id} {plain(card.title)}{' (' + ', '.join(marks) + ')' if marks else ''}"
    yield ""
    yield f"- Starts {starts}{' at the earliest' if card.at_earliest else ''}, takes {plain(card.took.told)}, slack {card.slack}, after {', '.join(card.needs) or 'nothing'}"
    yield f"- {plain(card.duty)}: {plain(card.person)}, deputy: {plain(card.deputy)}"
    yield f"- DO: {plain(card.do)}"
    yield from (f"  - {code(text)}" for text in card.commands)
    yield f"- SEE: {plain(card.see)}"
    yield from (f"  - {plain(text)}" for text in card.sees)
    yield f"- IF NOT: {plain(card.if_not)}"
    yield f"- UNDO: {plain(card.undo)}".rstrip()
    yield from (f"  - {plain(text)}" for text in card.undos)
    yield "- [ ] start ____ [ ] end ____ [ ] initials ____"


def _gates(book: Runbook) -> Iterator[str]:
    rows = [
        (plain(g.id), code(g.query), plain(g.threshold), plain(g.value), state(g.word, g.verdict), plain(g.evidence), plain(f"{g.age}, at most {g.max_age}"), plain(g.reason))
        for g in book.gates
    ]  # fmt: skip
    yield from table(("Gate", "Query", "Threshold", "Value", "Verdict", "Evidence", "Age", "Reason"), rows)


def _no_return(book: Runbook) -> Iterator[str]:
    view = book.no_return
    yield f"**{_moment(book)}**"
    yield ""
    yield plain(view.sentence)
    yield ""
    yield f"- Limit: {plain(view.limit)}"
    yield f"- Rollback, p90: {plain(view.rollback)}"
    yield f"- Margin: {plain(view.margin)}"
    gone = [f"{card.id} {plain(card.title)}" for card in book.cards if card.irreversible]
    yield f"- Irreversible: {', '.join(gone) or 'nothing'}"


def _rollback(book: Runbook) -> Iterator[str]:
    yield from (f"- Roll back if: {plain(line)}" for line in book.triggers)
    yield ""
    yield "### Undo of what was executed, compiled from the journal, last step first"
    yield ""
    rows = [
        (code(u.step), words.seconds_clock(u.executed, book.zone) if u.executed else "-", plain(u.undo))
        for u in book.undo
    ]
    yield from table(("Step", "Executed", "Undo"), rows)
    yield ""
    yield "### Rollback of the cutover"
    for card in book.rollback:
        yield from _card(card, book.zone)


def _messages(book: Runbook) -> Iterator[str]:
    rows = [
        (
            f"{m.number}",
            plain(m.after),
            words.clock(m.at, book.zone, "to be set"),
            plain(m.audience),
            plain(f"{m.text} {m.next_text}"),
        )
        for m in book.messages
    ]
    yield from table(("No.", "At", "No later than", "To", "Text"), rows)


def _held(book: Runbook) -> Iterator[str]:
    if not book.held:
        yield "Nothing is fenced, so nothing is held: writers go on all through the window."
        return
    rows = [(plain(h.channel), plain(h.held), plain(h.proof), "", "", "") for h in book.held]
    yield from table(("Channel", "Held where", "Proof of once", "Held", "Released", "Returned"), rows)


def _sign_off(book: Runbook) -> Iterator[str]:
    signed = book.sign_off
    yield f"{state(signed.word, signed.verdict)} {plain(signed.sentence)}"
    yield ""
    yield f"- Run {plain(signed.run)}, as of {plain(signed.as_of)}"
    yield f"- Open breaks: {plain(signed.open_breaks)}"
    yield f"- Not checked: {plain(signed.not_checked)}"
    yield "- NOT SIGNED: maker ____ checker ____ risk acceptor ____"


def _hypercare(book: Runbook) -> Iterator[str]:
    yield from (f"- {plain(line)}" for line in book.hypercare)
    yield from (f"- Exit: {plain(line)}" for line in book.exit)
    for card in book.last:
        yield from _card(card, book.zone)


def _contacts(book: Runbook) -> Iterator[str]:
    rows = [
        (plain(p.duty if p.duty != "-" else p.role), plain(p.name), plain(p.deputy), plain(p.contact) or "not given")
        for p in book.people
    ]
    yield from table(("Duty", "Person", "Deputy", "Contact"), rows)
    yield ""
    yield f"Bridge: {plain(book.bridge) or 'not given'}"


def _commands(book: Runbook) -> Iterator[str]:
    rows = [
        (plain(c.where), code(c.text), "" if c.present else "not of this plan: by hand, from the cards")
        for c in book.commands
    ]
    yield from table(("Where", "Command", "Note"), rows)


_BODIES: tuple[Callable[[Runbook], Iterator[str]], ...] = (
    _control, _scope, _roles, _before, _calendar, _tasks, _gates, _no_return, _rollback, _messages, _held, _sign_off,
    _hypercare, _contacts, _commands,
)  # fmt: skip
