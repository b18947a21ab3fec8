"""A run that follows a basis, on real servers: what was touched since is compared, and a loss of the copier is seen."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.duckdb.lake import LakeReader
from adapters.duckdb.overlay import OverlaySide
from adapters.iceberg.catalog import open_catalog
from adapters.postgres import change_stream
from adapters.postgres.replication import CreatePublication, CreateSlot, Drop
from adapters.postgres.touched import storage
from adapters.postgres.touched_side import TouchedSide
from cutwater.core.config import Project
from cutwater.jobs.following import FencePinner
from inventory.model import ColumnMapping, TableMapping
from reconciliation.basis import Basis, advanced
from reconciliation.breaks import BreakClass
from reconciliation.compare import Verdict
from reconciliation.options import ReconcileOptions
from reconciliation.run import Context, RunResult, reconcile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "adapters"))
from test_adapters_handover import Estate

pytestmark = pytest.mark.real
LEG = (
    ColumnMapping("day", "date", "date", False),
    ColumnMapping("Ref,%", "character varying(20)", "string", False),
    ColumnMapping("amount", "numeric(23,5)", "decimal(23,5)"),
    ColumnMapping("seen", "timestamp with time zone", "timestamptz"),
    ColumnMapping("body", "text", "string"),
)


class Followed(Estate):
    """The hand-over's estate with a partitioned table of a composite key, a basis, and a verifier of its own."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.run(
            f'CREATE TABLE {self.name}.leg (day date, "Ref,%%" varchar(20), amount numeric(23,5), seen timestamptz, body text, '
            'PRIMARY KEY (day, "Ref,%%")) PARTITION BY RANGE (day)'.replace("%%", "%")
        )
        self.run(
            f"CREATE TABLE {self.name}.leg_1 PARTITION OF {self.name}.leg FOR VALUES FROM (MINVALUE) TO ('2026-06-01')"
        )
        self.run(
            f"CREATE TABLE {self.name}.leg_2 PARTITION OF {self.name}.leg FOR VALUES FROM ('2026-06-01') TO (MAXVALUE)"
        )
        for part in ("leg_1", "leg_2"):
            self.run(f"ALTER TABLE {self.name}.{part} ALTER COLUMN body SET STORAGE EXTERNAL")
        self.run(
            f"INSERT INTO {self.name}.leg SELECT DATE '2026-05-20' + i % 25, 'r''\"' || i, i, now(), "
            "CASE WHEN i % 4 = 0 THEN repeat('b' || i, 2000) END FROM generate_series(1, 300) AS i"
        )
        leg = TableMapping(self.name, "leg", f"legacy.{self.name}_leg", ("day", "Ref,%"), LEG)
        self.mappings = (*self.mappings, leg)
        self.plain = [asdict(m) for m in self.mappings]
        self.stream = self.new_stream()
        self.basis: Basis | None = None

    @property
    def verifier(self) -> str:
        return f"{self.wave}_check"

    def base(self) -> None:
        """Copy, verifier, marks, fold: as the step `baseline` does it, but for the comparison."""
        self.prepare()
        self.backfill()
        dsn = self.ends.postgres_dsn
        pairs = [[m.source_schema, m.source_table] for m in self.mappings]
        CreatePublication(dsn).perform({"name": self.verifier, "tables": pairs}, self.fence)
        CreateSlot(dsn).perform({"name": self.verifier}, self.fence)
        self.run(f"UPDATE {self.name}.item SET text = 'before the basis' WHERE id < 40")
        marks: dict[str, int | None] = {}
        for mapping in self.mappings:
            newest = self.catalog.load_table(mapping.changes).current_snapshot()
            marks[mapping.changes] = newest.snapshot_id if newest else None
        files = storage(dsn, self.wave, self.mappings)
        folded = self.stream.fold_now(self.fence)
        copies = {name: int(item["snapshot"]) for name, item in folded["tables"].items()}
        seen = folded["pg_snapshot"]
        self.basis = Basis("R-basis", "2026-11-25T00:00:00Z", seen, seen, copies, marks, files)

    def drain(self) -> None:
        self.stream.drain_to(self.stream.emit_marker(), self.fence)

    def follow(self, drain: bool = False) -> RunResult:
        assert self.basis is not None
        dsn, reader = self.ends.postgres_dsn, LakeReader(open_catalog(self.ends))
        source = TouchedSide(dsn)
        target = OverlaySide(reader, self.basis)
        names = (self.verifier, self.verifier)
        pinner = FencePinner(dsn, self.wave, self.basis, source, target, *names, self.drain if drain else nothing)
        options = Context("R-follows", ReconcileOptions(planted_per_table=20), basis=self.basis)
        try:
            return reconcile(self.wave, self.mappings, (), source, target, pinner, None, options)
        finally:
            source.close()
            reader.close()

    def remove(self) -> None:
        for kind in ("slot", "publication"):
            Drop(self.ends.postgres_dsn, kind).perform({"name": self.verifier}, self.fence)
        super().remove()

    def churn(self, seed: int, rounds: int = 120) -> None:
        """Anything that programs do to rows, several times to the same ones."""
        rng = random.Random(seed)
        item, note, leg = (f"{self.name}.{name}" for name in ("item", "note", "leg"))
        with psycopg.connect(self.ends.postgres_dsn) as db:
            for number in range(rounds):
                key, ref = rng.randint(1, 520), f"r'\"{rng.randint(1, 310)}"
                for statement, values in rng.sample(
                    [
                        (f"INSERT INTO {item} (id, amount, text) VALUES (%s, %s, '') ON CONFLICT DO NOTHING", (key, number)),
                        (f"UPDATE {item} SET amount = amount + 0.01 WHERE id = %s", (key,)),
                        (f"UPDATE {item} SET big = NULL WHERE id = %s", (key - key % 10,)),
                        (f"UPDATE {item} SET big = repeat('z', 9000) WHERE id = %s", (key - key % 20,)),
                        (f"DELETE FROM {item} WHERE id = %s", (key,)),
                        (f"UPDATE {item} SET id = %s WHERE id = %s AND big IS NULL", (1000 * seed + 600 + number, key)),
                        (f"UPDATE {note} SET flag = NOT flag WHERE id = %s", (key,)),
                        (f"INSERT INTO {note} SELECT * FROM {note} WHERE id = %s", (key,)),
                        (f"DELETE FROM {note} WHERE id = %s", (key,)),
                        (f'UPDATE {leg} SET amount = -amount WHERE "Ref,%%" = %s', (ref,)),
                        (f'DELETE FROM {leg} WHERE "Ref,%%" = %s', (ref,)),
                        (f"INSERT INTO {leg} VALUES (%s, %s, 0.5, now(), NULL) ON CONFLICT DO NOTHING", (f"2026-0{5 + number % 2}-03", ref)),
                    ],
                    3,
                ):  # fmt: skip
                    db.execute(statement.encode(), values)
                if rng.random() < 0.2:
                    db.rollback()
                db.commit()


def nothing() -> None:
    """At the fence everything has been drained."""


@pytest.fixture
def estate(sandbox_project: Project) -> Iterator[Followed]:
    made = Followed(sandbox_project)
    yield made
    made.remove()


def verdicts(result: RunResult) -> dict[str, str]:
    return {item.asset.rsplit(".", 1)[1]: item.verdict.value for item in result.tables}


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_was_done_to_rows_is_laid_over_the_copy(estate: Followed, seed: int) -> None:
    estate.base()
    estate.churn(seed)
    estate.drain()
    result = estate.follow()
    assert verdicts(result) == {"item": "PASS", "leg": "PASS", "note": "PASS"}, [b.as_dict() for b in result.breaks[:5]]
    found, planted = result.self_check.totals
    assert found == planted > 30
    assert result.verdict is Verdict.PASS
    compared = {item.asset.rsplit(".", 1)[1]: item.rows[0] for item in result.tables}
    assert 64 < compared["item"] < 450  # the touched and a sample, not the table
    assert estate.follow().verdict is Verdict.PASS  # asked again, the same


def test_short_runs_under_traffic_move_the_basis_on_and_the_last_one_has_little_left(estate: Followed) -> None:
    """Each is pinned in the middle of writes: what a snapshot does not see yet is no difference."""
    estate.base()
    stop, seeds = threading.Event(), iter(range(10, 10_000))

    def write() -> None:
        while not stop.is_set():
            estate.churn(next(seeds), rounds=5)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            result = estate.follow(drain=True)
            assert result.verdict is Verdict.PASS, [item.as_dict() for item in result.breaks[:5]]
            assert estate.basis is not None
            estate.basis = advanced(estate.basis, f"R-{number}", result.as_of, result.pg_snapshot, {})
    finally:
        stop.set()
        writer.join()
    estate.drain()
    quiet = estate.follow()
    assert quiet.verdict is Verdict.PASS
    estate.basis = advanced(estate.basis, "R-last", quiet.as_of, quiet.pg_snapshot, {})
    estate.run(f"UPDATE {estate.name}.item SET amount = 7 WHERE id = 400")
    estate.drain()
    last = estate.follow()
    assert last.verdict is Verdict.PASS
    assert {item.asset.rsplit(".", 1)[1]: item.rows[0] for item in last.tables}["item"] <= 65


def test_nothing_touched_is_still_a_run_that_could_have_failed(estate: Followed) -> None:
    estate.base()
    estate.drain()
    result = estate.follow()
    assert result.verdict is Verdict.PASS
    assert result.self_check.totals[1] > 30


Harm = Callable[[Followed, pytest.MonkeyPatch], None]


def _lost(estate: Followed, patch: pytest.MonkeyPatch) -> None:
    _add(patch, lambda op, row: None if row[0] == "17" else row)


def _altered(estate: Followed, patch: pytest.MonkeyPatch) -> None:
    _add(patch, lambda op, row: (row[0], "0.01", *row[2:]) if row[0] == "17" else row)


def _add(patch: pytest.MonkeyPatch, change: Callable[[str, tuple[Any, ...]], tuple[Any, ...] | None]) -> None:
    """The copier loses or alters what it decoded; the verifier's slot is not touched by that."""
    original = change_stream.TableChanges.add

    def add(self: Any, op: str, lsn: int, seq: int, xid: int, at: Any, row: tuple[Any, ...]) -> None:
        changed = change(op, row) if len(row) == len(estate_columns) and self.mapping.key == ("id",) else row
        if changed is not None:
            original(self, op, lsn, seq, xid, at, changed)

    estate_columns = range(10)
    patch.setattr(change_stream.TableChanges, "add", add)


@pytest.mark.parametrize(
    ("harm", "statement", "found"),
    [
        (_lost, "UPDATE {0}.item SET amount = 5 WHERE id = 17", (BreakClass.AMOUNT_MISMATCH, "id=17")),
        (_lost, "DELETE FROM {0}.item WHERE id = 17", (BreakClass.MISSING_IN_SOURCE, "id=17")),
        (_altered, "UPDATE {0}.item SET flag = NULL WHERE id = 17", (BreakClass.AMOUNT_MISMATCH, "id=17")),
    ],
)
def test_what_the_copier_lost_or_altered_is_found(
    estate: Followed, monkeypatch: pytest.MonkeyPatch, harm: Harm, statement: str, found: tuple[BreakClass, str]
) -> None:
    estate.base()
    harm(estate, monkeypatch)
    estate.run(statement.format(estate.name))
    estate.drain()
    result = estate.follow()
    assert result.verdict is Verdict.FAIL
    assert found in {(item.cls, item.key) for item in result.breaks}


def test_a_row_that_only_the_lake_was_told_of_is_found(estate: Followed) -> None:
    from adapters.iceberg.commits import append
    from adapters.postgres.change_batch import TableChanges
    from cutwater.core.clock import utc_now

    estate.base()
    estate.drain()
    item = estate.mappings[0]
    with psycopg.connect(estate.ends.postgres_dsn) as db:
        (xid,) = db.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
    changes = TableChanges(item)
    changes.add("I", 1 << 40, 0, int(xid), utc_now(), ("90001", "1.00000", *([None] * 8)))
    append(estate.catalog, item.changes, changes.arrow(), {}, 1)
    result = estate.follow()
    assert (BreakClass.MISSING_IN_SOURCE, "id=90001") in {(found.cls, found.key) for found in result.breaks}


def test_a_rewritten_table_is_compared_as_a_whole(estate: Followed) -> None:
    """ALTER ... USING changes every row and is in no stream."""
    estate.base()
    estate.run(f"ALTER TABLE {estate.name}.item ALTER COLUMN amount TYPE numeric(23,5) USING amount * 2")
    estate.drain()
    result = estate.follow()
    assert verdicts(result)["item"] == "FAIL"
    assert next(item for item in result.tables if item.asset.endswith(".item")).rows[0] == 500
    assert verdicts(result)["leg"] == "PASS"


def test_a_vacuumed_table_is_compared_as_a_whole_and_passes(estate: Followed) -> None:
    estate.base()
    estate.run(f"VACUUM FULL {estate.name}.leg_2")
    estate.drain()
    result = estate.follow()
    assert result.verdict is Verdict.PASS
    assert next(item for item in result.tables if item.asset.endswith(".leg")).rows[0] == 300


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_drop_replication_slot('{1}')",
        "ALTER PUBLICATION {1} DROP TABLE {0}.item",
        "TRUNCATE {0}.note",
    ],
)
def test_a_verifier_that_cannot_tell_gives_no_pass(estate: Followed, statement: str) -> None:
    estate.base()
    estate.drain()
    estate.run(statement.format(estate.name, estate.verifier))
    result = estate.follow()
    assert result.verdict is Verdict.INCONCLUSIVE
    assert any("CW4017" in item.why for item in result.not_checked)


def test_a_basis_that_was_altered_or_is_of_another_kind_is_none(estate: Followed) -> None:
    estate.base()
    assert estate.basis is not None
    again = Basis.from_dict(estate.basis.as_dict())
    assert again == estate.basis
    estate.basis = replace(estate.basis, marks={name: 12345 for name in estate.basis.marks})  # never a snapshot of it
    estate.churn(4, rounds=5)
    estate.drain()
    result = estate.follow()
    assert result.verdict is Verdict.INCONCLUSIVE
