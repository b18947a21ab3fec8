"""The sandbox's outside servers in containers: the same ports, passwords and answers as the embedded ones, another process.

    python -m sandbox.containers FOLDER SERVER

holds one container from its start to SIGTERM; the supervisor watches it as it watches any server. testcontainers starts it,
and is an extra; where it or a Docker engine is missing, `absence` says so. A container has a name of its sandbox: what a killed
holder left is removed by the next one and by `sandbox down`, so nobody has to be trusted with the engine's socket for it.
"""

from __future__ import annotations

import hashlib
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cutwater.core.errors import BadInput, CutwaterError, Unavailable
from sandbox.kafka import settings as kafka_settings
from sandbox.layout import AWS_REGION, HOST, LEGACY, TOBE, Layout
from sandbox.postgres import Postgres
from sandbox.specs import Launch, ServerSpec

EXTRA = "pip install 'cutwater[containers]'"
STOP_SECONDS = 10
# The same versions as those that are embedded (sandbox/jars.lock, the wheels); PostgreSQL by its major version.
IMAGES = {
    LEGACY: "postgres:18",
    TOBE: "postgres:18",
    "kafka": "apache/kafka:4.1.1",
    "registry": "apicurio/apicurio-registry:3.0.9",
    "aws": "motoserver/moto:{moto}",
}
_POSTGRES_DATA = "/var/lib/postgresql"


@dataclass(frozen=True)
class Wanted:
    """A container as it is asked for. ports: of the container -> of this machine. volumes: name -> place."""

    image: str
    name: str
    ports: dict[int, int]
    env: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    volumes: dict[str, str] = field(default_factory=dict)


def absence() -> str:
    """Why there can be no containers here; empty where there can."""
    try:
        import docker
        import testcontainers  # noqa: F401 - whether it is there is the question
    except ImportError as error:
        return f"the package {error.name} is not installed: {EXTRA}"
    client: Any = None
    try:
        client = docker.from_env(timeout=5)
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        return f"no Docker engine answers: {str(error).splitlines()[0][:200]}"
    finally:
        if client is not None:
            client.close()
    return ""


def demand() -> None:
    """Raises CutwaterError CW1131 without the extra, Unavailable CW1130 without an engine."""
    why = absence()
    if not why:
        return
    embedded = 'use the embedded servers: provider = "embedded" under [sandbox] in cutwater.toml'
    if why.endswith(EXTRA):
        raise CutwaterError("CW1131", why, state="nothing was started", next=f"{EXTRA}, or {embedded}")
    raise Unavailable("CW1130", why, state="nothing was started", next=f"start Docker, or {embedded}")


def wanted(layout: Layout, server: str, postgres: Postgres | None = None) -> Wanted:
    """What a server's container is to be. postgres: the embedded server, whose settings hold here too."""
    port = layout.port(server)
    image = IMAGES[server].format(moto=_moto())
    name = f"cutwater-{_digest(layout)}-{server}"
    if postgres is not None:
        ours = {**postgres.settings, "listen_addresses": "*"}
        ours.pop("unix_socket_directories", None)
        command = ["postgres", *(word for key, value in sorted(ours.items()) for word in ("-c", f"{key}={value}"))]
        env = {
            "POSTGRES_PASSWORD": layout.passwords()["postgres"],
            "POSTGRES_INITDB_ARGS": "--encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8",
            "POSTGRES_HOST_AUTH_METHOD": "scram-sha-256",
        }
        return Wanted(image, name, {5432: port}, env, tuple(command), {f"{name}-data": _POSTGRES_DATA})
    if server == "kafka":
        return Wanted(image, name, {port: port}, _kafka(layout, port), (), {f"{name}-data": "/var/lib/kafka/data"})
    if server == "registry":
        return Wanted(image, name, {8080: port}, {"QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false"})
    return Wanted(image, name, {5000: port}, {"AWS_DEFAULT_REGION": AWS_REGION})


def _kafka(layout: Layout, port: int) -> dict[str, str]:
    """The embedded broker's settings as the image reads them; it listens where it says that it does, so the ports are one."""
    found = kafka_settings(Path("/var/lib/kafka/data"), {"broker": port, "controller": 29093})
    found |= {"listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://0.0.0.0:29093"}
    env = {f"KAFKA_{key.upper().replace('.', '_')}": str(value) for key, value in found.items()}
    return {**env, "CLUSTER_ID": layout.passwords()["kafka_cluster_id"]}


def _moto() -> str:
    try:
        return version("moto")
    except PackageNotFoundError:
        return "latest"


def _digest(layout: Layout) -> str:
    return hashlib.sha256(str(layout.home).encode()).hexdigest()[:10]


class Container:
    """A server of the sandbox that runs in a container. What it answers is asked as the embedded one is asked."""

    stop_signal = signal.SIGTERM

    def __init__(self, embedded: ServerSpec) -> None:
        self.embedded, self.name = embedded, embedded.name

    def prepare(self, layout: Layout) -> Launch:
        demand()
        layout.port(self.name)  # chosen here: the holder only reads it
        return Launch([sys.executable, "-m", "sandbox.containers", str(layout.home), self.name], cwd=layout.home)

    def healthy(self, layout: Layout) -> str:
        return self.embedded.healthy(layout)

    def settle(self, layout: Layout) -> None:
        self.embedded.settle(layout)


def start(want: Wanted) -> Any:
    """The running container. Raises Unavailable CW1132 where the engine refuses it."""
    import docker
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    testcontainers_config.ryuk_disabled = True
    remove(want.name)
    made = DockerContainer(want.image).with_name(want.name).with_envs(**want.env)
    ports: dict[str, Any] = made.ports  # of any kind: the engine takes an address, too
    ports.update({f"{inside}/tcp": (HOST, outside) for inside, outside in want.ports.items()})
    if want.command:
        made = made.with_command(list(want.command))
    for volume, place in want.volumes.items():
        made = made.with_volume_mapping(volume, place, "rw")
    try:
        return made.start()
    except (docker.errors.DockerException, OSError) as error:
        raise Unavailable(
            "CW1132",
            f"the container of {want.image} could not be started",
            cause=str(error)[:300],
            state="the other servers keep running",
            next="docker pull it, then cutwater sandbox up",
        ) from error


def remove(name: str, volumes: tuple[str, ...] = (), engine: Callable[[], Any] | None = None) -> None:
    """Removes the container of that name and, where they are named, its volumes; nothing where there is none."""
    import docker

    client = (engine or docker.from_env)()
    try:
        for find, names in ((client.containers.get, (name,)), (client.volumes.get, volumes)):
            for item in names:
                try:
                    find(item).remove(force=True)
                except docker.errors.NotFound:
                    continue
    finally:
        client.close()


def delete_data(layout: Layout, servers: list[ServerSpec]) -> None:
    """What `sandbox down --delete` removes beside the folder."""
    for spec in servers:
        if isinstance(spec, Container):
            want = wanted(layout, spec.name, _postgres(spec.embedded))
            remove(want.name, tuple(want.volumes))


def _postgres(spec: ServerSpec) -> Postgres | None:
    return spec if isinstance(spec, Postgres) else None


def main(argv: list[str]) -> int:
    """Holds one container until SIGTERM; its log goes on in the engine (`docker logs`)."""
    from sandbox.specs import specs

    layout, name = Layout(Path(argv[0])), argv[1]
    spec = next((item for item in specs("containers") if item.name == name), None)
    if not isinstance(spec, Container):
        raise BadInput("CW1133", f"{name} is no server that runs in a container", next="cutwater sandbox up")
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running = start(wanted(layout, spec.name, _postgres(spec.embedded)))
    try:
        while not asked.wait(1.0):
            running.reload()
            if running.status not in ("created", "running"):
                return 1  # the supervisor starts it anew
    finally:
        running.get_wrapped_container().stop(timeout=STOP_SECONDS)
        running.stop(delete_volume=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
