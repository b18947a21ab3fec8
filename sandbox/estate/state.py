"""What has to go on where it stopped: sequence numbers, entry references, the registry's schema numbers.

One JSON file in the sandbox's folder, changed under a file lock: traffic and `inject` run at the same time.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cutwater.core.config import Project
from cutwater.core.errors import BadInput
from sandbox.estate.archive import Sequences

_FILE, _LOCK = "estate.json", "estate.lock"


@dataclass
class EstateState:
    """The seed's numbers and the counters that traffic continues. next_draw separates the draws of traffic's runs."""

    seed: int
    payments: int
    days: int
    next_entry: int
    next_draw: int = 0
    schema_ids: dict[str, int] = field(default_factory=dict)
    sequences: Sequences = field(default_factory=Sequences)


def save(project: Project, state: EstateState) -> None:
    """Replaces the file in one move: a reader sees the old state or the new one."""
    path = project.sandbox_dir / _FILE
    write_json(path, asdict(state))


def load(project: Project) -> EstateState:
    """The state of a seeded estate; BadInput where there is none."""
    try:
        document = json.loads((project.sandbox_dir / _FILE).read_text("utf-8"))
    except FileNotFoundError:
        raise BadInput(
            "CW1204",
            f"the estate of {project.name} has not been seeded",
            state="nothing was sent",
            next="cutwater sandbox seed",
        ) from None
    sequences = Sequences(**document.pop("sequences"))
    return EstateState(**document, sequences=sequences)


@contextmanager
def locked(project: Project) -> Iterator[EstateState]:
    """The state, for nobody else as long as the block lasts; saved at its end, also when the block raises.

    A number that was taken must never be taken again: a message may have gone out with it.
    """
    load(project)  # an estate that was never seeded has no folder for the lock either
    with (project.sandbox_dir / _LOCK).open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        state = load(project)
        try:
            yield state
        finally:
            save(project, state)


def write_json(path: Path, document: object) -> None:
    """Writes JSON beside `path`, then moves it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
    part.replace(path)
