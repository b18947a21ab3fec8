"""What the legacy REST API asks of its database. The rows' shapes are those of sandbox/estate/payhub.sql."""

from __future__ import annotations

import queue
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from cutwater.core.clock import iso, utc_now
from sandbox.epoch import PAST_THE_GATEWAY, Ticket, check
from sandbox.estate.model import TOPIC_INITIATED, TOPIC_STATUS, initiated_id, status_id

CONNECTIONS = 8
KEY_NAMESPACE = uuid.UUID("c1c8a7de-6b39-5c80-9a2b-6a5f0d1f4e10")
REPORTED_BY = "PAYHUBGB2L"
_CURRENCY = re.compile(r"[A-Z]{3}")
_Row = dict[str, Any]

_SAME = """
SELECT p.payment_id, p.uetr, p.status, p.amount, p.currency, p.end_to_end_id, p.value_date, d.iban AS debtor_iban, c.iban AS creditor_iban
FROM payhub.payment p
JOIN payhub.account d ON d.account_id = p.debtor_account_id
JOIN payhub.account c ON c.account_id = p.creditor_account_id
WHERE p.uetr = %s"""
_INSERT = """
INSERT INTO payhub.payment (payment_id, uetr, end_to_end_id, instruction_id, channel, debtor_account_id, creditor_account_id, amount,
  currency, value_date, status, remittance, created_at, updated_at)
VALUES (%(payment_id)s, %(uetr)s, %(end_to_end_id)s, %(instruction_id)s, 'API', %(debtor)s, %(creditor)s, %(amount)s,
  %(currency)s, %(value_date)s, 'RCVD', %(remittance)s, %(now)s, %(now)s)
ON CONFLICT (uetr) DO NOTHING"""
_LIST = """
SELECT payment_id, uetr, end_to_end_id, channel, amount, currency, value_date, status, created_at, updated_at
FROM payhub.payment WHERE payment_id > %s ORDER BY payment_id LIMIT %s"""
_HISTORY = """
SELECT seq, status, reason_code, reported_by, occurred_at FROM payhub.payment_status WHERE payment_id = %s ORDER BY seq"""
_STATEMENTS = """
SELECT statement_id, sequence_number, page, from_date, to_date, opening_balance, closing_balance, currency
FROM payhub.statement WHERE account_id = %s ORDER BY sequence_number DESC, page LIMIT %s"""


class Missing(LookupError):
    """Nothing has that identifier."""


class Invalid(ValueError):
    """The request breaks the described form; the text says where."""


class Conflict(ValueError):
    """The same idempotency key or UETR came with another content."""


@dataclass(frozen=True)
class NewPayment:
    """A payment as a client asks for it."""

    uetr: uuid.UUID
    end_to_end_id: str
    debtor_iban: str
    creditor_iban: str
    amount: Decimal
    currency: str
    value_date: date
    remittance: str | None


def new_payment(document: _Row, idempotency_key: str) -> NewPayment:
    """Reads a request's body. The UETR comes from the body, else from the idempotency key, so that a repeated call finds the
    first one's payment; raises Invalid."""
    uetr_text = document.get("uetr")
    if uetr_text is None and not idempotency_key:
        raise Invalid("uetr or the header Idempotency-Key is needed")
    try:
        uetr = uuid.UUID(str(uetr_text)) if uetr_text is not None else uuid.uuid5(KEY_NAMESPACE, idempotency_key)
        value_date = date.fromisoformat(_text(document, "value_date", 10))
    except ValueError as error:
        raise Invalid(str(error)) from None
    currency = _text(document, "currency", 3)
    if not _CURRENCY.fullmatch(currency):
        raise Invalid("currency is three capital letters")
    remittance = document.get("remittance")
    return NewPayment(
        uetr,
        _text(document, "end_to_end_id", 35),
        _text(document, "debtor_iban", 34),
        _text(document, "creditor_iban", 34),
        _amount(document.get("amount")),
        currency,
        value_date,
        None if remittance is None else str(remittance),
    )


def _text(document: _Row, name: str, longest: int) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise Invalid(f"{name} is a text of 1 to {longest} characters")
    return value


def _amount(value: object) -> Decimal:
    """A positive decimal of at most 18 + 5 digits, as text: a JSON number may have passed through a float on its way."""
    if not isinstance(value, str):
        raise Invalid("amount is a decimal in a string")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise Invalid("amount is a decimal in a string") from None
    exponent = amount.as_tuple().exponent
    if not amount.is_finite() or amount <= 0 or amount >= 10**18 or not isinstance(exponent, int) or exponent < -5:
        raise Invalid("amount is positive, below 10^18, with at most five decimals")
    return amount


class Store:
    """The database behind the API. `dsn` is asked at every new connection: the port may be another after a restart."""

    application = "payhub-api"

    def __init__(self, dsn: Callable[[], str]) -> None:
        self.dsn = dsn
        self.idle: queue.LifoQueue[psycopg.Connection[_Row]] = queue.LifoQueue()
        self.permits: queue.Queue[None] = queue.Queue()
        for _ in range(CONNECTIONS):
            self.permits.put(None)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[_Row]]:
        """A connection with a transaction around; a broken one is dropped, never lent again."""
        self.permits.get(timeout=30)
        try:
            connection = self._lend()
            try:
                with connection.transaction():
                    yield connection
            finally:
                if connection.closed or connection.broken:
                    connection.close()
                else:
                    self.idle.put(connection)
        finally:
            self.permits.put(None)

    def _lend(self) -> psycopg.Connection[_Row]:
        while not self.idle.empty():
            connection = self.idle.get_nowait()
            try:
                connection.execute("SELECT 1")
                connection.rollback()
            except psycopg.OperationalError:
                connection.close()
                continue
            return connection
        return psycopg.connect(self.dsn(), row_factory=dict_row, connect_timeout=3, application_name=self.application)

    def ping(self) -> None:
        with self.connection() as connection:
            connection.execute("SELECT 1")

    def status(self, uetr: uuid.UUID) -> _Row:
        """The status now and how it came to be; raises Missing."""
        with self.connection() as connection:
            found = connection.execute(
                "SELECT payment_id, uetr, status, updated_at FROM payhub.payment WHERE uetr = %s", [uetr]
            ).fetchone()
            if found is None:
                raise Missing(f"no payment has the UETR {uetr}")
            history = connection.execute(_HISTORY, [found["payment_id"]]).fetchall()
        version = history[-1]["seq"] if history else 0
        return {**plain_row(found), "version": version, "history": [plain_row(row) for row in history]}

    def payments(self, after: int, limit: int) -> list[_Row]:
        with self.connection() as connection:
            return [plain_row(row) for row in connection.execute(_LIST, [after, limit])]

    def statements(self, account_id: int, limit: int) -> list[_Row]:
        """The newest first; raises Missing where there is no such account."""
        with self.connection() as connection:
            if not connection.execute("SELECT FROM payhub.account WHERE account_id = %s", [account_id]).fetchall():
                raise Missing(f"no account {account_id}")
            return [plain_row(row) for row in connection.execute(_STATEMENTS, [account_id, limit])]

    def create(self, payment: NewPayment, shown: Ticket = PAST_THE_GATEWAY) -> tuple[_Row, bool]:
        """Payment, status RCVD and the two events of it in the outbox, in one transaction. A repeated call returns what the
        first one made (False); raises Conflict where the content differs, Invalid for an unknown account, Fenced or Stale
        where this side takes no payments or others (sandbox.epoch)."""
        with self.connection() as connection:
            check(connection, shown)
            accounts = self._accounts(connection, payment)
            row = self._row(connection, payment, accounts)
            if connection.execute(_INSERT, row).rowcount:
                self._tell(connection, payment, row)
                return {"payment_id": row["payment_id"], "uetr": str(payment.uetr), "status": "RCVD"}, True
            found = connection.execute(_SAME, [payment.uetr]).fetchone()
        if found is None or any(
            found[name] != getattr(payment, name)
            for name in ("amount", "currency", "end_to_end_id", "value_date", "debtor_iban", "creditor_iban")
        ):
            raise Conflict(f"{payment.uetr} was used with another content")
        return {"payment_id": found["payment_id"], "uetr": str(payment.uetr), "status": found["status"]}, False

    def _accounts(self, connection: psycopg.Connection[_Row], payment: NewPayment) -> dict[str, int]:
        ibans = [payment.debtor_iban, payment.creditor_iban]
        rows = connection.execute("SELECT iban, account_id FROM payhub.account WHERE iban = ANY(%s)", [ibans])
        found = {row["iban"]: int(row["account_id"]) for row in rows}
        for name, iban in (("debtor_iban", payment.debtor_iban), ("creditor_iban", payment.creditor_iban)):
            if iban not in found:
                raise Invalid(f"{name} is no account here")
        return found

    def _row(self, connection: psycopg.Connection[_Row], payment: NewPayment, accounts: dict[str, int]) -> _Row:
        next_id = connection.execute("SELECT nextval(pg_get_serial_sequence('payhub.payment', 'payment_id')) AS id")
        payment_id = int(next_id.fetchall()[0]["id"])
        return {
            "payment_id": payment_id,
            "uetr": payment.uetr,
            "end_to_end_id": payment.end_to_end_id,
            "instruction_id": f"AI{payment_id:010d}",
            "debtor": accounts[payment.debtor_iban],
            "creditor": accounts[payment.creditor_iban],
            "amount": payment.amount,
            "currency": payment.currency,
            "value_date": payment.value_date,
            "remittance": payment.remittance,
            "now": utc_now(),
        }

    def _tell(self, connection: psycopg.Connection[_Row], payment: NewPayment, row: _Row) -> None:
        uetr, now = str(payment.uetr), row["now"]
        connection.execute(
            "INSERT INTO payhub.payment_status (payment_id, seq, status, reported_by, occurred_at) VALUES (%s, 1, 'RCVD', %s, %s)",
            [row["payment_id"], REPORTED_BY, now],
        )
        common = {"uetr": uetr, "payment_id": row["payment_id"], "occurred_at": iso(now)}
        initiated = {
            **common,
            "event_id": initiated_id(uetr),
            "end_to_end_id": payment.end_to_end_id,
            "instruction_id": row["instruction_id"],
            "channel": "API",
            "debtor_iban": payment.debtor_iban,
            "creditor_iban": payment.creditor_iban,
            "amount": str(payment.amount),
            "currency": payment.currency,
            "value_date": payment.value_date.isoformat(),
        }
        received = {
            **common,
            "event_id": status_id(uetr, 1),
            "seq": 1,
            "status": "RCVD",
            "reason_code": None,
            "reported_by": REPORTED_BY,
        }
        for topic, kind, event in (
            (TOPIC_INITIATED, "PaymentInitiated", initiated),
            (TOPIC_STATUS, "PaymentStatusChanged", received),
        ):
            connection.execute(
                "INSERT INTO payhub.outbox (event_id, topic, message_key, event_type, payload, created_at) VALUES (%s, %s, %s, %s, %s, %s)",
                [event["event_id"], topic, uetr, kind, Jsonb(event), now],
            )


def plain_row(row: _Row) -> _Row:
    """A row as JSON tells it: decimals, dates, times and UUIDs as text."""
    return {name: plain(value) for name, value in row.items()}


def plain(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value.astimezone(UTC))
    if isinstance(value, Decimal | date | uuid.UUID):
        return str(value)
    return value
