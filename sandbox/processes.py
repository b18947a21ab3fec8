"""Processes by identity: a pid alone is never trusted, for the system hands it out again.

An identity is the pid and the instant its process started, as the kernel counts it. On Linux that is the boot's id and the
start tick, which no adjustment of the clock moves; elsewhere psutil's creation time.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from sandbox.layout import write_private

# In the environment of every server: the sandbox's folder and the server's name.
MARK, SERVER_MARK = "CUTWATER_SANDBOX", "CUTWATER_SERVER"


@dataclass(frozen=True)
class Identity:
    """One process, this life of it."""

    pid: int
    started: str

    def process(self) -> psutil.Process | None:
        """The process if it still runs (a zombie does not), else None."""
        return psutil.Process(self.pid) if started(self.pid) == self.started else None


def started(pid: int) -> str:
    """The start of the process `pid` as text; empty where there is none, or only a zombie is left of it."""
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return ""
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists():
            tick = stat.read_text("utf-8", errors="replace").rpartition(")")[2].split()[19]
            return f"{Path('/proc/sys/kernel/random/boot_id').read_text('ascii').strip()}:{tick}"
        return f"{process.create_time():.2f}"
    except (psutil.Error, OSError, IndexError):
        return ""


def identity(pid: int) -> Identity:
    return Identity(pid, started(pid))


def record(path: Path, pid: int) -> Identity:
    """Writes the identity of `pid` to a pid file."""
    found = identity(pid)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, asdict(found))
    return found


def recorded(path: Path) -> Identity | None:
    """The identity in a pid file if that very process still runs, else None."""
    try:
        document = json.loads(path.read_text("utf-8"))
        found = Identity(int(document["pid"]), str(document["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.started and found.process() else None


def listens(pid: int, port: int) -> bool:
    """Whether `pid` itself holds the listening socket: an answer on a port may be another's."""
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in connections)


def stop(found: Identity, how: signal.Signals = signal.SIGTERM, grace_seconds: float = 20.0) -> list[int]:
    """Ends a process and all its descendants: `how` to the process first, SIGKILL after the grace to what is left.

    Returns the pids that did not end even so.
    """
    process = found.process()
    if process is None:
        return []
    family = [identity(process.pid), *(identity(child.pid) for child in _children(process))]
    _send(found, how)
    if not _wait(family, grace_seconds):
        for member in family:
            _send(member, signal.SIGKILL)
        _wait(family, 5.0)
    return [member.pid for member in family if member.process()]


def stray(home: Path, server: str = "") -> list[Identity]:
    """Processes that this sandbox's servers (or one of them) left behind and that no pid file may name.

    They are known by the mark in their environment. PostgreSQL overwrites its environment: see `working_in`.
    """
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue
        if environment.get(MARK) == str(home) and server in ("", environment.get(SERVER_MARK)):
            found.append(identity(process.pid))
    return [one for one in found if one.started and one.pid != os.getpid()]


def working_in(folder: Path, name: str) -> list[Identity]:
    """The processes called `name` whose working folder is `folder`."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == name and process.cwd() == str(folder):
                found.append(identity(process.pid))
        except (psutil.Error, OSError):
            continue
    return [one for one in found if one.started]


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _send(found: Identity, how: signal.Signals) -> None:
    process = found.process()
    if process is not None:
        try:
            process.send_signal(how)
        except psutil.NoSuchProcess:
            return


def _wait(family: list[Identity], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(member.process() for member in family):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
