"""One Spark session per process, configured for the lake's JDBC catalog; the JRE and the JARs are the project's own."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

from adapters.iceberg.catalog import NAME
from cutwater.core.errors import Unavailable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from cutwater.core.config import Project

_LOCK = threading.Lock()
LAKE_FILE = "lake.json"  # beside the state of a project: {"private": {"java_home", "spark_jars"}}


def spark(project: Project) -> SparkSession:
    """The process's session, started at first use (3 to 6 s). Raises Unavailable (CW3206) when it does not start."""
    from psycopg.conninfo import conninfo_to_dict
    from pyspark.sql import SparkSession

    with _LOCK:
        _forget_dead()
        running = SparkSession.getActiveSession()
        if running is not None:
            return running
        ends, private = project.endpoints(), _private(project)
        if private.get("java_home"):
            os.environ["JAVA_HOME"] = str(private["java_home"])
        parts = conninfo_to_dict(ends.catalog_dsn)
        catalog = f"spark.sql.catalog.{NAME}"
        settings = {
            "spark.jars": ",".join(private.get("spark_jars", [])),
            "spark.ui.enabled": "false",
            "spark.driver.memory": os.environ.get("CUTWATER_SPARK_MEMORY", "1g"),
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.shuffle.partitions": "2",
            # Folds are small and many: planning and compiling cost more than the rows.
            "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
            "spark.sql.adaptive.enabled": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.ansi.enabled": "true",
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            "spark.ui.showConsoleProgress": "false",
            catalog: "org.apache.iceberg.spark.SparkCatalog",
            f"{catalog}.type": "jdbc",
            f"{catalog}.uri": f"jdbc:postgresql://{parts['host']}:{parts.get('port', 5432)}/{parts['dbname']}"
            + (f"?sslmode={parts['sslmode']}" if "sslmode" in parts else ""),
            f"{catalog}.jdbc.user": str(parts["user"]),
            f"{catalog}.jdbc.password": str(parts.get("password", "")),
            f"{catalog}.jdbc.schema-version": "V1",
            f"{catalog}.warehouse": ends.warehouse,
            f"{catalog}.cache-enabled": "false",
        }
        builder = SparkSession.builder.master("local[2]").appName("cutwater")
        for key, value in settings.items():
            builder = builder.config(key, value)
        try:
            session = builder.getOrCreate()
        except Exception as error:
            raise Unavailable(
                "CW3206",
                "Spark did not start",
                cause=str(error).splitlines()[0],
                state="nothing was written to the lake",
                next="cutwater doctor",
            ) from error
        session.sparkContext.setLogLevel("ERROR")
        return session


def _forget_dead() -> None:
    """PySpark goes on talking to a JVM that was killed (memory, an operator): without this, for ever."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    gateway: Any = SparkContext._gateway
    process = getattr(gateway, "proc", None)
    if process is not None and process.poll() is not None:
        gateway.close()
        process.stdin.close()
        SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
        SparkSession._instantiatedSession = None


def _private(project: Project) -> dict[str, Any]:
    """Where Java and the archives are: the sandbox's word, else what `cutwater init` noted for a lake of one's own."""
    for path in (project.endpoints_file, project.run_dir / LAKE_FILE):
        if path.exists():
            return dict(json.loads(path.read_text("utf-8")).get("private", {}))
    raise Unavailable(
        "CW3206",
        "Spark did not start: nobody has brought its Java archives to this machine",
        state="nothing was written to the lake",
        next=f"cutwater init {project.root}",
    )


def commit_sql(session: SparkSession, statement: str, properties: dict[str, str]) -> None:
    """Runs one DML statement whose Iceberg commit carries `properties` in its snapshot summary.

    Iceberg takes them from a thread-local that it sets around a Callable (`CommitMetadata`); the Callable is put
    together from java.beans, because a Python callback would run on another thread of the JVM and lose them.
    """
    jvm: Any = session._jvm
    wanted = jvm.java.util.HashMap()
    for key, value in properties.items():
        wanted.put(key, value)
    arguments = session.sparkContext._gateway.new_array(jvm.java.lang.Object, 1)
    arguments[0] = statement
    expression = jvm.java.beans.Expression(session._jsparkSession, "sql", arguments)
    callable_kind = jvm.java.lang.Class.forName("java.util.concurrent.Callable")
    call = jvm.java.beans.EventHandler.create(callable_kind, expression, "getValue")
    failure = jvm.java.lang.Class.forName("java.lang.RuntimeException")
    jvm.org.apache.iceberg.spark.CommitMetadata.withCommitProperties(wanted, call, failure)
