"""The file route on a real file system, with a real gateway process: files are held in the dark, then moved once and in order, whoever
is killed at whatever moment."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.files.route import ACTED, MARKER, FileRoute, FilesRoute, complete_files, read_route, write_route
from cutwater.core.errors import BadInput, LeaseHeld, Unavailable
from sandbox.file_gateway import FileGateway
from waves.ports import Fence, Waiting

Args = dict[str, Any]


def fence(token: int = 1) -> Fence:
    return Fence("W01", token, "R1")


def args(side: str, epoch: int, wave: str = "W01") -> Args:
    return {"wave": wave, "feed": "file:pain001", "incoming": "incoming", "side": side, "epoch": epoch}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("incoming", "legacy", "tobe"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def gateway(root: Path) -> FileGateway:
    return FileGateway(root / "incoming", {"legacy": root / "legacy", "tobe": root / "tobe"})


@pytest.fixture
def action(root: Path) -> FilesRoute:
    return FilesRoute(str(root), within=0)


def deliver(root: Path, name: str, arrived: int, text: str = "x") -> None:
    """As a sender does: under another name, then renamed."""
    part = root / "incoming" / f"{name}.part"
    part.write_text(text, "utf-8")
    os.utime(part, ns=(arrived, arrived))
    part.rename(root / "incoming" / name)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def set_route(action: FilesRoute, gateway: FileGateway, wanted: Args, token: int = 1) -> Args:
    """Until the gateway acts on it."""
    while True:
        try:
            return action.perform(wanted, fence(token))
        except Waiting:
            gateway.turn()


def test_held_in_the_dark_then_moved_once_in_the_order_of_arrival(
    root: Path, action: FilesRoute, gateway: FileGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(root, "b.xml", 1)
    gateway.turn()
    assert names(root / "legacy") == ["b.xml"]  # no marker yet: as it always was
    with pytest.raises(Waiting, match=r"CW3323.*it acts on legacy, epoch 0"):
        action.perform(args("dark", 2), fence())
    assert set_route(action, gateway, args("dark", 2)) == {
        "feed": "file:pain001",
        "side": "dark",
        "epoch": 2,
        "held": 0,
    }
    for name, at in (("z.xml", 3), ("a.xml", 5), ("m.xml", 4)):
        deliver(root, name, at)
    (root / "incoming" / "half.xml.part").write_text("still coming", "utf-8")
    assert gateway.turn() == 0
    assert names(root / "incoming") == ["a.xml", "half.xml.part", "m.xml", "z.xml"]
    moved: list[str] = []
    real = os.rename
    monkeypatch.setattr(
        "sandbox.file_gateway.os.rename", lambda one, other: (moved.append(Path(one).name), real(one, other))
    )
    with pytest.raises(Waiting, match=r"it acts on dark"):
        action.perform(args("tobe", 3), fence())
    assert set_route(action, gateway, args("tobe", 3))["side"] == "tobe"
    assert moved == ["z.xml", "m.xml", "a.xml"]
    assert (names(root / "tobe"), names(root / "legacy")) == (["a.xml", "m.xml", "z.xml"], ["b.xml"])
    assert names(root / "incoming") == ["half.xml.part"]


def test_the_way_back_gives_them_to_the_legacy_side(root: Path, action: FilesRoute, gateway: FileGateway) -> None:
    set_route(action, gateway, args("dark", 2))
    deliver(root, "a.xml", 1)
    set_route(action, gateway, args("legacy", 3))
    assert names(root / "legacy") == ["a.xml"]
    assert names(root / "tobe") == []


def test_done_twice_it_changes_nothing_and_is_seen_after_a_crash(
    root: Path, action: FilesRoute, gateway: FileGateway
) -> None:
    assert action.observe(args("dark", 2), fence()) is None
    with pytest.raises(Waiting):
        action.perform(args("dark", 2), fence())
    assert action.observe(args("dark", 2), fence()) is None  # written, and the gateway has not said it yet
    gateway.turn()
    seen = action.observe(args("dark", 2), fence())
    before = (root / "incoming" / MARKER).stat().st_mtime_ns
    assert action.perform(args("dark", 2), fence()) == seen
    assert (root / "incoming" / MARKER).stat().st_mtime_ns == before
    assert action.observe(args("tobe", 3), fence()) is None
    # A runner that took over finishes with its own token.
    assert action.perform(args("dark", 2), fence(5)) == seen


def test_a_zombie_an_old_epoch_and_another_wave_s_dark_are_refused(
    root: Path, action: FilesRoute, gateway: FileGateway
) -> None:
    set_route(action, gateway, args("dark", 4), token=3)
    before = (root / "incoming" / MARKER).read_bytes()
    for wanted, token in (
        (args("tobe", 5), 2),
        (args("tobe", 3), 3),
        (args("tobe", 4), 3),
        (args("dark", 9, "W02"), 3),
    ):
        with pytest.raises(LeaseHeld, match="CW3322"):
            action.perform(wanted, fence(token))
    assert (root / "incoming" / MARKER).read_bytes() == before


def test_a_name_that_is_taken_waits_until_its_side_has_read_it(
    root: Path, action: FilesRoute, gateway: FileGateway
) -> None:
    """Nothing is overwritten: the same name came twice."""
    deliver(root, "a.xml", 1, "first")
    gateway.turn()
    set_route(action, gateway, args("dark", 2))
    deliver(root, "a.xml", 2, "second")
    with pytest.raises(Waiting):
        action.perform(args("legacy", 3), fence())
    gateway.turn()
    with pytest.raises(Waiting, match="1 files that were held have not left"):
        action.perform(args("legacy", 3), fence())
    assert (root / "legacy" / "a.xml").read_text("utf-8") == "first"
    (root / "legacy" / "a.xml").unlink()
    set_route(action, gateway, args("legacy", 3))
    assert (root / "legacy" / "a.xml").read_text("utf-8") == "second"


def test_what_cannot_be_read_moves_nothing(root: Path, action: FilesRoute, gateway: FileGateway) -> None:
    (root / "incoming" / MARKER).write_text("{", "utf-8")
    deliver(root, "a.xml", 1)
    with pytest.raises(BadInput, match="CW3321"):
        gateway.turn()
    with pytest.raises(BadInput, match="CW3321"):
        action.perform(args("dark", 2), fence())
    assert names(root / "incoming") == ["a.xml"]
    with pytest.raises(BadInput, match="CW3321"):
        action.perform(args("sideways", 2), fence())
    with pytest.raises(Unavailable, match="CW3320"):
        FilesRoute(str(root / "nowhere"), within=0).perform(args("dark", 2), fence())


def test_a_reader_sees_a_whole_marker_while_it_is_written(root: Path) -> None:
    folder, stop, wrong = root / "incoming", threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            found = read_route(folder)
            if found is not None and found.epoch != found.token:
                wrong.append(found)

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(200):
        write_route(folder, FileRoute("dark", number, number, "W01"))
    stop.set()
    reader.join()
    assert wrong == []
    assert complete_files(folder) == []  # its own files are no deliveries


def test_a_dry_run_says_what_would_be_done(action: FilesRoute) -> None:
    assert "hold them where they are delivered" in action.describe(args("dark", 2))
    assert "move them to the tobe side" in action.describe(args("tobe", 3))


class Process:
    """The gateway as a process, started again after each kill."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.start()

    def start(self) -> None:
        folders = [str(self.root / name) for name in ("incoming", "legacy", "tobe")]
        self.child = subprocess.Popen([sys.executable, "-m", "sandbox.file_gateway", *folders])

    def kill(self) -> None:
        self.child.send_signal(signal.SIGKILL)
        self.child.wait(30)


@pytest.fixture
def process(root: Path) -> Iterator[Process]:
    found = Process(root)
    yield found
    found.kill()


def test_killed_again_and_again_each_file_arrives_once_whole(root: Path, process: Process) -> None:
    """A sender delivers all the while; the route goes over, back and over; the gateway is killed in every phase."""
    stop, sent, chance = threading.Event(), [], random.Random(7)

    def send() -> None:
        while not stop.wait(0.002):
            name = f"F{len(sent):06d}.xml"
            deliver(root, name, time.time_ns(), json.dumps({"name": name, "fill": "x" * 2000}))
            sent.append(name)

    sender = threading.Thread(target=send)
    sender.start()
    action, held = FilesRoute(str(root), within=0.05), 0
    for epoch, side in enumerate(("dark", "tobe", "dark", "legacy", "dark", "tobe"), start=1):
        for attempt in range(1000):
            if attempt == 0 or chance.random() < 0.1:
                process.kill()
                process.start()
            try:
                held += int(action.perform(args(side, epoch), fence())["held"])
                break
            except Waiting:
                continue
        if side == "dark":  # a moment that has files in it
            wanted = len(sent) + 20
            while len(sent) < wanted:
                stop.wait(0.01)
    stop.set()
    sender.join()
    pause = threading.Event()
    while names(root / "incoming"):
        pause.wait(0.05)
    legacy, tobe = names(root / "legacy"), names(root / "tobe")
    assert sorted([*legacy, *tobe]) == sent
    assert len(tobe) >= 40
    assert legacy
    for name in sent:
        path = root / ("tobe" if name in set(tobe) else "legacy") / name
        assert json.loads(path.read_text("utf-8"))["name"] == name
    assert read_route(root / "incoming", ACTED) == read_route(root / "incoming")
