"""`cutwater evidence verify|show`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cutwater.cli.options import OutputOption, ProjectOption, opened, output
from cutwater.core.clock import iso
from cutwater.core.hashing import canonical_json
from cutwater.core.output import glyph
from cutwater.core.redaction import redact

KindOption = Annotated[list[str] | None, typer.Option("--kind", help="Records of this kind alone; may be given again")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.command()
def verify(
    project: ProjectOption = None,
    anchor: str = typer.Option(
        "", help="SEQ:HASH that was noted outside the store: catches a cut-off or rewritten tail"
    ),
    fmt: OutputOption = "text",
) -> None:
    """Prove that the journal and the evidence are as they were written."""
    from cutwater.commands import evidence as command

    out = output(fmt)
    found = command.verify(opened(project), anchor)
    if out.is_json:
        out.json("cutwater.evidence.verify/1", asdict(found))
    found.require()
    if not out.is_json:
        out.line(f"{glyph('pass')}  {found.records:,} records, one chain; evidence {found.evidence:,}, as recorded")
        out.line(f"anchor  {found.anchor}")
        if anchor:
            out.line(f"checked against {anchor}")
        else:
            out.line(
                "Note the anchor outside the store: cutwater evidence verify --anchor SEQ:HASH also catches a cut-off"
            )
            out.line("or rewritten tail, which the store alone cannot show.")


@app.command()
def show(
    project: ProjectOption = None,
    wave: str = typer.Option("", help="Records of this wave alone"),
    kind: KindOption = None,
    limit: int = typer.Option(20, min=1, max=10_000, help="The newest so many"),
    fmt: OutputOption = "text",
) -> None:
    """The newest records of the journal."""
    from cutwater.commands import evidence as command

    out = output(fmt)
    records = command.show(opened(project), wave or None, kind or (), limit)
    if out.is_json:
        out.json("cutwater.evidence.show/1", {"records": [asdict(item) for item in records], "limit": limit})
        return
    rows = [
        (item.seq, iso(item.at)[:19] + "Z", item.wave or "-", item.kind, _short(item.payload), item.hash[:8])
        for item in records
    ]
    out.table(("SEQ", "AT (UTC)", "WAVE", "KIND", "PAYLOAD", "HASH"), rows, right=("SEQ",))
    filters = " ".join(filter(None, (f"--wave {wave}" if wave else "", *(f"--kind {name}" for name in kind or ()))))
    out.line(f"{len(records)} records shown, newest last (--limit {limit}{', ' + filters if filters else ''})")


def _short(payload: dict[str, object], width: int = 34) -> str:
    text = redact(canonical_json(payload))[1:-1].replace('"', "")
    return text if len(text) <= width else text[: width - 1] + "…"
