"""`cutwater runbook render`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cutwater.cli.options import OutputOption, ProjectOption, opened, output
from cutwater.core.output import glyph

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
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Write the wave's cutover-and-rollback runbook: from its plan, its journal and its evidence."""
    from cutwater.commands import runbook as command

    shown = output(fmt)
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
