"""The canonical model: what every channel is turned into. Immutable; the Avro schema is generated from it (payments.avro).

Texts are as the message said them, stripped; accounts without blanks; UETRs in lower case. What the message says and no
field holds stands in `extra` by path: nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cutwater.core.money import Money
from payments.parties import Account, Agent, Party
from payments.statements import Balance, FileBatch, Statement, StatementEntry

__all__ = [
    "Balance",
    "EventKind",
    "FileBatch",
    "Finding",
    "Parsed",
    "PaymentEvent",
    "Statement",
    "StatementEntry",
    "refused",
]


class EventKind(StrEnum):
    """What an event says about a payment."""

    INITIATED = "INITIATED"  # pain.001/008, pacs.003/008/009/010, Bacs, MT101/103/202, payhub initiated
    STATUS = "STATUS"  # pacs.002, pain.002, ACK/NAK, MT199 REJT, payhub status
    BOOKED = "BOOKED"  # camt.052/053/054, MT900/910/940/942/950 entries
    RETURNED = "RETURNED"  # pacs.004, MT103/202 RETN
    REVERSED = "REVERSED"  # pacs.007, pain.007
    RECALLED = "RECALLED"  # camt.056 and camt.055, MT192/292
    ANSWERED = "ANSWERED"  # camt.029, MT196/296: the answer to a recall
    QUERIED = "QUERIED"  # pacs.028, camt.060: asks for a status or a report
    NOTIFIED = "NOTIFIED"  # camt.057, MT210: money is to come
    CHARGED = "CHARGED"  # MTn90/n91, camt.105/106: charges apart from the payment


@dataclass(frozen=True)
class PaymentEvent:
    """One event of one payment, as one message told it.

    event_key: (family, sender, message id, transaction ordinal) joined by `|`; the channel and the receive time are
    no part of it (payments.md, Identifiers). content_hash: SHA-256 of the canonical content: same key and other hash
    is a conflict, not a duplicate. payment_key: the UETR in lower case, else the ranked fall-back.
    event_time: when it happened by the message's own word, aware UTC; None where the message is silent.
    value_date: the date that counts for the kind (settlement, else value, else requested); the others stay apart beside it.
    uetr, end_to_end_id, instruction_id, transaction_id: of the payment that the event is about: in a status, return or
    recall those of the original, which `original_*` repeats. own_id: what such a message calls itself (RtrId, CxlId, StsId).
    extra: whatever else the message said, by path.

    Built by `payments.identity.make_event`.
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
    extra: Mapping[str, str] = field(default_factory=dict)
    message_type: str | None = None  # with its version where it has one: pacs.008.001.08, MT103
    receiver: str | None = None
    transaction_id: str | None = None
    clearing_reference: str | None = None  # ClrSysRef
    servicer_reference: str | None = None  # AcctSvcrRef
    own_id: str | None = None
    instructed_amount: Money | None = None
    exchange_rate: Decimal | None = None
    settlement_date: date | None = None
    requested_date: date | None = None
    booking_date: date | None = None
    direction: str | None = None  # CRDT or DBIT, of a booking
    reversal: bool | None = None
    debtor_name: str | None = None
    debtor_id: str | None = None  # BIC, LEI or other identification of the party
    debtor_agent: str | None = None  # BIC, else clearing system member id, else name
    creditor_name: str | None = None
    creditor_id: str | None = None
    creditor_agent: str | None = None
    ultimate_debtor_name: str | None = None
    ultimate_creditor_name: str | None = None
    instructing_agent: str | None = None
    instructed_agent: str | None = None
    charges_bearer: str | None = None  # DEBT CRED SHAR SLEV
    remittance: str | None = None
    purpose: str | None = None
    service_level: str | None = None
    local_instrument: str | None = None
    category_purpose: str | None = None
    mandate_id: str | None = None
    original_message_id: str | None = None
    original_message_type: str | None = None
    original_batch_id: str | None = None
    original_instruction_id: str | None = None
    original_end_to_end_id: str | None = None
    original_transaction_id: str | None = None
    original_uetr: str | None = None
    original_amount: Money | None = None
    original_settlement_date: date | None = None
    underlying: bool | None = None  # True: a cover payment tells the customer credit transfer beneath it

    if not TYPE_CHECKING:  # so that a misspelt attribute is still found

        def __getattr__(self, name: str) -> Any:
            """`content_hash` is made when it is asked for first (payments.identity.hash_of): not every reader needs it."""
            if name != "content_hash":
                raise AttributeError(name)
            found = import_module("payments.identity").hash_of(self)
            object.__setattr__(self, name, found)
            return found

    @property
    def debtor(self) -> Party:
        return Party(self.debtor_name, self.debtor_id)

    @property
    def creditor(self) -> Party:
        return Party(self.creditor_name, self.creditor_id)

    @property
    def accounts(self) -> tuple[Account, Account]:
        """The debtor's and the creditor's."""
        return Account(self.debtor_account), Account(self.creditor_account)

    @property
    def agents(self) -> tuple[Agent, Agent]:
        """The debtor's and the creditor's."""
        return Agent(self.debtor_agent), Agent(self.creditor_agent)


@dataclass(frozen=True)
class Finding:
    """What is wrong with an input: severity `error` or `warn`, the stable code, the path in it, and the words.

    error: this message cannot be taken. warn: it is taken, and this is to be known.
    """

    severity: str
    code: str
    path: str
    message: str


@dataclass(frozen=True)
class Parsed:
    """What one message or file yields. Nothing is raised for bad content.

    type: `pacs.008.001.08`, `MT103`, `bacs.std18`, `FIN.ACK`. form: `mx`, `mt`, `file` or `api`. A big message comes in
    parts: `part` counts from 0, all but the last have `last` False; findings, statements and totals may stand in any part.
    offset, index: where the message begins in its source, in bytes, and which of its messages it is, from 0.
    control: stated and actual control totals by name (`NbOfTxs.stated`). extra: what stands outside of the events, by path.
    """

    type: str
    message_id: str
    events: tuple[PaymentEvent, ...] = ()
    findings: tuple[Finding, ...] = ()
    control: Mapping[str, str] = field(default_factory=dict)
    form: str = ""
    statements: tuple[Statement, ...] = ()
    batches: tuple[FileBatch, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    sender: str | None = None
    receiver: str | None = None
    created: datetime | None = None
    index: int = 0
    offset: int = 0
    part: int = 0
    last: bool = True

    def but(self, **values: Any) -> Parsed:
        """As dataclasses.replace, five times as fast: every message takes this way twice."""
        found = object.__new__(Parsed)
        found.__dict__.update(self.__dict__)
        found.__dict__.update(values)
        return found

    @classmethod
    def quick(cls, kind: str, message_id: str, **values: Any) -> Parsed:
        """As the constructor, which sets each field one by one: `kind` is the type, what is not named has its default."""
        found = object.__new__(cls)
        found.__dict__.update(values)
        told = found.__dict__
        told["type"], told["message_id"] = kind, message_id
        told.setdefault("control", {})
        told.setdefault("extra", {})
        return found

    @property
    def accepted(self) -> bool:
        return not any(item.severity == "error" for item in self.findings)

    @property
    def status(self) -> str:
        """`ok`, `findings` (taken, with warnings) or `rejected`."""
        return "rejected" if not self.accepted else "findings" if self.findings else "ok"


def refused(form: str, kind: str, code: str, message: str, path: str = "") -> Parsed:
    """A message or file that cannot be read at all. kind: its type as far as it is known."""
    return Parsed(kind, "", (), (Finding("error", code, path, message),), form=form)
