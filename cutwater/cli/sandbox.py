"""`cutwater sandbox up|down|status|seed|traffic|inject`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cutwater.cli.options import OutputOption, ProjectOption, opened, output
from cutwater.core.errors import Exit
from cutwater.core.output import Output, glyph
from cutwater.core.progress import progress_for

app = typer.Typer(
    help="The embedded estate: real servers, seed data, live traffic, planted faults.",
    no_args_is_help=True,
    add_completion=False,
)
_GLYPHS = {"ready": "pass", "failed": "fail", "unwell": "fail", "starting": "unknown", "down": "blocked"}


@app.command()
def up(project: ProjectOption = None, output_format: OutputOption = "text") -> None:
    """Start the servers, or mend a half-dead sandbox. Does nothing where all is well."""
    from sandbox import servers

    out, chosen = output(output_format), opened(project)
    with progress_for() as progress:
        found = servers.up(chosen, progress)
    _show(out, "cutwater.sandbox.up/1", found)


@app.command()
def down(
    project: ProjectOption = None,
    output_format: OutputOption = "text",
    delete: Annotated[bool, typer.Option("--delete", help="Remove the sandbox's data as well")] = False,
) -> None:
    """Stop exactly what `up` started. The data stays unless --delete is given."""
    from sandbox import servers

    out, chosen = output(output_format), opened(project)
    servers.down(chosen, delete=delete)
    if out.is_json:
        out.json("cutwater.sandbox.down/1", {"name": chosen.name, "deleted": delete})
    else:
        out.line(f"sandbox {chosen.name} is down; its data {'was removed' if delete else 'stays'}")


@app.command()
def status(project: ProjectOption = None, output_format: OutputOption = "text") -> None:
    """Ask every server itself. Exit 0 when all are ready, 5 when one is not."""
    from sandbox import servers

    out = output(output_format)
    found = servers.status(opened(project))
    _show(out, "cutwater.sandbox.status/1", found)
    if not found.is_up:
        raise typer.Exit(int(Exit.UNAVAILABLE))


@app.command()
def seed(
    project: ProjectOption = None,
    output_format: OutputOption = "text",
    payments: Annotated[int, typer.Option(help="How many payments", min=1)] = 20_000,
    days: Annotated[int, typer.Option(help="Over how many days", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="The same seed gives the same estate")] = 7,
    reset: Annotated[bool, typer.Option("--reset", help="Throw away what was seeded before")] = False,
) -> None:
    """Fill the legacy estate: tables, topics, files and SWIFT messages that tell the same payments."""
    from sandbox.estate import commands

    out, chosen = output(output_format), opened(project)
    with progress_for() as progress:
        result = commands.seed(chosen, payments=payments, days=days, seed=seed, progress=progress, reset=reset)
    _tell(out, "cutwater.sandbox.seed/1", result)


@app.command()
def traffic(
    project: ProjectOption = None,
    output_format: OutputOption = "text",
    rate: Annotated[int, typer.Option(help="Payments per second", min=1)] = 50,
    seconds: Annotated[int | None, typer.Option(help="Stop after so many seconds", min=1)] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Keep paying in the background")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the traffic in the background")] = False,
    cannot_wait: Annotated[
        float, typer.Option(help="Share of the API's callers who are held while a route is dark", min=0, max=1)
    ] = 0.5,
) -> None:
    """Keep paying through all channels while everything else runs."""
    from sandbox.estate import commands

    out, chosen = output(output_format), opened(project)
    limit = None if seconds is None else float(seconds)
    result = commands.traffic(chosen, float(rate), limit, detach, stop, cannot_wait)
    _tell(out, "cutwater.sandbox.traffic/1", result)


@app.command()
def inject(
    faults: Annotated[list[str] | None, typer.Argument(help="Names of faults; none lists them")] = None,
    project: ProjectOption = None,
    output_format: OutputOption = "text",
    undo: Annotated[bool, typer.Option("--undo", help="Take the planted faults back")] = False,
) -> None:
    """Plant named faults: lost row, altered amount, duplicate event, late status, missing file line, sequence gap."""
    from sandbox.estate import commands

    out, chosen = output(output_format), opened(project)
    _tell(out, "cutwater.sandbox.inject/1", commands.inject(chosen, faults or [], undo))


def _show(out: Output, schema: str, found: Any) -> None:
    if out.is_json:
        servers = [
            {
                "name": server.name,
                "state": server.state,
                "pid": server.pid,
                "port": server.port,
                "milliseconds": server.milliseconds,
                "restarts": server.restarts,
                "memory_bytes": server.memory,
                "note": server.note,
            }
            for server in found.servers
        ]
        facts = {"name": found.name, "folder": str(found.folder), "up": found.is_up, "supervisor": found.supervisor}
        out.json(schema, {**facts, "servers": servers})
        return
    rows = [
        (
            server.name,
            f"{glyph(_GLYPHS[server.state]).split()[0]} {server.state}",
            server.pid or "",
            server.port or "",
            f"{server.seconds:.1f} s" if server.milliseconds else "",
            f"{server.memory / (1 << 20):.0f} MiB" if server.memory else "",
            server.restarts or "",
            server.note,
        )
        for server in found.servers
    ]
    out.table(
        ("server", "state", "pid", "port", "started in", "memory", "restarts", "note"),
        rows,
        right=("pid", "port", "started in", "memory", "restarts"),
    )
    if not found.supervisor and any(server.state == "ready" for server in found.servers):
        out.line("nobody watches these servers: the supervisor has ended")
    words = "is up" if found.is_up else "is not up; next: cutwater sandbox up"
    out.line(f"sandbox {found.name} {words}  ({found.folder})")


def _tell(out: Output, schema: str, result: dict[str, Any]) -> None:
    if out.is_json:
        out.json(schema, {key: _exact(value) for key, value in result.items()})
        return
    for key, value in result.items():
        if isinstance(value, dict):
            out.line(f"{key}")
            width = max((len(str(name)) for name in value), default=0)
            for name, item in value.items():
                out.wrapped(f"  {name:<{width}}  {_plain(item)}", " " * (width + 4))
        else:
            out.wrapped(f"{key}: {_plain(value)}")


def _exact(value: object) -> object:
    """Measured seconds and rates become decimal text: our JSON holds no float."""
    if isinstance(value, float):
        return str(value)
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    return value


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
