"""Processes by identity, ports, and the folder of a sandbox. No server is started here."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from sandbox.layout import Layout, is_free, write_private
from sandbox.postgres_home import passable
from sandbox.processes import MARK, SERVER_MARK, Identity, identity, listens, record, recorded, stop, stray

# Says its child's pid, then both wait; the child ignores SIGTERM.
FAMILY = """
import os, signal, sys
child = os.fork()
if not child:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(1, str(os.getpid()).encode() + b"\\n")
signal.pause()
"""


@pytest.fixture
def family(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process and its child, which bear the mark of the sandbox tmp_path."""
    environment = {**os.environ, MARK: str(tmp_path), SERVER_MARK: "kafka"}
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        yield parent, child
        parent.kill()
        if identity(child).started:
            os.kill(child, signal.SIGKILL)


def test_a_process_is_known_by_its_start(tmp_path: Path) -> None:
    me = record(tmp_path / "me.json", os.getpid())
    assert recorded(tmp_path / "me.json") == me
    assert me.process() is not None


def test_a_recycled_pid_is_another_process(tmp_path: Path) -> None:
    me = identity(os.getpid())
    stranger = Identity(me.pid, me.started[:-1] + "x")
    write_private(tmp_path / "it.json", asdict(stranger))
    assert recorded(tmp_path / "it.json") is None
    assert stop(stranger, signal.SIGKILL) == []  # we are still here to say so


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "started": "y"}', '{"pid": 99999999, "started": ""}']
)
def test_a_broken_pid_file_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "it.json").write_text(text)
    assert recorded(tmp_path / "it.json") is None


def test_a_process_ends_with_its_descendants(family: tuple[subprocess.Popen[str], int]) -> None:
    parent, child = family
    assert stop(identity(parent.pid), signal.SIGTERM, grace_seconds=0.3) == []
    assert identity(child).started == ""
    assert parent.poll() == -signal.SIGTERM


def test_an_ended_process_is_nobody(family: tuple[subprocess.Popen[str], int]) -> None:
    parent, _ = family
    found = identity(parent.pid)
    parent.kill()
    os.waitid(os.P_PID, parent.pid, os.WEXITED | os.WNOWAIT)  # a zombie: its pid is still taken
    assert found.process() is None


def test_what_a_server_left_behind_is_found_by_its_mark(
    family: tuple[subprocess.Popen[str], int], tmp_path: Path
) -> None:
    parent, child = family
    assert {one.pid for one in stray(tmp_path)} == {parent.pid, child}
    assert {one.pid for one in stray(tmp_path, "kafka")} == {parent.pid, child}
    assert stray(tmp_path, "registry") == []
    assert stray(tmp_path / "other") == []


def test_a_port_is_kept_while_it_is_free_and_chosen_anew_when_taken(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    first = layout.port("kafka")
    assert layout.port("kafka") == first
    with socket.create_server(("127.0.0.1", first)):
        assert not is_free(first)
        assert listens(os.getpid(), first)
        second = layout.port("kafka")
        assert second != first
    assert layout.port("kafka") == second
    assert layout.port("registry") != second


def test_passwords_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    first = Layout(tmp_path).passwords()
    assert Layout(tmp_path).passwords() == first
    assert len(set(first.values())) == len(first)
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_servers_that_start_at_once_agree_on_passwords_and_ports(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        assert len({json.dumps(found) for found in pool.map(lambda _: layout.passwords(), range(32))}) == 1
        assert len(set(pool.map(lambda number: layout.port(f"server-{number}"), range(8)))) == 8
    assert len(layout.ports()) == 8


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    write_private(tmp_path / "it.json", {"a": 1})
    write_private(tmp_path / "it.json", {"a": 2})
    assert json.loads((tmp_path / "it.json").read_text()) == {"a": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["it.json"]


def test_a_folder_that_a_removal_took_away_closes_no_way(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert not passable(closed / "data" / "legacy")
    closed.chmod(0o711)
    assert passable(closed / "data") == passable(closed)
