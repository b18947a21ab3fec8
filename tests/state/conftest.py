"""A new, empty store for each test, on SQLite and on the sandbox's PostgreSQL: one contract, two databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cutwater.core.config import Project
from cutwater.state import open_store
from cutwater.state.store import Store

SCHEMA = "state_test"


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    project: Project = request.getfixturevalue("sandbox_project")
    return fresh_schema(project.endpoints().catalog_dsn)


def fresh_schema(dsn: str) -> str:
    """Empties the schema `state_test` and returns a URL that opens it."""
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
    return dsn + ("&" if "?" in dsn else "?") + f"options=-csearch_path%3D{SCHEMA}"


@pytest.fixture
def store(store_url: str, clock: FakeClock) -> Iterator[Store]:
    with open_store(store_url, clock) as opened:
        yield opened


@pytest.fixture
def lapse(store: Store, clock: FakeClock) -> Callable[[str], None]:
    """Lets the wave's lease run out without waiting: SQLite's clock is ours, PostgreSQL's is the server's."""

    def run_out(wave: str) -> None:
        if store.database.is_sqlite:
            clock.move(3600)
            return
        with store.database.write() as connection:
            connection.exec_driver_sql(
                "UPDATE lease SET expires_at = '2000-01-01T00:00:00.000000Z' WHERE wave = %s AND ended_at IS NULL",
                (wave,),
            )

    return run_out
