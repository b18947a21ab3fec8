"""`cutwater`: noun + verb. Groups are imported when they are asked for, so that `--help` answers at once."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from cutwater import __version__
from cutwater.cli.options import hoisted
from cutwater.core.errors import BadInput, CutwaterError, Exit

# noun -> (module, help). A group's module holds `app`, a typer.Typer; a single command's module holds `app` with one.
NOUNS: dict[str, tuple[str, str]] = {
    "demo": ("cutwater.cli.demo", "The whole path on the embedded sandbox, told chapter by chapter"),
    "doctor": ("cutwater.cli.doctor", "What is missing, and how to mend it"),
    "evidence": ("cutwater.cli.evidence", "The hash-chained journal: verify, show"),
    "explain": ("cutwater.cli.explain", "What an error code means and what to do"),
    "init": ("cutwater.cli.init", "A project for a PostgreSQL database of your own"),
    "inventory": ("cutwater.cli.inventory", "The As-Is estate: discover, list, show, diff"),
    "payments": ("cutwater.cli.payments", "Messages of any format: parse, validate, totals, equate, timeline"),
    "reconcile": ("cutwater.cli.reconcile", "Both sides compared at a stated point: run, breaks, explain, report"),
    "runbook": ("cutwater.cli.runbook", "The plan as people carry it out: render"),
    "sandbox": ("cutwater.cli.sandbox", "The embedded estate: up, down, status, seed, traffic, inject"),
    "wave": ("cutwater.cli.wave", "Waves: plan, show, run, status, pause, resume, approve, abandon"),
}


class LazyGroup(TyperGroup):
    """Knows the nouns by name and imports one only when it is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(NOUNS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in NOUNS:
            return None
        module, _ = NOUNS[cmd_name]
        command = get_command(import_module(module).app)
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, NOUNS))
        sys.stdout.write(
            "Usage: cutwater NOUN VERB [--project DIR] [--output text|json]  (both before or after the verb)\n\n"
            "Moves a payments estate to a lakehouse, wave by wave, and proves that nothing was lost,\ndoubled or changed.\n\n"
            + "".join(f"  {name:<{width}}  {text}\n" for name, (_, text) in sorted(NOUNS.items()))
            + "\nExit codes: 0 done, 1 defect, 2 usage, 3 refused, 4 bad input, 5 unavailable, 6 lease held,\n"
            "7 inconclusive, 130 interrupted.  cutwater NOUN --help tells more.\n"
        )


app = typer.Typer(cls=LazyGroup, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit")) -> None:
    if version:
        sys.stdout.write(f"cutwater {__version__}\n")
        raise typer.Exit


def _defect(error: Exception) -> CutwaterError:
    """What nobody declared is a defect of ours: said in one message, the trace is kept for --debug."""
    return CutwaterError(
        "CW1000",
        "an error that cutwater does not know",
        cause=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        state="unknown: look before you go on",
        next="the same command with --debug shows the trace; please report it",
    )


def _check_text(words: list[str]) -> None:
    """Raises BadInput CW1009 for bytes that are no UTF-8: Python hands them on as lone surrogates, which nothing can keep."""
    for word in words:
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            raise BadInput(
                "CW1009",
                f"the argument {word!a} is not UTF-8",
                state="nothing was read or written",
                next="type it again as text",
            )


def main(argv: list[str] | None = None) -> None:
    """The console script. Every error ends as one message and a documented exit code."""
    words = sys.argv[1:] if argv is None else argv
    given = list(words)
    debug = "--debug" in words
    words = hoisted([word for word in words if word != "--debug"])
    fmt = (
        "json"
        if "json" in (words[i + 1] for i, word in enumerate(words[:-1]) if word == "--output")
        or "--output=json" in words
        else "text"
    )
    try:
        _check_text(given)
        app(args=words, prog_name="cutwater", standalone_mode=True)
    except CutwaterError as error:
        if debug:
            raise
        from cutwater.core.output import print_error

        print_error(error, fmt)
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        sys.exit(int(Exit.INTERRUPTED))
    except Exception as error:
        if debug:
            raise
        from cutwater.core.output import print_error

        print_error(_defect(error), fmt)
        sys.exit(int(Exit.DEFECT))
