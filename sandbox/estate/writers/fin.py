"""SWIFT FIN: MT103, MT202 COV, MT940 and the ACK/NAK service message (payments.md, SWIFT FIN)."""

from __future__ import annotations

import hashlib
import textwrap
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from cutwater.core.money import minor_units
from sandbox.estate.model import Account, Entry, Payment, Statement
from sandbox.estate.names import CORRESPONDENT_BIC8, OWN_BANK, transliterate

END = "\r\n"


@dataclass(frozen=True)
class Slot:
    """A place in a sequence: logical terminal (12), session and sequence number."""

    terminal: str
    session: int
    sequence: int

    @property
    def stem(self) -> str:
        """The name in the archive, without its suffix."""
        return f"{self.terminal}_{self.session:04d}_{self.sequence:06d}"

    @property
    def block(self) -> str:
        return f"{self.terminal}{self.session:04d}{self.sequence:06d}"


def amount(value: Decimal, currency: str) -> str:
    """A FIN amount: a decimal comma always (`3700,`)."""
    units = minor_units(currency)
    return f"{value:.{units}f}".replace(".", ",") if units else f"{value:.0f},"


def sent(mt: str, receiver8: str, slot: Slot, user: str, text: str, trailers: str = "") -> bytes:
    """An input message as it went out: blocks 1 to 5, the sender's own LT and ISN in block 1."""
    return _message(f"{{1:F01{slot.block}}}{{2:I{mt}{receiver8}XXXXN}}", user, text, trailers)


def received(
    mt: str,
    sender8: str,
    isn: int,
    slot: Slot,
    times: tuple[datetime, datetime],
    user: str,
    text: str,
    trailers: str = "",
) -> bytes:
    """An output message as it came in: the receiver's LT and OSN in block 1, the sender's MIR in block 2.

    times: when the sender sent it (it is part of the MIR) and when it was delivered.
    """
    sent_at, delivered = times
    mir = f"{sent_at:%y%m%d}{sender8}AXXX0001{isn % 10**6:06d}"
    head = f"{{1:F01{slot.block}}}{{2:O{mt}{sent_at:%H%M}{mir}{delivered:%y%m%d%H%M}N}}"
    return _message(head, user, text, trailers)


def _message(head: str, user: str, text: str, trailers: str) -> bytes:
    block3 = f"{{3:{user}}}" if user else ""
    check = hashlib.sha256(text.encode("ascii")).hexdigest()[:12].upper()
    return f"{head}{block3}{{4:{END}{text}{END}-}}{{5:{{CHK:{check}}}{trailers}}}".encode("ascii")


def mt103(payment: Payment) -> str:
    """The text block of a customer credit transfer; names in character set x."""
    debtor, creditor = payment.debtor, payment.creditor
    told = f"{payment.value_date:%y%m%d}{payment.currency}{amount(payment.amount, payment.currency)}"
    return END.join(
        [
            f":20:{payment.instruction_id}",
            ":23B:CRED",
            f":32A:{told}",
            f":33B:{told[6:]}",
            *_customer(":50K:", debtor),
            f":52A:{debtor.bank.bic8}",
            f":57A:{creditor.bank.bic8}",
            *_customer(":59:", creditor),
            *_remittance(payment),
            ":71A:SHA",
        ]
    )


def mt202cov(payment: Payment) -> str:
    """The cover of an MT103: same UETR, :21: is the reference of the MT103."""
    return END.join(
        [
            f":20:C{payment.instruction_id}",
            f":21:{payment.instruction_id}",
            f":32A:{payment.value_date:%y%m%d}{payment.currency}{amount(payment.amount, payment.currency)}",
            f":52A:{OWN_BANK.bic8}",
            f":57A:{CORRESPONDENT_BIC8}",
            f":58A:{payment.creditor.bank.bic8}",
            *_customer(":50K:", payment.debtor),
            *_customer(":59:", payment.creditor),
        ]
    )


def mt940(statement: Statement) -> str:
    """One page of a statement: 60F/62F at its ends, 60M/62M between pages."""
    ccy = statement.account.currency
    opening = ":60F:" if statement.page == 1 else ":60M:"
    closing = ":62F:" if statement.last_page else ":62M:"
    lines = [
        f":20:ST{statement.statement_id:010d}",
        f":25:{statement.account.iban}",
        f":28C:{statement.sequence_number:05d}/{statement.page:05d}",
        opening + _balance(statement.opening, statement, ccy),
    ]
    for entry in statement.entries:
        lines += _line(entry, ccy)
    lines.append(closing + _balance(statement.closing, statement, ccy))
    if statement.last_page:
        lines.append(":64:" + _balance(statement.closing, statement, ccy))
    return END.join(lines)


def acknowledgement(slot: Slot, at: datetime, error: str | None) -> bytes:
    """ACK (451:0) or NAK (451:1 and the error) of a sent message. It has no sequence number of its own."""
    told = f"{{451:1}}{{405:{error}}}" if error else "{451:0}"
    return f"{{1:F21{slot.block}}}{{4:{{177:{at:%y%m%d%H%M}}}{told}}}".encode("ascii")


def _balance(value: Decimal, statement: Statement, ccy: str) -> str:
    return f"{'C' if value >= 0 else 'D'}{statement.day:%y%m%d}{ccy}{amount(abs(value), ccy)}"


def _line(entry: Entry, ccy: str) -> list[str]:
    """:61: and :86:. RD reverses a debit (so it credits), RC reverses a credit."""
    mark = {"CRDT": "RD", "DBIT": "RC"}[entry.credit_debit] if entry.reversal else entry.credit_debit[0]
    reference = entry.payment.instruction_id if entry.payment else "NONREF"
    kind = "NTRF" if entry.payment else "NCHG"
    first = f":61:{entry.value_date:%y%m%d}{entry.booking_date:%m%d}{mark}{amount(entry.amount, ccy)}{kind}{reference}//{entry.entry_ref}"
    told = f"/ROC/{entry.payment.end_to_end_id}" if entry.payment else "ACCOUNT FEE"
    return [first, f":86:{told}"]


def _customer(tag: str, account: Account) -> list[str]:
    """Account, name and address: 4*35x at the most."""
    name = textwrap.wrap(transliterate(account.party.legal_name), 35)[:2]
    lines = [*name, transliterate(account.party.street)[:35], f"{account.party.country}/HARBOURTON"]
    return [f"{tag}/{account.iban}", *(line if line[0] not in ":-" else f".{line[1:]}" for line in lines[:4])]


def _remittance(payment: Payment) -> list[str]:
    """:70: is 4*35x: what does not fit is lost, as it is in the real world."""
    words = f"/ROC/{payment.end_to_end_id}"
    if payment.remittance:
        words += f"//{transliterate(payment.remittance[:140])}"
    lines = [words[start : start + 35] for start in range(0, len(words), 35)][:4]
    return [f":70:{lines[0]}", *(line if line[0] not in ":-" else f".{line[1:]}" for line in lines[1:])]
