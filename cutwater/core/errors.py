"""One root error; its branches say what to do.

::

    CutwaterError            exit 1  a defect of ours
    |- Refused               exit 3  a verdict, a gate, an illegal move or tampering says no
    |- BadInput              exit 4  input or configuration has to be mended
    |- Unavailable           exit 5  an outside system did not answer: try again
    |- LeaseHeld             exit 6  somebody else is at work
    `- Inconclusive          exit 7  neither PASS nor FAIL could be shown

Every error carries its facts as attributes; the text is derived from them (experience.md, rule 6: cause, state,
money, next, undo).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class Exit(IntEnum):
    """The documented exit codes of every command."""

    DONE = 0
    DEFECT = 1
    USAGE = 2
    REFUSED = 3
    BAD_INPUT = 4
    UNAVAILABLE = 5
    LEASE_HELD = 6
    INCONCLUSIVE = 7
    INTERRUPTED = 130


@dataclass(eq=False)
class CutwaterError(Exception):
    """The root. `code` is stable (`CWnnnn`, see `cutwater explain`); the other fields are sentences for a person.

    what: what happened, to which object. cause: why, as far as it is known. state: what state things are in now.
    money: whether payments are touched. next: the command that comes next. undo: how to go back.
    """

    code: str
    what: str
    cause: str = ""
    state: str = ""
    money: str = ""
    next: str = ""
    undo: str = ""
    details: dict[str, object] = field(default_factory=dict)

    exit_code = Exit.DEFECT

    def __str__(self) -> str:
        return f"{self.code} {self.what}" + (f": {self.cause}" if self.cause else "")

    def lines(self) -> list[tuple[str, str]]:
        """The labelled lines beneath the headline, empty ones left out."""
        labelled = (
            ("cause", self.cause),
            ("state", self.state),
            ("money", self.money),
            ("next", self.next),
            ("undo", self.undo),
        )
        return [(label, text) for label, text in labelled if text]

    def as_dict(self) -> dict[str, object]:
        """The same facts for `--output json`."""
        return {
            "code": self.code,
            "what": self.what,
            **dict(self.lines()),
            "details": self.details,
            "exit": int(self.exit_code),
        }


class Refused(CutwaterError):
    """FAIL, breaks found, a gate or an illegal move says no, tampering found."""

    exit_code = Exit.REFUSED


class BadInput(CutwaterError):
    """A file, an option or the configuration has to be mended; `what` names the place, `next` the remedy."""

    exit_code = Exit.BAD_INPUT


class Unavailable(CutwaterError):
    """An outside system did not answer. The same command may be tried again."""

    exit_code = Exit.UNAVAILABLE


class LeaseHeld(CutwaterError):
    """Another runner holds the lease of this wave."""

    exit_code = Exit.LEASE_HELD


class Inconclusive(CutwaterError):
    """Nothing was shown to be wrong, and nothing was shown to be right."""

    exit_code = Exit.INCONCLUSIVE
