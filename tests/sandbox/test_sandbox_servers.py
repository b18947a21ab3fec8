"""The real sandbox: one however often it is called up, mended when half dead, and stopped without touching anything else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import psycopg
import pytest
from sandbox_support import eventually, kill, layout_of, running

from cutwater.core.config import Project
from cutwater.core.errors import Unavailable
from sandbox import servers
from sandbox.kafka import metadata

pytestmark = pytest.mark.real
NAMES = ["postgres", "kafka", "registry", "aws", "api", "tobe-postgres", "tobe-api", "gateway", "notify"]


def cutwater(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from cutwater.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", program, *words, "--project", str(project.root)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def pids(status: servers.SandboxStatus) -> dict[str, int]:
    return {server.name: server.pid for server in status.servers}


def test_every_server_answers(sandbox_project: Project) -> None:
    status = servers.up(sandbox_project)
    assert [server.name for server in status.servers] == NAMES
    assert {server.state for server in status.servers} == {"ready"}
    assert status.is_up
    assert all(server.memory > 0 and server.port > 0 for server in status.servers)


def test_the_endpoints_are_private_and_complete(sandbox_project: Project) -> None:
    path = sandbox_project.endpoints_file
    assert path.stat().st_mode & 0o777 == 0o600
    ends = sandbox_project.endpoints()
    assert all(getattr(ends, name) for name in ends.__dataclass_fields__)
    private = json.loads(path.read_text())["private"]
    assert (Path(private["java_home"]) / "bin" / "java").exists()
    assert all(Path(jar).exists() for jar in private["spark_jars"])
    assert any("iceberg-spark-runtime" in jar for jar in private["spark_jars"])


def test_the_database_is_what_a_migration_needs(sandbox_project: Project) -> None:
    with psycopg.connect(sandbox_project.endpoints().postgres_dsn) as connection:
        settings = {
            name: connection.execute("SELECT current_setting(%s)", [name]).fetchall()[0][0]
            for name in ("server_version_num", "wal_level", "max_replication_slots", "max_wal_senders", "is_superuser")
        }
        role = connection.execute(
            "SELECT rolsuper, rolreplication, rolcanlogin FROM pg_roles WHERE rolname = current_user"
        ).fetchall()
        owner = connection.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        ).fetchall()
    assert int(settings.pop("server_version_num")) // 10000 == 18
    assert settings == {
        "wal_level": "logical",
        "max_replication_slots": "20",
        "max_wal_senders": "20",
        "is_superuser": "off",
    }
    assert role == [(False, True, True)]
    assert owner == [("payhub_owner",)]


def test_a_wrong_password_is_refused(sandbox_project: Project) -> None:
    dsn = sandbox_project.endpoints().postgres_dsn
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dsn.replace("payhub_owner:", "payhub_owner:x"))


def test_up_twice_is_one_sandbox(sandbox_project: Project) -> None:
    before = servers.up(sandbox_project)
    after = servers.up(sandbox_project)
    assert pids(after) == pids(before)
    assert after.supervisor == before.supervisor


@pytest.mark.long
def test_a_sandbox_that_two_call_up_at_once_is_one(sandbox_project: Project) -> None:
    servers.down(sandbox_project)
    results: list[subprocess.CompletedProcess[str]] = []
    threads = [
        threading.Thread(target=lambda: results.append(cutwater(sandbox_project, "sandbox", "up", "--output", "json")))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.returncode for result in results] == [0, 0], results
    first, second = (json.loads(result.stdout) for result in results)
    assert [server["pid"] for server in first["servers"]] == [server["pid"] for server in second["servers"]]
    marked = [process for process in psutil.process_iter() if _runs_kafka_of(process, sandbox_project)]
    assert len(marked) == 1


def _runs_kafka_of(process: psutil.Process, project: Project) -> bool:
    try:
        line = process.cmdline()
    except psutil.Error:
        return False
    return "kafka.Kafka" in line and line[-1].startswith(str(project.sandbox_dir))


def test_status_tells_and_exits_by_it(sandbox_project: Project) -> None:
    servers.up(sandbox_project)
    good = cutwater(sandbox_project, "sandbox", "status", "--output", "json")
    document = json.loads(good.stdout)
    assert good.returncode == 0
    assert document["schema"] == "cutwater.sandbox.status/1"
    assert document["up"] is True
    assert [(server["name"], server["state"]) for server in document["servers"]] == [(name, "ready") for name in NAMES]
    assert "postgres" in cutwater(sandbox_project, "sandbox", "status").stdout


@pytest.fixture
def topic(sandbox_project: Project) -> str:
    """A topic with one message."""
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    servers.up(sandbox_project)
    bootstrap = sandbox_project.endpoints().kafka_bootstrap
    name = f"sandbox.kept.{time.monotonic_ns()}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    producer.produce(name, b"kept")
    assert producer.flush(30) == 0
    return name


def message(project: Project, topic: str) -> bytes:
    from confluent_kafka import Consumer

    consumer = Consumer(
        {"bootstrap.servers": project.endpoints().kafka_bootstrap, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    try:
        consumer.subscribe([topic])
        found = consumer.consume(1, timeout=30)
    finally:
        consumer.close()
    assert [one.error() for one in found] == [None]
    return bytes(found[0].value())


def test_a_killed_broker_comes_back_by_itself_with_its_data(sandbox_project: Project, topic: str) -> None:
    before = running(sandbox_project, "kafka")
    kill(before)
    assert eventually(lambda: servers.status(sandbox_project).is_up)
    assert running(sandbox_project, "kafka").pid != before.pid
    assert message(sandbox_project, topic) == b"kept"
    (kafka,) = (server for server in servers.status(sandbox_project).servers if server.name == "kafka")
    assert kafka.restarts >= 1


def test_a_half_dead_sandbox_is_mended(sandbox_project: Project, topic: str) -> None:
    """The supervisor, the broker and the database are killed; the others live on, unwatched."""
    status = servers.up(sandbox_project)
    with psycopg.connect(sandbox_project.endpoints().postgres_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS public.kept (id int PRIMARY KEY)")
        connection.execute("INSERT INTO public.kept VALUES (1) ON CONFLICT DO NOTHING")
    for name in ("supervisor", "kafka", "postgres"):
        kill(running(sandbox_project, name))
    half = servers.status(sandbox_project)
    assert not half.is_up
    assert half.supervisor == 0
    answer = cutwater(sandbox_project, "sandbox", "status", "--output", "json")
    assert answer.returncode == 5
    after = servers.up(sandbox_project)
    assert after.is_up
    assert {name for name in NAMES if pids(after)[name] == pids(status)[name]} == set(NAMES) - {"kafka", "postgres"}
    with psycopg.connect(sandbox_project.endpoints().postgres_dsn, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM public.kept").fetchall() == [(1,)]
        connection.execute("DROP TABLE public.kept")
    assert message(sandbox_project, topic) == b"kept"


def test_a_registered_schema_outlives_a_kill(sandbox_project: Project) -> None:
    import httpx

    servers.up(sandbox_project)
    subject = f"{sandbox_project.endpoints().registry_url}/subjects/kept-{time.monotonic_ns()}/versions"
    schema = json.dumps({"type": "record", "name": "Kept", "fields": [{"name": "a", "type": "int"}]})
    number = httpx.post(subject, json={"schema": schema}, trust_env=False).raise_for_status().json()["id"]
    kill(running(sandbox_project, "registry"))
    servers.up(sandbox_project)
    found = httpx.get(f"{subject}/latest", trust_env=False).raise_for_status().json()
    assert found["id"] == number
    assert json.loads(found["schema"])["name"] == "Kept"


@pytest.mark.long
def test_a_hung_server_is_replaced_by_up(sandbox_project: Project) -> None:
    servers.up(sandbox_project)
    before = running(sandbox_project, "aws")
    os.kill(before.pid, signal.SIGSTOP)
    assert [s.name for s in servers.status(sandbox_project).servers if s.state == "unwell"] == ["aws"]
    assert servers.up(sandbox_project).is_up
    assert running(sandbox_project, "aws").pid != before.pid


@pytest.mark.long
def test_a_taken_port_is_replaced(sandbox_project: Project) -> None:
    servers.up(sandbox_project)
    _, brokers = metadata(layout_of(sandbox_project).ports()["kafka"])
    servers.down(sandbox_project)
    with socket.create_server(("127.0.0.1", brokers[0])):
        assert servers.up(sandbox_project).is_up
        assert sandbox_project.endpoints().kafka_bootstrap != f"127.0.0.1:{brokers[0]}"


def test_down_stops_exactly_what_up_started(sandbox_project: Project) -> None:
    status = servers.up(sandbox_project)
    ours = {child.pid for pid in (*pids(status).values(), status.supervisor) for child in _family(pid)}
    assert len(ours) > len(NAMES)
    bystander = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        assert servers.down(sandbox_project) == []
        assert [pid for pid in ours if _lives(pid)] == []
        assert bystander.poll() is None
        assert servers.down(sandbox_project) == []
        with pytest.raises(Unavailable, match="CW1001"):
            sandbox_project.endpoints()
        assert cutwater(sandbox_project, "sandbox", "status").returncode == 5
        assert {server.state for server in servers.status(sandbox_project).servers} == {"down"}
    finally:
        bystander.kill()
        bystander.wait()
        assert servers.up(sandbox_project).is_up


@pytest.mark.long
def test_down_never_ends_a_process_that_got_our_pid(sandbox_project: Project) -> None:
    """After a reboot the pid files name whoever has those numbers now."""
    servers.up(sandbox_project)
    servers.down(sandbox_project)
    layout = layout_of(sandbox_project)
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as bystander:
        for name in (*NAMES, "supervisor"):
            layout.pid_file(name).write_text(json.dumps({"pid": bystander.pid, "started": "another-boot:123"}))
        assert {server.state for server in servers.status(sandbox_project).servers} == {"down"}
        assert servers.up(sandbox_project).is_up
        assert bystander.poll() is None
        bystander.kill()


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
