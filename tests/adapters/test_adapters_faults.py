"""Full disks, stores and catalogs that are away: said in our words, nothing half written, and the work goes on after."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import OperationalError
from test_adapters_handover import Estate

from adapters.iceberg.catalog import open_catalog
from adapters.iceberg.commits import summaries
from adapters.iceberg.faults import LakeAction, LakeService, explain, translated
from adapters.postgres.backfill import CopyChunk
from adapters.postgres.connection import translated as by_postgres
from cutwater.core.config import Project
from cutwater.core.errors import Refused, Unavailable

Grow = Callable[[], None]


@pytest.fixture
def small_disk() -> Iterator[tuple[Path, Grow]]:
    """A disk of 400 KiB of our own, and what makes it larger. Needs the right to mount."""
    folder = Path(tempfile.mkdtemp(prefix="cutwater-disk-"))
    if not _mount(folder, "size=400k,mode=777"):
        folder.rmdir()
        pytest.skip("needs the right to mount a disk")
    yield folder, lambda: _mounted(_mount(folder, "remount,size=64m"))
    subprocess.run(["umount", "--lazy", str(folder)], check=False)
    folder.rmdir()


def _mount(folder: Path, options: str) -> bool:
    if sys.platform != "linux":
        return False
    words = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _mounted(well: bool) -> None:
    assert well


@pytest.fixture
def estate(sandbox_project: Project) -> Iterator[Estate]:
    made = Estate(sandbox_project)
    yield made
    made.remove()


@pytest.fixture
def cramped(small_disk: tuple[Path, Grow], sandbox_project: Project) -> Iterator[Estate]:
    """An estate whose lake is on the small disk."""
    made = Estate(sandbox_project)
    made.catalog.close()
    made.catalog = open_catalog(replace(made.ends, warehouse=small_disk[0].as_uri()))
    made.stream = made.new_stream()
    yield made
    made.remove()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "CW3209"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "CW3209"),
        (OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"), "CW3209"),
        (OperationalError("UPDATE", None, Exception("could not extend file: No space left on device")), "CW3209"),
        (OperationalError("UPDATE", None, Exception("connection refused")), "CW3201"),
        (OSError("When uploading part: AWS Error NETWORK_CONNECTION"), "CW3213"),
    ],
)
def test_what_passes_by_itself_is_told_from_a_defect(error: Exception, code: str) -> None:
    with pytest.raises(Unavailable, match=code) as caught, translated("backfill.chunk"):
        raise error
    assert caught.value.cause
    assert "cutwater wave resume" in caught.value.next
    assert explain(KeyError("x"), "backfill.chunk") is None
    with pytest.raises(Refused), translated("backfill.chunk"):
        raise Refused("CW3106", "no")


@pytest.mark.real
def test_a_file_that_cannot_grow_stops_the_copy_with_a_clear_word(estate: Estate) -> None:
    estate.prepare()
    copier = LakeAction("backfill.chunk", CopyChunk(estate.ends.postgres_dsn, estate.catalog))
    args = {"mapping": estate.plain[0], "chunk": {"id": "all", "lower": None, "upper": None}, "throttle": {}}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, hard))  # as a full disk, without the right to make one
    try:
        with pytest.raises(Unavailable, match="CW3209"):
            copier.perform(args, estate.fence)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert copier.observe(args, estate.fence) is None
    assert copier.perform(args, estate.fence)["rows"] == 500
    assert len(estate.lake(estate.mappings[0])) == 500


@pytest.mark.real
def test_a_full_disk_of_the_lake_stops_each_act_and_loses_nothing(
    cramped: Estate, small_disk: tuple[Path, Grow]
) -> None:
    """Copy, stream and fold in turn meet the full disk; with space each goes on where it stood, and both sides are equal."""
    disk, grow = small_disk
    estate = cramped
    estate.prepare()
    item = estate.mappings[0]
    ballast = disk / "ballast"
    copier = LakeAction("backfill.chunk", CopyChunk(estate.ends.postgres_dsn, estate.catalog))
    args = {"mapping": estate.plain[0], "chunk": {"id": "all", "lower": None, "upper": None}, "throttle": {}}
    _fill(ballast)
    with pytest.raises(Unavailable, match="CW3209"):
        copier.perform(args, estate.fence)
    assert not list(summaries(estate.catalog.load_table(item.target)))
    ballast.unlink()
    grow()
    estate.backfill()
    estate.stream.fold_now(estate.fence)
    stream = LakeService(estate.stream)
    estate.run(f"UPDATE {estate.name}.item SET amount = amount + 1 WHERE id <= 300")
    _fill(ballast)
    with pytest.raises(Unavailable, match="CW3209"):
        stream.poll(estate.fence)
    ballast.unlink()
    while not stream.poll(estate.fence).caught_up:
        pass
    _fill(ballast)
    with pytest.raises(Unavailable, match="CW3209"), translated("stream.fold"):
        estate.stream.fold_now(estate.fence)
    ballast.unlink()
    estate.stream.fold_now(estate.fence)
    estate.assert_equal()


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as out:
        for size in (65_536, 4_096):
            with suppress(OSError):
                while True:
                    out.write(bytes(size))


@pytest.mark.real
def test_a_spark_that_was_killed_is_started_anew(estate: Estate) -> None:
    from pyspark import SparkContext

    estate.prepare()
    estate.backfill()
    update = f"UPDATE {estate.name}.item SET amount = amount + 1 WHERE id <= 300"
    estate.run(update)
    estate.stream.fold_now(estate.fence)
    estate.run(update)
    gateway = SparkContext._gateway
    assert gateway is not None
    os.kill(gateway.proc.pid, signal.SIGKILL)  # as the kernel does where memory runs out
    gateway.proc.wait()
    estate.stream.fold_now(estate.fence)
    estate.assert_equal()


@pytest.mark.real
def test_a_full_disk_of_the_source_is_named(small_disk: tuple[Path, Grow], sandbox_project: Project) -> None:
    """A table on the small disk of the real server: what it says is our CW3103, and it works again with space."""
    disk, grow = small_disk
    admin = json.loads(sandbox_project.endpoints_file.read_text("utf-8"))["private"]["admin_dsn"]
    name = disk.name.replace("-", "_")
    space = disk / "space"
    space.mkdir(mode=0o777)
    with psycopg.connect(admin, autocommit=True) as db:
        owner = Path(str(db.execute("SHOW data_directory").fetchone()[0])).stat()  # type: ignore[index]
        os.chown(space, owner.st_uid, owner.st_gid)
        db.execute(f"CREATE TABLESPACE {name} LOCATION '{space}'".encode())
        try:
            db.execute(f"CREATE TABLE {name} (id int, text text) TABLESPACE {name}".encode())
            insert = f"INSERT INTO {name} SELECT i, repeat('x', 100) FROM generate_series(1, 20000) AS i".encode()
            with pytest.raises(Unavailable, match="CW3103") as caught, by_postgres("writing a marker"):
                db.execute(insert)
            assert "No space left" in caught.value.cause
            assert caught.value.next == "free space on the server, then cutwater wave resume"
            grow()
            with by_postgres("writing a marker"):
                db.execute(insert)
        finally:
            db.execute(f"DROP TABLE IF EXISTS {name}".encode())
            db.execute("CHECKPOINT")  # only then are its files gone
            db.execute(f"DROP TABLESPACE {name}".encode())
