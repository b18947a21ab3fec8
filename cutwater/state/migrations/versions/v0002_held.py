"""Held payments: the ledger of what arrived while a wave was dark, and its control totals."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_INSTANT = sa.String(27)


def _column(name: str, kind: Any, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=bool(more.pop("nullable", False)), **more)


def upgrade() -> None:
    op.create_table(
        "held_payment",
        _column("id", _ID, primary_key=True),
        *(_column(name, sa.Text) for name in ("wave", "key", "account", "channel")),
        _column("received_at", _INSTANT),
        _column("held_at", _INSTANT),
        _column("currency", sa.String(3)),
        _column("amount", sa.Text),
        _column("body", sa.Text),
        _column("body_sha256", sa.String(64)),
        _column("state", sa.String(10)),
        _column("offered_at", _INSTANT, nullable=True),
        _column("settled_at", _INSTANT, nullable=True),
        _column("receipt", sa.Text, nullable=True),
        _column("reason", sa.Text),
        sa.UniqueConstraint("wave", "key", name="uq_held_payment_key"),
        sa.UniqueConstraint("wave", "receipt", name="uq_held_payment_receipt"),
    )
    op.create_index("ix_held_payment_order", "held_payment", ["wave", "state", "received_at", "id"])
    op.create_index("ix_held_payment_account", "held_payment", ["wave", "account", "state", "received_at", "id"])
    op.create_table(
        "held_control",
        _column("wave", sa.Text, primary_key=True),
        _column("state", sa.String(10), primary_key=True),
        _column("currency", sa.String(3), primary_key=True),
        _column("count", sa.BigInteger()),
        _column("total", sa.Text),
    )
