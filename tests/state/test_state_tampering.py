"""Whatever is done to the journal behind its back is found; what only an anchor can show is shown by the anchor."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutwater.core.clock import iso
from cutwater.core.hashing import canonical_json
from cutwater.state import Problem, Record, open_store

RECORDS = 7
FIELDS = ("at", "wave", "run_id", "kind", "payload", "prev_hash", "hash")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "template.db"
    with open_store(f"sqlite:///{path}", lambda: datetime(2026, 11, 23, 9, tzinfo=UTC)) as store:
        for number in range(RECORDS):
            store.journal.append("W01", "effect.outcome", {"number": number, "rows": 10 * number}, run_id="R1")
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER journal_no_update")
        database.execute("DROP TRIGGER journal_no_delete")
    database.close()
    return path


class Tampered:
    """A copy of the template for one example: `run` edits it, `verify` checks it."""

    def __init__(self, template: Path) -> None:
        self.path = template.with_name("copy.db")
        for rest in self.path.parent.glob("copy.db*"):
            rest.unlink()
        shutil.copy(template, self.path)
        self.database = sqlite3.connect(self.path)

    def run(self, statement: str, *values: object) -> None:
        self.database.execute(statement, values)
        self.database.commit()

    def records(self) -> list[Record]:
        with open_store(f"sqlite:///{self.path}") as store:
            return store.journal.records()

    def write(self, record: Record) -> None:
        self.run(
            "INSERT OR REPLACE INTO journal VALUES (?,?,?,?,?,?,?,?)",
            record.seq,
            iso(record.at),
            record.wave,
            record.run_id,
            record.kind,
            canonical_json(record.payload),
            record.prev_hash,
            record.hash,
        )

    def rewrite_from(self, seq: int, payload: dict[str, object], upto: int = RECORDS) -> Record:
        """An able forger: edits record `seq` and makes every later hash anew."""
        records = self.records()
        previous = records[seq - 2].hash if seq > 1 else "0" * 64
        for record in records[seq - 1 : upto]:
            body = payload if record.seq == seq else record.payload
            forged = replace(record, payload=body, prev_hash=previous)
            forged = replace(forged, hash=forged.computed_hash())
            self.write(forged)
            previous = forged.hash
        return forged

    def verify(self, anchor: tuple[int, str] | None = None) -> list[Problem]:
        self.database.close()
        with open_store(f"sqlite:///{self.path}") as store:
            return store.verify(anchor)


seqs = st.integers(1, RECORDS)
few = settings(max_examples=40, deadline=None)


def test_the_template_is_intact(template: Path) -> None:
    assert Tampered(template).verify() == []


@few
@given(seq=seqs, field=st.sampled_from(FIELDS), place=st.integers(0, 200), letter=st.sampled_from("0aZ ~"))
def test_one_edited_character_is_found_at_its_record(
    template: Path, seq: int, field: str, place: int, letter: str
) -> None:
    tampered = Tampered(template)
    (value,) = tampered.database.execute(f"SELECT {field} FROM journal WHERE seq = ?", (seq,)).fetchone()
    at = place % len(value)
    edited = value[:at] + letter + value[at + 1 :]
    tampered.run(f"UPDATE journal SET {field} = ? WHERE seq = ?", edited, seq)
    problems = tampered.verify()
    assert problems == [] if edited == value else problems[0].seq == seq


@few
@given(seq=seqs, count=st.integers(1, 3))
def test_removed_records_are_found(template: Path, seq: int, count: int) -> None:
    tampered = Tampered(template)
    tampered.run("DELETE FROM journal WHERE seq BETWEEN ? AND ?", seq, seq + count - 1)
    assert tampered.verify()[0].seq == seq


@few
@given(one=seqs, other=seqs)
def test_exchanged_records_are_found(template: Path, one: int, other: int) -> None:
    tampered = Tampered(template)
    for old, new in ((one, -1), (other, one), (-1, other)):
        tampered.run("UPDATE journal SET seq = ? WHERE seq = ?", new, old)
    problems = tampered.verify()
    assert problems == [] if one == other else problems[0].seq == min(one, other)


@few
@given(seq=st.integers(1, RECORDS + 1), sound=st.booleans())
def test_an_inserted_record_is_found(template: Path, seq: int, sound: bool) -> None:
    """The later ones are moved up by one; a sound one carries right hashes of its own."""
    tampered = Tampered(template)
    records = tampered.records()
    for number in range(RECORDS, seq - 1, -1):
        tampered.run("UPDATE journal SET seq = ? WHERE seq = ?", number + 1, number)
    forged = replace(
        records[0], seq=seq, payload={"forged": True}, prev_hash=records[seq - 2].hash if seq > 1 else "0" * 64
    )
    tampered.write(replace(forged, hash=forged.computed_hash()) if sound else forged)
    assert min(problem.seq for problem in tampered.verify()) in (seq, seq + 1)


@few
@given(keep=st.integers(0, RECORDS - 1))
def test_a_cut_off_tail_is_found(template: Path, keep: int) -> None:
    tampered = Tampered(template)
    tampered.run("DELETE FROM journal WHERE seq > ?", keep)
    assert tampered.verify()[0].seq == keep + 1


@few
@given(seq=seqs)
def test_an_edit_with_a_new_hash_is_found_at_the_next_record(template: Path, seq: int) -> None:
    tampered = Tampered(template)
    tampered.rewrite_from(seq, {"rows": 0}, upto=seq)
    assert tampered.verify()[0].seq == min(seq + 1, RECORDS)


@few
@given(seq=seqs, anchored=seqs)
def test_a_rewritten_chain_is_found_by_an_anchor_alone(template: Path, seq: int, anchored: int) -> None:
    tampered = Tampered(template)
    anchor = (anchored, tampered.records()[anchored - 1].hash)
    tampered.run("UPDATE journal_head SET hash = ?", tampered.rewrite_from(seq, {"rows": 0}).hash)
    problems = tampered.verify(anchor)
    assert [item.seq for item in problems] == ([anchored] if anchored >= seq else [])


@few
@given(keep=st.integers(0, RECORDS - 1))
def test_a_tail_cut_off_with_its_head_is_found_by_an_anchor_alone(template: Path, keep: int) -> None:
    tampered = Tampered(template)
    records = tampered.records()
    tampered.run("DELETE FROM journal WHERE seq > ?", keep)
    tampered.run("UPDATE journal_head SET count = ?, hash = ?", keep, records[keep - 1].hash if keep else "0" * 64)
    assert tampered.verify((RECORDS, records[-1].hash)) == [
        Problem(RECORDS, f"the anchor's record {RECORDS} is missing")
    ]


def test_a_missing_head_is_found(template: Path) -> None:
    tampered = Tampered(template)
    tampered.run("DELETE FROM journal_head")
    assert "head row is missing" in tampered.verify()[0].text
