"""What the To-Be side writes into its store: payment, status and outbox event in one transaction, behind the epoch check.

Used by the To-Be API for single requests and by the simulated To-Be platform (sandbox.estate) for a whole tick.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from cutwater.core.clock import iso, utc_now
from sandbox.epoch import Ticket, check
from sandbox.estate.model import TOPIC_INITIATED, TOPIC_STATUS, initiated_id, status_id
from sandbox.legacy_store import REPORTED_BY, Conflict, Invalid, Missing, NewPayment, Store, plain, plain_row
from sandbox.tobe_lake import Lake

Row = dict[str, Any]
PAYMENT_COLUMNS = (
    "payment_id", "uetr", "idempotency_key", "end_to_end_id", "instruction_id", "channel", "debtor_account_id",
    "creditor_account_id", "amount", "currency", "value_date", "status", "remittance", "details", "created_at", "updated_at",
    "smoke", "batch_id", "charges",
)  # fmt: skip
STATUS_COLUMNS = ("payment_id", "uetr", "seq", "status", "reason_code", "reported_by", "occurred_at")


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO tobe.{table} ({', '.join(columns)}) VALUES ({', '.join(f'%({name})s' for name in columns)})"  # noqa: S608 - our own names


_PAYMENT, _STATUS = _insert("payment", PAYMENT_COLUMNS), _insert("payment_status", (*STATUS_COLUMNS, "smoke"))
_OUTBOX = _insert("outbox", ("event_id", "kind", "payload"))
_KEY = "INSERT INTO tobe.idempotency (key, uetr, payment_id, origin) VALUES (%s, %s, %s, 'tobe') ON CONFLICT DO NOTHING"
_KNOWN = "SELECT key, uetr, payment_id, origin FROM tobe.idempotency WHERE key = %s OR uetr = %s ORDER BY key = %s DESC"
_ADVANCE = "UPDATE tobe.payment SET status = %(status)s, updated_at = %(occurred_at)s WHERE uetr = %(uetr)s"
_HISTORY = f"SELECT {', '.join(STATUS_COLUMNS)} FROM tobe.payment_status WHERE uetr = %s ORDER BY seq"  # noqa: S608 - our own column names
# The latest status, wherever it was taken: the row's own is of the time when the store had the route last.
_LATEST = """
LEFT JOIN LATERAL (
  SELECT s.status, s.occurred_at FROM tobe.payment_status s WHERE s.uetr = p.uetr ORDER BY s.seq DESC LIMIT 1
) AS last ON true"""
_SAME = f"""
SELECT p.payment_id, p.uetr, coalesce(last.status, p.status) AS status, p.amount, p.currency, p.end_to_end_id, p.value_date,
  coalesce(last.occurred_at, p.updated_at) AS updated_at, p.smoke, d.iban AS debtor_iban, c.iban AS creditor_iban
FROM tobe.payment p {_LATEST}
LEFT JOIN tobe.account d ON d.account_id = p.debtor_account_id
LEFT JOIN tobe.account c ON c.account_id = p.creditor_account_id
WHERE p.uetr = %s"""  # noqa: S608 - our own text
_LIST = f"""
SELECT p.payment_id, p.uetr, p.end_to_end_id, p.channel, p.amount, p.currency, p.value_date,
  coalesce(last.status, p.status) AS status, p.created_at, coalesce(last.occurred_at, p.updated_at) AS updated_at
FROM tobe.payment p {_LATEST} WHERE p.payment_id > %s ORDER BY p.payment_id LIMIT %s"""  # noqa: S608 - our own text


def take_ids(connection: psycopg.Connection[Any], sequence: str, count: int) -> list[int]:
    """The next numbers of tobe.payment_id or tobe.batch_id."""
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        cursor.execute("SELECT nextval(%s::regclass) FROM generate_series(1, %s)", [f"tobe.{sequence}", count])
        return [int(row[0]) for row in cursor]


def write(
    connection: psycopg.Connection[Any],
    payments: Sequence[tuple[Row, Row, Row | None]],
    statuses: Sequence[tuple[Row, Row, str | None]],
) -> None:
    """Inside the caller's transaction, after the epoch check. payments: (row, its event, its file or None); statuses: (row,
    its event, the payment's smoke mark). The events are what the relay publishes: see `event`."""
    outbox = [_told("payment", row, event, batch=batch) for row, event, batch in payments]
    outbox += [_told("status", row, event, smoke=smoke) for row, event, smoke in statuses]
    with connection.cursor() as cursor:
        if payments:
            made = [
                row | {"details": None if row["details"] is None else Jsonb(row["details"])} for row, _, _ in payments
            ]
            cursor.executemany(_PAYMENT, made)
            cursor.executemany(
                _KEY, [(row["idempotency_key"] or str(row["uetr"]), row["uetr"], row["payment_id"]) for row in made]
            )
        if statuses:
            cursor.executemany(_STATUS, [{**row, "smoke": smoke} for row, _, smoke in statuses])
            cursor.executemany(_ADVANCE, [row for row, _, _ in statuses])
        if outbox:
            cursor.executemany(_OUTBOX, outbox)


def _told(kind: str, row: Mapping[str, Any], event: Row, **more: object) -> Row:
    payload = {name: plain(value) for name, value in {**row, **more}.items()}
    return {"event_id": event["event_id"], "kind": kind, "payload": Jsonb({**payload, "event": event})}


def event(topic: str, body: Row, at: datetime) -> Row:
    """A message for Kafka as the outbox keeps it: a row of the legacy side's outbox, but for published_at."""
    kind = "PaymentInitiated" if topic == TOPIC_INITIATED else "PaymentStatusChanged"
    return {
        "event_id": body["event_id"], "topic": topic, "message_key": body["uetr"], "event_type": kind, "payload": body,
        "created_at": iso(at),
    }  # fmt: skip


class TobeStore(Store):
    """The store behind the To-Be API. `lake` answers for payments that were begun on the legacy side."""

    application = "tobe-api"

    def __init__(self, dsn: Any, lake: Lake) -> None:
        super().__init__(dsn)
        self.lake = lake

    def take(self, payment: NewPayment, shown: Ticket, key: str) -> tuple[Row, bool]:
        """A new payment (True), or the one that this key or UETR made before (False), also on the legacy side. Raises
        Conflict where that was another one, Invalid for an unknown account, Fenced or Stale (sandbox.epoch)."""
        try:
            return self._take(payment, shown, key)
        except psycopg.errors.UniqueViolation:  # the same UETR came under two keys at once: now it is known
            return self._take(payment, shown, key)

    def _take(self, payment: NewPayment, shown: Ticket, key: str) -> tuple[Row, bool]:
        with self.connection() as connection:
            check(connection, shown)
            found = self._known(connection, payment, key)
            if found is not None:
                return found, False
            row = self._row(connection, payment, self._accounts(connection, payment))
            row |= {"idempotency_key": key or None, "smoke": shown.smoke or None}
            inserted = connection.execute(
                _KEY, [key or str(payment.uetr), payment.uetr, row["payment_id"]]
            ).rowcount  # waits for another request with this key, and finds it
            if not inserted:
                found = self._known(connection, payment, key)
                if found is None:
                    raise Conflict(f"{key} was used for another payment")
                return found, False
            write(
                connection,
                [(row, _initiated(payment, row), None)],
                [(_received(row), _status(_received(row)), row["smoke"])],
            )
        return {"payment_id": row["payment_id"], "uetr": str(payment.uetr), "status": "RCVD"}, True

    def advance(self, uetr: uuid.UUID, document: Row, shown: Ticket) -> tuple[Row, bool]:
        """Appends a status, also to a payment that was begun on the legacy side. With `seq` it may be repeated: False where it
        stands already. Raises Missing for an unknown payment, Conflict where that number is another status."""
        with self.connection() as connection:
            check(connection, shown)
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [str(uetr)])
            history = connection.execute(_HISTORY, [uetr]).fetchall()
            row = new_status(uetr, document)
            payment_id, last, smoke = self._begun(connection, uetr, document, history)
            last = max([last, *(item["seq"] for item in history)])
            row |= {"payment_id": payment_id, "seq": row["seq"] or last + 1}
            for item in history:
                if item["seq"] == row["seq"]:
                    if any(item[name] != row[name] for name in ("status", "reason_code")):
                        raise Conflict(f"status {row['seq']} of {uetr} is {item['status']}")
                    return plain_row(item), False
            write(connection, [], [(row, _status(row), smoke or shown.smoke or None)])
        return plain_row(row), True

    def status(self, uetr: uuid.UUID) -> Row:
        """The status now and how it came to be. What was begun on the legacy side is looked up in the lake as far as it was
        not brought over."""
        with self.connection() as connection:
            found = connection.execute(_SAME, [uetr]).fetchone()
            history = [plain_row(item) for item in connection.execute(_HISTORY, [uetr])]
            known = found or (connection.execute(_KNOWN, ["", uetr, ""]).fetchone() if not history else history[-1])
        if found is None and not _whole(history):
            earlier = self.lake.history(str(uetr))
            seen = {item["seq"] for item in history}
            history = sorted(
                [*history, *(item for item in earlier if item["seq"] not in seen)], key=lambda item: item["seq"]
            )
        if not history and known is None:
            raise Missing(f"no payment has the UETR {uetr}")
        last = history[-1] if history else {}
        payment_id = known["payment_id"] if known else last["payment_id"]
        told = [{name: item[name] for name in STATUS_COLUMNS[2:]} for item in history]
        return {
            "payment_id": payment_id, "uetr": str(uetr), "status": last.get("status", "RCVD"), "updated_at": last.get("occurred_at"),
            "version": last.get("seq", 0), "history": told,
        }  # fmt: skip

    def payments(self, after: int, limit: int) -> list[Row]:
        with self.connection() as connection:
            return [plain_row(row) for row in connection.execute(_LIST, [after, limit])]

    def _known(self, connection: psycopg.Connection[Row], payment: NewPayment, key: str) -> Row | None:
        """What was answered to this key or UETR before, on either side. Raises Conflict where it was another payment."""
        used = connection.execute(_KNOWN, [key, payment.uetr, key]).fetchone()
        found = connection.execute(_SAME, [payment.uetr]).fetchone()
        if used is None and found is None:
            return None
        if used is not None and used["uetr"] != payment.uetr:
            raise Conflict(f"the key {key} was used for {used['uetr']}")
        if found is None:
            found = self.lake.payment(str(payment.uetr))
        if found is not None and any(found[name] != getattr(payment, name) for name in _CONTENT if name in found):
            raise Conflict(f"{payment.uetr} was used with another content")
        begun = found or used or {}
        last = connection.execute(_HISTORY, [payment.uetr]).fetchall()[-1:]  # newer than what the lake has
        status = last[0]["status"] if last else begun.get("status", "RCVD")
        return {"payment_id": begun["payment_id"], "uetr": str(payment.uetr), "status": status}

    def _begun(
        self, connection: psycopg.Connection[Row], uetr: uuid.UUID, document: Row, history: Sequence[Row]
    ) -> tuple[int, int, str | None]:
        """payment_id, the last status number on the legacy side, and the mark of a payment; raises Missing."""
        found = connection.execute(
            "SELECT payment_id, smoke FROM tobe.payment WHERE uetr = %s FOR UPDATE", [uetr]
        ).fetchone()
        if found is not None:
            return int(found["payment_id"]), 0, found["smoke"]
        earlier = [] if document.get("seq") or _whole(history) else self.lake.history(str(uetr))
        last = max((int(item["seq"]) for item in earlier), default=0)
        used = connection.execute(_KNOWN, ["", uetr, ""]).fetchone()
        payment_id = (
            document.get("payment_id")
            or next((item["payment_id"] for item in history), None)
            or (used or {}).get("payment_id")
            or next((item["payment_id"] for item in earlier), None)
        )
        if payment_id is None:
            payment_id = (self.lake.payment(str(uetr)) or {}).get("payment_id")
        if payment_id is None:
            raise Missing(f"no payment has the UETR {uetr}")
        return int(payment_id), last, None

    def _accounts(self, connection: psycopg.Connection[Row], payment: NewPayment) -> dict[str, int]:
        ibans = [payment.debtor_iban, payment.creditor_iban]
        rows = connection.execute("SELECT iban, account_id FROM tobe.account WHERE iban = ANY(%s)", [ibans])
        found = {str(row["iban"]): int(row["account_id"]) for row in rows}
        missing = [iban for iban in ibans if iban not in found]
        for iban, (account_id, currency) in (self.lake.accounts(missing) if missing else {}).items():
            connection.execute(
                "INSERT INTO tobe.account VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", [account_id, iban, currency]
            )
            found[iban] = account_id
        for name, iban in (("debtor_iban", payment.debtor_iban), ("creditor_iban", payment.creditor_iban)):
            if iban not in found:
                raise Invalid(f"{name} is no account here")
        return found

    def _row(self, connection: psycopg.Connection[Row], payment: NewPayment, accounts: dict[str, int]) -> Row:
        [payment_id] = take_ids(connection, "payment_id", 1)
        now = utc_now()
        return {
            "payment_id": payment_id, "uetr": payment.uetr, "end_to_end_id": payment.end_to_end_id,
            "instruction_id": f"AI{payment_id:010d}", "channel": "API", "debtor_account_id": accounts[payment.debtor_iban],
            "creditor_account_id": accounts[payment.creditor_iban], "amount": payment.amount, "currency": payment.currency,
            "value_date": payment.value_date, "status": "RCVD", "remittance": payment.remittance, "details": None,
            "created_at": now, "updated_at": now, "batch_id": None, "charges": None,
        }  # fmt: skip


def _whole(history: Sequence[Row]) -> bool:
    """Whether a payment's statuses are all there, from the first on."""
    return bool(history) and [int(item["seq"]) for item in history] == list(range(1, len(history) + 1))


_CONTENT = ("amount", "currency", "end_to_end_id", "value_date", "debtor_iban", "creditor_iban")


def new_status(uetr: uuid.UUID, document: Row) -> Row:
    """Reads a request's body {status, reason_code, reported_by, occurred_at, seq, payment_id}; only status is needed. Raises Invalid."""
    code, reason, seq = document.get("status"), document.get("reason_code"), document.get("seq")
    if not isinstance(code, str) or not (len(code) == 4 and code.isalpha() and code.isupper()):
        raise Invalid("status is a code of four capital letters")
    if reason is not None and not (isinstance(reason, str) and 1 <= len(reason) <= 4):
        raise Invalid("reason_code is a text of 1 to 4 characters")
    if seq is not None and not (type(seq) is int and seq >= 1):
        raise Invalid("seq is a number from 1 on")
    if document.get("payment_id") is not None and type(document["payment_id"]) is not int:
        raise Invalid("payment_id is a number")
    try:
        at = datetime.fromisoformat(str(document["occurred_at"])) if document.get("occurred_at") else utc_now()
    except ValueError as error:
        raise Invalid(str(error)) from None
    if at.tzinfo is None:
        raise Invalid("occurred_at has a time zone")
    reporter = str(document.get("reported_by") or REPORTED_BY)[:11]
    return {
        "payment_id": 0, "uetr": uetr, "seq": seq or 0, "status": code, "reason_code": reason, "reported_by": reporter,
        "occurred_at": at,
    }  # fmt: skip


def _received(row: Row) -> Row:
    return {
        "payment_id": row["payment_id"], "uetr": row["uetr"], "seq": 1, "status": "RCVD", "reason_code": None,
        "reported_by": REPORTED_BY, "occurred_at": row["created_at"],
    }  # fmt: skip


def _initiated(payment: NewPayment, row: Row) -> Row:
    uetr, now = str(payment.uetr), row["created_at"]
    body = {
        "event_id": initiated_id(uetr), "uetr": uetr, "payment_id": row["payment_id"], "end_to_end_id": payment.end_to_end_id,
        "instruction_id": row["instruction_id"], "channel": "API", "debtor_iban": payment.debtor_iban,
        "creditor_iban": payment.creditor_iban, "amount": str(payment.amount), "currency": payment.currency,
        "value_date": payment.value_date.isoformat(), "occurred_at": iso(now),
    }  # fmt: skip
    return event(TOPIC_INITIATED, body, now)


def _status(row: Row) -> Row:
    uetr = str(row["uetr"])
    body = {"event_id": status_id(uetr, row["seq"]), **{name: plain(value) for name, value in row.items()}}
    return event(TOPIC_STATUS, body, row["occurred_at"])
