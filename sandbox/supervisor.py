"""The sandbox's supervisor: one process per sandbox that starts every server, watches it, and starts a died one again.

    python -m sandbox.supervisor FOLDER

It is its own session, so that it survives the command that started it and that command's Ctrl-C. A supervisor that is
killed leaves the servers running; the next one takes them over by their pid files. SIGTERM stops everything; SIGHUP
gives failed servers another chance. It ends by itself when its folder is gone or names another supervisor.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from cutwater.core.errors import CutwaterError
from sandbox import jars
from sandbox.java import java_home
from sandbox.layout import Layout, write_endpoints, write_private
from sandbox.processes import MARK, SERVER_MARK, Identity, identity, listens, record, recorded, stop, stray
from sandbox.specs import Launch, ServerSpec, specs

RESTARTS, WITHIN_SECONDS, FIRST_PAUSE_SECONDS = 5, 300, 0.25
READY_WITHIN_SECONDS = 240  # a process that ended is seen at once; this is for one that starts on a busy machine
STOP_WITHIN_SECONDS = 20
LOG_BYTES = 20 << 20
_POLL_SECONDS = 0.5
NAME = "supervisor"


@dataclass
class Seen:
    """A server as the supervisor sees it. state: starting, ready, failed, stopped; milliseconds: from start to ready."""

    name: str
    state: str = "starting"
    pid: int = 0
    port: int = 0
    milliseconds: int = 0
    restarts: int = 0
    note: str = ""


class Keeper(threading.Thread):
    """Keeps one server running."""

    def __init__(self, spec: ServerSpec, supervisor: Supervisor) -> None:
        super().__init__(name=spec.name, daemon=True)
        self.spec, self.supervisor, self.layout = spec, supervisor, supervisor.layout
        self.seen = Seen(spec.name)
        self.deaths: deque[float] = deque(maxlen=RESTARTS)
        self.child: subprocess.Popen[bytes] | None = None
        self.found: Identity | None = None
        self.again = threading.Event()
        self.began = time.monotonic()

    def run(self) -> None:
        while not self.supervisor.stopping.is_set():
            try:
                found = self._running()
                self._await_ready(found)
                self._watch(found)
            except (CutwaterError, OSError, subprocess.SubprocessError, RuntimeError) as error:
                self.seen.note = str(error)
            if not self.supervisor.stopping.is_set():
                self._after_death()
        self._stop()

    def _running(self) -> Identity:
        """The server's process: the one that a pid file names and that still runs, else a new one."""
        self.began = time.monotonic()
        self._tell("starting", pid=0)
        found = recorded(self.layout.pid_file(self.spec.name))
        if found is None:
            for left in stray(self.layout.home, self.spec.name):
                stop(left, self.spec.stop_signal, STOP_WITHIN_SECONDS)
            found = self._launch(self.spec.prepare(self.layout))
        self.found = found
        self.supervisor.ports_may_have_changed()
        self.seen.port = self.layout.ports()[self.spec.name]
        self._tell("starting", pid=found.pid)
        return found

    def _launch(self, launch: Launch) -> Identity:
        log = self.layout.log(self.spec.name)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            os.replace(log, log.with_suffix(".log.1"))
        with log.open("ab") as out:
            self.child = subprocess.Popen(
                launch.argv,
                cwd=launch.cwd,
                env={**os.environ, **launch.env, MARK: str(self.layout.home), SERVER_MARK: self.spec.name},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                user=launch.uid,
                group=launch.gid,
                extra_groups=[] if launch.uid is not None else None,
            )
        return record(self.layout.pid_file(self.spec.name), self.child.pid)

    def _await_ready(self, found: Identity) -> None:
        """Until the process itself listens and the server answers; raises RuntimeError when it dies or takes too long."""
        deadline = self.began + READY_WITHIN_SECONDS
        while not self.supervisor.stopping.wait(0.1):
            if not self._alive(found):
                raise RuntimeError(f"ended while it started; {self.layout.log(self.spec.name)}")
            if listens(found.pid, self.seen.port):
                wrong = self.spec.healthy(self.layout)
                if not wrong:
                    self.spec.settle(self.layout)
                    self.seen.milliseconds = round((time.monotonic() - self.began) * 1000)
                    self._tell("ready", note="")
                    return
                self.seen.note = wrong
            if time.monotonic() > deadline:
                stop(found, self.spec.stop_signal, STOP_WITHIN_SECONDS)
                raise RuntimeError(f"not ready within {READY_WITHIN_SECONDS} s: {self.seen.note}")

    def _watch(self, found: Identity) -> None:
        while not self.supervisor.stopping.wait(_POLL_SECONDS):
            if not self._alive(found):
                self.seen.note = "ended unexpectedly"
                return

    def _after_death(self) -> None:
        """Starts anew after a pause that doubles; after RESTARTS deaths within WITHIN_SECONDS it waits for SIGHUP."""
        now = time.monotonic()
        self.deaths.append(now)
        if len(self.deaths) == RESTARTS and now - self.deaths[0] < WITHIN_SECONDS:
            self.again.clear()  # before the word: whoever reads it may call at once
            self._tell("failed")
            while not self.again.wait(_POLL_SECONDS) and not self.supervisor.stopping.is_set():
                pass
            self.deaths.clear()
            return
        self.seen.restarts += 1
        self._tell("starting", pid=0)
        recent = sum(1 for death in self.deaths if now - death < WITHIN_SECONDS)
        self.supervisor.stopping.wait(FIRST_PAUSE_SECONDS * 2 ** (recent - 1))

    def _alive(self, found: Identity) -> bool:
        if self.child is not None and self.child.pid == found.pid and self.child.poll() is not None:
            return False
        return found.process() is not None

    def _stop(self) -> None:
        if self.found is not None:
            stop(self.found, self.spec.stop_signal, STOP_WITHIN_SECONDS)
        if self.child is not None:
            self.child.poll()
        self._tell("stopped", pid=0)

    def _tell(self, state: str, pid: int | None = None, note: str | None = None) -> None:
        self.seen.state = state
        self.seen.pid = self.seen.pid if pid is None else pid
        self.seen.note = self.seen.note if note is None else note
        self.supervisor.publish()


class Supervisor:
    """All the keepers of one sandbox, and the file in which others read how they fare. `announce` is called, once every
    server has a port, after each start."""

    def __init__(self, layout: Layout, servers: list[ServerSpec], announce: Callable[[], None]) -> None:
        self.layout, self.announce = layout, announce
        self.stopping = threading.Event()
        self.unsaid = False  # the disk was full when there was something to say
        self.guard = threading.Lock()
        self.keepers = [Keeper(spec, self) for spec in servers]
        self.me = identity(os.getpid())

    def run(self) -> None:
        for keeper in self.keepers:
            keeper.start()
        while not self.stopping.wait(_POLL_SECONDS):
            if recorded(self.layout.pid_file(NAME)) != self.me:
                self.stopping.set()
            self._bury()
            if self.unsaid:
                self.publish()
        for keeper in self.keepers:
            keeper.join()

    def _bury(self) -> None:
        """A keeper that ended before its time met a defect of ours; its traceback is in our log. Another takes over at SIGHUP."""
        for index, keeper in enumerate(self.keepers):
            if not keeper.is_alive() and not self.stopping.is_set():
                if keeper.seen.state != "failed":
                    keeper.seen.state, keeper.seen.note = "failed", f"a defect, see {self.layout.log(NAME)}"
                    self.publish()
                elif keeper.again.is_set():
                    self.keepers[index] = Keeper(keeper.spec, self)
                    self.keepers[index].start()

    def publish(self) -> None:
        """Says how the servers fare; on a full disk, again at the next look: whoever watches must outlive it."""
        with self.guard:
            try:
                if self.layout.home.exists():
                    write_private(self.layout.state, [asdict(keeper.seen) for keeper in self.keepers])
                self.unsaid = False
            except OSError:
                self.unsaid = True

    def ports_may_have_changed(self) -> None:
        """Announces the endpoints as soon as every server has a port."""
        with self.guard:
            if {keeper.spec.name for keeper in self.keepers} <= set(self.layout.ports()):
                self.announce()

    def retry(self) -> None:
        for keeper in self.keepers:
            keeper.again.set()


def serve(layout: Layout, lock: TextIO) -> None:
    """Runs until it is told to stop."""
    spark = [str(path) for path in jars.paths("spark")]
    supervisor = Supervisor(layout, specs(layout.provider), lambda: write_endpoints(layout, str(java_home()), spark))
    signal.signal(signal.SIGTERM, lambda *_: supervisor.stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, lambda *_: supervisor.retry())
    supervisor.run()
    lock.close()


def main(argv: list[str]) -> int:
    """Goes into the background and returns 0 once the pid file is there; 1 when another supervisor already runs.

    The fork makes it nobody's child: a command that runs for long (a test session) keeps no zombie of it.
    """
    layout = Layout(Path(argv[0]))
    lock = (layout.home / "supervisor.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return 1
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        return 0 if os.read(reading, 1) else 1
    os.close(reading)
    os.setsid()
    record(layout.pid_file(NAME), os.getpid())
    os.write(writing, b"1")
    os.close(writing)
    serve(layout, lock)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
