"""The post-implementation review as Markdown: the same facts as the page, one line per fact."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runbooks import words
from runbooks.markdown import code, plain, state, table
from runbooks.review import Review
from runbooks.review_html import SECTIONS


def render_review_markdown(review: Review) -> str:
    """The whole document, a line feed at its end."""
    lines = list(_front(review))
    for (number, _, name), body in zip(SECTIONS, _BODIES, strict=True):
        lines += ["", f"## {number} {name}", "", *body(review)]
    lines += ["", "---", "", f"{plain(review.id)}, sha256 {code(review.hash)}"]
    return "\n".join(lines) + "\n"


def _front(review: Review) -> Iterator[str]:
    yield f"# {plain(review.wave)} {plain(review.title)}: {state(review.word, review.verdict)}"
    yield ""
    yield f"{plain(review.sentence)} As of {words.clock(review.rendered_at, review.zone)}."
    yield ""
    yield f"- State: {plain(review.state)}"
    yield f"- Window: {state(review.window_word)} {plain(review.window)}"
    yield f"- Latest safe rollback start: {plain(review.last_safe)}"


def _steps(review: Review) -> Iterator[str]:
    for part in review.parts:
        at = words.seconds_clock(part.began, review.zone)
        took = f", took {words.precise(part.actual_ms)}, planned {words.precise(part.planned_ms, 'nothing that covers it')}"
        yield f"### {part.name}: {state(part.word, part.result)}"
        yield ""
        yield f"From {at}{took if part.ended else ''}{'. Why: ' + plain(part.why) if part.why else ''}"
        if part.decided:
            yield f"Decided by {plain(part.decided)}"
        yield ""
        rows = [
            (
                code(row.id),
                plain(row.title),
                words.seconds_clock(row.began, review.zone),
                words.seconds_clock(row.ended, review.zone) if row.ended else "-",
                plain(row.planned if row.basis != "none" else "no plan"),
                words.precise(row.actual_ms),
                words.signed(row.variance_ms),
                state(row.word, row.said),
                plain(f"{row.who}; {row.watched}"),
            )
            for row in part.steps
        ]
        head = ("Card", "Step", "Start", "End", "Planned", "Actual", "Variance", "State", "Who; watched by")
        yield from table(head, rows)
        yield ""
    yield "Planned is what the runbook would have said when its part began; actual is by the journal's clock."


def _dark(review: Review) -> Iterator[str]:
    rows = [
        (
            words.seconds_clock(item.began, review.zone),
            words.seconds_clock(item.ended, review.zone) if item.ended else "-",
            plain(item.side),
            words.precise(item.planned_ms, "no plan"),
            words.precise(item.actual_ms),
            state(item.word),
        )
        for item in review.dark
    ]
    yield from table(("Went dark", "Opened", "To", "Planned", "Actual", "State"), rows)


def _back(review: Review) -> Iterator[str]:
    rows = [
        (
            part.name,
            words.seconds_clock(part.began, review.zone),
            plain(part.why or "not said"),
            plain(part.decided or "no decision was asked for"),
            words.precise(part.actual_ms),
            state(part.word, part.result),
        )
        for part in review.parts
        if part.kind == "back"
    ]
    yield from table(("Way back", "Began", "Why", "Decided by", "Took", "Result"), rows)


def _said(review: Review) -> Iterator[str]:
    yield f"Planned by {plain(', '.join(review.made_by)) or 'nobody that the journal names'}."
    yield ""
    rows = [
        (
            words.seconds_clock(item.at, review.zone),
            plain(item.what),
            plain(item.who),
            plain(item.role or "-"),
            plain(item.text or "-"),
            state(item.word, item.note) if item.note else "-",
        )
        for item in review.said
    ]
    yield from table(("When", "What", "Who", "Role", "Said", "State"), rows)


def _gates(review: Review) -> Iterator[str]:
    rows = [
        (
            words.seconds_clock(item.at, review.zone),
            plain(item.gate),
            state(item.word, item.verdict),
            plain(f"{item.value} ({item.threshold})"),
            plain(f"{item.evidence}, {item.age}"),
            code(item.evidence_hash[:16]),
            plain(item.reason),
        )
        for item in review.gates
    ]
    yield from table(("When", "Gate", "Verdict", "Value (wanted)", "Evidence, age", "Hash", "Reason"), rows)


def _held(review: Review) -> Iterator[str]:
    held = review.held
    yield f"{state(held.word)} {plain(held.sentence)}"
    yield ""
    rows = [(plain(x.currency or "no amount"), x.held, x.released, x.returned, x.open) for x in held.lines]
    if rows:
        yield from table(("Currency", "Held", "Released", "Returned", "Open"), rows)
    yield from (f"- Problem: {plain(line)}" for line in held.problems)
    yield from (f"- Proof: {plain(line)}" for line in held.proved)


def _trouble(review: Review) -> Iterator[str]:
    rows = [
        (
            words.seconds_clock(x.at, review.zone),
            code(x.effect),
            plain(x.code),
            plain(x.text),
            plain(x.again),
        )
        for x in review.failures
    ]
    yield from table(("When", "Effect", "Code", "What", "Then"), rows)


def _runs(review: Review) -> Iterator[str]:
    rows = [
        (
            code(x.run),
            plain(x.target),
            words.seconds_clock(x.began, review.zone),
            words.seconds_clock(x.ended, review.zone) if x.ended else "-",
            plain(x.reason),
        )
        for x in review.runs
    ]
    yield from table(("Run", "Aimed at", "Began", "Ended", "How"), rows)


def _control(review: Review) -> Iterator[str]:
    yield f"- Review {code(review.id)}"
    yield f"- Plan {plain(review.plan_version)} {code(review.plan_hash)}"
    yield f"- Journal up to record {review.journal_seq} {code(review.journal_hash)}"


_BODIES: tuple[Callable[[Review], Iterator[str]], ...] = (
    _steps, _dark, _back, _said, _gates, _held, _trouble, _runs, _control,
)  # fmt: skip
