"""The fence on a real server: who is refused, who is waited for, who is ended, and that it comes off without a trace."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from adapters.postgres import fence_locks
from adapters.postgres.connection import connect
from adapters.postgres.fence import DropFence, LiftFence, RaiseFence
from adapters.postgres.fence_prove import ProveFence
from adapters.postgres.fence_schema import FENCED, OTHER_EPOCH, end_pass, install, let_through, read
from adapters.postgres.fence_tables import armed, trigger_name
from cutwater.core.config import Project
from cutwater.core.errors import BadInput, CutwaterError, LeaseHeld, Refused
from waves.ports import Fence

pytestmark = pytest.mark.real

DDL = """
CREATE SCHEMA hub;
CREATE TABLE hub.account (id bigint PRIMARY KEY, name text);
CREATE TABLE hub.payment (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account bigint REFERENCES hub.account, amount numeric(23,5),
  doubled numeric GENERATED ALWAYS AS (amount * 2) STORED);
CREATE TABLE hub."Entry é" (id int, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE hub.entry_2025 PARTITION OF hub."Entry é" FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE hub.entry_2026 PARTITION OF hub."Entry é" FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY RANGE (day);
CREATE TABLE hub.entry_2026_h1 PARTITION OF hub.entry_2026 FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE hub.other (id bigint);
CREATE FUNCTION hub.book(amount numeric) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO hub.payment (amount) VALUES (amount)';
INSERT INTO hub.account VALUES (1, 'one'), (2, 'two');
INSERT INTO hub.payment (account, amount) VALUES (1, 10.5), (2, 20);
INSERT INTO hub."Entry é" VALUES (1, '2025-03-01'), (2, '2026-03-01');
"""
TABLES = [["hub", "payment"], ["hub", "account"], ["hub", "Entry é"]]
WAVE = "W01"
WRITES = [
    "INSERT INTO hub.payment (amount) VALUES (1)",
    "UPDATE hub.payment SET amount = 2",
    "DELETE FROM hub.payment",
    "TRUNCATE hub.payment",
    "TRUNCATE hub.account CASCADE",
    "COPY hub.account FROM STDIN",
    "MERGE INTO hub.account a USING (VALUES (3)) v (id) ON a.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'three')",
    "INSERT INTO hub.account VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'x'",
    "WITH w AS (DELETE FROM hub.account WHERE id = 99 RETURNING *) SELECT * FROM w",
    "SELECT hub.book(3)",
    "INSERT INTO hub.\"Entry é\" VALUES (3, '2026-03-02')",
    "INSERT INTO hub.entry_2025 VALUES (4, '2025-03-02')",
    "INSERT INTO hub.entry_2026 VALUES (5, '2026-03-02')",
    "DELETE FROM hub.entry_2026_h1",
    "TRUNCATE hub.entry_2025",
]


class Side:
    """A database of our own in the shared sandbox, with an owner and a superuser."""

    def __init__(self, project: Project) -> None:
        self.name = "fence_" + secrets.token_hex(4)
        self.admin = str(json.loads(project.endpoints_file.read_text())["private"]["admin_dsn"])
        self.dsn = make_conninfo(project.endpoints().postgres_dsn, dbname=self.name)
        self.super_dsn = make_conninfo(self.admin, dbname=self.name)
        self.sides = {"legacy": self.dsn}
        with psycopg.connect(self.admin, autocommit=True) as db:
            db.execute(f"CREATE DATABASE {self.name} OWNER payhub_owner".encode())

    def run(self, statement: str, dsn: str = "") -> None:
        with psycopg.connect(dsn or self.dsn, autocommit=True) as db:
            db.execute(statement.encode())

    def one(self, query: str) -> Any:
        with psycopg.connect(self.dsn, autocommit=True) as db:
            found = db.execute(query.encode()).fetchone()
        return found[0] if found else None

    def raised(self, epoch: int = 2, token: int = 1, grace: float = 30, tables: Any = None) -> dict[str, Any]:
        args = {"side": "legacy", "wave": WAVE, "epoch": epoch, "tables": tables or TABLES, "grace_seconds": grace}
        return RaiseFence(self.sides).perform(args, Fence(WAVE, token, "test"))

    def lifted(self, epoch: int, token: int = 1) -> dict[str, Any]:
        return LiftFence(self.sides).perform(
            {"side": "legacy", "wave": WAVE, "epoch": epoch}, Fence(WAVE, token, "test")
        )

    def dropped(self, token: int = 1) -> dict[str, Any]:
        return DropFence(self.sides).perform({"side": "legacy", "wave": WAVE}, Fence(WAVE, token, "test"))

    def prove(self) -> dict[str, Any]:
        args = {"side": "legacy", "tables": TABLES}
        return ProveFence(self.sides, {"legacy": self.super_dsn}).perform(args, Fence(WAVE, 1, "test"))

    def remove(self) -> None:
        with psycopg.connect(self.admin, autocommit=True) as db:
            db.execute(f"DROP DATABASE {self.name} WITH (FORCE)".encode())


@pytest.fixture(scope="module")
def database(sandbox_project: Project) -> Iterator[Side]:
    made = Side(sandbox_project)
    yield made
    made.remove()


@pytest.fixture
def side(database: Side) -> Side:
    """The database as it was made: tests share it."""
    database.run(f"DROP SCHEMA IF EXISTS hub, cutwater CASCADE; {DDL}")
    return database


def refused_by_us(db: psycopg.Connection[Any], statement: str) -> str:
    """The SQLSTATE that a write ends with, '' where it goes through; the session is usable afterwards."""
    try:
        with db.transaction(force_rollback=True), db.cursor() as cursor:
            if statement.startswith("COPY"):
                with cursor.copy(statement.encode()) as copy:
                    copy.write("9\tnine\n")
            else:
                cursor.execute(statement.encode())
    except psycopg.Error as error:
        return error.diag.sqlstate or type(error).__name__
    return ""


def wait_for_blocked(side: Side, pid: int) -> None:
    """Until somebody waits for the session `pid`: seen, not slept for."""
    with psycopg.connect(side.super_dsn, autocommit=True) as db:
        while not db.execute("SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", [pid]).fetchone():
            pass


@pytest.mark.parametrize("who", ["owner", "superuser", "replica role", "open session", "serializable"])
def test_every_kind_of_write_is_refused_to_everybody(side: Side, who: str) -> None:
    dsn = side.dsn if who in ("owner", "open session", "serializable") else side.super_dsn
    with psycopg.connect(dsn, autocommit=True) as db:
        if who == "replica role":
            db.execute("SET session_replication_role = replica")
        if who == "serializable":
            db.execute("SET default_transaction_isolation = serializable")
        if who == "open session":
            db.execute("INSERT INTO hub.account VALUES (77, 'before')")
        assert [w for w in WRITES if refused_by_us(db, w) != ""] == []
        out = side.raised()
        assert {w: refused_by_us(db, w) for w in WRITES} == dict.fromkeys(WRITES, FENCED)
        db.execute("INSERT INTO hub.other VALUES (1)")
        with pytest.raises(psycopg.Error, match=r"fenced while wave W01 moves") as told:
            db.execute("INSERT INTO hub.account VALUES (5)")
        assert "through the gateway" in (told.value.diag.message_hint or "")
    assert out["tables"] == 6
    assert out["ended"] == []
    assert out["marker"].startswith("W01:fence-2:")


def test_the_proof_is_a_refused_write_by_owner_and_superuser(side: Side) -> None:
    with pytest.raises(Refused, match=r"hub\.account") as found:
        side.prove()
    assert found.value.code == "CW3410"
    side.raised()
    out = side.prove()
    assert out["tables"] == 6
    assert out["as"] == ["owner", "superuser", "superuser as a replica"]
    assert out["refused"] == 6 * 3 * 3
    side.run(f'ALTER TABLE hub.payment ENABLE TRIGGER "{trigger_name(WAVE)}"')
    with pytest.raises(Refused, match=r"hub\.payment"):
        side.prove()
    side.run(f'ALTER TABLE hub.payment ENABLE ALWAYS TRIGGER "{trigger_name(WAVE)}"')
    side.run(
        "CREATE TABLE hub.entry_2027 PARTITION OF hub.\"Entry é\" FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')"
    )
    with pytest.raises(Refused, match=r"hub\.entry_2027"):
        side.prove()
    assert side.one("SELECT count(*) FROM hub.account") == 2


def test_a_writer_in_flight_ends_in_its_grace_and_is_kept(side: Side) -> None:
    with psycopg.connect(side.dsn) as writer:
        writer.execute("INSERT INTO hub.payment (amount) VALUES (7)")
        out: list[dict[str, Any]] = []
        runner = threading.Thread(target=lambda: out.append(side.raised()))
        runner.start()
        wait_for_blocked(side, writer.info.backend_pid)
        writer.commit()
        runner.join()
    assert out[0]["ended"] == []
    assert side.one("SELECT count(*) FROM hub.payment WHERE amount = 7") == 1


def test_a_straggler_is_ended_and_named(side: Side) -> None:
    straggler = psycopg.connect(side.dsn, application_name="batch-job")
    straggler.execute("INSERT INTO hub.payment (amount) VALUES (7)")
    out = side.raised(grace=0)
    (ended,) = out["ended"]
    assert (ended["application"], ended["user"], ended["state"]) == ("batch-job", "payhub_owner", "idle in transaction")
    assert ended["pid"] == straggler.info.backend_pid
    assert ended["table"] == "hub.payment"
    assert Decimal(ended["query_seconds"]) >= 0
    with pytest.raises(psycopg.OperationalError):
        straggler.execute("SELECT 1")
    straggler.close()
    assert side.one("SELECT count(*) FROM hub.payment WHERE amount = 7") == 0


def test_a_transaction_that_checked_its_epoch_holds_the_fence_until_it_ends_or_is_ended(side: Side) -> None:
    side.lifted(1)
    api = psycopg.connect(side.dsn, application_name="api")
    api.execute("SELECT cutwater.check_epoch('W01', 1)")
    out = side.raised(grace=0)
    assert [(e["application"], e["table"]) for e in out["ended"]] == [("api", "cutwater.fence")]
    api.close()


def test_our_own_sessions_are_never_ended(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fence_locks, "_PATIENCE_AFTER_GRACE", 0)
    with connect(side.dsn, WAVE, autocommit=False) as ours:
        ours.execute("INSERT INTO hub.payment (amount) VALUES (7)")
        with pytest.raises(CutwaterError, match=r"hub\.payment") as found:
            side.raised(grace=0)
        assert found.value.code == "CW3409"
        assert ours.execute("SELECT 1").fetchone() == (1,)


def test_a_session_that_may_not_be_ended_is_a_refusal(side: Side) -> None:
    with psycopg.connect(side.super_dsn, application_name="dba") as straggler:
        straggler.execute("INSERT INTO hub.payment (amount) VALUES (7)")
        with pytest.raises(Refused, match="dba") as found:
            side.raised(grace=0)
        assert found.value.code == "CW3408"
    assert side.raised(grace=0)["ended"] == []


def test_a_prepared_transaction_is_refused_by_name_and_left_alone(side: Side) -> None:
    gid = f"it's {side.name}"
    literal = "'" + gid.replace("'", "''") + "'"
    side.run(f"BEGIN; INSERT INTO hub.entry_2025 VALUES (9, '2025-09-09'); PREPARE TRANSACTION {literal}")
    try:
        with pytest.raises(Refused, match="prepared") as found:
            side.raised(grace=0)
        assert side.one("SELECT to_regclass('cutwater.fence')") is None
    finally:
        side.run(f"COMMIT PREPARED {literal}")
    assert found.value.code == "CW3407"
    assert f"ROLLBACK PREPARED {literal}" in found.value.next
    assert found.value.details["prepared"] == [gid]
    side.raised()
    assert side.one("SELECT count(*) FROM hub.entry_2025 WHERE id = 9") == 1


def test_a_transaction_that_is_prepared_while_the_fence_waits_is_not_waited_for(side: Side) -> None:
    with psycopg.connect(side.dsn, autocommit=True) as db:
        db.execute("BEGIN; INSERT INTO hub.payment (amount) VALUES (7)")
        failed: list[CutwaterError] = []

        def raising() -> None:
            try:
                side.raised()
            except CutwaterError as error:
                failed.append(error)

        runner = threading.Thread(target=raising)
        runner.start()
        wait_for_blocked(side, db.info.backend_pid)
        db.execute(f"PREPARE TRANSACTION '{side.name}'".encode())
        runner.join()
        db.execute(f"ROLLBACK PREPARED '{side.name}'".encode())
    assert [error.code for error in failed] == ["CW3407"]
    side.raised()


def test_raised_twice_changes_nothing_and_marks_again(side: Side) -> None:
    first = side.raised()
    before = side.one("SELECT (array_agg(xmin::text ORDER BY oid), (SELECT xmin FROM cutwater.fence)) FROM pg_trigger")
    second = side.raised()
    after = side.one("SELECT (array_agg(xmin::text ORDER BY oid), (SELECT xmin FROM cutwater.fence)) FROM pg_trigger")
    assert before == after
    assert first["marker"] != second["marker"]


@pytest.mark.parametrize("piece", range(14))
def test_killed_at_any_piece_and_raised_again(side: Side, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """14 pieces of work: the row, the trigger of 6 tables, the lock of 6 tables, the marker."""
    through, seen = fence_locks.Patience.through, []

    def dying(self: fence_locks.Patience, table: Any, work: Any, **more: Any) -> Any:
        seen.append(table)
        if len(seen) == piece + 1:
            self.db.close()  # the server sees what it sees of a killed runner: a session that is gone
        return through(self, table, work, **more)

    monkeypatch.setattr(fence_locks.Patience, "through", dying)
    if piece < 13:
        with pytest.raises(CutwaterError):
            side.raised()
    monkeypatch.undo()
    side.raised(token=2)
    side.prove()


def test_lift_opens_and_the_next_epoch_fences_again(side: Side) -> None:
    side.raised(epoch=2)
    assert side.lifted(3)["epoch"] == 3
    with psycopg.connect(side.dsn, autocommit=True) as db:
        db.execute("INSERT INTO hub.account VALUES (3)")
        assert side.raised(epoch=4)["epoch"] == 4
        assert refused_by_us(db, "INSERT INTO hub.account VALUES (4)") == FENCED
    with pytest.raises(Refused, match="epoch 4 already") as found:
        side.lifted(3)
    assert found.value.code == "CW3403"
    assert LiftFence(side.sides).observe({"side": "legacy", "wave": WAVE, "epoch": 5}, Fence(WAVE, 1, "t")) is None
    opened = side.lifted(5)
    assert side.lifted(5) == opened
    assert LiftFence(side.sides).observe({"side": "legacy", "wave": WAVE, "epoch": 5}, Fence(WAVE, 1, "t")) == opened


def test_a_snapshot_from_before_the_fence_does_not_pass_it(side: Side) -> None:
    """A REPEATABLE READ transaction still reads the row as it was when the side was open."""
    side.raised(epoch=2)
    side.lifted(3)
    with psycopg.connect(side.dsn) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert old.execute("SELECT closed FROM cutwater.fence").fetchone() == (False,)
        side.raised(epoch=4)
        assert old.execute("SELECT closed FROM cutwater.fence").fetchone() == (False,)
        assert refused_by_us(old, "INSERT INTO hub.account VALUES (4)") == FENCED


def test_a_zombie_neither_raises_nor_lifts_nor_drops_nor_passes(side: Side) -> None:
    side.raised(epoch=2, token=7)
    for act in (
        lambda: side.raised(2, 6),
        lambda: side.raised(4, 6),
        lambda: side.lifted(3, 6),
        lambda: side.dropped(6),
    ):
        with pytest.raises(LeaseHeld) as found:
            act()
        assert found.value.code == "CW3402"
    with connect(side.dsn, WAVE) as db:
        with pytest.raises(LeaseHeld), db.transaction():
            let_through(db, WAVE, 6)
        row = read(db, WAVE)
        assert row is not None
        assert (row.epoch, row.closed, row.token) == (2, True, 7)
    side.prove()


def test_a_pass_opens_its_own_transaction_only_and_only_with_the_present_token(side: Side) -> None:
    side.raised(token=1)
    with connect(side.dsn, WAVE) as db, connect(side.dsn, WAVE) as other:
        with db.transaction():
            let_through(db, WAVE, 1)
            db.execute("INSERT INTO hub.account VALUES (3)")
            with db.transaction():
                db.execute("INSERT INTO hub.\"Entry é\" VALUES (3, '2026-03-02')")
            assert refused_by_us(other, "INSERT INTO hub.account VALUES (4)") == FENCED
            end_pass(db)
            assert refused_by_us(db, "INSERT INTO hub.account VALUES (4)") == FENCED
        assert refused_by_us(db, "INSERT INTO hub.account VALUES (4)") == FENCED
        old = "INSERT INTO cutwater.pass VALUES (pg_current_xact_id(), 'W01', 0); INSERT INTO hub.account VALUES (4)"
        assert refused_by_us(db, old) == FENCED
        with db.transaction():
            let_through(db, WAVE, 2)  # a runner that took over
            db.execute("INSERT INTO hub.account VALUES (5)")
            end_pass(db)
        with pytest.raises(LeaseHeld), db.transaction():
            let_through(db, WAVE, 1)
    assert side.one("SELECT count(*) FROM hub.account") == 4
    assert side.one("SELECT count(*) FROM cutwater.pass") == 0


def test_check_epoch_tells_a_closed_side_from_another_epoch(side: Side) -> None:
    with connect(side.dsn, WAVE) as db:
        install(db)
    role = f"api_{secrets.token_hex(4)}"
    side.run(f"CREATE ROLE {role}; GRANT {role} TO payhub_owner", side.super_dsn)
    with psycopg.connect(side.dsn, autocommit=True) as db:
        db.execute(f"SET ROLE {role}".encode())  # a role without any right on schema cutwater's tables
        ask = "SELECT cutwater.check_epoch('W01', {})"
        assert refused_by_us(db, ask.format(1)) == FENCED  # no row yet
        side.lifted(1)
        assert refused_by_us(db, ask.format(1)) == ""
        assert refused_by_us(db, ask.format(2)) == OTHER_EPOCH
        assert refused_by_us(db, ask.format("NULL")) == OTHER_EPOCH
        side.raised(2)
        assert refused_by_us(db, ask.format(2)) == FENCED
        side.lifted(3)
        assert refused_by_us(db, ask.format(2)) == OTHER_EPOCH
        assert refused_by_us(db, ask.format(3)) == ""
    side.run(f"DROP ROLE {role}", side.super_dsn)


def test_the_marker_comes_after_every_change_of_the_stream(side: Side) -> None:
    slot = f"s_{side.name}"
    with psycopg.connect(side.super_dsn, autocommit=True) as db:
        db.execute("CREATE PUBLICATION everything FOR ALL TABLES")
        db.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
        side.run("INSERT INTO hub.account VALUES (8)")
        out = side.raised()
        rows = db.execute(
            "SELECT lsn::text, data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, 'proto_version', '1',"
            " 'publication_names', 'everything', 'messages', 'true')",
            [slot],
        ).fetchall()
        db.execute("SELECT pg_drop_replication_slot(%s)", [slot])
        db.execute("DROP PUBLICATION everything")
    kinds = [bytes(data)[:1] for _, data in rows]
    assert kinds[-1] == b"M"
    assert out["marker"].encode() in bytes(rows[-1][1])
    assert b"I" in kinds
    assert rows[-1][0] == out["lsn"]


def test_drop_removes_exactly_what_was_made(side: Side) -> None:
    shape = """SELECT md5(string_agg(x, ',' ORDER BY x)) FROM (SELECT 'n' || nspname AS x FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'
      UNION ALL SELECT 'c' || oid FROM pg_class WHERE oid >= 16384 UNION ALL SELECT 'p' || oid FROM pg_proc WHERE oid >= 16384
      UNION ALL SELECT 't' || oid FROM pg_trigger) s"""
    before = side.one(shape)
    side.raised()
    with connect(side.dsn, WAVE) as db:
        assert len(armed(db, WAVE)) == 6
    drop, args, fence = DropFence(side.sides), {"side": "legacy", "wave": WAVE}, Fence(WAVE, 1, "test")
    assert drop.observe(args, fence) is None
    out = side.dropped()
    assert len(out["dropped"]) == 6
    assert out["kept"] == ""
    assert side.one(shape) == before
    assert drop.observe(args, fence) is not None
    assert side.dropped()["dropped"] == []
    side.run("INSERT INTO hub.account VALUES (9)")


def test_drop_leaves_other_waves_and_other_peoples_objects(side: Side) -> None:
    side.raised()
    LiftFence(side.sides).perform({"side": "legacy", "wave": "W02", "epoch": 1}, Fence("W02", 1, "test"))
    assert side.dropped()["kept"] == "schema cutwater: used by W02"
    side.run("CREATE VIEW cutwater.mine AS SELECT 1 AS one")
    out = DropFence(side.sides).perform({"side": "legacy", "wave": "W02"}, Fence("W02", 1, "test"))
    assert "mine" in out["kept"]
    assert side.one("SELECT one FROM cutwater.mine") == 1


def test_partitions_are_fenced_with_all_their_roots_or_not_at_all(side: Side) -> None:
    with pytest.raises(Refused, match="Entry é") as found:
        side.raised(tables=[["hub", "entry_2025"]])
    assert found.value.code == "CW3405"
    out = side.raised(tables=[["hub", "entry_2025"], ["hub", "entry_2026_h1"]])
    assert out["tables"] == 4
    with psycopg.connect(side.dsn) as db:
        assert refused_by_us(db, "INSERT INTO hub.\"Entry é\" VALUES (3, '2026-03-02')") == FENCED


def test_what_is_not_there_is_said(side: Side) -> None:
    with pytest.raises(BadInput, match=r"hub\.gone") as found:
        side.raised(tables=[["hub", "gone"]])
    assert found.value.code == "CW3404"
    with pytest.raises(BadInput, match="nowhere"):
        RaiseFence(side.sides).perform({"side": "nowhere", "wave": WAVE, "epoch": 2, "tables": []}, Fence(WAVE, 1, "t"))


def test_a_subscription_into_a_fenced_table_is_refused(side: Side) -> None:
    """Rows of logical replication fire no statement trigger."""
    side.run(
        "CREATE SUBSCRIPTION feed CONNECTION 'dbname=none' PUBLICATION p WITH (connect = false, slot_name = NONE)",
        side.super_dsn,
    )
    side.run(
        "INSERT INTO pg_subscription_rel SELECT oid, 'hub.account'::regclass, 'r', NULL FROM pg_subscription",
        side.super_dsn,
    )
    side.raised()
    side.run("UPDATE pg_subscription SET subenabled = true, subslotname = 'x'", side.super_dsn)
    try:
        with pytest.raises(Refused, match=r"feed into hub\.account") as found:
            side.raised()
        assert found.value.code == "CW3406"
    finally:
        side.run("UPDATE pg_subscription SET subenabled = false, subslotname = NULL", side.super_dsn)
        side.run("DROP SUBSCRIPTION feed", side.super_dsn)
