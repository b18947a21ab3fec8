"""`cutwater payments`: parse, validate, totals here; equate and timeline in payments_story. Parses and renders only."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cutwater.cli.options import OutputOption, output
from cutwater.cli.payments_story import RevealOption, register
from cutwater.core.errors import Exit

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="Messages of any format"
)
register(app)
PathsArgument = Annotated[
    list[str], typer.Argument(help="Files, folders, archives (zip, tar, gz); - is standard input")
]
SchemasOption = Annotated[Path | None, typer.Option("--schemas", help="A folder of XSDs to validate against")]


@app.command("parse")
def parse_(
    paths: PathsArgument,
    schemas: SchemasOption = None,
    full: Annotated[
        bool, typer.Option("--full", help="JSON with every field of the model and what it has no field for")
    ] = False,
    reveal: RevealOption = False,
    fmt: OutputOption = "text",
) -> None:
    """Read every message into events and statements. Exit 4 where one was rejected."""
    from cutwater.cli.payments_text import Listing
    from cutwater.commands import payments as command
    from cutwater.commands.payments_json import JsonLines

    out, tally = output(fmt), command.Tally()
    with _pipe():
        lines = JsonLines(sys.stdout.write, full) if out.is_json else None
        listing = Listing(out, reveal)
        for piece in command.parse(paths, schemas):
            tally.add(piece)
            if lines is not None:
                lines.part(piece.place, piece.parsed, piece.status, piece.findings)
            else:
                listing.part(piece)
        if lines is None:
            listing.end(tally)
        sys.stdout.flush()
    sys.exit(int(Exit.BAD_INPUT if tally.rejected else Exit.DONE))


@app.command("validate")
def validate_(paths: PathsArgument, schemas: SchemasOption = None, fmt: OutputOption = "text") -> None:
    """What is wrong with each message, and between statements and messages. Exit 4 where one is rejected."""
    from cutwater.cli.payments_text import print_checks
    from cutwater.commands import payments_checks as command

    out = output(fmt)
    found = command.validate(paths, schemas)
    if out.is_json:
        out.json("cutwater.payments.validate/1", found.body())
    else:
        print_checks(out, found)
    sys.exit(int(Exit.BAD_INPUT if found.tally.rejected else Exit.DONE))


@app.command("totals")
def totals_(paths: PathsArgument, fmt: OutputOption = "text") -> None:
    """Count and sum by type, kind, direction, currency and value date; stated totals that are not the actual ones."""
    from cutwater.cli.payments_text import print_totals
    from cutwater.commands import payments as command

    out = output(fmt)
    found = command.totals(paths)
    if out.is_json:
        out.json("cutwater.payments.totals/1", _totals_json(found))
    else:
        print_totals(out, found)
    sys.exit(int(Exit.BAD_INPUT if found.tally.rejected else Exit.DONE))


def _totals_json(found: Any) -> dict[str, object]:
    names = ("type", "kind", "direction", "currency", "value_date")
    return {
        "messages": dict(sorted(found.tally.statuses.items())),
        "totals": [
            {**dict(zip(names, (part or None for part in key), strict=True)), "count": count, "sum": f"{total:f}"}
            for key, (count, total) in sorted(found.rows.items())
        ],
        "differences": [
            {"source": place.body(), "code": item.code, "path": item.path, "message": item.message}
            for place, item in found.differences
        ],
    }


class _pipe:
    """A reader that has seen enough (`| head`) ends the command without a word."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(int(Exit.DONE))
