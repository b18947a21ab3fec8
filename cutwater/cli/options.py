"""The options that every verb takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cutwater.core.config import Project, find_project, load_project
from cutwater.core.errors import BadInput
from cutwater.core.output import Output

ProjectOption = Annotated[
    Path | None, typer.Option("--project", help="The project's folder (default: nearest parent with cutwater.toml)")
]
OutputOption = Annotated[str, typer.Option("--output", help="text or json")]


def opened(project: Path | None) -> Project:
    """The project that was named, else the nearest one."""
    return find_project() if project is None else load_project(project)


def output(fmt: str) -> Output:
    """The chosen output; BadInput for any other word."""
    if fmt not in ("text", "json"):
        raise BadInput("CW1006", f"--output {fmt} is unknown", next="--output text or --output json")
    return Output(fmt)


_ANYWHERE = ("--project", "--output")  # what every verb takes, and may be said before it


def hoisted(words: Sequence[str]) -> list[str]:
    """The command line with `--project` and `--output` behind the verb, wherever they stood before it.

    Only words up to the verb are looked at: what stands behind it is the verb's own, and holds where both say something.
    """
    head: list[str] = []
    moved: list[str] = []
    rest = list(words)
    while rest and len(head) < 2:
        name, joined, _ = rest[0].partition("=")
        if name in _ANYWHERE and (joined or len(rest) > 1):
            taken = 1 if joined else 2
            moved += rest[:taken]
            rest = rest[taken:]
        elif rest[0].startswith("-"):
            break
        else:
            head.append(rest.pop(0))
    return [*head, *moved, *rest]
