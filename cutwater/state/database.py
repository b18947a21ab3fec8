"""One database, SQLite or PostgreSQL: short transactions, write locks taken at their beginning, the store's clock."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cutwater.core.clock import Clock
from cutwater.core.errors import BadInput, CutwaterError, Unavailable
from cutwater.core.hashing import canonical_json
from cutwater.core.redaction import redact

BUSY_TIMEOUT_MS = 30_000


class Database:
    """Gives out connections inside transactions. `write` locks before the first read, so that what it read stays true."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = _parsed(url)
        self.clock = clock
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        in_memory = self.is_sqlite and self.url.database in (None, "", ":memory:")
        # One connection is shared by all threads of an in-memory database: one at a time.
        self._turn = threading.RLock() if in_memory else None
        self.engine = _sqlite(self.url, in_memory) if self.is_sqlite else _postgres(self.url)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads one consistent state."""
        with self._transaction(write=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; committed at the end of the block, undone by any exception."""
        with self._transaction(write=True) as connection:
            yield connection

    @contextmanager
    def _transaction(self, write: bool) -> Iterator[Connection]:
        with self._turn or nullcontext():
            try:
                with self.engine.connect().execution_options(cutwater_write=write) as connection:
                    with connection.begin():
                        yield connection
            except (OperationalError, PoolTimeout) as error:
                raise self._unavailable(error) from error
            except DatabaseError as error:
                if type(error) is not DatabaseError:  # a broken rule of the schema, or a defect
                    raise
                raise self._no_database(error) from error

    def now(self, connection: Connection) -> datetime:
        """The store's clock: the server's for PostgreSQL (runners may stand on several machines), else ours."""
        if self.is_sqlite:
            return self.clock().astimezone(UTC)
        value: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return value.astimezone(UTC)

    def close(self) -> None:
        self.engine.dispose()

    def _no_database(self, error: DatabaseError) -> CutwaterError:
        """The file is something else, or its pages are broken."""
        place = self.url.render_as_string(hide_password=True)
        return BadInput(
            "CW2019",
            f"the state store {place} is no database, or a damaged one",
            cause=redact(str(error.orig or error)).splitlines()[0],
            state="nothing was read or written",
            next="restore the file from a backup; keep the damaged one",
        )

    def _unavailable(self, error: Exception) -> CutwaterError:
        cause = redact(str(getattr(error, "orig", None) or error)).splitlines()[0]
        return Unavailable(
            "CW2004",
            f"the state store {self.url.render_as_string(hide_password=True)} did not answer",
            cause=cause,
            state="this step's records were not written; earlier ones stand",
            next="mend the cause, then run the same command again",
        )


def dump(value: object, what: str) -> str:
    """Canonical JSON text; a value without a canonical form (a float) is a defect of the caller."""
    try:
        return canonical_json(value)
    except TypeError as error:
        raise CutwaterError("CW2010", f"{what} cannot be kept", cause=str(error), state="nothing was written") from None


def load(text: str) -> Any:
    """The inverse of `dump`."""
    return json.loads(text)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise BadInput(
            "CW2005",
            f"the state store's URL {redact(url)} is not understood",
            next="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DB under [state] url in cutwater.toml",
        )
    return parsed.set(drivername="postgresql+psycopg") if parsed.get_backend_name() == "postgresql" else parsed


def _sqlite(url: URL, in_memory: bool) -> Engine:
    if in_memory:
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        _private_file(Path(str(url.database)))
        engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _on_connect(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = None  # BEGIN is ours: the driver would begin only at the first write, and deferred
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",  # an intent must be on the disk before its effect
            "foreign_keys=ON",
        ):
            dbapi.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("cutwater_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _private_file(path: Path) -> None:
    """Breaks may hold business values: the file is its owner's alone (WAL and SHM take its mode).

    A file that is there is not opened: closing it again would drop every lock that this process holds on it (POSIX), and
    another process that ends would then take our open WAL away, with all that is written after.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if path.is_dir() or not os.access(path, os.R_OK | os.W_OK):
            raise _unusable(path, "it is a folder" if path.is_dir() else "no right to read and write it") from None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def _unusable(path: Path, cause: str) -> Unavailable:
    return Unavailable(
        "CW2004",
        f"the state store {path} cannot be opened",
        cause=cause,
        next="make its folder writable, or set [state] url in cutwater.toml",
    )


def _postgres(url: URL) -> Engine:
    query = {"connect_timeout": "10", "application_name": "cutwater/state", **dict(url.query)}
    engine = create_engine(url.set(query=query), pool_size=4, max_overflow=4, pool_pre_ping=True)

    @event.listens_for(engine, "connect")
    def _on_connect(dbapi: Any, _record: Any) -> None:
        with dbapi.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {BUSY_TIMEOUT_MS * 2}")
            cursor.execute(f"SET lock_timeout = {BUSY_TIMEOUT_MS}")
        dbapi.commit()

    return engine


__all__ = ["Database", "DatabaseError", "dump", "load"]
