"""Connections that behave as guests: named, with time limits, and with errors in our own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors as pg

from cutwater.core.errors import BadInput, CutwaterError, Refused, Unavailable

Connection = psycopg.Connection[tuple[Any, ...]]

# How every session speaks, so that text forms never depend on the server's or the user's settings.
SESSION = {
    "datestyle": "ISO, YMD",
    "timezone": "UTC",
    "intervalstyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "3",
    "row_security": "off",  # a policy that hides rows is an error, not a shorter table
}


def connect(
    dsn: str,
    name: str,
    *,
    autocommit: bool = True,
    statement_seconds: int = 600,
    lock_seconds: int = 10,
    replication: bool = False,
) -> Connection:
    """Opens a session as `cutwater/<name>`; raises Unavailable or BadInput (wrong password, unknown database)."""
    options = {**SESSION, "statement_timeout": f"{statement_seconds}s", "lock_timeout": f"{lock_seconds}s"}
    words = " ".join(f"-c {key}={value.replace(' ', chr(92) + ' ')}" for key, value in options.items())
    extra: dict[str, Any] = {"replication": "database"} if replication else {"options": words}
    with translated(f"cutwater/{name}"):
        return psycopg.connect(
            dsn, autocommit=autocommit, application_name=f"cutwater/{name}"[:63], connect_timeout=10, **extra
        )


def where(dsn: str) -> str:
    """Host, port and database of a DSN, for messages: never user or password."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    return f"{parts.get('host', 'local')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


@contextmanager
def translated(doing: str, state: str = "nothing was changed by this statement") -> Iterator[None]:
    """PostgreSQL's errors as ours: what to do is said by their class."""
    try:
        yield
    except psycopg.Error as error:
        raise explain(error, doing, state) from error


def explain(error: psycopg.Error, doing: str, state: str) -> CutwaterError:
    """The error of ours that says what to do about `error`."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    lowered = str(error).lower()
    if (
        isinstance(error, pg.InvalidPassword | pg.InvalidAuthorizationSpecification)
        or "password authentication failed" in lowered
        or "no password supplied" in lowered
    ):
        return BadInput(
            "CW3101",
            f"PostgreSQL refuses the login ({doing})",
            cause=text,
            state=state,
            next="mend the DSN's user or password, then run the same command",
        )
    if isinstance(error, pg.InvalidCatalogName) or ('fatal:  database "' in lowered and "does not exist" in lowered):
        return BadInput(
            "CW3101",
            f"PostgreSQL has no such database ({doing})",
            cause=text,
            state=state,
            next="mend the DSN's database name",
        )
    if isinstance(error, pg.DiskFull) or "no space left" in lowered:
        return Unavailable(
            "CW3103",
            f"PostgreSQL's disk is full ({doing})",
            cause=text,
            state=state,
            next="free space on the server, then cutwater wave resume",
        )
    if isinstance(error, pg.InsufficientPrivilege):
        return BadInput(
            "CW3104",
            f"a right is missing ({doing})",
            cause=text,
            state=state,
            next="grant it, then run the same command",
        )
    if isinstance(error, pg.LockNotAvailable | pg.QueryCanceled):
        return Unavailable(
            "CW3105",
            f"PostgreSQL did not answer in the time allowed ({doing})",
            cause=text,
            state=state,
            next="look for the session that holds the lock, then run the same command",
        )
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable(
            "CW3102",
            f"PostgreSQL does not answer ({doing})",
            cause=text,
            state=state,
            next="start it, then cutwater wave resume",
        )
    return Refused(
        "CW3106",
        f"PostgreSQL refused a statement ({doing})",
        cause=text,
        state=state,
        money="this statement moved no payment; where customers are says cutwater wave status",
        next="mend what the cause line names, then run the same command (a wave: cutwater wave resume)",
    )
