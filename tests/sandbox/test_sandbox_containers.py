"""The containers' side of the sandbox: up to the engine's door with an engine of our own; behind it where there is a real one."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import psycopg
import pytest

from cutwater.core.config import PROVIDER_VARIABLE, Project, load_project
from cutwater.core.errors import BadInput, CutwaterError, Refused, Unavailable
from sandbox import containers, servers
from sandbox.containers import IMAGES, Container, wanted
from sandbox.kafka import metadata
from sandbox.layout import HOST, LEGACY, TOBE, Layout
from sandbox.postgres import Postgres
from sandbox.specs import specs


class FakeEngine:
    """What docker.from_env() gives: records what is asked of it."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.removed: list[str] = []
        self.standing: set[str] = set()
        self.refuses: Exception | None = None
        self.api = type("Api", (), {"headers": {}, "base_url": "http+docker://localhost"})()
        self.images = self.containers = self.volumes = self.networks = self

    def ping(self) -> bool:
        return True

    def close(self) -> None:
        return None

    def list(self, *words: Any, **more: Any) -> list[Any]:
        return []

    def pull(self, *words: Any, **more: Any) -> None:
        return None

    def create(self, image: str, **more: Any) -> FakeContainer:
        if self.refuses is not None:
            raise self.refuses
        self.created.append({"image": image, **more})
        self.standing.add(more["name"])
        return FakeContainer(self, more["name"])

    def get(self, name: str) -> FakeContainer:
        if name not in self.standing and not name.startswith(("postgres:", "apache/", "apicurio/", "motoserver/")):
            raise docker.errors.NotFound(name)
        return FakeContainer(self, name)


class FakeContainer:
    """One container (or image, or volume) of it."""

    status = "running"
    short_id = "f00d"

    def __init__(self, engine: FakeEngine, name: str) -> None:
        self.engine, self.name, self.id = engine, name, name

    def start(self) -> None:
        return None

    def reload(self) -> None:
        return None

    def remove(self, **more: Any) -> None:
        self.engine.removed.append(self.name)
        self.engine.standing.discard(self.name)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path / "home")
    found.create()
    return found


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    made = FakeEngine()
    monkeypatch.setattr(docker, "from_env", lambda **more: made)
    return made


def project_in(folder: Path, provider: str = "containers") -> Project:
    text = f'[project]\nname = "c-{secrets.token_hex(3)}"\n\n[endpoints]\nfrom = "sandbox"\n\n[sandbox]\nprovider = "{provider}"\n'
    (folder / "cutwater.toml").write_text(text, "utf-8")
    return load_project(folder)


def test_the_provider_is_an_option_and_a_variable_for_tests_goes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project_in(tmp_path, "embedded").provider == "embedded"
    assert project_in(tmp_path).provider == "containers"
    monkeypatch.setenv(PROVIDER_VARIABLE, "embedded")
    assert project_in(tmp_path).provider == "embedded"
    for place in ("option", "variable"):
        monkeypatch.setenv(PROVIDER_VARIABLE, "podman" if place == "variable" else "")
        with pytest.raises(BadInput) as wrong:
            project_in(tmp_path, "podman" if place == "option" else "containers")
        assert (wrong.value.code, "embedded, containers" in wrong.value.next) == ("CW1008", True)


def test_the_outside_servers_are_containers_and_our_own_programs_are_not() -> None:
    listed = specs("containers")
    assert [item.name for item in listed] == [item.name for item in specs()]
    assert {item.name for item in listed if isinstance(item, Container)} == {LEGACY, TOBE, "kafka", "registry", "aws"}


@pytest.mark.parametrize("server", sorted(IMAGES))
def test_a_container_has_the_port_and_the_secrets_of_the_embedded_server(
    layout: Layout, engine: FakeEngine, server: str
) -> None:
    spec = next(item for item in specs() if item.name == server)
    want = wanted(layout, server, spec if isinstance(spec, Postgres) else None)
    containers.start(want)
    [asked] = engine.created
    assert asked["image"] == want.image
    assert list(asked["ports"].values()) == [(HOST, layout.ports()[server])], "it listens to this machine alone"
    env = asked["environment"]
    if isinstance(spec, Postgres):
        assert env["POSTGRES_PASSWORD"] == layout.passwords()["postgres"]
        assert "wal_level=logical" in asked["command"]
        assert "max_prepared_transactions=10" in asked["command"]
        assert not any(word.startswith("port=") for word in asked["command"])
    if server == "kafka":
        assert env["CLUSTER_ID"] == layout.passwords()["kafka_cluster_id"]
        assert env["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{HOST}:{layout.ports()[server]}"
        assert env["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert set(want.volumes) == set(asked["volumes"])


def test_what_a_killed_holder_left_is_removed_before_another_begins(layout: Layout, engine: FakeEngine) -> None:
    want = wanted(layout, "aws")
    for _ in range(2):
        containers.start(want)
    assert (engine.removed, len(engine.created)) == ([want.name], 2)
    other = Layout(layout.home.parent / "other")
    other.create()
    assert want.name != wanted(other, "aws").name, "another sandbox's is not touched"


def test_what_the_engine_refuses_is_told_in_its_words(layout: Layout, engine: FakeEngine) -> None:
    engine.refuses = docker.errors.APIError("port is already allocated")
    with pytest.raises(Unavailable) as refused:
        containers.start(wanted(layout, "aws"))
    assert (refused.value.code, "already allocated" in refused.value.cause) == ("CW1132", True)


def test_deleting_takes_containers_and_volumes(layout: Layout, engine: FakeEngine) -> None:
    spec = next(item for item in specs() if item.name == LEGACY)
    want = wanted(layout, LEGACY, spec if isinstance(spec, Postgres) else None)
    engine.standing |= {want.name, *want.volumes}
    containers.delete_data(layout, specs("containers"))
    assert set(engine.removed) == {want.name, *want.volumes}
    containers.delete_data(layout, specs("containers"))  # twice: there is nothing left
    assert len(engine.removed) == 2


def test_without_an_engine_nothing_is_started_and_the_message_says_what_to_do(
    session_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(**more: Any) -> Any:
        raise docker.errors.DockerException("Error while fetching server API version: no such file")

    monkeypatch.setattr(docker, "from_env", nobody)
    project = project_in(tmp_path)
    with pytest.raises(Unavailable) as absent:
        servers.up(project)
    assert (absent.value.code, absent.value.exit_code) == ("CW1130", 5)
    assert "no such file" in absent.value.what
    assert 'provider = "embedded"' in absent.value.next
    assert not project.sandbox_dir.exists(), "nothing was made"


def test_without_the_extra_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "testcontainers", None)
    with pytest.raises(CutwaterError) as absent:
        containers.demand()
    assert (absent.value.code, "pip install 'cutwater[containers]'" in absent.value.next) == ("CW1131", True)


def test_the_extra_is_imported_only_when_it_is_asked_for() -> None:
    code = "import sys; import sandbox.servers, sandbox.specs; sandbox.specs.specs('containers'); print('testcontainers' in sys.modules, 'docker' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_sandbox_keeps_the_provider_that_it_was_made_with(session_home: Path, tmp_path: Path) -> None:
    project = project_in(tmp_path)
    layout = Layout(project.sandbox_dir)
    layout.create()  # as an embedded one leaves it
    with pytest.raises(Refused) as refused:
        servers.up(project)
    assert (refused.value.code, "down --delete" in refused.value.next) == ("CW1134", True)


@pytest.fixture
def running(session_home: Path, tmp_path: Path) -> Iterator[Project]:
    if why := containers.absence():
        pytest.skip(why)
    found = project_in(tmp_path)
    try:
        servers.up(found)
        yield found
    finally:
        servers.down(found, delete=True)


@pytest.mark.real
def test_on_a_real_engine_every_server_answers_as_the_embedded_one(running: Project) -> None:
    assert servers.status(running).is_up
    ends = running.endpoints()
    with psycopg.connect(ends.postgres_dsn) as db:
        assert db.execute("SHOW wal_level").fetchone() == ("logical",)
    cluster, ports = metadata(int(ends.kafka_bootstrap.rpartition(":")[2]))
    assert (cluster, len(ports)) == (Layout(running.sandbox_dir).passwords()["kafka_cluster_id"], 1)
    assert httpx.get(f"{ends.registry_url}/subjects", trust_env=False).json() == []
    assert httpx.get(f"{ends.aws_endpoint}/moto-api/data.json", trust_env=False).status_code == 200
    servers.up(running)  # twice changes nothing
    assert servers.status(running).is_up
