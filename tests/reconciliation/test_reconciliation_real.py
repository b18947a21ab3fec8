"""PostgreSQL and Iceberg for real: the same rows on both sides agree, and what is harmed in the lake is named."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.duckdb.compare_side import LakeSide
from adapters.duckdb.lake import LakeReader
from adapters.postgres.compare_side import PostgresSide
from cutwater.core.errors import Unavailable
from inventory.model import ColumnMapping, TableMapping
from reconciliation.compare import CompareOptions, TableResult, Verdict, compare_table
from reconciliation.ports import Pin, PinnedPair
from reconciliation.selfcheck import SelfCheck, check_table

pytestmark = pytest.mark.real
COLUMNS = (
    ColumnMapping("id", "bigint", "long", nullable=False),
    ColumnMapping("uetr", "uuid", "string"),
    ColumnMapping("amount", "numeric(23,5)", "decimal(23,5)"),
    ColumnMapping("currency", "character(3)", "string"),
    ColumnMapping("status", "text", "string"),
    ColumnMapping("details", "jsonb", "string"),
    ColumnMapping("day", "date", "date"),
    ColumnMapping("at", "timestamp with time zone", "timestamptz"),
    ColumnMapping("flag", "boolean", "boolean"),
)
FILL = """
INSERT INTO {name} SELECT n, gen_random_uuid(), n * 1.01, (ARRAY['GBP','EUR','JPY'])[1 + n % 3], 'ACSC',
  CASE WHEN n % 7 = 0 THEN NULL ELSE jsonb_build_object('b', n, 'a', 'é"' || n) END,
  DATE '2026-01-01' + n, TIMESTAMPTZ '2026-01-01 00:00:00.000001+00' + n * INTERVAL '1 minute', n % 2 = 0
FROM generate_series(1, 3000) AS n
"""


@dataclass
class World:
    """A source table, its copy, and how to compare them."""

    connection: Any
    source: PostgresSide
    lake: LakeSide
    table: Any
    mapping: TableMapping

    @contextmanager
    def pair(self) -> Iterator[PinnedPair]:
        found = self.table.catalog.load_table(self.mapping.target).current_snapshot()
        with self.connection.transaction():
            self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            (name,) = self.connection.execute("SELECT pg_export_snapshot()").fetchone()
            target = Pin("iceberg", "x", {"snapshots": {self.mapping.target: found.snapshot_id}})
            try:
                yield PinnedPair(Pin("postgres", "x", {"snapshot": name}), target, "")
            finally:
                self.source.close()

    def compare(self) -> TableResult:
        with self.pair() as pair:
            return compare_table(self.mapping, self.source, self.lake, pair, CompareOptions())


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    import psycopg
    from pyiceberg.catalog.sql import SqlCatalog

    dsn = os.environ.get("CUTWATER_TEST_DSN") or request.getfixturevalue("sandbox_project").endpoints().postgres_dsn
    schema = f"recon_{secrets.token_hex(4)}"
    mapping = TableMapping(schema, "payment", "legacy.payment", ("id",), COLUMNS)
    catalog = SqlCatalog("lake", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse")
    catalog.create_namespace("legacy")
    with psycopg.connect(dsn, autocommit=True) as connection:
        kinds = ", ".join(f"{item.name} {item.pg_type}" for item in COLUMNS)
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"CREATE TABLE {schema}.payment ({kinds})")
        connection.execute(FILL.format(name=f"{schema}.payment"))
        rows = _arrow(connection, schema)
        table = catalog.create_table("legacy.payment", rows.schema)
        table.append(rows.slice(0, 2000))
        table.append(rows.slice(2000))
        reader = LakeReader(catalog)
        yield World(connection, PostgresSide(dsn), LakeSide(reader), table, mapping)
        reader.close()
        connection.execute(f"DROP SCHEMA {schema} CASCADE")
    catalog.close()


def _arrow(connection: Any, schema: str) -> Any:
    import pyarrow as pa

    types = [
        pa.int64(),
        pa.string(),
        pa.decimal128(23, 5),
        *[pa.string()] * 3,
        pa.date32(),
        pa.timestamp("us", "UTC"),
        pa.bool_(),
    ]
    names = [item.name for item in COLUMNS]
    texts = {"uetr", "details"}
    chosen = ", ".join(f"{name}::text" if name in texts else name for name in names)
    rows = connection.execute(f"SELECT {chosen} FROM {schema}.payment ORDER BY id").fetchall()
    return pa.table(
        [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), types, strict=True)], names
    )


def test_equal_sides_pass_and_planted_faults_are_found(world: World) -> None:
    with world.pair() as pair:
        result = compare_table(world.mapping, world.source, world.lake, pair, CompareOptions())
        check = SelfCheck()
        check_table(check, world.mapping, world.source, world.lake, world.lake, pair, result, 40)
    assert (result.verdict, result.rows, result.differing) == (Verdict.PASS, (3000, 3000), ())
    assert result.source_totals == result.target_totals
    assert (check.totals, check.missed) == ((40, 40), [])


def test_the_keyless_reading_agrees_too(world: World) -> None:
    world.mapping = replace(world.mapping, key=())
    assert world.compare().verdict is Verdict.PASS


def test_harm_in_the_lake_is_named(world: World) -> None:
    import pyarrow as pa

    world.table.delete("id = 17")
    found = world.table.scan(row_filter="id == 18").to_arrow()
    cents = pa.array([value + type(value)("0.01") for value in found["amount"].to_pylist()], pa.decimal128(23, 5))
    world.table.overwrite(found.set_column(2, "amount", cents), overwrite_filter="id == 18")
    result = world.compare()
    assert {(item.label, item.key) for item in result.breaks} == {
        ("MISSING_IN_TARGET", "id=17"),
        ("AMOUNT_MISMATCH(amount)", "id=18"),
    }
    world.table.append(found)
    assert "DUPLICATE_TARGET" in {item.label for item in world.compare().breaks}


def test_both_sides_stay_at_their_pins(world: World) -> None:
    with world.pair() as pair:
        world.table.delete("id > 5")
        result = compare_table(world.mapping, world.source, world.lake, pair, CompareOptions())
    assert result.verdict is Verdict.PASS
    world.connection.execute(f"DELETE FROM {world.mapping.source_schema}.payment WHERE id > 5")
    assert world.compare().verdict is Verdict.PASS


def test_files_of_an_older_schema_are_read_by_field_id(world: World) -> None:
    with world.table.update_schema() as update:
        update.rename_column("status", "state")
    world.connection.execute(f"ALTER TABLE {world.mapping.source_schema}.payment RENAME status TO state")
    columns = tuple(replace(item, name="state") if item.name == "status" else item for item in COLUMNS)
    world.mapping = replace(world.mapping, columns=columns)
    assert world.compare().verdict is Verdict.PASS


def test_a_snapshot_that_is_gone_is_unavailable_not_equal(world: World) -> None:
    pin = Pin("postgres", "x", {"snapshot": "00000000-00000001-1"})
    with pytest.raises(Unavailable, match="CW4004"):
        world.source.totals(world.mapping, pin)
