"""The canonical event: what every channel is turned into."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from cutwater.core.money import Money


class EventKind(StrEnum):
    """What an event says about a payment."""

    INITIATED = "INITIATED"  # pain.001, Bacs, pacs.008, MT103/202, payhub initiated
    STATUS = "STATUS"  # pacs.002, pain.002, ACK/NAK, payhub status
    BOOKED = "BOOKED"  # camt.053/054, MT940 entries


@dataclass(frozen=True)
class PaymentEvent:
    """One event of one payment, as one message told it.

    event_key: (family, sender, message id, transaction ordinal) joined by `|`; the channel and the receive time are
    no part of it (payments.md, Identifiers). content_hash: SHA-256 of the canonical content: same key and other hash
    is a conflict, not a duplicate. payment_key: the UETR in lower case, else the ranked fall-back.
    event_time: when it happened by the message's own word, aware UTC; None where the message is silent.
    extra: whatever else the message said, by path.
    """

    event_key: str
    content_hash: str
    family: str
    kind: EventKind
    sender: str
    message_id: str
    ordinal: str
    payment_key: str
    uetr: str | None = None
    end_to_end_id: str | None = None
    instruction_id: str | None = None
    amount: Money | None = None
    value_date: date | None = None
    status: str | None = None
    reason: str | None = None
    reporter: str | None = None
    event_time: datetime | None = None
    debtor_account: str | None = None
    creditor_account: str | None = None
    batch_id: str | None = None
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """What is wrong with an input: severity `error` or `warn`, the stable rule, the place in it, and the words."""

    severity: str
    rule: str
    place: str
    text: str


@dataclass(frozen=True)
class Parsed:
    """What one message or file yields: its format, its events and its findings. Nothing is raised for bad content."""

    format: str
    message_id: str
    events: tuple[PaymentEvent, ...] = ()
    findings: tuple[Finding, ...] = ()
    control: dict[str, str] = field(default_factory=dict)  # stated control totals, by name

    @property
    def accepted(self) -> bool:
        return not any(item.severity == "error" for item in self.findings)
