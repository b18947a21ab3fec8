"""The journal: append-only, hash-chained over all records of the store (docs/specs/journal.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from cutwater.core.clock import iso, parse_iso
from cutwater.core.errors import LeaseHeld
from cutwater.core.hashing import GENESIS, canonical_json
from cutwater.state.database import Database, dump, load
from cutwater.state.models import JournalHead, JournalRow, LeaseRow
from cutwater.state.records import Problem, Record

_HEAD = JournalHead.count.label("records")  # a row is a tuple, and a tuple has a `count` of its own


class Journal:
    """Appends and reads records; `verify` proves that what is read is what was written."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def append(
        self, wave: str, kind: str, payload: Mapping[str, Any], run_id: str = "", fence: int | None = None
    ) -> Record:
        """Writes one record. Raises LeaseHeld CW2003 where `fence` is not the wave's newest token."""
        with self.database.write() as connection:
            return self.append_within(connection, wave, kind, payload, run_id, fence)

    def append_within(
        self,
        connection: Connection,
        wave: str,
        kind: str,
        payload: Mapping[str, Any],
        run_id: str = "",
        fence: int | None = None,
    ) -> Record:
        """`append` inside a write transaction that is already open."""
        body = dump(payload, f"the payload of {kind}")
        # Locks the one head row: appends of several processes stand in a queue here.
        head = connection.execute(select(_HEAD, JournalHead.hash).where(JournalHead.id == 1).with_for_update()).one()
        if fence is not None:
            self.check_fence(connection, wave, kind, fence)
        at = self.database.now(connection)
        bare = Record(head.records + 1, at, wave, run_id, kind, load(body), head.hash, "")
        record = Record(bare.seq, at, wave, run_id, kind, bare.payload, bare.prev_hash, bare.computed_hash())
        connection.execute(
            insert(JournalRow).values(
                seq=record.seq,
                at=iso(at),
                wave=wave,
                run_id=run_id,
                kind=kind,
                payload=body,
                prev_hash=record.prev_hash,
                hash=record.hash,
            )
        )
        connection.execute(update(JournalHead).where(JournalHead.id == 1).values(count=record.seq, hash=record.hash))
        return record

    def records(
        self, wave: str | None = None, kinds: Sequence[str] | None = None, after: int = 0, last: int | None = None
    ) -> list[Record]:
        """Records in their order, of one wave or of all, with `seq` > `after`; `last` keeps the newest so many."""
        query = select(JournalRow.__table__).where(JournalRow.seq > after)
        if wave is not None:
            query = query.where(JournalRow.wave == wave)
        if kinds is not None:
            query = query.where(JournalRow.kind.in_(list(kinds)))
        query = (
            query.order_by(JournalRow.seq.desc()).limit(last) if last is not None else query.order_by(JournalRow.seq)
        )
        with self.database.read() as connection:
            found = [_record(row) for row in connection.execute(query)]
        return found[::-1] if last is not None else found

    def head(self) -> tuple[int, str]:
        """(number of records, hash of the last): the anchor to be kept outside the store."""
        with self.database.read() as connection:
            row = connection.execute(select(_HEAD, JournalHead.hash)).one_or_none()
        return (row.records, row.hash) if row is not None else (0, GENESIS)

    def first_hash(self) -> str:
        """The hash of the first record: an identity of this journal, as long as it lasts. GENESIS where it is empty."""
        with self.database.read() as connection:
            return connection.execute(select(JournalRow.hash).where(JournalRow.seq == 1)).scalar() or GENESIS

    def verify(self, anchor: tuple[int, str] | None = None) -> list[Problem]:
        """What is wrong, first things first; [] means intact.

        anchor: (seq, hash) that was noted outside the store earlier. Without one, a tail that was cut off together with
        a rewritten head, or a chain rewritten from some record to its end, cannot be told from a shorter history.
        """
        problems: list[Problem] = []
        expected, previous, anchored = 1, GENESIS, ""
        with self.database.read() as connection:
            for row in connection.execute(
                select(JournalRow.__table__).order_by(JournalRow.seq).execution_options(yield_per=1000)
            ):
                problems += _check(row, expected, previous)
                expected, previous = row.seq + 1, row.hash
                if anchor is not None and row.seq == anchor[0]:
                    anchored = row.hash
            head = connection.execute(select(_HEAD, JournalHead.hash)).one_or_none()
        problems += _check_head(expected - 1, previous, (head.records, head.hash) if head is not None else None)
        if anchor is not None and anchor[0] > 0 and anchored != anchor[1]:
            problems.append(
                Problem(
                    anchor[0],
                    f"the anchor's record {anchor[0]} " + ("is missing" if not anchored else "is another one"),
                )
            )
        return problems

    def check_fence(self, connection: Connection, wave: str, kind: str, fence: int) -> None:
        """Raises LeaseHeld CW2003 where `fence` is not the wave's newest token; `kind` says what was to be written."""
        newest = connection.execute(select(func.max(LeaseRow.token)).where(LeaseRow.wave == wave)).scalar()
        if newest != fence:
            raise LeaseHeld(
                "CW2003",
                f"the journal refused {kind} of wave {wave}: token {fence} is not its newest",
                cause=f"the newest token is {newest}" if newest else "no lease was ever given",
                state="nothing was written",
                next=f"stop this process; cutwater wave status {wave}",
                details={"wave": wave, "token": fence, "newest": newest},
            )


def _record(row: Any) -> Record:
    return Record(
        row.seq, parse_iso(row.at), row.wave, row.run_id, row.kind, load(row.payload), row.prev_hash, row.hash
    )


def _check(row: Any, expected: int, previous: str) -> list[Problem]:
    """One record against its own hash and its place; later records are judged by what stands, each once."""
    problems = []
    if row.seq != expected:
        missing = f"record {expected}" if row.seq == expected + 1 else f"records {expected} to {row.seq - 1}"
        problems.append(Problem(expected, f"{missing} missing: the next one is {row.seq}"))
    try:
        record = _record(row)
        sound = (
            record.computed_hash() == record.hash
            and iso(record.at) == row.at
            and canonical_json(record.payload) == row.payload
        )
    except (ValueError, TypeError):  # no JSON, no time, or a float: never written by us
        sound = False
    if not sound:
        problems.append(
            Problem(row.seq, f"record {row.seq} ({row.kind}) was edited: its content does not give its hash")
        )
    elif row.seq == expected and row.prev_hash != previous:
        problems.append(
            Problem(
                row.seq,
                f"record {row.seq} ({row.kind}) does not follow the record before it: inserted, moved or rewritten",
            )
        )
    return problems


def _check_head(count: int, last: str, head: tuple[int, str] | None) -> list[Problem]:
    if head is None:
        return [Problem(0, "the head row is missing: a cut-off tail cannot be excluded")]
    if head[0] > count:
        gone = f"record {head[0]} is" if head[0] == count + 1 else f"records {count + 1} to {head[0]} are"
        return [Problem(count + 1, f"{gone} missing at the end: the head counts {head[0]}")]
    if head[0] < count:
        return [
            Problem(head[0] + 1, f"{count - head[0]} records stand after the {head[0]} that the head counts: inserted")
        ]
    return [] if head[1] == last else [Problem(count, f"the head's hash is not that of the last record {count}")]
