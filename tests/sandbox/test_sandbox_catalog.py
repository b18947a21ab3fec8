"""The JDBC catalog in the sandbox's PostgreSQL keeps every commit of writers that meet."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from cutwater.core.config import Project
from sandbox import servers

pytestmark = pytest.mark.real
WRITERS, APPENDS = 3, 12


def test_three_writers_at_once_lose_no_row(sandbox_project: Project) -> None:
    import pyarrow as pa
    from pyiceberg.catalog.sql import SqlCatalog

    servers.up(sandbox_project)
    ends = sandbox_project.endpoints()
    uri = ends.catalog_dsn.replace("postgresql://", "postgresql+psycopg://")
    catalog = SqlCatalog("lake", uri=uri, warehouse=ends.warehouse)
    catalog.create_namespace_if_not_exists("sandbox_test")
    name = f"sandbox_test.three_writers_{secrets.token_hex(3)}"
    fields = [pa.field("id", pa.int64(), nullable=False), pa.field("writer", pa.int64(), nullable=False)]
    table = catalog.create_table(name, schema=pa.schema(fields), properties={"commit.retry.num-retries": "0"})
    try:
        acknowledged = _append(uri, ends.warehouse, name)
        table.refresh()
        present = sorted(table.scan().to_arrow().column("id").to_pylist())
        assert acknowledged == [writer * 1000 + number for writer in range(WRITERS) for number in range(APPENDS)]
        assert present == acknowledged
        assert len(table.history()) == WRITERS * APPENDS
    finally:
        catalog.drop_table(name)
        catalog.engine.dispose()


def _append(uri: str, warehouse: str, name: str) -> list[int]:
    program = str(Path(__file__).with_name("catalog_writer.py"))
    writers = [
        subprocess.Popen(
            [sys.executable, program, uri, warehouse, name, str(number), str(APPENDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    answers = [writer.communicate(timeout=240) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * WRITERS, answers
    return sorted(int(line) for out, _ in answers for line in out.split())
