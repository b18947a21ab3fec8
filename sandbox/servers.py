"""The sandbox as a whole: up, down, status. Each may be called again and again, and by several at once."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cutwater.core.config import EMBEDDED, Project
from cutwater.core.errors import LeaseHeld, Refused, Unavailable
from cutwater.core.progress import Progress, Silent
from sandbox import jars
from sandbox.layout import LEGACY, TOBE, Layout
from sandbox.processes import MARK, SERVER_MARK, Identity, recorded, stop, stray, working_in
from sandbox.specs import ServerSpec, specs
from sandbox.supervisor import NAME as SUPERVISOR
from sandbox.supervisor import STOP_WITHIN_SECONDS

UP_WITHIN_SECONDS = 300
LOCK_WITHIN_SECONDS = 360
LEAST_FREE_BYTES = 1 << 30
# What a user has set for servers and Java of their own would bend ours.
_NOT_OURS = (
    MARK,
    SERVER_MARK,
    "PG",
    "JAVA_",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
    "KAFKA_",
    "QUARKUS_",
    "APICURIO_",
    "MOTO_",
)


@dataclass(frozen=True)
class ServerState:
    """One server. state: ready, starting, unwell (runs, does not answer), failed, down; milliseconds: from start to ready;
    memory in bytes (resident, with its children)."""

    name: str
    state: str
    pid: int = 0
    port: int = 0
    milliseconds: int = 0
    restarts: int = 0
    memory: int = 0
    note: str = ""

    @property
    def seconds(self) -> float:
        return self.milliseconds / 1000


@dataclass(frozen=True)
class SandboxStatus:
    """The sandbox as it is now."""

    name: str
    folder: Path
    servers: tuple[ServerState, ...]
    supervisor: int = 0

    @property
    def is_up(self) -> bool:
        """All servers answer, and somebody watches them."""
        return self.supervisor != 0 and all(server.state == "ready" for server in self.servers)


def up(project: Project, progress: Progress | None = None) -> SandboxStatus:
    """Makes all servers run and answer; what runs already is left alone, what is half dead is mended.

    Raises Refused CW1134 for another provider than that of the data, what `containers.demand` does, and Unavailable (CW1110, CW1114) when a server does not become ready, with the end of its log; what runs stays.
    """
    report, layout = progress or Silent(), _layout(project)
    with _exclusive(layout):
        _provide(project, layout)
        layout.create()
        layout.belongs_to(project.state_url)
        _room(layout)
        jars.fetch(progress=report)
        if recorded(layout.pid_file(SUPERVISOR)) is not None:
            _mend(layout)
        else:
            _start_supervisor(layout)
        _await_ready(project, layout, report)
        return status(project)


def down(project: Project, delete: bool = False) -> list[int]:
    """Stops exactly what `up` started and returns the pids that did not end (none, as a rule). `delete` removes all data."""
    layout = _layout(project)
    if not layout.home.exists():
        return []
    with _exclusive(layout):
        left = _stop_all(layout)
        if left:
            raise Unavailable(
                "CW1113",
                f"{len(left)} processes of the sandbox did not end: {left}",
                state="nothing was deleted",
                next="cutwater sandbox down",
            )
        layout.endpoints.unlink(missing_ok=True)
        layout.state.unlink(missing_ok=True)
        if delete:
            from sandbox.postgres_home import delete_data

            if layout.provider != EMBEDDED:
                from sandbox import containers

                containers.delete_data(layout, specs(layout.provider))
            delete_data(layout)
            shutil.rmtree(layout.home)
    return left


def status(project: Project) -> SandboxStatus:
    """Asks every server itself, all at once; takes a second or two at most where one hangs."""
    layout = _layout(project)
    told = {server.name: server for server in _told(layout)}
    supervisor = recorded(layout.pid_file(SUPERVISOR))
    listed = specs(layout.provider)
    with ThreadPoolExecutor(len(listed)) as pool:
        servers = tuple(pool.map(lambda spec: _asked(layout, spec, told.get(spec.name)), listed))
    return SandboxStatus(project.name, layout.home, servers, supervisor.pid if supervisor else 0)


def supervisor_pids(project: Project) -> list[int]:
    """The supervisor's pid, whose children are the servers; empty where none runs."""
    found = recorded(_layout(project).pid_file(SUPERVISOR))
    return [] if found is None else [found.pid]


def _layout(project: Project) -> Layout:
    return Layout(project.sandbox_dir.absolute())


def _asked(layout: Layout, spec: ServerSpec, told: ServerState | None) -> ServerState:
    running = recorded(layout.pid_file(spec.name))
    if running is None:
        state = told.state if told and told.state in ("failed", "starting") and _supervised(layout) else "down"
        return replace(told or ServerState(spec.name, state), state=state, pid=0)
    seen = replace(told or ServerState(spec.name, "ready"), pid=running.pid, memory=_memory(running))
    if seen.state == "starting":
        return seen
    wrong = spec.healthy(layout)
    return replace(seen, state="unwell" if wrong else "ready", note=wrong)


def _supervised(layout: Layout) -> bool:
    return recorded(layout.pid_file(SUPERVISOR)) is not None


def _memory(found: Identity) -> int:
    """Proportional where the system tells (shared pages counted once), else resident."""
    import psutil

    process, total = found.process(), 0
    if process is None:
        return 0
    for member in (process, *process.children(recursive=True)):
        try:
            full = member.memory_full_info()
            total += int(getattr(full, "pss", full.rss))
        except psutil.Error:
            continue
    return total


def _told(layout: Layout) -> list[ServerState]:
    """What the supervisor wrote last; nothing where it never ran."""
    try:
        return [ServerState(**server) for server in json.loads(layout.state.read_text("utf-8"))]
    except FileNotFoundError:
        return []


def _start_supervisor(layout: Layout) -> None:
    layout.state.unlink(missing_ok=True)
    with layout.log(SUPERVISOR).open("ab") as out:
        result = subprocess.run(
            [sys.executable, "-m", "sandbox.supervisor", str(layout.home)],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd="/",
            env={key: value for key, value in os.environ.items() if not key.startswith(_NOT_OURS)},
        )
    if result.returncode != 0:
        raise _supervisor_ended(layout)


def _mend(layout: Layout) -> None:
    """The supervisor lives: failed servers get another chance, and one that runs but does not answer is ended, which the
    supervisor sees and starts it anew."""
    supervisor = recorded(layout.pid_file(SUPERVISOR))
    process = supervisor.process() if supervisor else None
    if process is not None:
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 3
        while any(server.state == "failed" for server in _told(layout)) and time.monotonic() < deadline:
            time.sleep(0.05)
    ready = {server.name for server in _told(layout) if server.state == "ready"}
    for spec in specs(layout.provider):
        running = recorded(layout.pid_file(spec.name))
        if running is not None and spec.name in ready and spec.healthy(layout) and spec.healthy(layout):
            stop(running, spec.stop_signal, 5)


def _await_ready(project: Project, layout: Layout, report: Progress) -> None:
    deadline, said = time.monotonic() + UP_WITHIN_SECONDS, set[str]()
    while True:
        told = _told(layout)
        for server in told:
            if server.state == "ready" and server.name not in said:
                said.add(server.name)
                report.say(f"  {server.name:<13} ready in {server.seconds:.1f} s on port {server.port}")
        failed = [server for server in told if server.state == "failed"]
        if failed:
            raise _not_ready(layout, failed[0])
        if told and all(server.state == "ready" and _runs(layout, server) for server in told):
            return
        if not _supervised(layout):
            raise _supervisor_ended(layout)
        if time.monotonic() > deadline:
            raise _not_ready(layout, next(server for server in told if server.state != "ready"))
        time.sleep(0.05)


def _runs(layout: Layout, server: ServerState) -> bool:
    running = recorded(layout.pid_file(server.name))
    return running is not None and running.pid == server.pid


def _not_ready(layout: Layout, server: ServerState) -> Unavailable:
    return Unavailable(
        "CW1110",
        f"{server.name} of the sandbox did not become ready",
        cause=f"{server.note}\n{_tail(layout.log(server.name))}".strip(),
        state="the other servers keep running; no data was removed",
        next="cutwater sandbox up (again), or cutwater sandbox down",
    )


def _supervisor_ended(layout: Layout) -> Unavailable:
    return Unavailable(
        "CW1114",
        "the sandbox's supervisor ended",
        cause=_tail(layout.log(SUPERVISOR)),
        state="servers that were started may still run",
        next="cutwater sandbox up",
    )


def _tail(path: Path, lines: int = 12) -> str:
    try:
        return "\n".join(path.read_text("utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _stop_all(layout: Layout) -> list[int]:
    """The supervisor first (it stops its servers), then whatever a killed supervisor left behind."""
    supervisor = recorded(layout.pid_file(SUPERVISOR))
    left = []
    if supervisor is not None and (process := supervisor.process()) is not None:
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN_SECONDS + 15
        while supervisor.process() is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        left += stop(supervisor, signal.SIGKILL, 1)
    for spec in specs(layout.provider):
        running = recorded(layout.pid_file(spec.name))
        if running is not None:
            left += stop(running, spec.stop_signal, STOP_WITHIN_SECONDS)
        layout.pid_file(spec.name).unlink(missing_ok=True)
    layout.pid_file(SUPERVISOR).unlink(missing_ok=True)
    from sandbox.postgres_home import data_dir

    orphans = [one for server in (LEGACY, TOBE) for one in working_in(data_dir(layout, server), "postgres")]
    for one in (*stray(layout.home), *orphans):
        left += stop(one, signal.SIGTERM, 5)
    return left


def _provide(project: Project, layout: Layout) -> None:
    """What a sandbox was made with it keeps: the data of one provider are not those of the other."""
    made = layout.home.exists() and any(layout.home.iterdir())
    if made and layout.provider != project.provider:
        raise Refused(
            "CW1134",
            f"the sandbox {layout.home.name} was made with {layout.provider} servers, now {project.provider} are asked for",
            state="nothing was started",
            next="cutwater sandbox down --delete, then cutwater sandbox up",
        )
    if project.provider == EMBEDDED:
        return
    from sandbox import containers

    containers.demand()
    layout.home.mkdir(parents=True, exist_ok=True)
    (layout.home / "provider").write_text(project.provider, "utf-8")


def _room(layout: Layout) -> None:
    free = shutil.disk_usage(layout.home).free
    if free < LEAST_FREE_BYTES:
        raise Unavailable(
            "CW1116",
            f"the disk that holds the sandbox has {free >> 20} MiB left, {LEAST_FREE_BYTES >> 20} MiB are needed",
            state="nothing was started",
            next="free space, or set CUTWATER_HOME to a larger disk, then cutwater sandbox up",
        )


@contextmanager
def _exclusive(layout: Layout) -> Iterator[None]:
    """One `up` or `down` at a time per sandbox. The lock stands beside the folder, which `down --delete` removes."""
    path = layout.home.with_name(f".{layout.home.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_WITHIN_SECONDS
    with path.open("w") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LeaseHeld(
                        "CW1111",
                        f"another `cutwater sandbox up` or `down` holds {layout.home.name}",
                        next="wait for it, then run the command again",
                    ) from None
                time.sleep(0.1)
        yield
