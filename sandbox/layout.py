"""Where a sandbox keeps what: folders, ports, passwords and the endpoints that the other packages read.

Everything stands in Project.sandbox_dir, outside the project. Passwords are made per sandbox and stand in files of mode
0600. Ports are chosen once, below the range that the system hands out to outgoing connections, and kept.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

from cutwater.core.config import EMBEDDED
from cutwater.core.errors import Unavailable

HOST = "127.0.0.1"
LOWEST_PORT, HIGHEST_PORT = 18000, 31999
AWS_REGION = "eu-west-2"
LEGACY, TOBE = "postgres", "tobe-postgres"  # the two PostgreSQL servers
_ROLES = ("postgres", "payhub_owner", "lake", "tobe_owner")
_guard = threading.RLock()  # one thread per server: what is made at first use is made once


@dataclass(frozen=True)
class Layout:
    """The paths of one sandbox."""

    home: Path

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse"

    @property
    def drop(self) -> Path:
        return self.home / "drop"

    @property
    def swift(self) -> Path:
        return self.home / "swift"

    @property
    def access_log(self) -> Path:
        return self.logs / "api-access.jsonl"

    @property
    def tobe_access_log(self) -> Path:
        return self.logs / "tobe-access.jsonl"

    @property
    def seen_route(self) -> Path:
        """The routes that the gateway acted on last: its own memory over a restart, and that of moto (sandbox.aws)."""
        return self.data / "gateway" / "routes.json"

    @property
    def endpoints(self) -> Path:
        return self.home / "endpoints.json"

    @property
    def state(self) -> Path:
        """What the supervisor last saw, per server (see sandbox.supervisor)."""
        return self.home / "state.json"

    @property
    def provider(self) -> str:
        """Who runs the outside servers: what this sandbox was made with."""
        try:
            return (self.home / "provider").read_text("utf-8")
        except FileNotFoundError:
            return EMBEDDED

    def log(self, server: str) -> Path:
        return self.logs / f"{server}.log"

    def pid_file(self, process: str) -> Path:
        return self.home / "pids" / f"{process}.json"

    @property
    def state_url(self) -> str:
        """Where the project's state stands, with the ledger of held payments; '' where no project has said it."""
        try:
            return str(json.loads((self.home / "project.json").read_text("utf-8"))["state_url"])
        except (FileNotFoundError, ValueError, KeyError):
            return ""

    def belongs_to(self, state_url: str) -> None:
        """Tells the servers where the project's state stands. Mode 0600: the URL of a store may carry a password."""
        write_private(self.home / "project.json", {"state_url": state_url})

    def create(self) -> None:
        """Makes the folders. They are closed to others; where we are root, PostgreSQL's account may pass through."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        folders = (self.logs, self.data, self.warehouse, self.home / "pids")
        for folder in (*folders, self.drop / "pain001", self.drop / "bacs", self.swift / "in", self.swift / "out"):
            folder.mkdir(parents=True, exist_ok=True)
        self.access_log.touch(exist_ok=True)
        self.tobe_access_log.touch(exist_ok=True)
        self.passwords()

    def passwords(self) -> dict[str, str]:
        """Role -> password, made at first use: postgres (superuser of both servers), payhub_owner, lake, tobe_owner; and
        Kafka's cluster id."""
        path = self.home / "secrets.json"
        with _guard:
            found: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
            made = {name: secrets.token_hex(16) for name in _ROLES if name not in found}
            if "kafka_cluster_id" not in found:
                # 16 bytes; a leading dash would look like an option
                made["kafka_cluster_id"] = "C" + secrets.token_urlsafe(16)[1:]
            if made:
                found |= made
                write_private(path, found)
            return found

    def ports(self) -> dict[str, int]:
        path = self.home / "ports.json"
        try:
            found: dict[str, int] = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def port(self, name: str) -> int:
        """The port of `name`: the one that it had, else (none yet, or taken by another meanwhile) a new one, kept from now on."""
        with _guard:
            ports = self.ports()
            if name in ports and is_free(ports[name]):
                return ports[name]
            ports[name] = free_port(set(ports.values()))
            write_private(self.home / "ports.json", ports)
            return ports[name]


def is_free(port: int) -> bool:
    """Whether a server could listen there now (a connection in TIME_WAIT does not count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(taken: set[int]) -> int:
    """A free port, at random; raises Unavailable (CW1115) where a thousand tries find none."""
    for _ in range(1000):
        port = LOWEST_PORT + secrets.randbelow(HIGHEST_PORT - LOWEST_PORT + 1)
        if port not in taken and is_free(port):
            return port
    raise Unavailable("CW1115", f"no free port between {LOWEST_PORT} and {HIGHEST_PORT} on {HOST}")


def write_private(path: Path, document: object) -> None:
    """Writes JSON with mode 0600 and renames it into place: a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(document, out, indent=1)
    os.replace(temporary, path)


def dsn(layout: Layout, role: str, database: str, server: str = LEGACY) -> str:
    """A libpq URL with the password in it: never print it."""
    return f"postgresql://{role}:{layout.passwords()[role]}@{HOST}:{layout.ports()[server]}/{database}"


def write_endpoints(layout: Layout, java_home: str, spark_jars: list[str]) -> None:
    """Writes endpoints.json: the keys of cutwater.core.config.Endpoints, and `private` for tests and Spark."""
    ports = layout.ports()
    write_private(
        layout.endpoints,
        {
            "postgres_dsn": dsn(layout, "payhub_owner", "payhub"),
            "catalog_dsn": dsn(layout, "lake", "lake"),
            "warehouse": layout.warehouse.resolve().as_uri(),
            "kafka_bootstrap": f"{HOST}:{ports['kafka']}",
            "registry_url": f"http://{HOST}:{ports['registry']}/apis/ccompat/v7",
            "aws_endpoint": f"http://{HOST}:{ports['aws']}",
            "api_url": f"http://{HOST}:{ports['api']}",
            "api_access_log": str(layout.access_log),
            "drop_dir": str(layout.drop),
            "swift_dir": str(layout.swift),
            "store_dsn": dsn(layout, "tobe_owner", "tobe", TOBE),
            "tobe_api_url": f"http://{HOST}:{ports['tobe-api']}",
            "gateway_url": f"http://{HOST}:{ports['gateway']}",
            "private": {
                "admin_dsn": dsn(layout, "postgres", "postgres"),
                "store_admin_dsn": dsn(layout, "postgres", "tobe", TOBE),
                "tobe_access_log": str(layout.tobe_access_log),
                "java_home": java_home,
                "spark_jars": spark_jars,
                "aws_region": AWS_REGION,
            },
        },
    )
