"""Fills the servers with a seed: tables by COPY, topics, files, the SWIFT archive. All channels tell the same payments."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from cutwater.core.config import Endpoints, Project
from cutwater.core.errors import Refused
from cutwater.core.progress import Progress
from sandbox.estate import broker, state, tables, truth
from sandbox.estate.archive import File, Sequences, seed_archive
from sandbox.estate.generator import Estate, build
from sandbox.estate.model import TOPIC_INITIATED, TOPIC_STATUS, Batch
from sandbox.estate.state import EstateState
from sandbox.estate.writers import avro

_TYPES = ("party_kind", "account_status", "channel", "status_code")
_CHUNK = 20_000  # rows handed to COPY at a time
# Between these the smoke test pays its cent (sandbox/project/smoke/api.yaml); the legacy side does not know them.
SMOKE_ACCOUNTS = ((-1, "GB31CUTW00000000000001", "GBP"), (-2, "GB04CUTW00000000000002", "GBP"))


def seed(
    project: Project, payments: int, days: int, number: int, progress: Progress, reset: bool = False
) -> dict[str, Any]:
    """Seeds the estate once. The same seed again does nothing; another one is refused unless `reset`."""
    endpoints = project.endpoints()
    wanted = {"seed": number, "payments": payments, "days": days}
    started = time.monotonic()
    with connect(endpoints) as connection:
        there = _marker(connection)
        if there == {**wanted, "complete": True} and not reset:
            broker.ensure_topics(endpoints)
            with state.locked(project) as known:
                broker.ensure_schemas(endpoints, known.schema_ids)
            return {**wanted, "seeded": False, **_told(project), "seconds": round(time.monotonic() - started, 1)}
        if there and there.get("complete") and not reset:
            raise Refused(
                "CW1202",
                f"the legacy database already holds seed {there['seed']} with {there['payments']} payments",
                state="nothing was changed",
                next="cutwater sandbox seed with the same numbers, or cutwater sandbox down --delete",
            )
        estate = build(number, payments, days)
        _clear(connection, endpoints, project)
        counts = _load(connection, estate, wanted, progress)
    _reference(endpoints, estate)
    tally = truth.seeded(estate.payments, estate.batches, counts)
    schema_ids = _publish(endpoints, estate, progress)
    sequences = _write_files(endpoints, estate, tally, progress)
    entries = max((entry.entry_id for one in estate.statements for entry in one.entries), default=1_000_000)
    state.save(project, EstateState(number, payments, days, entries + 1, 0, schema_ids, sequences))
    tally.save(truth.folder(project) / "seed.json", **wanted)
    with connect(endpoints) as connection:
        _mark(connection, {**wanted, "complete": True})
    return {**wanted, "seeded": True, **_told(project), "seconds": round(time.monotonic() - started, 1)}


def connect(endpoints: Endpoints, autocommit: bool = False) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection to the legacy database; Unavailable where it does not answer."""
    try:
        return psycopg.connect(
            endpoints.postgres_dsn, autocommit=autocommit, connect_timeout=10, application_name="payhub-estate"
        )
    except psycopg.OperationalError as error:
        raise broker.down("PostgreSQL", error) from error


def write_file(folder: Path, name: str, content: bytes) -> None:
    """A file appears whole: written as *.part, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.part"
    part.write_bytes(content)
    part.rename(folder / name)


def drop(endpoints: Endpoints, batch: Batch, content: bytes | None = None, name: str = "") -> None:
    """Delivers a batch's file into the drop."""
    write_file(
        Path(endpoints.drop_dir) / batch.feed, name or batch.file_name, batch.content if content is None else content
    )


def archive(endpoints: Endpoints, file: File) -> None:
    """Puts a message into the SWIFT archive."""
    path = Path(endpoints.swift_dir) / file.path
    write_file(path.parent, path.name, file.content)


def _told(project: Project) -> dict[str, Any]:
    found = truth.ground_truth(project)
    return {key: found[key] for key in ("channels", "tables", "topics", "feeds", "events")}


def _marker(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, Any]:
    """What the schema's comment says about the seed; {} in an empty database."""
    row = connection.execute("SELECT obj_description(to_regnamespace('payhub'), 'pg_namespace')").fetchone()
    text = row[0] if row else None
    return dict(json.loads(text)) if text and text.startswith("{") else {}


def _mark(connection: psycopg.Connection[tuple[Any, ...]], document: dict[str, Any]) -> None:
    connection.execute(sql.SQL("COMMENT ON SCHEMA payhub IS {}").format(sql.Literal(json.dumps(document))))


def _clear(connection: psycopg.Connection[tuple[Any, ...]], endpoints: Endpoints, project: Project) -> None:
    """Removes what a seed or its traffic left: tables, types, topics, files, ground truth."""
    for table in reversed(truth.TABLES):
        connection.execute(sql.SQL("DROP TABLE IF EXISTS payhub.{} CASCADE").format(sql.Identifier(table)))
    for name in _TYPES:
        connection.execute(sql.SQL("DROP TYPE IF EXISTS payhub.{}").format(sql.Identifier(name)))
    broker.delete_topics(endpoints)
    for place in (
        *(Path(endpoints.drop_dir) / feed for feed in ("pain001", "bacs")),
        *(Path(endpoints.swift_dir) / direction for direction in ("in", "out")),
        truth.folder(project),
        project.sandbox_dir / "parked",
    ):
        shutil.rmtree(place, ignore_errors=True)


def _load(
    connection: psycopg.Connection[tuple[Any, ...]], estate: Estate, wanted: dict[str, Any], progress: Progress
) -> dict[str, int]:
    """The schema and all rows in one transaction; the marker says that the rest is still missing."""
    script = files("sandbox.estate").joinpath("payhub.sql").read_text("utf-8")
    connection.execute(script)
    counts: dict[str, int] = {}
    task = progress.task("legacy tables", None, "rows")
    for table, found in tables.rows(estate):
        statement = sql.SQL("COPY payhub.{} ({}) FROM STDIN").format(
            sql.Identifier(table),
            sql.SQL(tables.COLUMNS[table]),
        )
        with connection.cursor().copy(statement) as copy:
            for start in range(0, len(found), _CHUNK):
                chunk = found[start : start + _CHUNK]
                copy.write(tables.copy_text(chunk))
                task.advance(len(chunk))
        counts[table] = len(found)
    for table, column in (("payment", "payment_id"), ("file_batch", "batch_id")):
        connection.execute(
            sql.SQL("SELECT setval(pg_get_serial_sequence({}, {}), (SELECT max({}) FROM payhub.{}))").format(
                sql.Literal(f"payhub.{table}"), sql.Literal(column), sql.Identifier(column), sql.Identifier(table)
            )
        )
    _mark(connection, {**wanted, "complete": False})
    connection.commit()
    connection.execute("ANALYZE payhub.payment, payhub.payment_status, payhub.statement_entry, payhub.outbox")
    return counts


def _reference(endpoints: Endpoints, estate: Estate) -> None:
    """The store of an empty To-Be side: the accounts, which every platform knows, and nothing else."""
    if not endpoints.store_dsn:
        return
    found = [(item.account_id, item.iban, item.currency) for item in estate.world.accounts]
    try:
        with psycopg.connect(endpoints.store_dsn, connect_timeout=10) as store, store.cursor() as cursor:
            cursor.execute(
                "TRUNCATE tobe.account, tobe.payment, tobe.payment_status, tobe.idempotency, tobe.outbox RESTART IDENTITY"
            )
            cursor.executemany(
                "INSERT INTO tobe.account (account_id, iban, currency) VALUES (%s, %s, %s)", [*found, *SMOKE_ACCOUNTS]
            )
    except psycopg.OperationalError as error:
        raise broker.down("the store's PostgreSQL", error) from error


def _publish(endpoints: Endpoints, estate: Estate, progress: Progress) -> dict[str, int]:
    """All events in order of time, ties by payment and number: the same seed fills the partitions alike."""
    broker.ensure_topics(endpoints)
    schema_ids = broker.ensure_schemas(endpoints, {})
    events: list[tuple[Any, int, int]] = []
    for index, payment in enumerate(estate.payments):
        events.append((payment.created_at, index, 0))
        events.extend((status.occurred_at, index, status.seq) for status in payment.statuses)
    events.sort()
    publisher = broker.Publisher(endpoints, schema_ids)
    task = progress.task("events", len(events), "events")
    for done, (_, index, seq) in enumerate(events, start=1):
        payment = estate.payments[index]
        if seq == 0:
            publisher.send(TOPIC_INITIATED, payment.uetr, avro.initiated(payment))
        else:
            publisher.send(TOPIC_STATUS, payment.uetr, avro.status_changed(payment, payment.statuses[seq - 1]))
        if done % 10_000 == 0:
            task.advance(10_000)
    publisher.flush()
    task.advance(len(events) % 10_000)
    return schema_ids


def _write_files(endpoints: Endpoints, estate: Estate, tally: truth.Tally, progress: Progress) -> Sequences:
    sequences = Sequences()
    messages: Iterable[File] = seed_archive(estate.payments, estate.statements, sequences, estate.days)
    task = progress.task("files and messages", None, "files")
    for batch in estate.batches:
        drop(endpoints, batch)
        task.advance()
    for message in messages:
        archive(endpoints, message)
        tally.file(message)
        task.advance()
    return sequences
