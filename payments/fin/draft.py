"""What one transaction of a FIN message says, before it becomes a canonical event."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from cutwater.core.money import Money


@dataclass(slots=True)
class Draft:
    """kind: what it is in the life of a payment (`payments.lifecycle.facts.Step` by value). Parties stand apart as name,
    account and agent, agents as BIC11 where they are BICs. rest: what has no place here, by tag."""

    kind: str
    ordinal: str = "1"
    message_id: str = ""
    uetr: str | None = None
    instruction_id: str | None = None
    end_to_end_id: str | None = None
    transaction_id: str | None = None
    batch_id: str | None = None
    amount: Money | None = None
    instructed: Money | None = None
    exchange_rate: Decimal | None = None
    settlement_date: date | None = None
    booking_date: date | None = None
    value_date: date | None = None
    requested_date: date | None = None
    event_time: datetime | None = None
    debtor_name: str | None = None
    debtor_account: str | None = None
    debtor_agent: str | None = None
    creditor_name: str | None = None
    creditor_account: str | None = None
    creditor_agent: str | None = None
    agents: dict[str, str] = field(default_factory=dict)
    charges_bearer: str | None = None
    charges: list[Money] = field(default_factory=list)
    remittance: str | None = None
    status: str | None = None
    reason: str | None = None
    original_uetr: str | None = None
    original_message_id: str | None = None
    original_instruction_id: str | None = None
    original_end_to_end_id: str | None = None
    original_amount: Money | None = None
    original_date: date | None = None
    account: str | None = None
    direction: str | None = None
    reversal: bool = False
    reference: str | None = None  # the account servicer's
    reporter: str | None = None
    rest: dict[str, str] = field(default_factory=dict)
