"""Waves, their frozen plans, and the approvals of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import func, insert, select, update

from cutwater.core.clock import iso, parse_iso
from cutwater.core.errors import BadInput, Refused
from cutwater.core.hashing import sha256_json
from cutwater.state.database import Database, dump, load
from cutwater.state.journal import Journal
from cutwater.state.models import ApprovalRow, Plan, Wave
from cutwater.state.records import Approval, PlanRow, Problem, Record, WaveRow

APPROVAL_GIVEN = "approval.given"


class Waves:
    """Where each wave stands. The journal is the truth; this is its fold, kept for quick answers."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def put(self, row: WaveRow) -> WaveRow:
        """Writes the row, new or changed; returns it with the store's time."""
        with self.database.write() as connection:
            now = self.database.now(connection)
            values = {
                "state": row.state,
                "condition": row.condition,
                "attempt": row.attempt,
                "plan_hash": row.plan_hash,
                "updated_at": iso(now),
            }
            if not connection.execute(update(Wave).where(Wave.name == row.name).values(**values)).rowcount:
                connection.execute(insert(Wave).values(name=row.name, **values))
            return WaveRow(row.name, row.state, row.condition, row.attempt, row.plan_hash, now)

    def get(self, name: str) -> WaveRow | None:
        with self.database.read() as connection:
            row = connection.execute(select(Wave.__table__).where(Wave.name == name)).one_or_none()
        return None if row is None else _wave(row)

    def list(self) -> list[WaveRow]:
        """All waves by name."""
        with self.database.read() as connection:
            return [_wave(row) for row in connection.execute(select(Wave.__table__).order_by(Wave.name))]


class Plans:
    """Frozen plans by their hash."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def save(self, plan_hash: str, wave: str, body: Mapping[str, Any], version: int | None = None) -> int:
        """Saves a plan and returns its version in the wave; saved already, nothing changes."""
        with self.database.write() as connection:
            known = connection.execute(select(Plan.version).where(Plan.plan_hash == plan_hash)).scalar()
            if known is not None:
                return known
            newest = connection.execute(select(func.max(Plan.version)).where(Plan.wave == wave)).scalar() or 0
            number = version if version is not None else newest + 1
            connection.execute(
                insert(Plan).values(
                    plan_hash=plan_hash,
                    wave=wave,
                    version=number,
                    body=dump(body, "the plan"),
                    body_sha256=sha256_json(body),
                    saved_at=iso(self.database.now(connection)),
                )
            )
            return number

    def load(self, plan_hash: str) -> dict[str, Any]:
        """The plan's body. Raises BadInput CW2009 where there is none, Refused CW2008 where it was altered since."""
        return self.row(plan_hash).body

    def row(self, plan_hash: str) -> PlanRow:
        """As `load`, with version and time."""
        with self.database.read() as connection:
            row = connection.execute(select(Plan.__table__).where(Plan.plan_hash == plan_hash)).one_or_none()
        if row is None:
            raise BadInput("CW2009", f"no plan {plan_hash} is saved", next="cutwater wave plan")
        return _plan(row)

    def latest(self, wave: str) -> PlanRow | None:
        """The plan that was saved last for a wave."""
        with self.database.read() as connection:
            row = connection.execute(
                select(Plan.__table__).where(Plan.wave == wave).order_by(Plan.id.desc()).limit(1)
            ).one_or_none()
        return None if row is None else _plan(row)


class Approvals:
    """Who said yes to which plan. A word counts as far as the journal holds it (`approval.given`)."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self.database, self.journal = database, journal

    def add(
        self,
        wave: str,
        plan_hash: str,
        who: str,
        role: str,
        note: str = "",
        facts: Mapping[str, Any] = MappingProxyType({}),
    ) -> Approval:
        """Keeps the word and its journal record in one transaction. facts: what else the record says."""
        said = {**facts, "plan": plan_hash, "who": who, "role": role, "note": note}
        with self.database.write() as connection:
            record = self.journal.append_within(connection, wave, APPROVAL_GIVEN, said)
            result = connection.execute(
                insert(ApprovalRow)
                .values(wave=wave, plan_hash=plan_hash, who=who, role=role, note=note, at=iso(record.at))
                .returning(ApprovalRow.id)
            )
            return Approval(result.scalar_one(), wave, plan_hash, who, role, note, record.at)

    def of(self, plan_hash: str) -> list[Approval]:
        """The approvals of one plan that the journal holds, oldest first: of each wave's present attempt, as what an abandoned
        one was approved for is gone."""
        held: set[tuple[str, ...]] = set()
        for record in self.journal.records(kinds=[APPROVAL_GIVEN, "wave.state"]):
            if record.kind == APPROVAL_GIVEN and _sound(record):
                held.add(_words(record))
            elif record.kind == "wave.state" and record.payload.get("to") == "PLANNED":
                held = {words for words in held if words[0] != record.wave}
        return [item for item in self._rows(plan_hash) if _words(item) in held]

    def verify(self) -> list[Problem]:
        """Every row against the records, and every record against the rows."""
        records, rows = self.journal.records(kinds=[APPROVAL_GIVEN]), self._rows()
        kept, held = Counter(map(_words, rows)), Counter(map(_words, records))
        return [
            Problem(item.seq, f"the approval of {_words(item)[2]} as {_words(item)[3]} is missing or was edited")
            for item in records
            if kept[_words(item)] < held[_words(item)]
        ] + [
            Problem(0, f"the approval of {item.who} as {item.role} has no record in the journal: inserted or edited")
            for item in rows
            if kept[_words(item)] > held[_words(item)]
        ]

    def _rows(self, plan_hash: str | None = None) -> list[Approval]:
        query = select(ApprovalRow.__table__).order_by(ApprovalRow.id)
        if plan_hash is not None:
            query = query.where(ApprovalRow.plan_hash == plan_hash)
        with self.database.read() as connection:
            return [
                Approval(row.id, row.wave, row.plan_hash, row.who, row.role, row.note, parse_iso(row.at))
                for row in connection.execute(query)
            ]


def _words(item: Approval | Record) -> tuple[str, ...]:
    """What a row and its record both say: wave, plan, person, role, note."""
    if isinstance(item, Approval):
        return item.wave, item.plan_hash, item.who, item.role, item.note
    return item.wave, *(str(item.payload.get(name, "")) for name in ("plan", "who", "role", "note"))


def _sound(record: Record) -> bool:
    return record.computed_hash() == record.hash


def _wave(row: Any) -> WaveRow:
    return WaveRow(row.name, row.state, row.condition, row.attempt, row.plan_hash, parse_iso(row.updated_at))


def _plan(row: Any) -> PlanRow:
    body = load(row.body)
    if sha256_json(body) != row.body_sha256:
        raise Refused(
            "CW2008",
            f"plan {row.plan_hash[:12]} of wave {row.wave} was altered after it was saved",
            state="nothing was done; what was approved is not what stands there",
            next="cutwater wave plan, then have the new plan approved",
            details={"wave": row.wave, "plan_hash": row.plan_hash},
        )
    return PlanRow(row.plan_hash, row.wave, row.version, body, parse_iso(row.saved_at))
