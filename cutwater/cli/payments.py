"""`cutwater payments`."""

from __future__ import annotations

import typer

from cutwater.cli.payments_story import register

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
register(app)
