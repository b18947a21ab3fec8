"""The tables of the store. Times are RFC 3339 text with microseconds (UTC), so that both databases keep the bytes
that were hashed and sort them alike; JSON is kept as canonical text for the same reason."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite gives ids of its own to INTEGER PRIMARY KEY alone.
Id = BigInteger().with_variant(Integer, "sqlite")
Instant = String(27)
Sha = String(64)


class Base(DeclarativeBase):
    pass


class JournalRow(Base):
    __tablename__ = "journal"
    seq: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(Instant)
    wave: Mapped[str] = mapped_column(Text)
    run_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    payload: Mapped[str] = mapped_column(Text)
    prev_hash: Mapped[str] = mapped_column(Sha)
    hash: Mapped[str] = mapped_column(Sha)
    __table_args__ = (Index("ix_journal_wave", "wave", "seq"),)


class JournalHead(Base):
    """One row: how many records there are and the hash of the last. A cut-off tail contradicts it."""

    __tablename__ = "journal_head"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(Sha)


class LeaseRow(Base):
    """Every lease that ever was. Active: `ended_at` is null; the partial index lets one of these stand per wave."""

    __tablename__ = "lease"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    wave: Mapped[str] = mapped_column(Text)
    token: Mapped[int] = mapped_column(BigInteger)
    holder: Mapped[str] = mapped_column(Text)
    acquired_at: Mapped[str] = mapped_column(Instant)
    expires_at: Mapped[str] = mapped_column(Instant)
    ttl_seconds: Mapped[int] = mapped_column(Integer)
    ended_at: Mapped[str | None] = mapped_column(Instant)
    ended_how: Mapped[str] = mapped_column(Text, default="")  # released | expired
    __table_args__ = (
        UniqueConstraint("wave", "token", name="uq_lease_token"),
        Index(
            "uq_lease_active",
            "wave",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )


class Wave(Base):
    __tablename__ = "wave"
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    condition: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int] = mapped_column(Integer)
    plan_hash: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[str] = mapped_column(Instant)


class Plan(Base):
    __tablename__ = "plan"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    plan_hash: Mapped[str] = mapped_column(Text, unique=True)
    wave: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    body: Mapped[str] = mapped_column(Text)
    body_sha256: Mapped[str] = mapped_column(Sha)
    saved_at: Mapped[str] = mapped_column(Instant)
    __table_args__ = (Index("ix_plan_wave", "wave", "id"),)


class ApprovalRow(Base):
    __tablename__ = "approval"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    wave: Mapped[str] = mapped_column(Text)
    plan_hash: Mapped[str] = mapped_column(Text, index=True)
    who: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    at: Mapped[str] = mapped_column(Instant)


class Request(Base):
    __tablename__ = "request"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    wave: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    payload: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10))
    asked_at: Mapped[str] = mapped_column(Instant)
    answer: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[str | None] = mapped_column(Instant)
    __table_args__ = (Index("ix_request_pending", "wave", "state", "id"),)


class SnapshotRecord(Base):
    __tablename__ = "inventory_snapshot"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    taken_at: Mapped[str] = mapped_column(Instant, index=True)
    assets: Mapped[int] = mapped_column(Integer)
    body: Mapped[str] = mapped_column(Text)


class ReconRun(Base):
    __tablename__ = "recon_run"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    wave: Mapped[str] = mapped_column(Text)
    at: Mapped[str] = mapped_column(Instant)
    body: Mapped[str] = mapped_column(Text)
    __table_args__ = (Index("ix_recon_run_wave", "wave", "at"),)


class ReconBreak(Base):
    __tablename__ = "recon_break"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[str] = mapped_column(String(64), index=True)
    position: Mapped[int] = mapped_column(Integer)
    body: Mapped[str] = mapped_column(Text)


class Evidence(Base):
    __tablename__ = "evidence"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, unique=True)  # its record in the journal
    at: Mapped[str] = mapped_column(Instant)
    kind: Mapped[str] = mapped_column(Text)
    wave: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    __table_args__ = (Index("ix_evidence_kind", "kind", "wave", "seq"),)


class HeldPaymentRow(Base):
    """One payment that arrived while its wave was dark. `amount` is exact decimal text, empty where it cannot be read."""

    __tablename__ = "held_payment"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    wave: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    account: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(Text)
    received_at: Mapped[str] = mapped_column(Instant)
    held_at: Mapped[str] = mapped_column(Instant)
    currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    body_sha256: Mapped[str] = mapped_column(Sha)
    state: Mapped[str] = mapped_column(String(10))
    offered_at: Mapped[str | None] = mapped_column(Instant)
    settled_at: Mapped[str | None] = mapped_column(Instant)
    receipt: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, default="")
    __table_args__ = (
        UniqueConstraint("wave", "key", name="uq_held_payment_key"),
        UniqueConstraint("wave", "receipt", name="uq_held_payment_receipt"),
        Index("ix_held_payment_order", "wave", "state", "received_at", "id"),
        Index("ix_held_payment_account", "wave", "account", "state", "received_at", "id"),
    )


class HeldControl(Base):
    """What was counted at each move, beside the ledger: held once, then released or returned. A row that went missing
    or was altered contradicts it. The row of state LOCK lets one move at a time happen in a wave; its count is the epoch
    before which nothing is held any more."""

    __tablename__ = "held_control"
    wave: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(String(10), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[str] = mapped_column(Text)
