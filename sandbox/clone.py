"""A copy of a running sandbox: its databases by base backup, its topics by reading them, its folders. The original is read only.

Nothing is stopped for it, so the parts are of different moments, and what was made between them is sorted out by the copy's own
records: of the topics it takes what was sent before the base backup began, and its outbox has everything since as unpublished,
so that its own relay sends that (an event that comes twice has the same key); of the files, those whose batch it knows; the
SWIFT archive with the numbers that come next. What a migration made (the lake, publications, fences) stays behind: a rehearsal
begins where the first round began.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import sql

from cutwater.core.clock import utc_now
from cutwater.core.config import EMBEDDED, Project
from cutwater.core.errors import Unavailable
from cutwater.core.progress import Progress, Silent
from sandbox import clone_kafka, servers
from sandbox.estate import broker, state
from sandbox.layout import HOST, LEGACY, TOBE, Layout, dsn
from sandbox.notify_book import hold_file
from sandbox.postgres_home import account_to_run_as, binaries_for, data_dir

LEAST_MEMORY = 3 << 30  # a second sandbox and its runner, as they were measured, and a little


def clone(source: Project, target: Project, progress: Progress | None = None) -> None:
    """Makes `target`'s sandbox a copy of `source`'s, and up. target: a project whose sandbox does not exist.

    Raises Unavailable CW1120 where a part could not be copied (what was made stays for `servers.down`), CW1121 without room.
    """
    report = progress or Silent()
    old, new = (Layout(item.sandbox_dir.absolute()) for item in (source, target))
    if old.provider != EMBEDDED:
        raise Unavailable(
            "CW1120",
            f"a sandbox of {old.provider} cannot be copied: its data stand in the engine's volumes",
            state="nothing was copied",
            next='rehearse on an embedded one: provider = "embedded" under [sandbox] in cutwater.toml',
        )
    source.endpoints()  # says that the sandbox is not up
    _room(old)
    new.home.mkdir(parents=True)
    shutil.copy2(old.home / "secrets.json", new.home / "secrets.json")  # the roles' passwords stand in the data
    new.create()
    began = utc_now().replace(microsecond=0)  # whole seconds: a message's time has milliseconds, a row's microseconds
    for server in (LEGACY, TOBE):
        report.say(f"  copying {server}")
        _base_backup(old, new, server)
    shutil.copy2(old.access_log, new.access_log)  # callers are an inventory's evidence
    _archive(source, target, old, new)
    hold = hold_file(new)  # a group that reads takes no offsets
    hold.parent.mkdir(parents=True, exist_ok=True)
    hold.touch()
    _up(target, report)
    _forget_migration(new)
    _unpublish(new, began)
    _drop(old, new)
    with state.locked(target) as known:
        known.schema_ids = broker.ensure_schemas(target.endpoints(), known.schema_ids)
    report.say("  copying the topics")
    brokers = source.endpoints().kafka_bootstrap, target.endpoints().kafka_bootstrap
    counts = clone_kafka.copy(*brokers, int(began.timestamp() * 1000))
    hold.unlink()
    report.say(f"  {sum(counts.values()):,} messages of {len(counts)} topics")


def _up(target: Project, report: Progress) -> None:
    """Twice, where it has to be: two sandboxes start on what one has to itself as a rule."""
    try:
        servers.up(target, report)
    except Unavailable as error:
        if error.code != "CW1110":
            raise
        report.say(f"  {error.what}: once more")
        servers.up(target, report)


def _room(old: Layout) -> None:
    import psutil

    free = psutil.virtual_memory().available
    folders = [old.home, *(data_dir(old, server) for server in (LEGACY, TOBE))]
    needed = sum(_size(folder) for folder in folders) + servers.LEAST_FREE_BYTES
    disk = shutil.disk_usage(old.home).free
    if free >= LEAST_MEMORY and disk >= needed:
        return
    short = "memory" if free < LEAST_MEMORY else "disk"
    have, want = (free, LEAST_MEMORY) if short == "memory" else (disk, needed)
    raise Unavailable(
        "CW1121",
        f"there is no room for a copy of the sandbox: {have >> 20} MiB of {short} are free, {want >> 20} MiB are needed",
        state="nothing was copied",
        next="free it, then the same command again",
    )


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _base_backup(old: Layout, new: Layout, server: str) -> None:
    """The whole cluster with the WAL that makes it consistent. Slots are not part of a base backup: none is left behind."""
    account, data = account_to_run_as(), data_dir(new, server)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    uid, gid = account or (None, None)
    if uid is not None and gid is not None:
        os.chown(data, uid, gid)
    port = str(old.ports()[server])
    result = subprocess.run(
        [
            str(binaries_for(account) / "pg_basebackup"), "--pgdata", str(data), "--host", HOST, "--port", port, "--username",
            "postgres", "--no-password", "--wal-method", "stream", "--checkpoint", "fast", "--no-sync",
        ],
        check=False, capture_output=True, text=True, user=uid, group=gid, extra_groups=[] if uid is not None else None,
        cwd=data, env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PGPASSWORD": old.passwords()["postgres"]},
    )  # fmt: skip
    if result.returncode != 0:
        raise Unavailable(
            "CW1120",
            f"{server} could not be copied",
            cause=result.stderr.strip()[-500:],
            state="the original is as it was",
            next="cutwater sandbox status, then the same command again",
        )


def _archive(source: Project, target: Project, old: Layout, new: Layout) -> None:
    """The messages, and the numbers that continue them. Most of it without the lock that senders take, the rest under it."""
    _missing(old.swift, new.swift)
    with state.locked(source) as known:
        _missing(old.swift, new.swift)
        state.save(target, known)


def _missing(old: Path, new: Path) -> None:
    for path in old.rglob("*"):
        there = new / path.relative_to(old)
        if path.is_file() and path.suffix != ".part" and not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, there)


def _unpublish(layout: Layout, began: datetime) -> None:
    """What was published since the copy began is in none of its topics yet."""
    with psycopg.connect(dsn(layout, "postgres", "payhub"), autocommit=True) as db:
        db.execute("UPDATE payhub.outbox SET published_at = NULL WHERE published_at >= %s", (began,))


def _drop(old: Layout, new: Layout) -> None:
    """Files whose batch the copy knows: a later one belongs to payments that it has not."""
    with psycopg.connect(dsn(new, "postgres", "payhub"), autocommit=True) as db:
        known = {str(name) for (name,) in db.execute("SELECT file_name FROM payhub.file_batch")}
    for path in old.drop.rglob("*"):
        if path.is_file() and path.name in known:
            there = new.drop / path.relative_to(old.drop)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, there)


def _forget_migration(layout: Layout) -> None:
    """The copy's catalog still names the original's files: it is emptied before anybody can drop a table by it."""
    with psycopg.connect(dsn(layout, "postgres", "postgres"), autocommit=True) as db:
        db.execute("DROP DATABASE IF EXISTS lake WITH (FORCE)")
        db.execute("CREATE DATABASE lake OWNER lake")
    for server, database in ((LEGACY, "payhub"), (TOBE, "tobe")):
        with psycopg.connect(dsn(layout, "postgres", database, server), autocommit=True) as db:
            db.execute("DROP SCHEMA IF EXISTS cutwater CASCADE")  # with its triggers
            for (name,) in db.execute("SELECT pubname FROM pg_publication WHERE pubname LIKE 'cutwater%'").fetchall():
                db.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(name)))


def removed(target: Project) -> None:
    """The copy goes, data and all; nothing where there is none."""
    from sandbox.estate import background

    if target.sandbox_dir.exists():
        try:
            background.end(target)
        finally:
            servers.down(target, delete=True)
