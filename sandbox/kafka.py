"""Apache Kafka 4.1 in KRaft mode: one process that is broker and controller."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
from pathlib import Path

from cutwater.core.errors import Unavailable
from sandbox import jars
from sandbox.java import java
from sandbox.layout import HOST, Layout
from sandbox.specs import Launch

HEAP_MB = 512
_LOG4J = """<Configuration status="WARN">
  <Appenders><Console name="out" target="SYSTEM_OUT"><PatternLayout pattern="%d{yyyy-MM-dd HH:mm:ss,SSS} %p %c{1} %m%n"/></Console></Appenders>
  <Loggers>
    <Logger name="kafka.server.KafkaRaftServer" level="INFO"/>
    <Logger name="kafka.server.BrokerServer" level="INFO"/>
    <Root level="WARN"><AppenderRef ref="out"/></Root>
  </Loggers>
</Configuration>
"""


class Kafka:
    """Topics are made by those who own them: none springs up by being asked for."""

    name = "kafka"
    stop_signal = signal.SIGTERM

    def prepare(self, layout: Layout) -> Launch:
        folder = layout.data / "kafka"
        folder.mkdir(parents=True, exist_ok=True)
        properties = folder / "server.properties"
        ports = {"broker": layout.port("kafka"), "controller": layout.port("kafka-controller")}
        properties.write_text("".join(f"{key}={value}\n" for key, value in settings(folder / "log", ports).items()))
        (folder / "log4j2.xml").write_text(_LOG4J)
        classpath = ":".join(str(path) for path in jars.paths("kafka"))
        if not (folder / "log" / "meta.properties").exists():
            _format(layout, properties, classpath)
        command = [*java(HEAP_MB, 128), f"-Dlog4j2.configurationFile={folder / 'log4j2.xml'}", "-cp", classpath]
        return Launch([*command, "kafka.Kafka", str(properties)], cwd=folder)

    def healthy(self, layout: Layout) -> str:
        port = layout.ports()["kafka"]
        try:
            cluster, brokers = metadata(port)
        except (OSError, struct.error) as error:
            return f"no metadata from {HOST}:{port}: {error}"
        if cluster != layout.passwords()["kafka_cluster_id"]:
            return f"another cluster answers on {HOST}:{port}"
        return "" if port in brokers else "the broker has not joined its cluster yet"

    def settle(self, layout: Layout) -> None:
        return None


def settings(log_dir: Path, ports: dict[str, int]) -> dict[str, str | int]:
    """server.properties. One node, so every internal topic has one replica; few partitions, so that it starts quickly."""
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{ports['controller']}",
        "listeners": f"PLAINTEXT://{HOST}:{ports['broker']},CONTROLLER://{HOST}:{ports['controller']}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{ports['broker']}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(log_dir),
        "auto.create.topics.enable": "false",
        "num.partitions": 3,
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        "log.retention.hours": 168,
        "log.segment.bytes": 64 << 20,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "log.cleaner.dedupe.buffer.size": 16 << 20,
        "initial.broker.registration.timeout.ms": 60000,
        "broker.heartbeat.interval.ms": 500,
        # A killed broker may come back under its number only when its old session has ended.
        "broker.session.timeout.ms": 5000,
    }


def _format(layout: Layout, properties: Path, classpath: str) -> None:
    cluster = layout.passwords()["kafka_cluster_id"]
    tool = ["-cp", classpath, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
    result = subprocess.run([*java(128), *tool, "--ignore-formatted"], check=False, capture_output=True, text=True)
    if result.returncode != 0:
        raise Unavailable(
            "CW1110", "Kafka's storage could not be formatted", cause=(result.stdout + result.stderr).strip()[-500:]
        )


def metadata(port: int, timeout_seconds: float = 2.0) -> tuple[str, list[int]]:
    """Asks a broker for its cluster: (cluster id, ports of the brokers that have joined).

    Kafka's own protocol, Metadata request version 4 (https://kafka.apache.org/protocol): one request over a plain socket costs
    a millisecond where a client library starts threads. Raises OSError where nobody answers, struct.error for nonsense.
    """
    client = b"cutwater"
    body = struct.pack(">hhih", 3, 4, 1, len(client)) + client + struct.pack(">ib", 0, 0)
    with socket.create_connection((HOST, port), timeout=timeout_seconds) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        answer = connection.makefile("rb")
        (size,) = struct.unpack(">i", answer.read(4))
        data = answer.read(size)
    at, ports = 8, []  # correlation id, throttle time
    (count,) = struct.unpack_from(">i", data, at)
    at += 4
    for _ in range(count):
        _, at = _text(data, at + 4)
        (broker_port,) = struct.unpack_from(">i", data, at)
        ports.append(broker_port)
        _, at = _text(data, at + 4)
    cluster, _ = _text(data, at)
    return cluster, ports


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A nullable string at `at`, and where it ends."""
    (length,) = struct.unpack_from(">h", data, at)
    if length < 0:
        return "", at + 2
    return data[at + 2 : at + 2 + length].decode("utf-8", errors="replace"), at + 2 + length
