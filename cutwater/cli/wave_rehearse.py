"""`cutwater wave rehearse`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cutwater.cli.options import OutputOption, ProjectOption, opened, output
from cutwater.core.output import Output, glyph
from cutwater.core.progress import progress_for


def rehearse(
    wave: Annotated[str, typer.Argument(help="The wave's name, e.g. W01")],
    rate: Annotated[int, typer.Option(help="Payments per second on the copy", min=1)] = 50,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the copy up, to look into it")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove a copy that was left, and nothing else")] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="File a round that was carried out in another project")
    ] = None,
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Carry the whole round out on a copy of the sandbox: dual run, cutover, rollback. What it took feeds the schedule."""
    from cutwater.cli.wave_lines import Story

    out, where = output(fmt), opened(project)
    if remove:
        _removed(out, where, wave)
        return
    if source is not None:
        _filed(out, where, wave, source)
        return
    from sandbox import rehearsal

    with progress_for() as progress:
        done = rehearsal.rehearse(where, wave, float(rate), keep, progress, Story())
    facts = {"record": {"seq": done.seq, "hash": done.hash}, "kept": str(done.kept), "copy_stays": done.copy_stays}
    _show(out, wave, done.found, {**facts, "changed": True})
    if not out.is_json:
        what = "the copy stays up, remove it: " if done.copy_stays else "its journal: "
        out.line(f"{what}{f'cutwater wave rehearse {wave} --remove' if done.copy_stays else done.kept}")
        out.line(f"next: cutwater wave status {wave}, cutwater runbook render {wave}")


def _removed(out: Output, where: Any, wave: str) -> None:
    from sandbox import rehearsal

    gone = rehearsal.remove(where, wave)
    if out.is_json:
        out.json("cutwater.wave.rehearse.remove/1", {"wave": wave, "removed": gone})
    else:
        out.line(f"{wave}  {'the copy was removed' if gone else 'no copy was left'}")


def _filed(out: Output, where: Any, wave: str, source: Path) -> None:
    from cutwater.commands import rehearsal
    from cutwater.core.config import load_project

    found, added = rehearsal.from_project(where, wave, load_project(source))
    _show(out, wave, found, {"changed": added})
    if not out.is_json:
        out.line(f"{'filed' if added else 'filed already: nothing was added'}; next: cutwater wave status {wave}")


def _show(out: Output, wave: str, found: Any, facts: dict[str, Any]) -> None:
    if out.is_json:
        out.json("cutwater.wave.rehearse/1", {"wave": wave, **found.as_dict(), **facts})
        return
    same = "the same plan" if found.plan == found.of_plan else "the same steps, another plan"
    out.line(f"{glyph('pass')}  {wave} rehearsed  {found.rehearsal}  plan {found.plan[:12]} ({same})")
    rows = [
        (step, ", ".join(values), ", ".join(found.back.get(step, ())))
        for step, values in found.steps.items()
        if step in found.back or not found.back
    ]
    out.table(("STEP", "SECONDS", "WAY BACK"), rows, right=("SECONDS", "WAY BACK"))
    dark = ", ".join(f"{item:,} ms" for item in found.dark_ms)
    back = ", ".join(f"{item} s" for item in found.rollback_seconds)
    out.line(f"payments waited {dark}; rollback {back}; on {found.host['cpus']} CPUs, {found.host['memory_mib']} MiB")
