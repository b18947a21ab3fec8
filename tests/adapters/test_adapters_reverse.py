"""The reverse sync on real servers: exactly once, in the order of commits, through the fence, whatever dies when."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from adapters.postgres.fence import LiftFence, RaiseFence
from adapters.postgres.reverse_mapping import mapping_of
from adapters.postgres.reverse_marker import BeginReverse, MarkOutbox, ReverseDrained
from adapters.postgres.reverse_sync import ReverseSync
from cutwater.core.config import Project
from cutwater.core.errors import BadInput, CutwaterError, LeaseHeld, Refused
from waves.ports import Fence, ServiceStatus, Waiting

pytestmark = pytest.mark.real

WAVE, OUTBOX = "W01", ("tobe", "outbox")
STORE = """
CREATE SCHEMA tobe;
CREATE TABLE tobe.outbox (seq bigserial PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), event_id uuid NOT NULL UNIQUE,
  kind text NOT NULL, payload jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp());
"""
LEGACY = """
CREATE SCHEMA hub;
CREATE TYPE hub.code AS ENUM ('RCVD', 'ACSC');
CREATE TABLE hub.payment (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, uetr uuid UNIQUE, amount numeric(23,5), currency char(3),
  name varchar(5), status hub.code, details jsonb, at timestamptz, branch text DEFAULT 'kept');
CREATE TABLE hub.status (id bigint REFERENCES hub.payment, seq int, status hub.code, PRIMARY KEY (id, seq));
CREATE TABLE hub.log (event_id uuid PRIMARY KEY, topic text, body jsonb, n bigserial);
"""
MAPPING = {
    "payment": [
        {
            "table": ["hub", "payment"],
            "key": ["id"],
            "columns": {
                "id": "id", "uetr": "uetr", "amount": "amount", "currency": "currency", "name": "debtor.name", "status": "status",
                "details": "details", "at": "@created_at",
            },
        },
        {
            "table": ["hub", "log"], "mode": "insert", "key": ["event_id"],
            "columns": {"event_id": "@event_id", "topic": {"constant": "payments"}, "body": "@payload"},
        },
    ],
    "status": [
        {"table": ["hub", "status"], "mode": "insert", "key": ["id", "seq"], "columns": {"id": "id", "seq": "seq", "status": "status"}},
        {"table": ["hub", "payment"], "mode": "update", "key": ["id"], "unless": "smoke", "columns": {"id": "id", "status": "status"}},
    ],
}  # fmt: skip


class Sides:
    """A store and a legacy database of our own, the legacy one fenced."""

    def __init__(self, project: Project) -> None:
        owner = project.endpoints().postgres_dsn
        self.admin = str(json.loads(project.endpoints_file.read_text())["private"]["admin_dsn"])
        self.names = {side: f"rev_{side}_{secrets.token_hex(3)}" for side in ("legacy", "store")}
        self.dsn = {side: make_conninfo(owner, dbname=name) for side, name in self.names.items()}
        self.ddl = {"legacy": LEGACY, "store": STORE}
        for side in self.ddl:
            with psycopg.connect(self.admin, autocommit=True) as db:
                db.execute(f"CREATE DATABASE {self.names[side]} OWNER payhub_owner".encode())

    def fresh(self) -> None:
        """As it was made: tests share the databases."""
        for side, ddl in self.ddl.items():
            self.run(side, f"DROP SCHEMA IF EXISTS hub, tobe, cutwater CASCADE; {ddl}")
        tables = [["hub", "payment"], ["hub", "status"], ["hub", "log"]]
        RaiseFence(self.dsn).perform(
            {"side": "legacy", "wave": WAVE, "epoch": 2, "tables": tables, "grace_seconds": 5}, Fence(WAVE, 1, "test")
        )
        self.sync = self.new_sync()

    def new_sync(self, limit: int = 500, mapping: Any = None) -> ReverseSync:
        return ReverseSync(self.dsn["store"], self.dsn["legacy"], WAVE, OUTBOX, mapping_of(mapping or MAPPING), limit)

    def run(self, side: str, statement: str) -> None:
        with psycopg.connect(self.dsn[side], autocommit=True) as db:
            db.execute(statement.encode())

    def rows(self, query: str, side: str = "legacy") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn[side], autocommit=True) as db:
            return db.execute(query.encode()).fetchall()

    def emit(self, kind: str, db: Any = None, **payload: Any) -> None:
        if db is None:
            with psycopg.connect(self.dsn["store"], autocommit=True) as own:
                return self.emit(kind, own, **payload)
        db.execute(
            "INSERT INTO tobe.outbox (event_id, kind, payload) VALUES (%s, %s, %s::jsonb)",
            (uuid.uuid4(), kind, json.dumps(payload)),
        )

    def pay(self, number: int, db: Any = None, **more: Any) -> None:
        values = {
            "id": number,
            "uetr": str(uuid.UUID(int=number)),
            "amount": "10.50000",
            "currency": "GBP",
            "status": "RCVD",
            **more,
        }
        self.emit("payment", db, **values)

    def poll(self, token: int = 1, sync: ReverseSync | None = None) -> ServiceStatus:
        return (sync or self.sync).poll(Fence(WAVE, token, "test"))

    def all(self) -> int:
        """Polls until there is nothing left; the events that were carried over."""
        total = 0
        while not (status := self.poll()).caught_up:
            total += status.applied
        return total + status.applied

    def log(self) -> list[int]:
        """The payments' numbers in the order in which they were written on the legacy side."""
        return [row[0] for row in self.rows("SELECT (body ->> 'id')::int FROM hub.log ORDER BY n")]

    def mark(self, token: int = 1) -> str:
        return str(MarkOutbox(self.dsn["store"], WAVE, OUTBOX).perform({}, Fence(WAVE, token, "test"))["marker"])

    def drained(self, marker: str) -> dict[str, Any]:
        action = ReverseDrained(self.dsn["store"], self.dsn["legacy"], WAVE, OUTBOX)
        return action.perform({"marker": marker}, Fence(WAVE, 1, "test"))

    def remove(self) -> None:
        with psycopg.connect(self.admin, autocommit=True) as db:
            for name in self.names.values():
                db.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="module")
def databases(sandbox_project: Project) -> Iterator[Sides]:
    made = Sides(sandbox_project)
    yield made
    made.remove()


@pytest.fixture
def sides(databases: Sides) -> Iterator[Sides]:
    databases.fresh()
    yield databases
    databases.sync.close()


def test_rows_pass_the_fence_as_they_were_written_while_everybody_else_is_refused(sides: Sides) -> None:
    sides.pay(
        1, amount="123456789012345678.12345", debtor={"name": "Zoë"}, details={"a": 1.10, "b": None}, status="RCVD"
    )
    sides.pay(2, amount=0.1, details=None)
    sides.emit("status", id=1, seq=1, status="ACSC")
    sides.emit("status", id=2, seq=1, status="ACSC", smoke="S1")
    assert sides.all() == 4
    assert sides.rows(
        "SELECT id, uetr::text, amount::text, name, status::text, details::text, branch FROM hub.payment ORDER BY id"
    ) == [
        (1, str(uuid.UUID(int=1)), "123456789012345678.12345", "Zoë", "ACSC", '{"a": 1.1, "b": null}', "kept"),
        (2, str(uuid.UUID(int=2)), "0.10000", None, "RCVD", None, "kept"),
    ]
    assert sides.rows("SELECT id, seq, status::text FROM hub.status ORDER BY 1") == [(1, 1, "ACSC"), (2, 1, "ACSC")]
    assert sides.rows("SELECT topic, body ->> 'id' FROM hub.log ORDER BY n") == [("payments", "1"), ("payments", "2")]
    assert sides.rows("SELECT count(*) FROM cutwater.pass") == [(0,)]
    with pytest.raises(psycopg.Error, match="fenced"):
        sides.run("legacy", "INSERT INTO hub.payment (uetr) VALUES (gen_random_uuid())")
    assert sides.poll().applied == 0


@pytest.mark.parametrize(
    "moment", ["before the rows", "between two rows", "before the position", "after the rows", "after the commit"]
)
def test_killed_at_any_moment_and_polled_again(sides: Sides, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that breaks off is what the server sees of a kill -9; after the commit only the answer is lost."""
    for number in range(1, 6):
        sides.pay(number)
    from adapters.postgres import reverse_sync

    count = 0

    def dies(at: int, real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == at:
                assert sides.sync._legacy is not None
                sides.sync._legacy.close()
            return real(*arguments, **named)

        return call

    if moment == "after the commit":
        monkeypatch.setattr(ReverseSync, "_carry", lambda *a, real=ReverseSync._carry: (real(*a), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            sides.poll()
    else:
        place, at = {
            "before the rows": ((reverse_sync, "let_through"), 1),
            "between two rows": ((ReverseSync, "_write"), 3),
            "before the position": ((reverse_sync, "end_pass"), 1),
            "after the rows": ((ReverseSync, "_carry"), 1),
        }[moment]
        if moment == "after the rows":

            def unanswered(real: Any) -> Any:
                def call(db: Any) -> None:
                    real(db)
                    with psycopg.connect(sides.admin, autocommit=True) as killer:
                        killer.execute("SELECT pg_terminate_backend(%s, 5000)", [db.info.backend_pid])

                return call

            monkeypatch.setattr(reverse_sync, "end_pass", unanswered(reverse_sync.end_pass))
        else:
            monkeypatch.setattr(*place, dies(at, getattr(*place)))
        with pytest.raises(CutwaterError):
            sides.poll()
        assert sides.log() == []
    monkeypatch.undo()
    sides.sync = sides.new_sync()
    sides.all()
    assert sides.log() == [1, 2, 3, 4, 5]


def test_a_lower_number_that_commits_later_is_neither_lost_nor_overtaken(sides: Sides) -> None:
    with psycopg.connect(sides.dsn["store"]) as slow:
        sides.pay(1, slow)
        sides.pay(2)
        sides.pay(3)
        status = sides.poll()
        assert (status.applied, status.caught_up) == (0, False)
        assert status.lag == "2 events behind an open transaction of the store"
        slow.commit()
    sides.all()
    assert sides.log() == [1, 2, 3]


def test_a_transaction_of_the_store_is_never_cut(sides: Sides) -> None:
    sync = sides.new_sync(limit=2)
    sides.pay(1)
    with psycopg.connect(sides.dsn["store"]) as db:
        for number in range(2, 8):
            sides.pay(number, db)
    sides.pay(8)
    first = sides.poll(sync=sync)
    assert (first.applied, first.busy) == (7, True)
    assert sides.poll(sync=sync).applied == 1
    sync.close()
    assert sides.log() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_marker_makes_the_round_trip_also_where_a_later_one_follows(sides: Sides) -> None:
    sides.pay(1)
    marker = sides.mark()
    with pytest.raises(Waiting) as found:
        sides.drained(marker)
    assert found.value.code == "CW3501"
    later = sides.mark()
    sides.all()
    assert sides.rows("SELECT marker FROM cutwater.reverse") == [(later,)]
    assert sides.drained(marker)["marker"] == marker
    assert sides.drained(later)["marker"] == later
    with pytest.raises(Refused) as missing:
        sides.drained("W01:reverse:NONE")
    assert missing.value.code == "CW3506"


def test_a_named_round_trip_is_one_marker_however_often_it_is_asked_for(sides: Sides) -> None:
    marking = MarkOutbox(sides.dsn["store"], WAVE, OUTBOX)
    for _ in range(3):
        marked = marking.perform({"mark": "proof-2"}, Fence(WAVE, 1, "test"))
        with pytest.raises(Waiting):
            sides.drained(marked["marker"])
    sides.all()
    assert sides.drained(marked["marker"])["marker"] == "W01:proof-2"
    assert sides.rows("SELECT count(*) FROM tobe.outbox", "store") == [(1,)]


def test_a_marker_is_written_behind_the_fence_of_the_store(sides: Sides) -> None:
    args = {"side": "store", "wave": WAVE, "epoch": 4, "tables": [["tobe", "outbox"]], "grace_seconds": 5}
    RaiseFence(sides.dsn).perform(args, Fence(WAVE, 1, "test"))
    with pytest.raises(psycopg.Error, match="fenced"):
        sides.pay(1)
    marker = sides.mark()
    sides.all()
    assert sides.drained(marker)["marker"] == marker


def test_a_zombie_writes_nothing(sides: Sides) -> None:
    sides.pay(1)
    zombie = sides.new_sync()
    sides.poll(token=1, sync=zombie)
    sides.pay(2)
    sides.poll(token=2)
    sides.pay(3)
    for _ in range(2):
        with pytest.raises(LeaseHeld) as found:
            sides.poll(token=1, sync=zombie)
        assert found.value.code == "CW3402"
    with pytest.raises(LeaseHeld):
        LiftFence(sides.dsn).perform({"side": "legacy", "wave": WAVE, "epoch": 3}, Fence(WAVE, 1, "test"))
    assert sides.log() == [1, 2]
    sides.poll(token=2)
    assert sides.log() == [1, 2, 3]


def test_two_at_once_write_every_row_once(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one has read the same batch before the first one commits."""
    sides.pay(1)
    other, real = sides.new_sync(), ReverseSync._carry

    def overtaken(self: ReverseSync, *arguments: Any) -> Any:
        monkeypatch.setattr(ReverseSync, "_carry", real)
        sides.poll(sync=other)
        return real(self, *arguments)

    monkeypatch.setattr(ReverseSync, "_carry", overtaken)
    with pytest.raises(CutwaterError) as found:
        sides.poll()
    other.close()
    assert found.value.code == "CW3508"
    assert sides.all() == 0
    assert sides.log() == [1]


@pytest.mark.parametrize(
    ("code", "kind", "payload"),
    [
        ("CW3502", "refund", {}),
        ("CW3504", "payment", {"id": 9, "amount": "1.123456"}),  # would be rounded
        ("CW3504", "payment", {"id": 9, "amount": "1", "debtor": {"name": "too long"}}),  # would be cut
        ("CW3504", "payment", {"id": 9, "uetr": str(uuid.UUID(int=1))}),  # another constraint than the key
        ("CW3503", "status", {"id": 1, "seq": 1, "status": "RCVD"}),  # another row stands there
        ("CW3503", "status", {"id": 1, "seq": 2, "status": None, "smoke": None, "x": 1}),
    ],
)
def test_an_event_that_cannot_be_written_stops_before_it_and_what_comes_before_is_carried_over(
    sides: Sides, code: str, kind: str, payload: dict[str, Any]
) -> None:
    sides.pay(1)
    sides.emit("status", id=1, seq=1, status="ACSC")
    if payload.get("x"):
        kind, payload = "status", {"id": 77, "seq": 1, "status": "ACSC"}
        sides.sync = sides.new_sync(
            mapping={**MAPPING, "status": MAPPING["status"][1:]}
        )  # an update of a payment that is not there
    sides.emit(kind, **payload)
    sides.pay(2)
    for _ in range(2):
        assert sides.poll().applied == 1
    for _ in range(2):
        with pytest.raises(Refused) as found:
            sides.poll()
        assert found.value.code == code
    assert sides.log() == [1]


def test_a_store_that_was_restored_is_noticed(sides: Sides) -> None:
    sides.pay(1)
    sides.all()
    sides.run("legacy", "UPDATE cutwater.reverse SET position_xid = '9000000000'")
    with pytest.raises(Refused) as found:
        sides.poll()
    assert found.value.code == "CW3505"


def test_a_mapping_that_does_not_fit_is_bad_input(sides: Sides) -> None:
    with pytest.raises(BadInput):
        mapping_of({"payment": [{"table": ["hub", "payment"], "key": ["id"], "columns": {"amount": "amount"}}]})
    sides.pay(1)
    sides.sync = sides.new_sync(
        mapping={"payment": [{"table": ["hub", "payment"], "key": ["no"], "columns": {"no": "id"}}]}
    )
    with pytest.raises(BadInput) as found:
        sides.poll()
    assert found.value.code == "CW3507"


def test_the_sandboxs_own_mapping_fits_its_legacy_schema(sides: Sides) -> None:
    import sandbox

    home = Path(sandbox.__file__).parent
    mapping = yaml.safe_load((home / "project" / "reverse.yaml").read_text("utf-8"))
    sides.run("legacy", "DROP SCHEMA IF EXISTS payhub CASCADE")
    sides.run("legacy", (home / "estate" / "payhub.sql").read_text("utf-8"))
    sides.run(
        "legacy",
        "INSERT INTO payhub.party VALUES (1, 'A', 'BANK', 'GB', NULL, NULL, now());"
        "INSERT INTO payhub.account SELECT i, 1, 'GB' || i, NULL, NULL, 'GBP', 'ACTIVE', NULL, now(), 1 FROM generate_series(1, 2) AS i",
    )
    uetr, at = str(uuid.UUID(int=5)), "2026-12-05T22:00:00.123456Z"

    def event() -> dict[str, Any]:
        return {
            "event_id": str(uuid.uuid4()), "topic": "t", "message_key": uetr, "event_type": "E", "created_at": at,
            "payload": {"amount": "12.5"},
        }  # fmt: skip

    batch = {
        "batch_id": 100000001, "feed": "bacs", "file_name": "f", "message_id": "m", "item_count": 2, "control_sum": "25.00000",
        "currency": "GBP", "received_at": at, "sha256": "0" * 64,
    }  # fmt: skip
    payment = {
        "payment_id": 5, "uetr": uetr, "end_to_end_id": "e", "instruction_id": "i", "channel": "BACS", "debtor_account_id": 1,
        "creditor_account_id": 2, "amount": "12.50000", "currency": "GBP", "value_date": "2026-12-07", "status": "RCVD",
        "batch_id": 100000001, "remittance": None, "charges": "0.1250", "details": {"a": [1]}, "created_at": at, "updated_at": at,
        "smoke": None, "batch": batch,
    }  # fmt: skip
    sides.emit("payment", **payment, event=event())
    sides.emit("payment", **{**payment, "payment_id": 6, "uetr": str(uuid.UUID(int=6))}, event=event())
    sides.emit("payment", **{**payment, "payment_id": 7, "uetr": str(uuid.UUID(int=7)), "smoke": "S"}, event=event())
    status = {
        "payment_id": 5,
        "uetr": uetr,
        "seq": 1,
        "status": "ACSC",
        "reason_code": None,
        "reported_by": "X",
        "occurred_at": at,
    }
    sides.emit("status", **status, smoke=None, event=event())
    sides.sync = sides.new_sync(mapping=mapping)
    assert sides.all() == 4
    assert sides.rows("SELECT payment_id, status::text, amount::text, details FROM payhub.payment ORDER BY 1") == [
        (5, "ACSC", "12.50000", {"a": [1]}),
        (6, "RCVD", "12.50000", {"a": [1]}),
    ]
    assert sides.rows("SELECT count(*) FROM payhub.file_batch") == [(1,)]
    assert sides.rows("SELECT count(*) FROM payhub.outbox WHERE published_at IS NOT NULL") == [(3,)]


def test_a_new_attempt_begins_behind_what_was_carried_before(sides: Sides) -> None:
    """Abandoning a wave takes its position with it; the store's outbox stays, and the legacy rows have moved on since."""
    begin = BeginReverse(sides.dsn["store"], sides.dsn["legacy"], OUTBOX)
    sides.pay(1)
    assert sides.all() == 1
    sides.run("legacy", "DELETE FROM cutwater.reverse")
    with psycopg.connect(sides.dsn["store"]) as open_one:
        open_one.execute("SELECT pg_current_xact_id()")
        sides.pay(2)
        with pytest.raises(Waiting, match="CW3501"):
            begin.perform({"wave": WAVE}, Fence(WAVE, 2, "test"))
    first = begin.perform({"wave": WAVE}, Fence(WAVE, 2, "test"))
    sides.pay(3)
    assert begin.perform({"wave": WAVE}, Fence(WAVE, 2, "test")) == first
    assert [sides.poll(2).applied, sides.log()] == [1, [1, 3]]
    with pytest.raises(LeaseHeld):
        begin.perform({"wave": WAVE}, Fence(WAVE, 1, "test"))


def test_the_end_of_the_outbox_is_by_number_not_by_text(sides: Sides) -> None:
    for xid in (9, 10, 8):
        sides.pay(xid)
        sides.run("store", f"UPDATE tobe.outbox SET xid = '{xid}' WHERE payload ->> 'id' = '{xid}'")
    begun = BeginReverse(sides.dsn["store"], sides.dsn["legacy"], OUTBOX).perform(
        {"wave": WAVE}, Fence(WAVE, 1, "test")
    )
    assert begun["position"].startswith("10/")
