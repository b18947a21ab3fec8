"""What a bench yields, and docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

TARGET = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Section:
    """One bench's figures. Every cell was measured by this run; what was not is left out."""

    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = field(default=())


def machine() -> str:
    """Processors, memory, Python, system: what the figures depend on."""
    memory = psutil.virtual_memory().total / 2**30
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} processors, {memory:.0f} GiB memory, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, load {load} at the start"
    )


def write(sections: Sequence[Section], facts: str, target: Path = TARGET) -> None:
    """The page, made anew by each run."""
    lines = [
        "# Benchmarks",
        "",
        f"Made by `make bench` on {datetime.now(UTC):%d %b %Y %H:%M} UTC: {facts}.",
        "Figures of one run on one machine; they are printed, never asserted.",
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", section.about, "", f"| {' | '.join(section.columns)} |"]
        lines.append(f"|{'|'.join('---' for _ in section.columns)}|")
        lines += [f"| {' | '.join(row)} |" for row in section.rows]
        lines += ["", *(f"- {note}" for note in section.notes)] if section.notes else []
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def show(section: Section) -> None:
    """The same table for a terminal."""
    widths = [max(map(len, column)) for column in zip(section.columns, *section.rows, strict=True)]
    out = sys.stdout.write
    out(f"\n{section.title}\n{section.about}\n")
    for row in (section.columns, *section.rows):
        out("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
    for note in section.notes:
        out(f"  {note}\n")
