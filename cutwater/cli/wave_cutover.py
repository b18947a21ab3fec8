"""`cutwater wave cutover|rollback|complete`."""

from __future__ import annotations

from typing import Annotated

import typer

from cutwater.cli.options import OutputOption, ProjectOption, opened, output

WaveArgument = Annotated[str, typer.Argument(help="The wave's name, e.g. W01")]
DetachOption = Annotated[bool, typer.Option("--detach", help="Return as soon as the runner has begun")]
AsOption = Annotated[str, typer.Option("--as", help="Who decides")]


def cutover(
    wave: WaveArgument,
    outside_window: Annotated[str, typer.Option("--outside-window", help="Why not in the planned window")] = "",
    who: AsOption = "",
    role: Annotated[str, typer.Option("--role", help="In which role that decides")] = "",
    detach: DetachOption = False,
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Move the writes: fence, drain, reconcile, switch, smoke, open. A failure before the route opens goes back by itself."""
    from cutwater.cli.wave import attached
    from cutwater.commands import wave_cutover as command

    out, where = output(fmt), opened(project)
    attached(out, "cutover", wave, lambda f: command.cutover(where, wave, outside_window, who, role, detach, f))


def rollback(
    wave: WaveArgument,
    decision: Annotated[str, typer.Option("--decision", help="Why, where the point of no return has passed")] = "",
    who: AsOption = "",
    role: Annotated[str, typer.Option("--role", help="In which role that decides")] = "",
    detach: DetachOption = False,
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Back to the dual run: traffic returns to the old platform, which then holds every payment. The streams stay alive."""
    from cutwater.cli.wave import attached
    from cutwater.commands import wave_cutover as command

    out, where = output(fmt), opened(project)
    attached(out, "rollback", wave, lambda f: command.rollback(where, wave, decision, who, role, detach, f))


def complete(
    wave: WaveArgument,
    yes: Annotated[str, typer.Option("--yes", help="The wave's name, typed")] = "",
    detach: DetachOption = False,
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Remove the slot and the publication from the legacy side. There is no way back after this."""
    from cutwater.cli.wave import attached
    from cutwater.commands import wave_cutover as command

    out, where = output(fmt), opened(project)
    typed = yes
    if not typed:
        out.line(f"This removes what the legacy side had from wave {wave}. There is no way back after it.")
        typed = typer.prompt("Type the wave's name", default="", show_default=False)
    attached(out, "complete", wave, lambda f: command.complete(where, wave, typed, detach, f))
