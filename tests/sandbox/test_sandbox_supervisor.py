"""The supervisor with servers of three lines: it starts again what dies, gives up in the end, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cutwater.core.errors import Unavailable
from sandbox import servers, supervisor
from sandbox.layout import Layout
from sandbox.processes import record, recorded
from sandbox.specs import Launch

LISTENS = """
import signal, socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))): signal.pause()
"""


class Toy:
    """A server that only listens. It ends at once while the file `broken` stands."""

    name = "toy"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.broken = folder / "broken"
        self.settled = 0

    def prepare(self, layout: Layout) -> Launch:
        program = "raise SystemExit('no configuration')" if self.broken.exists() else LISTENS
        return Launch([sys.executable, "-c", program, str(layout.port("toy"))], cwd=layout.data)

    def healthy(self, layout: Layout) -> str:
        return ""

    def settle(self, layout: Layout) -> None:
        self.settled += 1


class Running:
    """A supervisor in a thread."""

    def __init__(self, layout: Layout, spec: Toy) -> None:
        self.layout, self.spec, self.announced = layout, spec, 0
        record(layout.pid_file(supervisor.NAME), os.getpid())
        self.supervisor = supervisor.Supervisor(layout, [spec], self._announce)
        self.thread = threading.Thread(target=self.supervisor.run)
        self.thread.start()

    def _announce(self) -> None:
        self.announced += 1

    @property
    def seen(self) -> supervisor.Seen:
        return self.supervisor.keepers[0].seen

    def until(self, true: Callable[[], bool]) -> None:
        deadline, pause = time.monotonic() + 20, threading.Event()
        while not true():
            assert time.monotonic() < deadline, self.seen
            pause.wait(0.02)

    def close(self) -> None:
        self.supervisor.stopping.set()
        self.thread.join()


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.01)
    layout = Layout(tmp_path / "home")
    layout.create()
    found = Running(layout, Toy(tmp_path))
    yield found
    found.close()


def test_a_died_server_is_started_again(running: Running) -> None:
    running.until(lambda: running.seen.state == "ready")
    first = running.seen.pid
    os.kill(first, signal.SIGKILL)
    running.until(lambda: running.seen.state == "ready" and running.seen.pid != first)
    assert running.seen.restarts == 1
    assert running.spec.settled == 2
    assert running.announced == 2


def test_it_gives_up_in_the_end_and_tries_again_when_told(running: Running) -> None:
    running.until(lambda: running.seen.state == "ready")
    running.spec.broken.touch()
    os.kill(running.seen.pid, signal.SIGKILL)
    running.until(lambda: running.seen.state == "failed")
    assert "ended while it started" in running.seen.note
    assert "no configuration" in running.layout.log("toy").read_text()
    running.spec.broken.unlink()
    running.supervisor.retry()
    running.until(lambda: running.seen.state == "ready")


def test_another_supervisor_takes_over_what_runs(running: Running) -> None:
    running.until(lambda: running.seen.state == "ready")
    second = Running(running.layout, Toy(running.layout.home))
    second.until(lambda: second.seen.state == "ready")
    assert second.seen.pid == running.seen.pid
    second.close()
    assert recorded(running.layout.pid_file("toy")) is None


def test_it_ends_with_its_servers_when_its_folder_is_removed(running: Running) -> None:
    running.until(lambda: running.seen.state == "ready")
    found = recorded(running.layout.pid_file("toy"))
    assert found is not None
    shutil.rmtree(running.layout.home)
    running.thread.join(30)
    assert not running.thread.is_alive()
    assert found.process() is None


def test_a_full_disk_is_said_before_anything_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(Unavailable, match="MiB left") as caught:
        servers._room(Layout(tmp_path))
    assert caught.value.code == "CW1116"


def test_a_full_disk_does_not_end_the_one_who_watches(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot say what it sees, but goes on; with space again it says so by itself."""
    running.until(lambda: running.seen.state == "ready")

    def full(path: Path, value: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(supervisor, "write_private", full)
        os.kill(running.seen.pid, signal.SIGKILL)
        running.until(lambda: running.seen.restarts == 1 and running.seen.state == "ready")
    running.until(lambda: json.loads(running.layout.state.read_text("utf-8"))[0]["restarts"] == 1)
    assert running.thread.is_alive()
