"""report.html: one self-contained file from the evidence; nothing is fetched, nothing needs a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from cutwater.core.tokens import BASE_CSS, TOKENS
from reconciliation.amounts import amount, money
from reconciliation.reports.view import build

if TYPE_CHECKING:
    from jinja2 import Environment


def render(body: Mapping[str, Any], sha256: str, peers: Sequence[str] = ()) -> str:
    """The page of a run. `body` is the evidence, `sha256` its file's hash, `peers` files that stand beside it."""
    page = _environment().get_template("report.html.j2")
    return page.render(css=BASE_CSS, tokens=TOKENS, **build(body, sha256, peers))


@cache  # compiling the page takes longer than filling it, and somebody may wait in the dark
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("reconciliation", "reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["money"] = money
    environment.filters["amount"] = amount
    environment.filters["n"] = lambda value: f"{int(value):,}"
    return environment
