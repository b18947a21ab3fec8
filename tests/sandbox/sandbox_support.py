"""What the sandbox's tests share: waiting for something to be true, and ending a server hard."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

from cutwater.core.config import Project
from sandbox.layout import Layout
from sandbox.processes import Identity, recorded


def eventually(true: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether it becomes true in time."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not true():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.1)
    return True


def layout_of(project: Project) -> Layout:
    return Layout(project.sandbox_dir)


def running(project: Project, name: str) -> Identity:
    found = recorded(layout_of(project).pid_file(name))
    assert found is not None
    return found


def kill(found: Identity) -> None:
    os.kill(found.pid, signal.SIGKILL)
    assert eventually(lambda: found.process() is None)
