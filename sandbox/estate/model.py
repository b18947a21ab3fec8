"""The estate as values: what the generator makes, and what every writer tells of the same payment."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from sandbox.estate.names import Bank

TOPIC_INITIATED = "payhub.payment.initiated.v1"
TOPIC_STATUS = "payhub.payment.status.v1"
EVENT_NAMESPACE = uuid.UUID("6f2f8a52-5e0c-5d9e-9c55-0d6e2a6b7c11")
CHANNELS = ("API", "KAFKA", "PAIN001", "BACS", "FIN", "MX")
SETTLED = frozenset({"ACSC", "ACCC"})
TERMINAL = frozenset({"ACSC", "ACCC", "RJCT", "CANC"})


@dataclass(frozen=True, slots=True)
class Party:
    """A row of payhub.party, and the address that files and messages carry."""

    party_id: int
    legal_name: str
    kind: str
    country: str
    lei: str | None
    street: str
    attributes: dict[str, object] | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """A row of payhub.account and the bank that holds it. delivery: how its statements come in ('' = not at all)."""

    account_id: int
    party: Party
    bank: Bank
    own: bool
    iban: str
    sort_code: str | None
    account_number: str | None
    currency: str
    status: str
    overdraft_limit: Decimal | None
    opened_on: date
    delivery: str = ""


class Status(NamedTuple):
    """A row of payhub.payment_status, without its payment."""

    seq: int
    status: str
    reason: str | None
    reported_by: str
    occurred_at: datetime


@dataclass(slots=True)
class Payment:
    """A payment as all channels tell it. `inbound`: received through SWIFT. `nak`: the FIN error of a refused message."""

    payment_id: int
    uetr: str
    end_to_end_id: str
    instruction_id: str
    channel: str
    debtor: Account
    creditor: Account
    amount: Decimal
    value_date: date
    remittance: str | None
    charges: Decimal | None
    details: dict[str, object] | None
    created_at: datetime
    statuses: list[Status] = field(default_factory=list)
    batch_id: int | None = None
    inbound: bool = False
    nak: str | None = None
    cover: bool = False

    @property
    def currency(self) -> str:
        return self.debtor.currency

    @property
    def status(self) -> str:
        return self.statuses[-1].status

    @property
    def updated_at(self) -> datetime:
        return self.statuses[-1].occurred_at

    @property
    def settled(self) -> bool:
        return self.status in SETTLED


@dataclass(slots=True)
class Batch:
    """A row of payhub.file_batch with its payments. Bacs: one originator. pain.001: payments in order of debtor."""

    batch_id: int
    feed: str
    message_id: str
    received_at: datetime
    payments: list[Payment]
    content: bytes = b""

    @property
    def file_name(self) -> str:
        day = f"{self.received_at:%Y%m%d}"
        return (
            f"PAIN001_{day}_{self.batch_id}.xml" if self.feed == "pain001" else f"BACS_STD18_{day}_{self.batch_id}.txt"
        )

    @property
    def control_sum(self) -> Decimal:
        return sum((item.amount for item in self.payments), Decimal(0))

    @property
    def currency(self) -> str:
        return self.payments[0].currency


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of payhub.statement_entry. credit_debit is the entry's own direction; a reversal of a debit is CRDT."""

    entry_id: int
    payment: Payment | None
    entry_ref: str
    amount: Decimal
    credit_debit: str
    reversal: bool
    booking_date: date
    value_date: date

    @property
    def signed(self) -> Decimal:
        return self.amount if self.credit_debit == "CRDT" else -self.amount


@dataclass(frozen=True, slots=True)
class Statement:
    """A row of payhub.statement: one page. The next page opens with what this one closes with."""

    statement_id: int
    account: Account
    sequence_number: int
    page: int
    last_page: bool
    day: date
    opening: Decimal
    closing: Decimal
    entries: tuple[Entry, ...]


class Note(NamedTuple):
    """A row of payhub.operator_note: no key, identical rows are legal."""

    noted_at: datetime
    operator: str
    payment_id: int
    note: str


def initiated_id(uetr: str) -> str:
    """The event id of a payment's initiated event."""
    return str(uuid.uuid5(EVENT_NAMESPACE, f"{uetr}:initiated"))


def status_id(uetr: str, seq: int) -> str:
    """The event id of a payment's status event number `seq`."""
    return str(uuid.uuid5(EVENT_NAMESPACE, f"{uetr}:{seq}"))
