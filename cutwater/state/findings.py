"""What was found: inventory snapshots, reconciliation runs and their breaks, evidence."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from cutwater.core.clock import iso, parse_iso
from cutwater.core.errors import BadInput
from cutwater.core.hashing import sha256_json
from cutwater.core.ids import new_id
from cutwater.state.database import Database, dump, load
from cutwater.state.journal import Journal
from cutwater.state.models import Evidence, JournalRow, ReconBreak, ReconRun, SnapshotRecord
from cutwater.state.records import EvidenceRow, Problem, Record, SnapshotRow

EVIDENCE_ADDED = "evidence.added"


class Snapshots:
    """Inventory snapshots as plain data: `id`, `taken_at` (RFC 3339 text or datetime), `assets`, `edges`, ..."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def save(self, snapshot: Mapping[str, Any]) -> str:
        """Saves it under its id; saved already, nothing changes."""
        body = dump(snapshot, "the snapshot")
        taken = load(body)["taken_at"]
        with self.database.write() as connection:
            identity = str(snapshot["id"])
            if connection.execute(select(SnapshotRecord.id).where(SnapshotRecord.id == identity)).first() is None:
                connection.execute(
                    insert(SnapshotRecord).values(
                        id=identity, taken_at=iso(parse_iso(taken)), assets=len(snapshot["assets"]), body=body
                    )
                )
        return identity

    def latest(self) -> dict[str, Any] | None:
        """The one that was taken last."""
        query = select(SnapshotRecord.body).order_by(SnapshotRecord.taken_at.desc(), SnapshotRecord.id.desc()).limit(1)
        with self.database.read() as connection:
            body = connection.execute(query).scalar()
        return None if body is None else load(body)

    def get(self, snapshot_id: str) -> dict[str, Any]:
        """Raises BadInput CW2009 where there is none of that id."""
        with self.database.read() as connection:
            body = connection.execute(select(SnapshotRecord.body).where(SnapshotRecord.id == snapshot_id)).scalar()
        if body is None:
            raise BadInput("CW2009", f"there is no inventory snapshot {snapshot_id}", next="cutwater inventory diff")
        found: dict[str, Any] = load(body)
        return found

    def list(self) -> list[SnapshotRow]:
        """Oldest first."""
        query = select(SnapshotRecord.id, SnapshotRecord.taken_at, SnapshotRecord.assets).order_by(
            SnapshotRecord.taken_at, SnapshotRecord.id
        )
        with self.database.read() as connection:
            return [SnapshotRow(row.id, parse_iso(row.taken_at), row.assets) for row in connection.execute(query)]


class Recon:
    """Reconciliation runs and their breaks, as plain data."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def save_run(self, run_id: str, wave: str, body: Mapping[str, Any]) -> None:
        """Saves a run; saved again, the later body stands."""
        text = dump(body, f"the run {run_id}")
        with self.database.write() as connection:
            if not connection.execute(update(ReconRun).where(ReconRun.id == run_id).values(body=text)).rowcount:
                connection.execute(
                    insert(ReconRun).values(id=run_id, wave=wave, at=iso(self.database.now(connection)), body=text)
                )

    def run(self, run_id: str) -> dict[str, Any]:
        """Raises BadInput CW2009 where there is none of that id."""
        with self.database.read() as connection:
            body = connection.execute(select(ReconRun.body).where(ReconRun.id == run_id)).scalar()
        if body is None:
            raise BadInput("CW2009", f"there is no reconciliation run {run_id}", next="cutwater reconcile run")
        found: dict[str, Any] = load(body)
        return found

    def latest(self, wave: str) -> dict[str, Any] | None:
        found = self.runs(wave, limit=1)
        return found[0] if found else None

    def runs(self, wave: str, limit: int | None = None) -> list[dict[str, Any]]:
        """The wave's runs, newest first."""
        query = select(ReconRun.body).where(ReconRun.wave == wave).order_by(ReconRun.at.desc(), ReconRun.id.desc())
        with self.database.read() as connection:
            return [load(body) for body in connection.execute(query.limit(limit)).scalars()]

    def save_breaks(self, run_id: str, breaks: Sequence[Mapping[str, Any]]) -> None:
        """The run's breaks in their order; saved again, they replace the earlier ones."""
        rows = [
            {"run_id": run_id, "position": place, "body": dump(item, f"break {place} of {run_id}")}
            for place, item in enumerate(breaks, start=1)
        ]
        with self.database.write() as connection:
            connection.execute(delete(ReconBreak).where(ReconBreak.run_id == run_id))
            if rows:
                connection.execute(insert(ReconBreak), rows)

    def breaks(self, wave: str | None = None, run_id: str | None = None) -> list[dict[str, Any]]:
        """Breaks of one run, else of every run of a wave (or of all), oldest run first."""
        query = (
            select(ReconBreak.body)
            .join(ReconRun, ReconRun.id == ReconBreak.run_id, isouter=True)
            .order_by(ReconRun.at, ReconBreak.run_id, ReconBreak.position)
        )
        if wave is not None:
            query = query.where(ReconRun.wave == wave)
        if run_id is not None:
            query = query.where(ReconBreak.run_id == run_id)
        with self.database.read() as connection:
            return [load(body) for body in connection.execute(query).scalars()]


class EvidenceStore:
    """Evidence. Each piece is bound into the journal (`evidence.added`) by the hash of its body."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self.database, self.journal = database, journal

    def add(self, kind: str, wave: str, body: Mapping[str, Any], sha256: str = "", run_id: str = "") -> str:
        """Saves evidence and its journal record in one transaction; returns its id."""
        identity = new_id("E", self.database.clock)
        text = dump(body, f"the evidence {kind}")
        with self.database.write() as connection:
            payload = {"id": identity, "kind": kind, "sha256": sha256, "body_sha256": sha256_json(body)}
            record = self.journal.append_within(connection, wave, EVIDENCE_ADDED, payload, run_id)
            connection.execute(
                insert(Evidence).values(
                    id=identity, seq=record.seq, at=iso(record.at), kind=kind, wave=wave, body=text, sha256=sha256
                )
            )
        return identity

    def latest(self, kind: str, wave: str) -> EvidenceRow | None:
        """The newest of a kind; its `problem` says where it is not what the journal recorded, or not the newest there."""
        found = self.list(kind, wave, limit=1)
        if not found:
            return None
        newest = found[0]
        named = [item for item in self.journal.records(wave, [EVIDENCE_ADDED]) if item.payload.get("kind") == kind]
        mine = next((item for item in named if item.payload.get("id") == newest.id), None)
        return replace(newest, problem=_problem(newest, mine, named[-1] if named else None))

    def list(
        self, kind: str | None = None, wave: str | None = None, limit: int | None = None
    ) -> builtins.list[EvidenceRow]:
        """Newest first."""
        query = select(Evidence.__table__).order_by(Evidence.seq.desc())
        if kind is not None:
            query = query.where(Evidence.kind == kind)
        if wave is not None:
            query = query.where(Evidence.wave == wave)
        with self.database.read() as connection:
            return [
                EvidenceRow(row.id, parse_iso(row.at), row.kind, row.wave, _body(row.body), row.sha256, seq=row.seq)
                for row in connection.execute(query.limit(limit))
            ]

    def verify(self) -> builtins.list[Problem]:
        """Every piece against its journal record, and every record against its piece."""
        with self.database.read() as connection:
            kept = {row.seq: row for row in connection.execute(select(Evidence.__table__).order_by(Evidence.seq))}
            return _evidence_problems(connection, kept)


def _body(text: str) -> dict[str, Any]:
    """Empty where somebody made it no JSON object: its record's hash tells."""
    try:
        found = load(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _problem(row: EvidenceRow, mine: Record | None, last: Record | None) -> str:
    """Why the newest evidence is not to be believed; empty where it is as recorded."""
    if mine is None or last is None:
        return f"evidence {row.id} has no record in the journal: cutwater evidence verify"
    stands = {"id": row.id, "kind": row.kind, "sha256": row.sha256, "body_sha256": sha256_json(row.body)}
    if mine.computed_hash() != mine.hash or stands != mine.payload or row.at != mine.at:
        return f"evidence {row.id} was edited after it was recorded: cutwater evidence verify"
    if last is not mine:
        return f"newer evidence {last.payload.get('id', '?')} is missing: cutwater evidence verify"
    return ""


def _evidence_problems(connection: Connection, kept: dict[int, Any]) -> list[Problem]:
    problems, seen = [], set()
    records = connection.execute(
        select(JournalRow.seq, JournalRow.at, JournalRow.wave, JournalRow.payload)
        .where(JournalRow.kind == EVIDENCE_ADDED)
        .order_by(JournalRow.seq)
    )
    for record in records:
        try:
            said = load(record.payload)
        except ValueError:  # the chain's own check names this record
            said = {}
        row = kept.get(record.seq)
        seen.add(record.seq)
        if row is None:
            problems.append(
                Problem(record.seq, f"evidence {said.get('id', '?')} is missing: record {record.seq} names it")
            )
        elif row.at != record.at or not _as_recorded(row, record.wave, said):
            problems.append(
                Problem(record.seq, f"evidence {row.id} ({row.kind}) was edited: record {record.seq} differs")
            )
    problems += [
        Problem(seq, f"evidence {row.id} has no record in the journal: inserted")
        for seq, row in kept.items()
        if seq not in seen
    ]
    return problems


def _as_recorded(row: Any, wave: str, said: Mapping[str, Any]) -> bool:
    try:
        stands = {"id": row.id, "kind": row.kind, "sha256": row.sha256, "body_sha256": sha256_json(load(row.body))}
    except (ValueError, TypeError):
        return False
    return stands == dict(said) and row.wave == wave
