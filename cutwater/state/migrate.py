"""Brings a store's schema to head. At head already, one query says so and Alembic is not even imported."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from cutwater.core.errors import BadInput
from cutwater.state.database import Database

HEAD = "0002"  # the newest revision under migrations/versions; a test holds it to Alembic's own answer
MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x43575354  # "CWST": two processes that open a new store migrate it one after the other


def to_head(database: Database) -> bool:
    """True where something was migrated. Raises BadInput CW2006 where the store is newer than this program."""
    with database.read() as connection:
        if _revision(connection) == HEAD:
            return False
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        if _revision(connection) == HEAD:
            return False
        _upgrade(connection, database)
    return True


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _upgrade(connection: Connection, database: Database) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, HEAD)
    except CommandError as error:
        raise BadInput(
            "CW2006",
            f"the state store {database.url.render_as_string(hide_password=True)} is of a newer version",
            cause=str(error),
            state="nothing was read or written",
            next="use the newer cutwater, or another [state] url",
        ) from error
