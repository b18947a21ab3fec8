"""kill -9 at a record of the journal: the order that a test writes, and how a server of the sandbox dies."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from sandbox.layout import Layout
from sandbox.processes import recorded

RUNNER = "runner"
DEAD_WITHIN_SECONDS, UP_WITHIN_SECONDS = 20, 120


@dataclass(frozen=True)
class Order:
    """Whom to kill, and when: `before` or `after` the record of this kind is written, whose payload holds `about`."""

    victim: str  # RUNNER, or the name of a server of the sandbox
    kind: str
    about: dict[str, str]
    when: str = "after"
    sandbox: str = ""
    how: str = "SIGKILL"
    seq: int = 0  # of the last record before it was carried out

    def meets(self, when: str, kind: str, payload: dict[str, Any]) -> bool:
        return (when, kind) == (self.when, self.kind) and all(payload.get(k) == v for k, v in self.about.items())

    @property
    def moment(self) -> str:
        return f"{self.when} {self.kind} {' '.join(self.about.values())}"

    def write(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        path = folder / f"{self._name}.new"
        path.write_text(json.dumps(asdict(self)), "utf-8")
        os.replace(path, path.with_suffix(".json"))

    def take(self, folder: Path, seq: int) -> bool:
        """Whether we are the one who carries it out. seq: of the last record before it."""
        path = folder / f"{self._name}.taken"
        try:
            os.replace(folder / f"{self._name}.json", path)
        except FileNotFoundError:
            return False
        path.write_text(json.dumps({**asdict(self), "seq": seq}), "utf-8")
        os.replace(path, path.with_suffix(".struck"))
        return True

    @staticmethod
    def standing(folder: Path) -> list[Order]:
        """Those that nobody has carried out yet."""
        try:
            return _orders(folder, "*.json")
        except FileNotFoundError:  # taken by another, this very moment
            return []

    @staticmethod
    def struck(folder: Path) -> list[Order]:
        """Those that were carried out, in order."""
        return sorted(_orders(folder, "*.struck"), key=lambda order: order.seq)

    @property
    def _name(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def _orders(folder: Path, pattern: str) -> list[Order]:
    return [Order(**json.loads(path.read_text("utf-8"))) for path in sorted(folder.glob(pattern))]


def strike(sandbox: Path, server: str) -> None:
    """SIGKILL to the server and its children (PostgreSQL's sessions), and returns when they are gone. One that has just been
    killed is waited for: who is dead already cannot be killed."""
    process = _ready(Layout(sandbox), server)
    family = [process, *process.children(recursive=True)]
    for member in family:
        try:
            member.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    deadline = time.monotonic() + DEAD_WITHIN_SECONDS
    while any(_runs(member) for member in family) and time.monotonic() < deadline:
        time.sleep(0.01)


def _ready(layout: Layout, server: str) -> psutil.Process:
    deadline = time.monotonic() + UP_WITHIN_SECONDS
    while time.monotonic() < deadline:
        found = recorded(layout.pid_file(server))
        process = found.process() if found else None
        told = {item["name"]: item["state"] for item in json.loads(layout.state.read_text("utf-8"))}
        if process is not None and told.get(server) == "ready":
            return process
        time.sleep(0.05)
    raise TimeoutError(f"{server} was to be killed, and does not run")


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
