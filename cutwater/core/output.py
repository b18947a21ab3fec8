"""Text and JSON behind one small interface. Results go to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutwater.core.errors import CutwaterError
from cutwater.core.hashing import canonical_json
from cutwater.core.redaction import plain, redact
from cutwater.core.tokens import TOKENS

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 100


def glyph(state: str, stream_encoding: str | None = None) -> str:
    """The glyph and the word of a state, e.g. `✓ PASS`; ASCII where the stream cannot say more."""
    token = TOKENS[state]
    encoding = stream_encoding or getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        token.glyph.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return f"{token.ascii} {token.word}"
    return f"{token.glyph} {token.word}"


@dataclass
class Output:
    """What a command prints. `fmt` is `text` or `json`."""

    fmt: str = "text"

    @property
    def is_json(self) -> bool:
        return self.fmt == "json"

    def json(self, schema: str, payload: dict[str, object]) -> None:
        """One JSON document on standard output; `schema` is `cutwater.<noun>.<verb>/1`."""
        document = json.loads(canonical_json({"schema": schema, **payload}))
        print(json.dumps(document, indent=2, ensure_ascii=False))

    def line(self, text: str = "", style: str | None = None) -> None:
        """One line of the result in text mode."""
        _console().print(plain(text), style=style, markup=False, highlight=False, soft_wrap=True)

    def wrapped(self, text: str, indent: str = "  ") -> None:
        """A sentence, in lines of at most 100 columns; what follows the first is indented. Words are never broken."""
        lines = textwrap.wrap(
            plain(text), WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        for item in lines or [""]:
            self.line(item)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = (), title: str = ""
    ) -> None:
        """A table of at most 100 columns' width; the names in `right` are aligned to the right."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(
            box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False, header_style="bold"
        )
        for name in columns:
            table.add_column(name, justify="right" if name in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text("" if cell is None else plain(str(cell))) for cell in row))
        _console().print(table)


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = min(WIDTH, Console().width) if stream.isatty() else WIDTH
    return Console(stderr=stderr, width=width, highlight=False, force_terminal=stream.isatty())


def print_error(error: CutwaterError, fmt: str = "text") -> None:
    """The stop message: headline, then cause, state, money, next, undo; on standard error, JSON there as well."""
    if fmt == "json":
        print(
            redact(json.dumps({"schema": "cutwater.error/1", **error.as_dict()}, indent=2, default=str)),
            file=sys.stderr,
        )
        return
    console = _console(stderr=True)
    mark = (
        TOKENS["fail"].glyph
        if (getattr(sys.stderr, "encoding", "") or "").lower().startswith("utf")
        else TOKENS["fail"].ascii
    )
    console.print(plain(redact(f"{mark} {error.code} {error.what}")), style="bold red", markup=False, soft_wrap=True)
    for label, text in error.lines():
        console.print(plain(redact(f"  {label:<6} {text}")), markup=False, soft_wrap=True)
    console.print(
        f"  more   cutwater explain {error.code}; exit {int(error.exit_code)}",
        style="dim",
        markup=False,
        soft_wrap=True,
    )
