"""The ledger of held payments: what arrived while a wave was dark, each released or returned exactly once.

Every move takes the wave's lock first, so moves of one wave happen one after the other on both databases, and writes the
ledger and its control totals in one transaction. Order is that of `received_at` per account, then of arrival.

The ledger is closed by the route's epochs: whoever holds says under which dark epoch, and who has released everything
closes it up to the epoch that opened. So nothing is taken in behind a release by a gateway that has not seen it yet.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection, insert, literal, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from cutwater.core.clock import iso, parse_iso
from cutwater.core.errors import BadInput, CutwaterError, Refused
from cutwater.core.hashing import sha256_json
from cutwater.core.money import EXACT, Money
from cutwater.state.database import Database, dump, load
from cutwater.state.held_seal import PROOF, contradictions, sealed
from cutwater.state.journal import Journal
from cutwater.state.models import HeldControl, HeldPaymentRow, JournalRow
from cutwater.state.records import HeldPayment, HeldProof, HeldTotal, Problem, Record

HELD, RELEASED, RETURNED = "HELD", "RELEASED", "RETURNED"
_NAMES = {HELD: "held", RELEASED: "released", RETURNED: "returned"}


class HeldPayments:
    """hold, next_batch, offered, released, returned, proof, close. Each move done twice changes nothing the second time."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self.database, self.journal = database, journal

    def hold(
        self,
        wave: str,
        key: str,
        account: str,
        received_at: datetime,
        channel: str,
        body: Mapping[str, Any],
        epoch: int | None = None,
    ) -> HeldPayment:
        """Takes a payment in, once per key. body: plain JSON with `amount` (text) and `currency`; what cannot be read is
        held all the same, without a sum. epoch: that of the dark route it is held under. Raises Refused CW2013 where the
        key stands with another body, CW2018 where the route has opened since that epoch."""
        text, (currency, amount) = dump(body, f"the held payment {key}"), money_of(body)
        with self.database.write() as connection:
            closed = self._lock(connection, wave)
            known = _find(connection, wave, key)
            if known is not None:
                if known.body_sha256 == sha256_json(body) and known.account == account:
                    return _payment(known)
                raise Refused(
                    "CW2013",
                    f"the key {key} stands in the ledger of wave {wave} with another payment",
                    state="the first one is held, the second one was not taken in",
                    next=f"answer the sender that its key was used before; cutwater wave held {wave}",
                )
            if epoch is not None and epoch < closed:
                raise Refused(
                    "CW2018",
                    f"the ledger of wave {wave} is closed: the route has opened since epoch {epoch}",
                    cause=f"what was held before epoch {closed} is released, and nobody would release this one",
                    state=f"{key} was not taken in",
                    next="send it again: the route is open",
                )
            values = {
                "wave": wave,
                "key": key,
                "account": account,
                "channel": channel,
                "received_at": iso(received_at),
                "held_at": iso(self.database.now(connection)),
                "currency": currency,
                "amount": "" if amount is None else f"{amount:f}",
                "body": text,
                "body_sha256": sha256_json(body),
                "state": HELD,
                "reason": "",
            }
            row = connection.execute(insert(HeldPaymentRow).values(**values).returning(HeldPaymentRow.__table__)).one()
            self._count(connection, wave, HELD, row)
            return _payment(row)

    def next_batch(self, wave: str, limit: int = 100) -> list[HeldPayment]:
        """The first open payment of each account, those that wait longest first. One account never has two in a batch."""
        earlier = aliased(HeldPaymentRow)
        before = tuple_(earlier.received_at, earlier.id) < tuple_(HeldPaymentRow.received_at, HeldPaymentRow.id)
        waits = (
            select(literal(1))
            .where(earlier.wave == wave, earlier.state == HELD, earlier.account == HeldPaymentRow.account, before)
            .exists()
        )
        query = (
            select(HeldPaymentRow.__table__)
            .where(HeldPaymentRow.wave == wave, HeldPaymentRow.state == HELD, ~waits)
            .order_by(HeldPaymentRow.received_at, HeldPaymentRow.id)
            .limit(limit)
        )
        with self.database.read() as connection:
            return [_payment(row) for row in connection.execute(query)]

    def offered(self, wave: str, key: str, fence: int | None = None) -> HeldPayment:
        """The intent: it is about to be sent. From now on it may be there, so it is returned only on a refusal's word.
        Raises Refused CW2014 where an earlier one of its account is open, LeaseHeld CW2003 where `fence` is not the newest."""
        with self.database.write() as connection:
            row = self._open(connection, wave, key, fence, "offered")
            if row.state == HELD and row.offered_at is None:
                self._in_order(connection, row)
                row = self._set(connection, row.id, {"offered_at": iso(self.database.now(connection))})
            return _payment(row)

    def released(self, wave: str, key: str, receipt: str, fence: int | None = None) -> HeldPayment:
        """The new side has it. receipt: its id there, another one for each payment. Raises Refused CW2014 (order), CW2015
        (another end already), CW2016 (the receipt is another payment's)."""
        if not receipt:
            raise CutwaterError("CW2016", f"the held payment {key} has no receipt", state="it is held as before")
        with self.database.write() as connection:
            row = self._open(connection, wave, key, fence, f"released as {receipt}")
            if row.state == RELEASED and row.receipt == receipt:
                return _payment(row)
            self._check_open(row, f"released as {receipt}")
            self._in_order(connection, row)
            same = select(HeldPaymentRow.key).where(HeldPaymentRow.wave == wave, HeldPaymentRow.receipt == receipt)
            other = connection.execute(same).scalar()
            if other is not None:
                raise Refused(
                    "CW2016",
                    f"the receipt {receipt} of held payment {key} is that of {other}",
                    cause="two held payments became one on the new side",
                    state=f"{key} is held as before",
                    money="one of the two payments is not there",
                    next=f"cutwater wave held {wave}; compare both on the new side",
                )
            return _payment(self._settle(connection, row, RELEASED, {"receipt": receipt}))

    def returned(
        self, wave: str, key: str, reason: str, refused: bool = False, fence: int | None = None
    ) -> HeldPayment:
        """It goes back to its sender. refused: the new side said no for good; asked for where it was offered, because it
        may be there. Raises Refused CW2014 (order), CW2015 (another end already), CW2017 (offered)."""
        with self.database.write() as connection:
            row = self._open(connection, wave, key, fence, "returned")
            if row.state == RETURNED:
                return _payment(row)
            self._check_open(row, "returned")
            self._in_order(connection, row)
            if row.offered_at is not None and not refused:
                raise Refused(
                    "CW2017",
                    f"the held payment {key} was sent to the new side, and its answer is not known",
                    state="it is held as before",
                    money="it may have been carried out: returned now, it would be paid and sent back",
                    next="offer it again under the same key; the answer says what became of it",
                )
            return _payment(self._settle(connection, row, RETURNED, {"reason": reason}))

    def list(self, wave: str, limit: int | None = None) -> list[HeldPayment]:
        """In order of receipt."""
        query = select(HeldPaymentRow.__table__).where(HeldPaymentRow.wave == wave)
        query = query.order_by(HeldPaymentRow.received_at, HeldPaymentRow.id).limit(limit)
        with self.database.read() as connection:
            return [_payment(row) for row in connection.execute(query)]

    def proof(self, wave: str) -> HeldProof:
        """Adds up the ledger, row by row and exactly, and holds it against the control totals, the bodies' hashes and every
        proof that the journal has."""
        with self.database.read() as connection:
            return _proof(connection, wave)

    def verify(self) -> builtins.list[Problem]:
        """What does not add up, in the ledgers of all waves."""
        places = (
            select(HeldPaymentRow.wave),
            select(HeldControl.wave),
            select(JournalRow.wave).where(JournalRow.kind == PROOF),
        )
        with self.database.read() as connection:
            waves = sorted({name for query in places for name in connection.execute(query.distinct()).scalars()})
            proofs = [_proof(connection, wave) for wave in waves]
        return [Problem(0, f"held payments of {item.wave}: {text}") for item in proofs for text in item.problems]

    def record_proof(self, wave: str, run_id: str = "", fence: int | None = None) -> tuple[HeldProof, Record]:
        """The proof and its journal record (`held.proof`), of one and the same state of the ledger."""
        with self.database.write() as connection:
            self._lock(connection, wave)
            proof = _proof(connection, wave)
            said = sealed(connection, proof)
            return proof, self.journal.append_within(connection, wave, PROOF, said, run_id, fence)

    def close(self, wave: str, epoch: int, run_id: str = "", fence: int | None = None) -> HeldProof | None:
        """The end of a release: nothing is held under an epoch before `epoch` any more. Returns the proof, which is in the
        journal then, or None where some are open still (one came in between) and the ledger stays as it is."""
        with self.database.write() as connection:
            closed = self._lock(connection, wave)
            proof = _proof(connection, wave)
            if proof.open:
                return None
            latest = update(HeldControl).where(HeldControl.wave == wave, HeldControl.state == "LOCK")
            connection.execute(latest.values(count=max(closed, epoch)))
            self.journal.append_within(connection, wave, PROOF, sealed(connection, proof), run_id, fence)
            return proof

    def find(self, wave: str, key: str) -> HeldPayment | None:
        """One payment by its key."""
        with self.database.read() as connection:
            row = _find(connection, wave, key)
        return None if row is None else _payment(row)

    def of_account(self, wave: str, account: str) -> Sequence[HeldPayment]:
        """An account's, whatever became of them, in order of receipt."""
        query = select(HeldPaymentRow.__table__).where(HeldPaymentRow.wave == wave, HeldPaymentRow.account == account)
        with self.database.read() as connection:
            return [
                _payment(row)
                for row in connection.execute(query.order_by(HeldPaymentRow.received_at, HeldPaymentRow.id))
            ]

    def _lock(self, connection: Connection, wave: str) -> int:
        """One move at a time; the epoch before which the ledger takes nothing in."""
        self._total_row(connection, wave, "LOCK", "")
        query = select(HeldControl.count).where(HeldControl.wave == wave, HeldControl.state == "LOCK")
        return int(connection.execute(query.with_for_update()).scalar_one())

    def _total_row(self, connection: Connection, wave: str, state: str, currency: str) -> None:
        values = {"wave": wave, "state": state, "currency": currency, "count": 0, "total": "0"}
        new = sqlite.insert(HeldControl) if self.database.is_sqlite else postgresql.insert(HeldControl)
        connection.execute(new.values(**values).on_conflict_do_nothing())

    def _count(self, connection: Connection, wave: str, state: str, row: Any) -> None:
        self._total_row(connection, wave, state, row.currency)
        place = (HeldControl.wave == wave, HeldControl.state == state, HeldControl.currency == row.currency)
        total = connection.execute(select(HeldControl.total).where(*place)).scalar_one()
        added = EXACT.add(Decimal(total), Decimal(row.amount or 0))
        connection.execute(update(HeldControl).where(*place).values(count=HeldControl.count + 1, total=f"{added:f}"))

    def _open(self, connection: Connection, wave: str, key: str, fence: int | None, what: str) -> Any:
        self._lock(connection, wave)
        if fence is not None:
            self.journal.check_fence(connection, wave, f"held payment {key} {what}", fence)
        row = _find(connection, wave, key)
        if row is None:
            raise BadInput(
                "CW2009", f"the ledger of wave {wave} has no payment {key}", next=f"cutwater wave held {wave}"
            )
        return row

    def _check_open(self, row: Any, what: str) -> None:
        if row.state != HELD:
            end = f"released as {row.receipt}" if row.state == RELEASED else f"returned ({row.reason})"
            raise Refused(
                "CW2015",
                f"the held payment {row.key} cannot be {what}: it was {end}",
                cause="every held payment has one end",
                state="the ledger is unchanged",
                money="look on the new side whether it is there twice",
                next=f"cutwater wave held {row.wave}",
            )

    def _in_order(self, connection: Connection, row: Any) -> None:
        first = connection.execute(
            select(HeldPaymentRow.key)
            .where(HeldPaymentRow.wave == row.wave, HeldPaymentRow.account == row.account, HeldPaymentRow.state == HELD)
            .order_by(HeldPaymentRow.received_at, HeldPaymentRow.id)
            .limit(1)
        ).scalar()
        if row.state == HELD and row.offered_at is None and first != row.key:
            raise Refused(
                "CW2014",
                f"the held payment {row.key} is not the first one of its account",
                cause=f"{first} was received before it and is still held",
                state="the ledger is unchanged",
                next=f"release or return {first} first",
            )

    def _settle(self, connection: Connection, row: Any, state: str, more: Mapping[str, str]) -> Any:
        found = self._set(
            connection, row.id, {"state": state, "settled_at": iso(self.database.now(connection)), **more}
        )
        self._count(connection, row.wave, state, row)
        return found

    def _set(self, connection: Connection, row_id: int, values: Mapping[str, str]) -> Any:
        changed = update(HeldPaymentRow).where(HeldPaymentRow.id == row_id).values(**values)
        return connection.execute(changed.returning(HeldPaymentRow.__table__)).one()


def money_of(body: Mapping[str, Any]) -> tuple[str, Decimal | None]:
    """(currency, amount) as the body names them; ('', None) where they cannot be read as money."""
    try:
        money = Money(str(body["currency"]), Decimal(str(body["amount"])))
    except (KeyError, ValueError, InvalidOperation):
        return "", None
    return money.currency, money.amount


def _find(connection: Connection, wave: str, key: str) -> Any:
    query = select(HeldPaymentRow.__table__).where(HeldPaymentRow.wave == wave, HeldPaymentRow.key == key)
    return connection.execute(query).one_or_none()


def _proof(connection: Connection, wave: str) -> HeldProof:
    found: dict[tuple[str, str], HeldTotal] = {}
    offered, problems = 0, []
    rows = connection.execute(
        select(HeldPaymentRow.__table__).where(HeldPaymentRow.wave == wave).order_by(HeldPaymentRow.id)
    )
    for row in rows:
        found[row.state, row.currency] = _plus(found.get((row.state, row.currency)), row.amount)
        offered += row.state == HELD and row.offered_at is not None
        if problem := _wrong(row):
            problems.append(f"{row.key}: {problem}")
    controls = connection.execute(
        select(HeldControl.state, HeldControl.currency, HeldControl.count.label("number"), HeldControl.total).where(
            HeldControl.wave == wave, HeldControl.state != "LOCK"
        )
    )
    counted = {(row.state, row.currency): HeldTotal(row.number, Decimal(row.total)) for row in controls}
    by_currency = {}
    for currency in sorted({key[1] for key in (*found, *counted)}):
        parts = {name: found.get((state, currency), HeldTotal()) for state, name in _NAMES.items()}
        parts = {**parts, "open": parts["held"]}
        parts["held"] = _sum(parts["released"], parts["returned"], parts["open"])
        by_currency[currency] = parts
        for state, name in _NAMES.items():
            control = counted.get((state, currency), HeldTotal())
            if control != parts[name]:
                problems.append(
                    f"{name} {currency or 'without amount'}: the ledger has {parts[name].count} of {parts[name].total:f}, "
                    f"the control total says {control.count} of {control.total:f}"
                )
    problems += contradictions(connection, wave, by_currency)
    count = {name: sum(parts[name].count for parts in by_currency.values()) for name in (*_NAMES.values(), "open")}
    return HeldProof(
        wave, count["held"], count["released"], count["returned"], count["open"], offered, by_currency, tuple(problems)
    )


def _wrong(row: Any) -> str:
    """What is wrong with a row in itself; empty where nothing is."""
    if sha256_json(load(row.body)) != row.body_sha256:
        return "its body was altered"
    currency, amount = money_of(load(row.body))
    if (currency, "" if amount is None else f"{amount:f}") != (row.currency, row.amount):
        return "its amount is not that of its body"
    if row.state == RELEASED and not row.receipt:
        return "released without a receipt"
    return "" if row.state in _NAMES else f"unknown state {row.state}"


def _plus(total: HeldTotal | None, amount: str) -> HeldTotal:
    return _sum(total or HeldTotal(), HeldTotal(1, Decimal(amount or 0)))


def _sum(*parts: HeldTotal) -> HeldTotal:
    total = Decimal(0)
    for part in parts:
        total = EXACT.add(total, part.total)
    return HeldTotal(sum(part.count for part in parts), total)


def _payment(row: Any) -> HeldPayment:
    return HeldPayment(
        row.id,
        row.wave,
        row.key,
        row.account,
        row.channel,
        parse_iso(row.received_at),
        row.currency,
        Decimal(row.amount) if row.amount else None,
        load(row.body),
        row.state,
        parse_iso(row.offered_at) if row.offered_at else None,
        parse_iso(row.settled_at) if row.settled_at else None,
        row.receipt or "",
        row.reason,
    )


__all__ = ["HELD", "PROOF", "RELEASED", "RETURNED", "HeldPayments", "money_of"]
