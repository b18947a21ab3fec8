"""What the life cycle needs of an event, and by which links the events of one payment find each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Step(StrEnum):
    """What an event is in the life of a payment."""

    ORDERED = "ordered"  # the customer's order: pain.001, MT101, Bacs
    SENT = "sent"  # a leg from bank to bank: pacs.008, MT103, pacs.009, MT202
    COVER = "cover"  # the cover of such a leg: pacs.009 COV, MT202 COV
    COLLECTED = "collected"  # a direct debit: pain.008, pacs.003, pacs.010
    STATUS = "status"
    BATCH_STATUS = "batch_status"  # about a message or a batch, not about one payment
    ADVISED = "advised"  # camt.054, MT900, MT910
    BOOKED = "booked"  # an entry of a statement or report
    EXPECTED = "expected"  # notice to receive: camt.057, MT210
    RETURNED = "returned"  # pacs.004, MT103/202 RETN
    REVERSED = "reversed"  # pacs.007, pain.007
    RECALL = "recall"  # camt.055, camt.056, MT192, MT292
    ANSWER = "answer"  # camt.029, MT196, MT296
    QUERY = "query"  # pacs.028
    CHARGED = "charged"  # charges advice or request: MT190, MT191, camt.105, camt.106
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Fact:
    """One event as the life cycle sees it.

    content: hash of the canonical content; the same key with another content is a conflict. links: what this event shares
    with the others of its payment; `u|<uetr>` binds firmly, the rest loosely (see linking). own: the payment key the event
    would have alone. at: when it happened, None where the message is silent. known: when we learnt of it. batches: the
    messages and batches whose status is the payment's too. about: the batch that a BATCH_STATUS speaks of.
    """

    key: str
    content: str
    step: Step
    own: str
    links: tuple[str, ...]
    known: datetime
    at: datetime | None = None
    uetr: str | None = None
    family: str = ""
    sender: str = ""
    receiver: str = ""
    reporter: str = ""
    status: str = ""
    reason: str = ""
    amount: Decimal | None = None
    currency: str = ""
    instructed: Decimal | None = None
    instructed_currency: str = ""
    direction: str = ""
    account: str = ""
    value_date: str = ""
    reference: str = ""
    charges: tuple[tuple[str, Decimal], ...] = ()
    scheme: str = ""
    batches: tuple[str, ...] = ()
    about: str = ""

    @property
    def when(self) -> datetime:
        """Event time, or knowledge time where the message gives none."""
        return self.at or self.known
