"""The project's configuration: cutwater.toml, the endpoints it names, and where run-time files live.

Secrets are never in a project file: a value may name an environment variable (`"${CUTWATER_SOURCE_DSN}"`), and the
sandbox keeps its generated passwords in its own run directory outside the project (mode 0600).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import quote

from cutwater.core.errors import BadInput, Unavailable

CONFIG_NAME = "cutwater.toml"
_TABLES = ("project", "state", "endpoints", "sandbox")
_SETTINGS = {"project": ("name", "files"), "state": ("url",), "sandbox": ("provider",)}
EMBEDDED, CONTAINERS = "embedded", "containers"  # who runs the sandbox's outside servers
PROVIDER_VARIABLE = "CUTWATER_SANDBOX_PROVIDER"  # goes before cutwater.toml: for tests
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Endpoints:
    """Where the outside systems are. DSNs are libpq URLs and carry passwords: never print this object."""

    postgres_dsn: str = ""
    catalog_dsn: str = ""
    warehouse: str = ""
    kafka_bootstrap: str = ""
    registry_url: str = ""
    aws_endpoint: str = ""
    api_url: str = ""
    api_access_log: str = ""
    drop_dir: str = ""
    swift_dir: str = ""
    store_dsn: str = ""  # the To-Be operational database of a wave that accepts writes in a store
    tobe_api_url: str = ""
    gateway_url: str = ""

    def __repr__(self) -> str:
        return "Endpoints(...)"


@dataclass(frozen=True)
class Project:
    """A project: its root, its name, the state store's URL and whether its endpoints are the sandbox's."""

    root: Path
    name: str
    state_url: str
    endpoints_from: str = "sandbox"
    configured: dict[str, str] = field(default_factory=dict)
    files: str = "."
    provider: str = EMBEDDED

    @property
    def files_dir(self) -> Path:
        """Where the project's own files stand: waves/*.yaml, reconcile.yaml, runbook.yaml."""
        return self.root / self.files

    @property
    def run_dir(self) -> Path:
        """Run-time files of this project that hold no secret: state, logs of runners, evidence."""
        return self.root / ".cutwater"

    @property
    def sandbox_dir(self) -> Path:
        """The sandbox's run directory, outside the project: data, logs, endpoints.json (0600)."""
        digest = hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:8]
        return data_home() / "sandboxes" / f"{self.name}-{digest}"

    @property
    def endpoints_file(self) -> Path:
        return self.sandbox_dir / "endpoints.json"

    def endpoints(self) -> Endpoints:
        """The outside systems' addresses; raises Unavailable where the sandbox is not up, BadInput where one is wrong."""
        if self.endpoints_from == "sandbox":
            return Endpoints(**self._of_sandbox())
        found = {name: _resolve(value, name) for name, value in self.configured.items()}
        borrowed = [name for name, value in found.items() if value == "sandbox"]
        if borrowed:  # one system of the sandbox beside systems of one's own, e.g. the lake's catalog
            known = self._of_sandbox()
            found.update({name: known.get(name, "") for name in borrowed})
        return Endpoints(**found)

    def _of_sandbox(self) -> dict[str, str]:
        try:
            document = json.loads(self.endpoints_file.read_text("utf-8"))
        except FileNotFoundError:
            raise Unavailable(
                "CW1001",
                f"the sandbox of {self.name} is not up",
                state="nothing was read or written",
                next="cutwater sandbox up",
            ) from None
        except (OSError, ValueError) as error:
            raise Unavailable(
                "CW1001",
                f"the addresses of the sandbox of {self.name} cannot be read",
                cause=f"{self.endpoints_file}: {error}",
                state="nothing was read or written",
                next="cutwater sandbox down, then cutwater sandbox up",
            ) from None
        known = {item.name for item in fields(Endpoints)}
        return {key: str(value) for key, value in document.items() if key in known}


def data_home() -> Path:
    """Where sandboxes live: $CUTWATER_HOME, else $XDG_DATA_HOME/cutwater, else ~/.local/share/cutwater."""
    chosen = os.environ.get("CUTWATER_HOME")
    return (
        Path(chosen)
        if chosen
        else Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "cutwater"
    )


def cache_home() -> Path:
    """Where downloads live: $CUTWATER_CACHE, else $XDG_CACHE_HOME/cutwater, else ~/.cache/cutwater."""
    chosen = os.environ.get("CUTWATER_CACHE")
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cutwater"


def find_project(start: Path | None = None) -> Project:
    """The nearest parent (of `start`, else the working directory) that holds cutwater.toml."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / CONFIG_NAME).is_file():
            return load_project(folder)
    raise BadInput(
        "CW1002", f"no {CONFIG_NAME} in {here} or above it", next="go to the project's folder, or add --project DIR"
    )


def load_project(root: Path) -> Project:
    """Reads `root`/cutwater.toml; raises BadInput with the file and the line of a mistake."""
    path = root / CONFIG_NAME
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(
            "CW1002", f"no {CONFIG_NAME} in {root}", next="go to the project's folder, or add --project DIR"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput("CW1003", f"{path} is not valid TOML", cause=str(error), next=f"mend {path}") from None
    except OSError as error:
        raise BadInput("CW1003", f"{path} cannot be read", cause=str(error.strerror), next=f"mend {path}") from None
    _check(path, document)
    project, state, ends = (document.get(name, {}) for name in ("project", "state", "endpoints"))
    known = {item.name for item in fields(Endpoints)} | {"from"}
    unknown = sorted(set(ends) - known)
    if unknown:
        raise BadInput(
            "CW1004",
            f"{path}: [endpoints] has no setting {', '.join(unknown)}",
            next=f"known: {', '.join(sorted(known))}",
        )
    url = _resolve(str(state.get("url", "")), "state.url") or f"sqlite:///{root.resolve() / '.cutwater' / 'state.db'}"
    source = str(ends.get("from", "sandbox" if not ends else "settings"))
    configured = {key: str(value) for key, value in ends.items() if key != "from"}
    folder = re.sub(r"[^A-Za-z0-9._-]", "-", root.resolve().name).strip(".-_")[:64] or "project"
    name, files = str(project.get("name", folder)), str(project.get("files", "."))
    return Project(root.resolve(), name, url, source, configured, files, _provider(path, document))


def _provider(path: Path, document: dict[str, object]) -> str:
    """Raises BadInput CW1008 for one that there is not, wherever it was said."""
    table = document.get("sandbox", {})
    said = str(table.get("provider", EMBEDDED)) if isinstance(table, dict) else EMBEDDED
    place, given = f"{path}: [sandbox] provider", os.environ.get(PROVIDER_VARIABLE, "")
    if given:
        place, said = PROVIDER_VARIABLE, given
    if said not in (EMBEDDED, CONTAINERS):
        raise BadInput(
            "CW1008",
            f"{place} {said!r} is unknown",
            state="nothing was read or written",
            next=f"one of: {EMBEDDED}, {CONTAINERS}",
        )
    return said


def _check(path: Path, document: dict[str, object]) -> None:
    """Tables are tables, their values text, and the name one that may be a folder's: raises BadInput CW1008 with the place."""

    def wrong(what: str, right: str) -> BadInput:
        return BadInput("CW1008", f"{path}: {what}", state="nothing was read or written", next=f"mend {path}: {right}")

    for name, body in document.items():
        if name not in _TABLES:
            raise wrong(f"there is no setting [{name}]", f"known are {', '.join(f'[{item}]' for item in _TABLES)}")
        if not isinstance(body, dict):
            raise wrong(f"{name} is a table of settings, not a value", f"[{name}] on a line of its own")
        for key, value in body.items():
            if name in _SETTINGS and key not in _SETTINGS[name]:
                raise wrong(f"[{name}] has no setting {key}", f"known: {', '.join(_SETTINGS[name])}")
            if not isinstance(value, str):
                raise wrong(f"[{name}] {key} is no text", f'{key} = "..."')
    project, ends = document.get("project", {}), document.get("endpoints", {})
    if isinstance(project, dict) and not _NAME.fullmatch(str(project.get("name", "x"))):
        raise wrong(
            f"[project] name {str(project['name'])!r} is no name", "letters, digits, blank, dot, - and _, at most 64"
        )
    if isinstance(ends, dict) and ends.get("from", "sandbox") not in ("sandbox", "settings"):
        raise wrong(f"[endpoints] from {ends['from']!r} is unknown", 'from = "sandbox" or from = "settings"')


def _resolve(value: str, name: str) -> str:
    """With its references replaced; within a DSN, which is a URL, a password may hold any character as it is."""

    def of(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise BadInput(
                "CW1005",
                f"the environment variable {match[1]} is not set",
                cause=f"{name} in {CONFIG_NAME} refers to it",
                next=f"export {match[1]}=...",
            )
        return quote(found, safe="") if name.endswith("_dsn") and match[0] != value else found

    return _REFERENCE.sub(of, value)
