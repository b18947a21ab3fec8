"""What the readers of one document are given, and what they gather."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from cutwater.core.money import Money
from payments.iso20022.xml import Element
from payments.model import FileBatch, PaymentEvent, Statement
from payments.values import Findings, check_total

_ZERO = Decimal(0)


@dataclass(frozen=True)
class Header:
    """The business application header (head.001); empty texts where there is none."""

    sender: str = ""
    receiver: str = ""
    message_id: str = ""
    definition: str = ""
    duplicate: str = ""
    created: str = ""


@dataclass
class Message:
    """One document: what it is, and what was read of it so far. events, statements and batches are taken away in parts."""

    family: str
    version: str
    header: Header
    findings: Findings
    control: dict[str, str] = field(default_factory=dict)
    events: list[PaymentEvent] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    batches: list[FileBatch] = field(default_factory=list)
    message_id: str = ""  # MsgId, else BizMsgIdr
    identity: str = ""  # BizMsgIdr, else MsgId: part of the event key
    sender: str = ""
    group: dict[str, str] = field(default_factory=dict)

    def check(self, name: str, stated: str | None, actual: Decimal | int, place: str) -> None:
        """Records a control total, stated and actual; see payments.values.check_total."""
        check_total(self.control, name, stated, actual, place, self.findings)


@dataclass
class Level:
    """A container that is open: its element, its path with indices, what it says, and the sums of what it holds."""

    element: Element
    path: str
    place: str
    said: dict[str, object] | None = None
    values: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    number: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)

    def add(self, amount: Money | None) -> None:
        """One more transaction, of this amount."""
        self.number += 1
        if amount is not None:
            sums, currency = self.sums, amount.currency
            sums[currency] = sums.get(currency, _ZERO) + amount.amount

    @property
    def total(self) -> Decimal:
        """Across currencies, as CtrlSum is."""
        return sum(self.sums.values(), Decimal(0))
