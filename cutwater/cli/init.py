"""`cutwater init DIR --source postgresql://...`: a project for a database of one's own."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutwater.cli.options import OutputOption, ProjectOption, output
from cutwater.core.errors import BadInput, Exit
from cutwater.core.output import Output, glyph
from cutwater.core.redaction import plain

if TYPE_CHECKING:
    from cutwater.commands.init import Initialised

MOST_REASONS = 3
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def init(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="Where the project is written")] = None,
    source: Annotated[str, typer.Option("--source", help="The database that moves: postgresql://USER@HOST/DB")] = "",
    wave: Annotated[str, typer.Option("--wave", help="Name of the wave that holds its tables (default: W01)")] = "",
    schema: Annotated[list[str] | None, typer.Option("--schema", help="Only this schema; may be given again")] = None,
    catalog: Annotated[
        str, typer.Option("--catalog", help="PostgreSQL database of the lake's catalog (default: the sandbox's)")
    ] = "",
    warehouse: Annotated[
        str, typer.Option("--warehouse", help="The lake's files, with --catalog (default: DIR/lake)")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="The project's name (default: the folder's)")] = "",
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Write anew the files that nobody edited, where the source has changed")
    ] = False,
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """Write a project for a PostgreSQL database: what it holds, what is missing, what will be created."""
    from cutwater.commands import init as command

    out, where = output(fmt), folder or project
    if where is None:
        raise BadInput("CW1021", "init needs a folder", next="cutwater init DIR --source postgresql://...")
    if warehouse and not catalog:
        raise BadInput(
            "CW1024",
            "--warehouse without --catalog",
            cause="the sandbox's catalog has the sandbox's warehouse",
            next="add --catalog postgresql://USER:PASSWORD@HOST/DATABASE",
        )
    wish = command.Wish(
        source or command.source_of(where), wave, name, catalog, warehouse, tuple(schema or ()), refresh
    )
    done = command.init(where, wish)
    if done.own_catalog or not _uses_sandbox(where):
        _bring_java(where, out)
    if out.is_json:
        body = asdict(done) | {"folder": str(done.folder), "ready": not _blocking(done)}
        out.json("cutwater.init/1", body)
    else:
        _print(out, done)
    sys.exit(int(Exit.DONE))


def _uses_sandbox(folder: Path) -> bool:
    from cutwater.core.config import load_project

    found = load_project(folder)
    return found.endpoints_from == "sandbox" or found.configured.get("catalog_dsn") == "sandbox"


def _bring_java(folder: Path, out: Output) -> None:
    """Spark's archives into the user's cache, and a note of where they are: what the sandbox does for its own lake."""
    import json

    from adapters.spark.session import LAKE_FILE
    from cutwater.core.progress import progress_for
    from sandbox import jars
    from sandbox.java import java_home

    with progress_for(quiet=out.is_json) as progress:
        found = jars.fetch(("spark",), progress)
    note = folder / ".cutwater" / LAKE_FILE
    note.parent.mkdir(parents=True, exist_ok=True)
    body = {"private": {"java_home": str(java_home()), "spark_jars": [str(path) for path in found]}}
    note.write_text(json.dumps(body, indent=1) + "\n", "utf-8")


def _blocking(done: Initialised) -> bool:
    return bool(done.needs)


def _print(out: Output, done: Initialised) -> None:
    out.line(f"{done.source}  PostgreSQL {done.version}, {len(done.tables)} tables")
    out.table(
        ("TABLE", "ROWS", "SIZE", "KEY", "IDENTITY", "STATE"),
        [
            (
                item.name,
                "?" if item.rows is None else f"{'' if item.exact else '~'}{item.rows:,}",
                _size(item.size),
                ", ".join(item.key) or "-",
                item.identity,
                glyph(item.state),
            )
            for item in done.tables
        ],
        right=("ROWS", "SIZE"),
    )
    for item in done.tables:
        for note in item.notes:
            out.wrapped(f"{glyph('late'):<10} {plain(item.name)}: {plain(note)}", " " * 11)
    for part, why in done.not_checked.items():
        out.wrapped(f"{glyph('unknown'):<10} {part}: not checked, {why}", " " * 11)
    _print_needs(out, done)
    out.line()
    out.line("A wave will create, and cutwater wave abandon removes:")
    for text in done.will_create:
        out.wrapped(f"  {text}", "    ")
    out.line()
    _print_files(out, done)


def _print_needs(out: Output, done: Initialised) -> None:
    out.line()
    if not done.needs:
        out.line("Nothing is missing: rights, settings and replica identities are as a wave needs them.")
        return
    out.line("Missing. Each statement mends what stands above it:")
    by_mend: dict[str, list[str]] = {}
    for need in done.needs:
        by_mend.setdefault(need.mend, []).append(f"{need.code} {plain(need.what)}")
    for mend, whys in by_mend.items():
        for why in whys[:MOST_REASONS]:
            out.line(f"  -- {why}")
        if len(whys) > MOST_REASONS:
            out.line(f"  -- and {len(whys) - MOST_REASONS} more of this kind")
        out.line(f"  {plain(mend)}")
    out.line(f"Then: cutwater init {done.folder} --refresh")


def _print_files(out: Output, done: Initialised) -> None:
    if done.written:
        for name in done.written:
            out.line(f"  written  {done.folder / name}")
    else:
        out.line(f"{done.folder} is as init wrote it: nothing was changed.")
    if done.stale:
        out.line(
            f"The source gives other files by now ({', '.join(done.stale)}): cutwater init {done.folder} --refresh"
        )
    for variable in done.variables:
        out.line(f"The password is not in the project: export {variable}=... before every command.")
    here = f"--project {done.folder}"
    if not done.own_catalog:
        out.line(
            "The lake's catalog is the sandbox's PostgreSQL on this machine, for trying out; cutwater.toml says how to"
        )
        out.line(f"name one of your own.  cutwater sandbox up {here}")
    out.line(f"next: cutwater inventory discover {here}, then cutwater wave plan {done.wave} {here}")


def _size(amount: int) -> str:
    return next(
        (f"{amount / unit:,.1f} {name}" for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")) if amount >= unit),
        f"{amount / 1024:,.0f} KiB",
    )
