"""After a rollback every row of the store stands on the legacy side: on a real server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from adapters.postgres.back_check import BackCheck
from adapters.postgres.drain import OutboxEmpty
from adapters.postgres.keys import StoreKeys
from cutwater.core.config import Project
from cutwater.core.errors import Refused
from waves.ports import Fence, Waiting

pytestmark = pytest.mark.real


class Sides:
    """Both sides in one database, in a schema of our own."""

    def __init__(self, dsn: str) -> None:
        self.dsn, self.name = dsn, "b" + secrets.token_hex(4)
        self.fence = Fence(self.name, 1, "test")
        self.run(f"CREATE SCHEMA {self.name}")
        columns = "id bigint PRIMARY KEY, amount numeric(23,5), at timestamptz, note text"
        self.run(f"CREATE TABLE {self.name}.legacy ({columns}, published_at timestamptz)")
        self.run(f"CREATE TABLE {self.name}.store ({columns}, smoke text)")
        self.run(f"CREATE TABLE {self.name}.keys (key text PRIMARY KEY, id bigint, origin text NOT NULL)")

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as db:
            cursor = db.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def fill(self, table: str, rows: int) -> None:
        self.run(
            f"INSERT INTO {self.name}.{table} (id, amount, at, note) SELECT i, i * 1.5, '2026-11-23 12:00+00', 'n' || i "
            f"FROM generate_series(1, {rows}) AS i"
        )

    def check(self) -> dict[str, Any]:
        columns = {name: name for name in ("amount", "at", "id", "note")}
        pair = {"store": [self.name, "store"], "legacy": [self.name, "legacy"], "key": "id", "columns": columns}
        return BackCheck(self.dsn, self.dsn).perform({"compare": [{**pair, "unless": "smoke"}]}, self.fence)

    def keys(self, complete: bool = False, watermark: str = "id") -> dict[str, int]:
        copy = {
            "source": [self.name, "legacy"],
            "target": [self.name, "keys"],
            "columns": {"id": "id", "key": "note"},
            "constants": {"origin": "legacy"},
            "watermark": watermark,
        }
        told = StoreKeys(self.dsn, self.dsn).perform({"copies": [copy], "complete": complete}, self.fence)
        return dict(told["rows"])


@pytest.fixture
def sides(sandbox_project: Project) -> Iterator[Sides]:
    made = Sides(sandbox_project.endpoints().postgres_dsn)
    yield made
    made.run(f"DROP SCHEMA {made.name} CASCADE")


def test_equal_rows_pass_and_a_cent_does_not(sides: Sides) -> None:
    sides.fill("legacy", 12_000)
    sides.fill("store", 11_000)
    sides.run(f"INSERT INTO {sides.name}.store (id, smoke) VALUES (99999, 'W01-2-api')")
    assert sides.check()["rows"] == {f"{sides.name}.store": 11_000}
    sides.run(f"UPDATE {sides.name}.legacy SET amount = amount + 0.01 WHERE id = 7")
    with pytest.raises(Refused, match="CW3423 1 rows") as caught:
        sides.check()
    assert caught.value.cause == "keys 7"
    sides.run(f"DELETE FROM {sides.name}.legacy WHERE id IN (8, 9, 10, 11)")
    with pytest.raises(Refused, match="CW3423 5 rows"):
        sides.check()


def test_a_null_is_no_empty_text(sides: Sides) -> None:
    for table, note in (("legacy", "''"), ("store", "NULL")):
        sides.run(f"INSERT INTO {sides.name}.{table} (id, note) VALUES (1, {note})")
    with pytest.raises(Refused, match="CW3423"):
        sides.check()


def test_keys_come_over_once_and_are_complete_at_the_fence(sides: Sides) -> None:
    sides.fill("legacy", 500)
    assert sides.keys() == {f"{sides.name}.keys": 500}
    assert sides.keys() == {f"{sides.name}.keys": 0}
    sides.run(f"INSERT INTO {sides.name}.legacy (id, note) VALUES (501, 'late')")
    assert sides.keys(complete=True) == {f"{sides.name}.keys": 1}
    sides.run(f"INSERT INTO {sides.name}.legacy (id, note) VALUES (-5000000, 'far behind the watermark')")
    assert sides.keys() == {f"{sides.name}.keys": 0}
    assert sides.keys(complete=True) == {f"{sides.name}.keys": 1}
    sides.run(f"UPDATE {sides.name}.keys SET origin = 'tobe' WHERE key = 'n7'")
    with pytest.raises(Refused, match="CW3422 the store lacks 1 keys"):
        sides.keys(complete=True)


def test_an_outbox_that_is_not_empty_is_waited_for(sides: Sides) -> None:
    sides.fill("legacy", 3)
    outbox = OutboxEmpty(sides.dsn)
    args = {"outbox": [sides.name, "legacy", "published_at"]}
    with pytest.raises(Waiting, match="3 events"):
        outbox.perform(args, sides.fence)
    sides.run(f"UPDATE {sides.name}.legacy SET published_at = now()")
    assert outbox.perform(args, sides.fence) == {"waiting": 0}
