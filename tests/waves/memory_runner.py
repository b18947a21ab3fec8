"""The runner with a world in a file instead of real systems: for tests that start and kill processes.

The file <project>/world.json holds the world; while <project>/hold exists, no range is copied, and while
<project>/hold.<action> exists, that action waits in front of its deed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.memory.world import MemoryAction, MemoryWorld, memory_actions, memory_services
from cutwater.core.config import Project
from waves.held import Receiver
from waves.plan import Plan
from waves.ports import Action, Fence, Outcome, Service


class Held(MemoryAction):
    """Waits in front of a deed until the test lets it go."""

    gate: Path

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        while self.gate.exists():
            time.sleep(0.02)
        return super().perform(args, fence)


class FileWiring:
    """Both sides in <project>/world.json."""

    def __init__(self) -> None:
        self.worlds: dict[Path, MemoryWorld] = {}

    def world(self, project: Project) -> MemoryWorld:
        if project.root not in self.worlds:
            world = MemoryWorld(
                {"payhub.payment": 250, "payhub.account": 40, "payhub.operator_note": 7},
                changes=10,
                feeds={"kafka:payhub.payment.status.v1": 8, "file:pain001": 2},
                path=project.root / "world.json",
            )
            world.load()
            self.worlds[project.root] = world
        return self.worlds[project.root]

    def actions(self, project: Project, plan: Plan) -> dict[str, Action]:
        world = self.world(project)
        found = memory_actions(world)
        gates = {"backfill.chunk": "hold", **{path.name[5:]: path.name for path in project.root.glob("hold.*")}}
        for name, gate in gates.items():
            if (project.root / gate).exists():
                held = Held(world, name)
                held.gate = project.root / gate
                found[name] = held
        return found

    def held_receiver(self, project: Project) -> Receiver:
        return lambda payment: payment.key

    def services(self, project: Project, plan: Plan, names: Sequence[str]) -> list[Service]:
        return memory_services(self.world(project), names)


if __name__ == "__main__":
    from cutwater.jobs.runner import main

    sys.exit(main(wiring=FileWiring()))
