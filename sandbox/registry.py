"""The schema registry (Apicurio, Confluent's API). Its schemas stand in an H2 file and survive a restart."""

from __future__ import annotations

import signal

from sandbox import jars
from sandbox.http import wrong
from sandbox.java import java
from sandbox.layout import HOST, Layout
from sandbox.specs import Launch

HEAP_MB = 300
API = "/apis/ccompat/v7"


class Registry:
    """Schemas by subject, with compatibility checks."""

    name = "registry"
    stop_signal = signal.SIGTERM

    def prepare(self, layout: Layout) -> Launch:
        folder = layout.data / "registry"
        folder.mkdir(parents=True, exist_ok=True)
        program = next(iter(sorted(jars.unpacked("registry").glob("*-runner.jar"))))
        env = {
            "QUARKUS_HTTP_HOST": HOST,
            "QUARKUS_HTTP_PORT": str(layout.port("registry")),
            "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
            "APICURIO_STORAGE_KIND": "sql",
            "APICURIO_STORAGE_SQL_KIND": "h2",
            # WRITE_DELAY=0: a schema that was acknowledged is on disk, also for kill -9.
            "APICURIO_DATASOURCE_URL": f"jdbc:h2:file:{folder / 'schemas'};WRITE_DELAY=0",
            "APICURIO_DATASOURCE_JDBC_INITIAL_SIZE": "2",
            "APICURIO_DATASOURCE_JDBC_MIN_SIZE": "2",
            "APICURIO_DATASOURCE_JDBC_MAX_SIZE": "10",
        }
        return Launch([*java(HEAP_MB), "-jar", str(program)], cwd=folder, env=env)

    def healthy(self, layout: Layout) -> str:
        return wrong(layout.ports()["registry"], f"{API}/subjects")

    def settle(self, layout: Layout) -> None:
        return None
