"""`cutwater doctor`: findings and their fixes."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict

import typer

from cutwater.cli.options import OutputOption, ProjectOption, opened, output
from cutwater.core.errors import Exit
from cutwater.core.output import glyph

app = typer.Typer(help="What is missing, and how to mend it", pretty_exceptions_enable=False)


@app.command()
def doctor(project: ProjectOption = None, fmt: OutputOption = "text") -> None:
    """Ask every system of the project. Exit 4 where something has to be mended."""
    from cutwater.commands.doctor import doctor as examine

    out = output(fmt)
    checks = examine(opened(project))
    counts = Counter(check.state for check in checks)
    if out.is_json:
        out.json("cutwater.doctor.run/1", {"checks": [asdict(check) for check in checks], "counts": dict(counts)})
    else:
        for check in checks:
            out.line(
                f"{glyph(check.state):<10} {check.name:<13} {check.text}"
                + (f"   fix: {check.fix}" if check.fix else "")
            )
        code = int(Exit.BAD_INPUT if counts["fail"] else Exit.DONE)
        out.line(
            f"{counts['fail']} to mend, {counts['late']} warnings, {counts['unknown']} not checked, {counts['pass']} ok  exit {code}"
        )
    sys.exit(int(Exit.BAD_INPUT if counts["fail"] else Exit.DONE))
