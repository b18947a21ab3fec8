"""`cutwater explain [CODE]`."""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec

import typer

from cutwater.cli.options import OutputOption, ProjectOption, output
from cutwater.commands.explain import explain, listed

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

# Each package keeps the meaning of its own codes; only this layer may see all of them.
CODE_MODULES = (
    "cutwater.core.codes",
    "cutwater.state.codes",
    "payments.codes",
    "inventory.codes",
    "lakehouse.codes",
    "reconciliation.codes",
    "waves.codes",
    "runbooks.codes",
    "adapters.codes",
    "sandbox.codes",
)


def catalogue() -> dict[str, str]:
    """code -> meaning and remedy, of every package."""
    found: dict[str, str] = {}
    for name in CODE_MODULES:
        if find_spec(name) is not None:
            found.update(import_module(name).CODES)
    return found


@app.command()
def explain_code(
    code: str = typer.Argument("", help="An error code, e.g. CW3107; none lists all of them"),
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """What an error code means and what to do; the same in every project."""
    out = output(fmt)
    items = [explain(code, catalogue())] if code else listed(catalogue())
    if out.is_json:
        out.json("cutwater.explain/1", {"codes": [asdict(item) for item in items]})
    elif code:
        out.line(items[0].code)
        out.line(items[0].text)
    else:
        out.table(("CODE", "MEANING"), [(item.code, item.text) for item in items])
