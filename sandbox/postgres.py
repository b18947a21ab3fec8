"""PostgreSQL 18 with logical WAL, from the binaries of a wheel: the legacy server and the To-Be store's.

Where its program and its data stand, and as whom it runs where we are root, is sandbox.postgres_home.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutwater.core.errors import Unavailable
from sandbox.layout import HOST, LEGACY, Layout, dsn
from sandbox.postgres_home import account_to_run_as, binaries_for, data_dir
from sandbox.processes import stop, working_in
from sandbox.specs import Launch

if TYPE_CHECKING:
    import psycopg

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_replication_slots": "20",
    "max_wal_senders": "20",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "max_prepared_transactions": "10",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "jit": "off",
}
_HBA = "host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True)
class Database:
    """A database and the role that owns it. script: SQL that its owner runs at every start; safe to repeat."""

    name: str
    owner: str
    options: str = "LOGIN"
    script: Path | None = None


class Postgres:
    """One server. The first one holds the legacy database `payhub` and the Iceberg catalog's database `lake`."""

    stop_signal = signal.SIGINT  # "fast": sessions are ended, the WAL is flushed

    def __init__(
        self,
        name: str = LEGACY,
        databases: Sequence[Database] = (
            Database("payhub", "payhub_owner", "LOGIN REPLICATION"),
            Database("lake", "lake"),
        ),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.databases, self.settings = name, databases, {**_SETTINGS, **(settings or {})}

    def prepare(self, layout: Layout) -> Launch:
        account = account_to_run_as()
        data, binaries = data_dir(layout, self.name), binaries_for(account)
        port = layout.port(self.name)
        if not (data / "PG_VERSION").exists():
            _initialise(layout, data, binaries, account)
        settings = {**self.settings, "port": str(port)}
        (data / "cutwater.conf").write_text("".join(f"{key} = '{value}'\n" for key, value in settings.items()))
        (data / "pg_hba.conf").write_text(_HBA)
        _clear(data)
        uid, gid = account or (None, None)
        return Launch([str(binaries / "postgres"), "-D", str(data)], cwd=data, uid=uid, gid=gid)

    def healthy(self, layout: Layout) -> str:
        import psycopg

        try:
            with psycopg.connect(dsn(layout, "postgres", "postgres", self.name), connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error as error:
            return str(error).strip().splitlines()[-1]
        return ""

    def settle(self, layout: Layout) -> None:
        """The roles, a database for each, and the databases' own scripts. pg_monitor is what a migration's role has on
        managed PostgreSQL too: without it the transactions that block a slot cannot be named."""
        import psycopg

        try:
            with psycopg.connect(dsn(layout, "postgres", "postgres", self.name), autocommit=True) as connection:
                for database in self.databases:
                    _make(connection, database, layout.passwords()[database.owner])
            for database in self.databases:
                if database.script is not None:
                    with psycopg.connect(dsn(layout, database.owner, database.name, self.name)) as connection:
                        connection.execute(database.script.read_bytes())
        except psycopg.Error as error:
            raise Unavailable("CW1110", "PostgreSQL's roles could not be made", cause=str(error)) from error


def _make(connection: psycopg.Connection[tuple[Any, ...]], database: Database, password: str) -> None:
    from psycopg import sql

    role = sql.Identifier(database.owner)
    if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [database.owner]).fetchall():
        connection.execute(
            sql.SQL("CREATE ROLE {} " + database.options + " PASSWORD {}").format(role, sql.Literal(password))
        )
        connection.execute(sql.SQL("GRANT pg_monitor TO {}").format(role))
    if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [database.name]).fetchall():
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database.name), role))


def _initialise(layout: Layout, data: Path, binaries: Path, account: tuple[int, int] | None) -> None:
    """initdb into a new folder. A folder of an interrupted initdb has no PG_VERSION yet, or is removed by initdb itself."""
    if data.exists():
        shutil.rmtree(data)
    data.mkdir(mode=0o700)
    uid, gid = account or (None, None)
    with tempfile.TemporaryDirectory(prefix="cutwater-") as folder:
        secret = Path(folder) / "password"
        secret.write_text(layout.passwords()["postgres"])
        secret.chmod(0o600)
        if uid is not None and gid is not None:
            for path in (data, Path(folder), secret):
                os.chown(path, uid, gid)
        result = subprocess.run(
            [
                str(binaries / "initdb"), "--pgdata", str(data), "--username", "postgres", "--pwfile", str(secret),
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin",
                "--builtin-locale", "C.UTF-8", "--no-sync", "--no-instructions",
            ],
            check=False, capture_output=True, text=True, user=uid, group=gid, extra_groups=[] if uid is not None else None,
            cwd=data, env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
        )  # fmt: skip
    if result.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise Unavailable("CW1110", "PostgreSQL's initdb failed", cause=result.stderr.strip()[-500:])
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.write("\ninclude 'cutwater.conf'\n")


def _clear(data: Path) -> None:
    """Makes the folder free for a new server. Called only when the recorded server has ended.

    What it left behind (sessions outlive a killed postmaster for a while) is ended, for it still holds the shared memory. Then
    postmaster.pid is removed: after a reboot it may name a process that is not PostgreSQL at all, and would be believed.
    """
    for left in working_in(data, "postgres"):
        stop(left, signal.SIGQUIT, 5)
    (data / "postmaster.pid").unlink(missing_ok=True)
