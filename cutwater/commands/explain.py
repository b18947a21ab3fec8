"""What an error code means and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from cutwater.core.errors import BadInput


@dataclass(frozen=True)
class Explanation:
    code: str
    text: str


def explain(code: str, catalogue: Mapping[str, str]) -> Explanation:
    """The explanation of `code` (case and a missing `CW` are forgiven); raises BadInput CW1007 for an unknown one."""
    wanted = code.strip().upper()
    wanted = f"CW{wanted}" if wanted.isdigit() else wanted
    if wanted not in catalogue:
        near = difflib.get_close_matches(wanted, sorted(catalogue), n=3)
        raise BadInput(
            "CW1007",
            f"there is no code {code}",
            cause=f"close to it: {', '.join(near)}" if near else "",
            next="cutwater explain   (lists all codes)",
        )
    return Explanation(wanted, catalogue[wanted])


def listed(catalogue: Mapping[str, str]) -> list[Explanation]:
    """Every code in order."""
    return [Explanation(code, catalogue[code]) for code in sorted(catalogue)]
