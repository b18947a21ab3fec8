"""The archives' lock file, and a fetch that accepts nothing else than what the lock names."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutwater.core.errors import BadInput, Refused, Unavailable
from sandbox import jars

CONTENT = {"a-1.jar": b"first archive " * 5000, "b-2-all.tar.gz": b"second archive " * 9000}


class Mirror(ThreadingHTTPServer):
    """A Maven repository of two files that knows Range and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(CONTENT)
        self.asked: list[tuple[str, str]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        name, wanted = self.path.rsplit("/", 1)[1], self.headers.get("Range", "")
        self.server.asked.append((self.path, wanted))
        body = self.server.files.get(name)
        if body is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:])

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mirror]:
    server = Mirror()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv(jars.MIRROR, f"http://127.0.0.1:{server.server_port}/maven/")
    monkeypatch.setenv("CUTWATER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    lines = [
        f"{group} {coordinate} {hashlib.sha256(CONTENT[name]).hexdigest()} {len(CONTENT[name])}\n"
        for group, coordinate, name in (
            ("kafka", "org.example:a:1", "a-1.jar"),
            ("registry", "org.example.deep:b:2:all@tar.gz", "b-2-all.tar.gz"),
        )
    ]
    path = tmp_path / "jars.lock"
    path.write_text("# a comment\n\n" + "".join(lines))
    return path


def test_the_lock_names_every_group_and_no_host() -> None:
    locked = jars.read_lock()
    assert {item.group for item in locked} == {"kafka", "registry", "spark"}
    assert len({(item.group, item.coordinate) for item in locked}) == len(locked)
    assert not re.search(r"https?:|\w\.(com|org|net|io)/", jars.LOCK.read_text())
    text = jars.LOCK.read_text()
    for root in (root.removesuffix("+") for roots in jars.ROOTS.values() for root in roots):
        assert f" {root} " in text


@given(
    st.builds(
        jars.Coordinate,
        *[st.from_regex(r"[a-z][a-z0-9._-]{0,12}", fullmatch=True)] * 3,
        st.sampled_from(["", "all", "linux-x86_64"]),
        st.sampled_from(["jar", "tar.gz", "pom"]),
    )
)
def test_a_coordinate_survives_its_text(coordinate: jars.Coordinate) -> None:
    assert jars.Coordinate.parse(str(coordinate)) == coordinate


def test_a_coordinate_has_its_place_in_a_repository() -> None:
    found = jars.Coordinate.parse("org.example.deep:b:2:all@tar.gz")
    assert found.repository_path == "org/example/deep/b/2/b-2-all.tar.gz"


@pytest.mark.parametrize(
    "line", ["kafka a:b:1 abc 12", "kafka a:b:1", f"kafka a:b {'0' * 64} 12", f"kafka a:b:1 {'0' * 64} x"]
)
def test_a_broken_line_is_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "jars.lock"
    path.write_text(line)
    with pytest.raises(BadInput, match="CW1103"):
        jars.read_lock(path)


def test_files_come_from_the_mirror_once(mirror: Mirror, lock: Path) -> None:
    first = jars.fetch(("kafka", "registry"), lock=lock)
    assert [path.read_bytes() for path in first] == list(CONTENT.values())
    assert sorted(path for path, _ in mirror.asked) == [
        "/maven/org/example/a/1/a-1.jar",
        "/maven/org/example/deep/b/2/b-2-all.tar.gz",
    ]
    mirror.asked.clear()
    assert jars.fetch(("kafka", "registry"), lock=lock) == first
    assert mirror.asked == []


def test_only_the_asked_groups_come(mirror: Mirror, lock: Path) -> None:
    jars.fetch(("kafka",), lock=lock)
    assert [path.rsplit("/", 1)[1] for path, _ in mirror.asked] == ["a-1.jar"]


def test_a_wrong_file_is_refused_and_removed(mirror: Mirror, lock: Path) -> None:
    mirror.files["a-1.jar"] = b"something else"
    with pytest.raises(Refused) as caught:
        jars.fetch(("kafka",), lock=lock)
    assert caught.value.code == "CW1101"
    assert "org.example:a:1" in str(caught.value)
    target = jars.paths("kafka", lock)[0]
    assert list(target.parent.iterdir()) == []
    mirror.files.update(CONTENT)
    assert jars.fetch(("kafka",), lock=lock) == [target]


def test_a_half_file_is_resumed(mirror: Mirror, lock: Path) -> None:
    target = jars.paths("kafka", lock)[0]
    target.parent.mkdir(parents=True)
    target.with_name(target.name + ".part").write_bytes(CONTENT["a-1.jar"][:1000])
    jars.fetch(("kafka",), lock=lock)
    assert target.read_bytes() == CONTENT["a-1.jar"]
    assert [wanted for _, wanted in mirror.asked] == ["bytes=1000-"]


@pytest.mark.parametrize("part", [b"not the beginning", CONTENT["a-1.jar"] + b"too much"])
def test_a_wrong_half_is_fetched_anew(mirror: Mirror, lock: Path, part: bytes) -> None:
    target = jars.paths("kafka", lock)[0]
    target.parent.mkdir(parents=True)
    target.with_name(target.name + ".part").write_bytes(part)
    jars.fetch(("kafka",), lock=lock)
    assert target.read_bytes() == CONTENT["a-1.jar"]


def test_a_missing_file_is_unavailable_and_the_rest_is_kept(mirror: Mirror, lock: Path) -> None:
    del mirror.files["a-1.jar"]
    with pytest.raises(Unavailable, match="404") as caught:
        jars.fetch(("kafka", "registry"), lock=lock)
    assert caught.value.code == "CW1102"
    jars.fetch(("registry",), lock=lock)
    assert sum(1 for path, _ in mirror.asked if path.endswith(".tar.gz")) == 1


def test_a_silent_mirror_is_unavailable(mirror: Mirror, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(jars.MIRROR, "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="ConnectionError"):
        jars.fetch(("kafka",), lock=lock)


def test_an_altered_file_in_the_cache_is_found(mirror: Mirror, lock: Path) -> None:
    (path,) = jars.fetch(("kafka",), lock=lock)
    assert jars.verify(lock) == []
    path.write_bytes(b"altered")
    assert [item.path for item in jars.verify(lock)] == [path]
