"""What goes wrong outside when the lake is written or read, as our errors: a full disk, a store or catalog that is away.

Libraries raise as they please (OSError, SQLAlchemyError, a Java stack); a runner has to know what passes by itself.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cutwater.core.errors import CutwaterError, Unavailable
from waves.ports import Action, Fence, Outcome, Service, ServiceStatus

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS = ("no space left on device", "disk quota exceeded", "file too large")
_AWAY_WORDS = ("connection refused", "connection attempt failed", "terminating connection", "broken pipe")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises Unavailable (CW3201 catalog, CW3209 disk, CW3213 store) for what passes; all else goes through as it is."""
    try:
        yield
    except CutwaterError:
        raise
    except Exception as error:
        ours = explain(error, doing)
        if ours is None:
            raise
        raise ours from error


def explain(error: Exception, doing: str) -> CutwaterError | None:
    """The error of ours, or None for a defect."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    text = str(getattr(error, "orig", None) or error).strip()
    lowered = text.lower()
    full = any(word in lowered for word in _FULL_WORDS)
    if full or (isinstance(error, OSError) and error.errno in _FULL):
        line = next((line for line in text.splitlines() if any(w in line.lower() for w in _FULL_WORDS)), text)
        return _unavailable("CW3209", f"a disk is full ({doing})", line, "free space where the lake's files are kept")
    if isinstance(error, OperationalError | InterfaceError):
        return _unavailable("CW3201", f"the lake's catalog does not answer ({doing})", text, "start its database")
    if type(error).__name__ == "Py4JNetworkError":
        return _unavailable("CW3206", f"Spark ended in the middle ({doing})", text, "look whether memory ran out")
    if type(error).__module__.startswith("py4j"):
        line = next((line for line in text.splitlines() if any(w in line.lower() for w in _AWAY_WORDS)), "")
        return (
            _unavailable("CW3201", f"the lake's catalog does not answer Spark ({doing})", line, "start its database")
            if line
            else None
        )
    if isinstance(error, OSError):
        return _unavailable("CW3213", f"the lake's files cannot be read or written ({doing})", text, "mend the cause")
    return None


def _unavailable(code: str, what: str, cause: str, remedy: str) -> Unavailable:
    return Unavailable(
        code,
        what,
        cause=cause.strip().partition("\n")[0][:200],
        state="this commit was not made, or is found when it is looked for; everything committed before stays",
        money="nothing switched; customers are on the old platform",
        next=f"{remedy}; a live runner goes on by itself, else cutwater wave resume",
    )


class LakeAction:
    """An action whose outside faults are ours."""

    def __init__(self, name: str, inner: Action) -> None:
        self.name, self.inner = name, inner

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        with translated(self.name):
            return self.inner.perform(args, fence)

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        with translated(self.name):
            return self.inner.observe(args, fence)

    def describe(self, args: Mapping[str, Any]) -> str:
        return self.inner.describe(args)


class LakeService:
    """A service whose outside faults are ours; after each of them it is polled again."""

    def __init__(self, inner: Service) -> None:
        self.name, self.inner = inner.name, inner

    def poll(self, fence: Fence) -> ServiceStatus:
        with translated(self.name):
            return self.inner.poll(fence)

    def answer(self, kind: str, payload: Mapping[str, Any], fence: Fence) -> Outcome | None:
        with translated(f"{self.name}, {kind}"):
            return self.inner.answer(kind, payload, fence)

    def close(self) -> None:
        self.inner.close()
