"""`cutwater demo`: tells the chapters and ends with a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cutwater.cli.options import OutputOption, ProjectOption, opened, output
from cutwater.core.output import Output, glyph

app = typer.Typer(help="The whole path on the embedded sandbox", pretty_exceptions_enable=False)


@app.command()
def demo(
    payments: Annotated[int, typer.Option(min=100, help="Payments in the seeded estate")] = 20_000,
    rate: Annotated[float, typer.Option(min=1, help="Live traffic, payments per second")] = 50,
    out_dir: Annotated[Path, typer.Option("--out", help="Where reports and summary.json go")] = Path("demo-out"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave the sandbox and the runner up")] = False,
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """From an unknown estate to a reconciled dual run. Exit 0 only if ground truth agrees."""
    from cutwater.core.progress import progress_for
    from sandbox import demo as telling

    out, found = output(fmt), opened(project)
    settings = telling.Settings(payments=payments, rate=rate, keep=keep)
    with progress_for(quiet=out.is_json) as progress:
        summary = telling.run(found, settings, out_dir, progress, _tell)
    if out.is_json:
        out.json("cutwater.demo/1", {key: value for key, value in summary.items() if key != "schema"})
    else:
        _table(out, summary, out_dir)
    sys.exit(int(summary["exit"]))


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _table(out: Output, summary: dict[str, Any], folder: Path) -> None:
    out.line()
    out.table(
        ("Chapter", "s", "What happened"),
        [(item["name"], item["seconds"], item["line"]) for item in summary["chapters"]],
        right=("s",),
    )
    out.table(
        ("Asset", "unit", "ground truth", "source", "lake", ""),
        [
            (
                row["asset"],
                row["unit"],
                _n(row["truth"]),
                _n(row["source"]),
                _n(row["lake"]),
                glyph("pass" if row["agrees"] else "fail"),
            )
            for row in summary["assets"]
        ],
        right=("ground truth", "source", "lake"),
    )
    out.table(
        ("Planted fault", "found as", "break", "state"),
        [(item["fault"], item["class"] or "NOT FOUND", item["break"], item["state"]) for item in summary["faults"]],
    )
    out.line(
        f"{summary['seconds']} s in all, peak memory {summary['peak_memory_mib']:,} MiB; reports and summary.json in {folder}/"
    )
    out.line("next: cutwater wave status W01;  cutwater evidence verify;  cutwater sandbox up, to look around")
    out.line(f"{glyph('pass' if summary['verdict'] == 'PASS' else 'fail')}  the demo's verdict, against ground truth")


def _n(value: object) -> str:
    return "-" if value is None else f"{value:,}"
