"""Statements with their entries and balances, and the batches of a bulk file: the model's values beside the event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from cutwater.core.money import Money

CREDIT, DEBIT = "CRDT", "DBIT"


@dataclass(frozen=True)
class Balance:
    """One balance of a statement. code: OPBD, CLBD, ITBD, CLAV, FWAV, PRCD, ...; amount is unsigned."""

    code: str
    amount: Money
    direction: str
    day: date | None = None

    @property
    def signed(self) -> Decimal:
        return self.amount.amount if self.direction == CREDIT else -self.amount.amount


@dataclass(frozen=True)
class StatementEntry:
    """One line of a statement. direction: what it does to the account, CRDT or DBIT (a reversed credit is DBIT).

    event_key: of the BOOKED event that stands for the same line. references: by their ISO name (AcctSvcrRef, EndToEndId,
    UETR, ...). details: how many transactions the entry sums up; 1 where it says nothing of several.
    """

    event_key: str
    amount: Money | None
    direction: str
    reversal: bool = False
    status: str | None = None  # BOOK, PDNG, INFO, FUTR
    booking_date: date | None = None
    value_date: date | None = None
    references: Mapping[str, str] = field(default_factory=dict)
    bank_code: str | None = None  # BkTxCd or :61:'s type
    information: str | None = None
    details: int = 1
    transactions: tuple[Mapping[str, str], ...] = ()  # what each of several details says: Amt, Ccy and references

    @property
    def signed(self) -> Decimal | None:
        if self.amount is None:
            return None
        return self.amount.amount if self.direction == CREDIT else -self.amount.amount


def entry_of(values: dict[str, Any]) -> StatementEntry:
    """An entry of these fields, `references` among them; `values` becomes its own. As `identity.event_of`: no constructor."""
    found = object.__new__(StatementEntry)
    object.__setattr__(found, "__dict__", values)
    return found


@dataclass(frozen=True)
class Statement:
    """A statement, report or notification of one account, or one page of it.

    sequence: LglSeqNb, else ElctrncSeqNb, or :28C:'s number. page: of the statement; "" where it has no pages.
    number: which one of its message, from 1; a big one comes in parts that share it. totals: stated sums by name
    (`TtlCdtNtries/Sum`). copy: CODU, COPY or DUPL. Balances keep the order of the message.
    """

    family: str
    account: str
    statement_id: str
    sequence: str = ""
    page: str = ""
    last_page: bool | None = None
    currency: str | None = None
    servicer: str | None = None
    created: datetime | None = None
    copy: str | None = None
    balances: tuple[Balance, ...] = ()
    entries: tuple[StatementEntry, ...] = ()
    totals: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    number: int = 1

    def balance(self, *codes: str) -> Balance | None:
        """The first balance of the first of `codes` that is there."""
        return next((item for code in codes for item in self.balances if item.code == code), None)

    @property
    def opening(self) -> Balance | None:
        """An intermediate page opens with the interim balance that stands first; one alone is where a report stands now."""
        found = self.balance("OPBD", "PRCD", "60F", "60M")
        if found is None and self._interim and (len(self._interim) > 1 or self.balance("CLBD", "62F", "62M")):
            found = self._interim[0]
        return found

    @property
    def closing(self) -> Balance | None:
        return self.balance("CLBD", "62F", "62M") or (self._interim[-1] if self._interim else None)

    @property
    def _interim(self) -> list[Balance]:
        return [item for item in self.balances if item.code == "ITBD"]


@dataclass(frozen=True)
class FileBatch:
    """A level of a bulk file that states totals: the group (level `group`) or one batch of it (`batch`).

    stated_*: what the file says, None where it is silent. sums: actual, per currency: control sums add across currencies.
    """

    level: str
    batch_id: str
    count: int
    sums: Mapping[str, Decimal]
    stated_count: str | None = None
    stated_sum: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
