"""`cutwater runbook render`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutwater.cli.options import OutputOption, ProjectOption, opened, output
from cutwater.core.output import Output, glyph

if TYPE_CHECKING:
    from cutwater.commands.runbook import Reviewed

ActualsOption = Annotated[
    bool, typer.Option("--actuals", help="The review instead: planned and actual, from the journal")
]
OutOption = Annotated[Path | None, typer.Option("--out", help="Where to write (default: PROJECT/runbook-out)")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The plan as people carry it out."""


@app.command()
def render(
    wave: Annotated[str, typer.Argument(help="The wave's name, e.g. W01")],
    formats: Annotated[str, typer.Option("--format", help="html, md or both")] = "both",
    out: OutOption = None,
    actuals: ActualsOption = False,
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Write the wave's cutover-and-rollback runbook: from its plan, its journal and its evidence."""
    from cutwater.commands import runbook as command

    shown = output(fmt)
    if actuals:
        _review(shown, command.actuals(opened(project), wave, formats, out))
        return
    done = command.render(opened(project), wave, formats, out)
    book = done.book
    if shown.is_json:
        payload = {
            "wave": wave,
            "runbook": book.id,
            "hash": done.hash,
            "plan_hash": book.plan_hash,
            "journal_seq": book.journal_seq,
            "rendered_at": book.rendered_at,
            "verdict": book.verdict,
            "criteria": [asdict(item) for item in book.criteria],
            "latest_safe_rollback_start": book.no_return.latest,
            "latest_safe_rollback_start_is": book.no_return.known,
            "documents": [asdict(item) for item in done.documents],
        }
        shown.json("cutwater.runbook.render/1", payload)
        return
    for item in done.documents:
        shown.line(f"{item.path}  {item.bytes:,} bytes  sha256 {item.sha256[:16]}")
    shown.table(("STATE", "CRITERION", "SEEN"), [(glyph(item.word), item.name, item.value) for item in book.criteria])
    shown.line(f"{book.id}  {book.verdict}: {book.verdict_sentence}")
    command_next = next((item.next for item in book.criteria if item.word != "pass" and item.next), "")
    if command_next:
        shown.line(f"next: {command_next}")


def _review(shown: Output, done: Reviewed) -> None:
    from runbooks.words import precise, signed

    review = done.review
    if shown.is_json:
        payload = {"hash": done.hash, **review.as_dict(), "documents": [asdict(item) for item in done.documents]}
        shown.json("cutwater.runbook.actuals/1", payload)
        return
    for item in done.documents:
        shown.line(f"{item.path}  {item.bytes:,} bytes  sha256 {item.sha256[:16]}")
    rows = [
        (glyph(row.word), part.name, row.id, precise(row.planned_ms), precise(row.actual_ms), signed(row.variance_ms))
        for part in review.parts
        if part.kind != "before"
        for row in part.steps
    ]
    shown.table(("STATE", "PART", "CARD", "PLANNED", "ACTUAL", "VARIANCE"), rows)
    for window in review.dark:
        shown.line(f"dark to {window.side}: {precise(window.actual_ms)}, planned {precise(window.planned_ms)}")
    shown.line(f"{review.id}  {review.verdict}: {review.sentence}")
