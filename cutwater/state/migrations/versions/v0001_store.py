"""The store: journal and its head, leases, waves, plans, approvals, requests, snapshots, reconciliation, evidence."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from cutwater.core.hashing import GENESIS

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_INSTANT = sa.String(27)
_SHA = sa.String(64)

# The journal is append-only for every user of the store's own connection as well; who may drop a trigger can still
# edit, and that is what `evidence verify` finds.
_SQLITE = (
    "CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
)
_POSTGRES = (
    "CREATE FUNCTION journal_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$",
    "CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal "
    "FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse()",
)


def _column(name: str, kind: Any, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=bool(more.pop("nullable", False)), **more)


def upgrade() -> None:
    _journal()
    _leases()
    _waves()
    _reconciliation()


def _journal() -> None:
    op.create_table(
        "journal",
        _column("seq", _ID, primary_key=True, autoincrement=False),
        _column("at", _INSTANT),
        *(_column(name, sa.Text) for name in ("wave", "run_id", "kind", "payload")),
        _column("prev_hash", _SHA),
        _column("hash", _SHA),
    )
    op.create_index("ix_journal_wave", "journal", ["wave", "seq"])
    head = op.create_table(
        "journal_head",
        _column("id", sa.Integer(), primary_key=True),
        _column("count", sa.BigInteger()),
        _column("hash", _SHA),
    )
    op.bulk_insert(head, [{"id": 1, "count": 0, "hash": GENESIS}])
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRES:
        op.execute(statement)


def _leases() -> None:
    op.create_table(
        "lease",
        _column("id", _ID, primary_key=True),
        _column("wave", sa.Text),
        _column("token", sa.BigInteger()),
        _column("holder", sa.Text),
        _column("acquired_at", _INSTANT),
        _column("expires_at", _INSTANT),
        _column("ttl_seconds", sa.Integer()),
        _column("ended_at", _INSTANT, nullable=True),
        _column("ended_how", sa.Text),
        sa.UniqueConstraint("wave", "token", name="uq_lease_token"),
    )
    active = sa.text("ended_at IS NULL")
    op.create_index("uq_lease_active", "lease", ["wave"], unique=True, sqlite_where=active, postgresql_where=active)


def _waves() -> None:
    op.create_table(
        "wave",
        _column("name", sa.Text, primary_key=True),
        _column("state", sa.Text),
        _column("condition", sa.Text),
        _column("attempt", sa.Integer()),
        _column("plan_hash", sa.Text),
        _column("updated_at", _INSTANT),
    )
    op.create_table(
        "plan",
        _column("id", _ID, primary_key=True),
        _column("plan_hash", sa.Text, unique=True),
        _column("wave", sa.Text),
        _column("version", sa.Integer()),
        _column("body", sa.Text),
        _column("body_sha256", _SHA),
        _column("saved_at", _INSTANT),
    )
    op.create_index("ix_plan_wave", "plan", ["wave", "id"])
    op.create_table(
        "approval",
        _column("id", _ID, primary_key=True),
        *(_column(name, sa.Text) for name in ("wave", "plan_hash", "who", "role", "note")),
        _column("at", _INSTANT),
    )
    op.create_index("ix_approval_plan_hash", "approval", ["plan_hash"])
    op.create_table(
        "request",
        _column("id", _ID, primary_key=True),
        *(_column(name, sa.Text) for name in ("wave", "kind", "payload")),
        _column("state", sa.String(10)),
        _column("asked_at", _INSTANT),
        _column("answer", sa.Text, nullable=True),
        _column("answered_at", _INSTANT, nullable=True),
    )
    op.create_index("ix_request_pending", "request", ["wave", "state", "id"])


def _reconciliation() -> None:
    op.create_table(
        "inventory_snapshot",
        _column("id", sa.String(64), primary_key=True),
        _column("taken_at", _INSTANT),
        _column("assets", sa.Integer()),
        _column("body", sa.Text),
    )
    op.create_index("ix_inventory_snapshot_taken_at", "inventory_snapshot", ["taken_at"])
    op.create_table(
        "recon_run",
        _column("id", sa.String(64), primary_key=True),
        _column("wave", sa.Text),
        _column("at", _INSTANT),
        _column("body", sa.Text),
    )
    op.create_index("ix_recon_run_wave", "recon_run", ["wave", "at"])
    op.create_table(
        "recon_break",
        _column("id", _ID, primary_key=True),
        _column("run_id", sa.String(64)),
        _column("position", sa.Integer()),
        _column("body", sa.Text),
    )
    op.create_index("ix_recon_break_run_id", "recon_break", ["run_id"])
    op.create_table(
        "evidence",
        _column("id", sa.String(64), primary_key=True),
        _column("seq", sa.BigInteger(), unique=True),
        _column("at", _INSTANT),
        *(_column(name, sa.Text) for name in ("kind", "wave", "body", "sha256")),
    )
    op.create_index("ix_evidence_kind", "evidence", ["kind", "wave", "seq"])
