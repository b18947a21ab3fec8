"""Rows of schema payhub in COPY's text form, table by table in the order of their foreign keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import timedelta

from sandbox.estate.generator import Estate
from sandbox.estate.model import TOPIC_INITIATED, TOPIC_STATUS, Account, Batch, Entry, Party, Payment, Statement
from sandbox.estate.writers import avro

PAYMENT_COLUMNS = (
    "payment_id, uetr, end_to_end_id, instruction_id, channel, debtor_account_id, creditor_account_id, amount, currency,"
    " value_date, status, batch_id, remittance, charges, details, created_at, updated_at"
)
STATUS_COLUMNS = "payment_id, seq, status, reason_code, reported_by, occurred_at"
BATCH_COLUMNS = "batch_id, feed, file_name, message_id, item_count, control_sum, currency, received_at, sha256"
OUTBOX_COLUMNS = "event_id, topic, message_key, event_type, payload, created_at, published_at"
COLUMNS = {
    "party": "party_id, legal_name, kind, country, lei, attributes, created_at",
    "account": "account_id, party_id, iban, sort_code, account_number, currency, status, overdraft_limit, opened_on, version",
    "file_batch": BATCH_COLUMNS,
    "payment": PAYMENT_COLUMNS,
    "payment_status": STATUS_COLUMNS,
    "statement": (
        "statement_id, account_id, sequence_number, page, from_date, to_date, opening_balance, closing_balance, currency"
    ),
    "statement_entry": (
        "entry_id, statement_id, payment_id, entry_ref, amount, credit_debit, reversal, booking_date, value_date"
    ),
    "outbox": OUTBOX_COLUMNS,
    "operator_note": "noted_at, operator, payment_id, note",
}
Row = tuple[object, ...]


def rows(estate: Estate) -> Iterator[tuple[str, list[Row]]]:
    """(table, its rows) in an order that foreign keys allow."""
    accounts = estate.world.accounts
    yield "party", [party_row(item.party) for item in accounts]
    yield "account", [account_row(item) for item in accounts]
    yield "file_batch", [batch_row(item) for item in estate.batches]
    yield "payment", [payment_row(item) for item in estate.payments]
    yield "payment_status", [row for item in estate.payments for row in status_rows(item)]
    yield "statement", [statement_row(item) for item in estate.statements]
    yield "statement_entry", [entry_row(one, entry) for one in estate.statements for entry in one.entries]
    yield "outbox", list(_kept_outbox(estate))
    yield "operator_note", [tuple(item) for item in estate.notes]


def party_row(item: Party) -> Row:
    return (item.party_id, item.legal_name, item.kind, item.country, item.lei, item.attributes, item.created_at)


def account_row(item: Account) -> Row:
    return (
        item.account_id,
        item.party.party_id,
        item.iban,
        item.sort_code,
        item.account_number,
        item.currency,
        item.status,
        item.overdraft_limit,
        item.opened_on,
        1,
    )


def batch_row(item: Batch) -> Row:
    digest = hashlib.sha256(item.content).hexdigest()
    return (
        item.batch_id,
        item.feed,
        item.file_name,
        item.message_id,
        len(item.payments),
        item.control_sum,
        item.currency,
        item.received_at,
        digest,
    )


def payment_row(item: Payment, status: str = "") -> Row:
    """A payment's row; status: another one than the last of its history (traffic inserts at the beginning of a life)."""
    return (
        item.payment_id,
        item.uetr,
        item.end_to_end_id,
        item.instruction_id,
        item.channel,
        item.debtor.account_id,
        item.creditor.account_id,
        item.amount,
        item.currency,
        item.value_date,
        status or item.status,
        item.batch_id,
        item.remittance,
        item.charges,
        item.details,
        item.created_at,
        item.created_at if status else item.updated_at,
    )


def status_rows(item: Payment) -> Iterator[Row]:
    for status in item.statuses:
        yield (item.payment_id, *status)


def statement_row(item: Statement) -> Row:
    return (
        item.statement_id,
        item.account.account_id,
        item.sequence_number,
        item.page,
        item.day,
        item.day,
        item.opening,
        item.closing,
        item.account.currency,
    )


def entry_row(statement: Statement, item: Entry) -> Row:
    return (
        item.entry_id,
        statement.statement_id,
        item.payment.payment_id if item.payment else None,
        item.entry_ref,
        item.amount,
        item.credit_debit,
        item.reversal,
        item.booking_date,
        item.value_date,
    )


def _kept_outbox(estate: Estate) -> Iterator[Row]:
    """The purge keeps the last day: the events of its payments, published a moment after they were written."""
    for payment in estate.payments:
        if payment.created_at.date() != estate.days[-1]:
            continue
        events = [(TOPIC_INITIATED, avro.initiated(payment), payment.created_at)]
        events += [(TOPIC_STATUS, avro.status_changed(payment, one), one.occurred_at) for one in payment.statuses]
        for topic, event, at in events:
            yield (
                event["event_id"],
                topic,
                payment.uetr,
                avro.event_type(topic),
                avro.to_json(event),
                at,
                at + timedelta(milliseconds=180),
            )


def copy_text(found: Iterable[Row]) -> bytes:
    r"""Rows in COPY's text format: tabs between, `\N` for null, backslash escapes (PostgreSQL manual, COPY)."""
    return "".join("\t".join([_cell(value) for value in row]) + "\n" for row in found).encode()


def _cell(value: object) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    text = str(value)
    if "\\" in text or "\t" in text or "\n" in text or "\r" in text:
        text = text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")
    return text
