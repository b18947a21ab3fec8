"""Bacs Standard 18: labels, credit records, the contra debit and the control totals in UTL1 (payments.md, Files).

Every other file is a multi-day file: its data records are 106 characters, the processing day (` YYDDD`) behind the 100.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from sandbox.estate.model import Account, Batch, Payment
from sandbox.estate.names import transliterate

SERVICE_USER = "990042"
CREDIT, CONTRA = "99", "17"


def write(batch: Batch, leave_out: Collection[int] = ()) -> bytes:
    """The file of a Bacs batch. leave_out: payment ids whose record is missing although every total counts them."""
    multi = batch.batch_id % 2 == 1
    day = f" {batch.payments[0].value_date:%y%j}" if multi else ""
    total = sum(pence(item) for item in batch.payments)
    records = [_credit(item) + day for item in batch.payments if item.payment_id not in leave_out]
    lines = [
        *_header(batch, multi),
        *records,
        _contra(batch.payments[0].debtor, total) + day,
        *_trailer(batch, multi, total),
    ]
    return "".join(line + "\n" for line in lines).encode("ascii")


def pence(payment: Payment) -> int:
    """The amount in whole pence."""
    return int(payment.amount.scaleb(2))


def _header(batch: Batch, multi: bool) -> list[str]:
    serial, created = batch.message_id, _julian(batch.received_at.date())
    processing = _julian(batch.payments[0].value_date)
    return [
        f"VOL1{serial}{'':31}{SERVICE_USER}{'':32}1",
        f"HDR1{_label(batch, multi, created)}",
        f"HDR2F{2000 if not multi else 2120:05d}{_length(multi):05d}{'':35}00{'':28}",
        f"UHL1{processing}999999    00000000{'4 MULTI  ' if multi else '1 DAILY  '}001{'':40}",
    ]


def _trailer(batch: Batch, multi: bool, total: int) -> list[str]:
    created = _julian(batch.received_at.date())
    count = len(batch.payments)
    return [
        f"EOF1{_label(batch, multi, created)}",
        f"EOF2F{2000 if not multi else 2120:05d}{_length(multi):05d}{'':35}00{'':28}",
        f"UTL1{total:013d}{total:013d}{1:07d}{count:07d}{'':36}",
    ]


def _label(batch: Batch, multi: bool, created: str) -> str:
    """HDR1 and EOF1 after their first four characters: file and set identification, dates, 76 characters in all."""
    identification = f"A{SERVICE_USER}S  1{SERVICE_USER}"
    return f"{identification}{batch.message_id}00010001{'':6}{created}{created} 000000{'':20}"


def _length(multi: bool) -> int:
    return 106 if multi else 100


def _credit(payment: Payment) -> str:
    debtor, creditor = payment.debtor, payment.creditor
    return (
        f"{creditor.sort_code}{creditor.account_number}0{CREDIT}{debtor.sort_code}{debtor.account_number}    "
        f"{pence(payment):011d}{_name(debtor)}{payment.instruction_id[:18]:<18}{_name(creditor)}"
    )


def _contra(originator: Account, total: int) -> str:
    own = f"{originator.sort_code}{originator.account_number}"
    return f"{own}0{CONTRA}{own}    {total:011d}{'BACS CREDITS':<18}{'CONTRA':<18}{_name(originator)}"


def _name(account: Account) -> str:
    """18 upper-case characters of the Bacs character set."""
    spelt = transliterate(account.party.legal_name).upper().replace("+", "&")
    return f"{''.join(sign if sign.isalnum() or sign in '.&/- ' else ' ' for sign in spelt)[:18]:<18}"


def _julian(day: date) -> str:
    return f" {day:%y%j}"
