"""The options that every verb takes."""

from __future__ import annotations

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
