"""What `cutwater doctor` does: every outside system is asked, every orphan named, every fix said."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cutwater.core.clock import utc_now
from cutwater.core.config import Endpoints, Project
from cutwater.core.errors import CutwaterError, Unavailable
from cutwater.state.store import open_store

if TYPE_CHECKING:
    from adapters.postgres.owner_mark import Mark

LEAST_FREE_GIB = 5
CLOCK_LIMIT_MS = 250


@dataclass(frozen=True)
class Check:
    """One line: state is pass, fail, late (a warning) or unknown (not checked); `fix` mends it."""

    name: str
    state: str
    text: str
    fix: str = ""


def doctor(project: Project) -> list[Check]:
    """All checks, in the order in which a wave needs them; none raises."""
    checks = [_disk(project), *_dark(project)]
    try:
        ends = project.endpoints()
    except CutwaterError as error:
        return [*checks, Check("endpoints", "fail", error.what, error.next)]
    parts: tuple[tuple[str, Callable[[Project, Endpoints], Iterator[Check]]], ...] = (
        ("postgres", _postgres),
        ("kafka", _kafka),
        ("registry", _registry),
        ("lake", _lake),
        ("folders", _folders),
        ("state", _state),
    )
    for name, part in parts:
        try:
            checks.extend(part(project, ends))
        except CutwaterError as error:
            checks.append(Check(name, "fail", f"{error.what}: {error.cause}", error.next))
        except ImportError as error:
            checks.append(
                Check(name, "unknown", f"not checked, {error.name} is missing", "pip install 'cutwater[lake,kafka]'")
            )
    return checks


def _disk(project: Project) -> Check:
    free = shutil.disk_usage(project.root).free >> 30
    good = free >= LEAST_FREE_GIB
    return Check(
        "disk",
        "pass" if good else "late",
        f"{free} GiB free at the project",
        "" if good else f"free {LEAST_FREE_GIB} GiB",
    )


def _dark(project: Project) -> list[Check]:
    """Asked before anything else: do payments wait by the journal, and does the outside stand as it says?"""
    from cutwater.commands.route_looks import looks
    from cutwater.commands.wave_status import dark_of, runner_of
    from cutwater.jobs.wave_state import history_of

    if project.state_url.startswith("sqlite:") and not (project.run_dir / "state.db").exists():
        return []
    try:
        with open_store(project.state_url) as store:
            histories = [history_of(store, row.name) for row in store.waves.list()]
            found = [dark_of(store, history, runner_of(store, history)) for history in histories]
            outside = [(item.wave, look) for item in histories for look in looks(project, store, item.wave)]
    except CutwaterError:
        return []  # the state's own check says so
    return [
        Check("route", "fail" if dark["alone"] else "late", dark["text"], dark["next"]) for dark in found if dark
    ] + [
        Check(look.name, look.word, look.text if wave in look.text else f"{wave}: {look.text}", look.next)
        for wave, look in outside
    ]


def _postgres(project: Project, ends: Endpoints) -> Iterator[Check]:
    if not ends.postgres_dsn:
        yield Check("postgres", "unknown", "not configured")
        return
    from adapters.postgres.checks import server_problems
    from adapters.postgres.connection import connect, translated, where
    from adapters.postgres.owner_mark import standing

    with connect(ends.postgres_dsn, "doctor", statement_seconds=10) as db, translated("asking PostgreSQL"):
        yield Check(
            "postgres", "pass", f"{where(ends.postgres_dsn)} answers, version {db.info.server_version // 10000}"
        )
        for problem in server_problems(db):
            yield Check("postgres", "fail", problem.what, problem.next)
        before = time.time()
        row = db.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
        offset = int(abs(float(row[0]) - (before + time.time()) / 2) * 1000) if row else 0
        late = offset > CLOCK_LIMIT_MS
        yield Check(
            "clock",
            "late" if late else "pass",
            f"{offset} ms off the source (limit {CLOCK_LIMIT_MS})",
            "chronyc makestep" if late else "",
        )
        slots = db.execute(
            "SELECT slot_name::text, wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint FROM pg_replication_slots "
            "WHERE slot_name LIKE 'cutwater\\_%%' AND database = current_database()".replace("%%", "%")
        ).fetchall()
        marks = {name: standing(db, name).mark for name, _, _ in slots}
    yield from _slots(project, slots, marks)


def _slots(project: Project, slots: list[tuple[str, str, int]], marks: Mapping[str, Mark | None]) -> Iterator[Check]:
    with open_store(project.state_url) as store:
        us = store.journal.first_hash()
        known = {f"cutwater_{row.name.lower()}": row.state for row in store.waves.list()}
    for name, status, behind in slots:
        mark = marks.get(name)
        if mark is not None and not us.startswith(mark.owner):
            yield Check("slot", "late", f"{name} is of {mark.told}; it keeps {behind / 2**20:,.0f} MiB of WAL")
        elif name not in known or known[name] in ("ABANDONED", "COMPLETED"):
            yield Check(
                "slot",
                "fail",
                f"{name} is an orphan and keeps {behind / 2**20:,.0f} MiB of WAL",
                f"SELECT pg_drop_replication_slot('{name}')",
            )
        elif status == "lost":
            yield Check(
                "slot",
                "fail",
                f"{name} is lost: the wave's stream cannot go on",
                f"cutwater wave abandon {name.removeprefix('cutwater_').upper()}",
            )
        else:
            yield Check("slot", "pass", f"{name} {status}, {behind / 2**20:,.1f} MiB of WAL kept")


def _kafka(project: Project, ends: Endpoints) -> Iterator[Check]:
    if not ends.kafka_bootstrap:
        yield Check("kafka", "unknown", "not configured")
        return
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        found = AdminClient({"bootstrap.servers": ends.kafka_bootstrap, "socket.timeout.ms": 5000}).list_topics(
            timeout=5
        )
    except KafkaException as error:
        raise Unavailable(
            "CW3308", "Kafka does not answer", cause=str(error), next="start it, then cutwater doctor"
        ) from error
    topics = [name for name in found.topics if not name.startswith("__")]
    yield Check("kafka", "pass", f"{len(found.brokers)} broker, {len(topics)} topics")


def _registry(project: Project, ends: Endpoints) -> Iterator[Check]:
    if not ends.registry_url:
        yield Check("registry", "unknown", "not configured")
        return
    import httpx

    try:
        answer = httpx.get(f"{ends.registry_url}/subjects", timeout=5)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Unavailable(
            "CW3303", "the schema registry does not answer", cause=str(error), next="start it, then cutwater doctor"
        ) from error
    yield Check("registry", "pass", f"{len(answer.json())} subjects")


def _lake(project: Project, ends: Endpoints) -> Iterator[Check]:
    if not ends.catalog_dsn:
        yield Check("lake", "unknown", "not configured")
        return
    from adapters.iceberg.catalog import open_catalog

    catalog = open_catalog(ends)
    try:
        spaces = [name for (name,) in catalog.list_namespaces()]
    finally:
        catalog.close()
    yield Check(
        "lake", "pass", f"JDBC catalog answers, {len(spaces)} namespaces; it checks every commit against its parent"
    )


def _folders(project: Project, ends: Endpoints) -> Iterator[Check]:
    for name, path in (("file drop", ends.drop_dir), ("SWIFT archive", ends.swift_dir)):
        if not path:
            yield Check(name, "unknown", "not configured")
        elif Path(path).is_dir():
            yield Check(name, "pass", "can be read")
        else:
            yield Check(name, "fail", f"{path} is no folder", "mend the path in cutwater.toml")


def _state(project: Project, ends: Endpoints) -> Iterator[Check]:
    with open_store(project.state_url) as store:
        for row in store.waves.list():
            lapsed = store.leases.lapsed(row.name)
            if lapsed is not None:
                yield Check(
                    "runner",
                    "late",
                    f"{row.name} is {row.state}; its runner is dead ({lapsed.holder})",
                    f"cutwater wave resume {row.name}",
                )
        problems = store.verify()
    checked = utc_now().strftime("%H:%M:%S")
    yield Check(
        "journal",
        "fail" if problems else "pass",
        problems[0].text if problems else f"one unbroken chain at {checked} UTC",
        "cutwater evidence verify" if problems else "",
    )
