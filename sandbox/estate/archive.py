"""The SWIFT archive: which message tells what, in which order, under which sequence number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sandbox.estate.model import Entry, Payment, Statement
from sandbox.estate.names import CORRESPONDENT_BIC8, LEDGER_BIC8, OWN_BANK
from sandbox.estate.writers import fin, mx
from sandbox.estate.writers.fin import Slot

FIN_LT, MX_LT = OWN_BANK.bic8 + "AXXX", OWN_BANK.bic8 + "MXXX"
FEEDS = {"fin-in": FIN_LT, "fin-out": FIN_LT, "mx-in": MX_LT, "mx-out": MX_LT}
FIRST_SESSION = 1001
REDELIVERED_BELOW = 24  # of 256: received MT103s that come a second time, flagged PDM, with a number of their own
_RESENT_EVERY = 60  # one sent MT103 in so many carries PDE: flagged as possibly sent before, although it was not


class File(NamedTuple):
    """A file of the archive: its feed (`fin-in`), its type (`MT103`, `ACK`, `pacs.008`), path below the archive, bytes."""

    feed: str
    kind: str
    path: str
    content: bytes


@dataclass
class Sequences:
    """The last number used of every feed, and the session that it belongs to. A new session begins at 1."""

    last: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FEEDS, 0))
    session: int = FIRST_SESSION

    def take(self, feed: str) -> Slot:
        """The next place of a feed."""
        self.last[feed] += 1
        return Slot(FEEDS[feed], self.session, self.last[feed])

    def next_session(self) -> None:
        """A new day: every feed starts at 1 again."""
        self.session += 1
        self.last = dict.fromkeys(FEEDS, 0)


class Delivery(NamedTuple):
    """Something that happens at an instant; `make` takes its numbers then. order breaks ties for good."""

    at: datetime
    order: str
    make: Callable[[Sequences], list[File]]


def payment_deliveries(payment: Payment) -> list[Delivery]:
    """The messages of one SWIFT payment: MT103 with its answer and cover, a received MT103, or pacs.008 with pacs.002."""
    if payment.channel == "MX":
        heard = next(item for item in reversed(payment.statuses) if item.reported_by == payment.creditor.bank.bic11)
        at = payment.statuses[1].occurred_at
        return [
            Delivery(at, payment.uetr, lambda seq: [_pacs008(payment, seq, at)]),
            Delivery(heard.occurred_at, payment.uetr, lambda seq: [_pacs002(payment, seq, heard.occurred_at)]),
        ]
    if not payment.inbound:
        at = payment.statuses[1].occurred_at
        return [Delivery(at, payment.uetr, lambda seq: _fin_sent(payment, seq, at))]
    found = [Delivery(payment.created_at, payment.uetr, lambda seq: [received_mt103(payment, seq, payment.created_at)])]
    if int(payment.uetr[:2], 16) < REDELIVERED_BELOW:
        again = payment.created_at + timedelta(minutes=4)
        found.append(Delivery(again, payment.uetr, lambda seq: [received_mt103(payment, seq, again, "{PDM:}")]))
    return found


def path(direction: str, day: date, slot: Slot, suffix: str) -> str:
    """Where a message stands in the archive."""
    return f"{direction}/{day:%Y%m%d}/{slot.stem}.{suffix}"


def received_mt103(payment: Payment, seq: Sequences, at: datetime, trailers: str = "") -> File:
    """A received MT103 under the next OSN."""
    slot = seq.take("fin-in")
    sender = payment.debtor.bank.bic8
    times = (payment.created_at, at)
    user = f"{{121:{payment.uetr}}}"
    content = fin.received("103", sender, payment.payment_id, slot, times, user, fin.mt103(payment), trailers)
    return File("fin-in", "MT103", path("in", at.date(), slot, "fin"), content)


def _fin_sent(payment: Payment, seq: Sequences, at: datetime) -> list[File]:
    slot = seq.take("fin-out")
    receiver = payment.creditor.bank.bic8
    trailers = f"{{PDE:{at:%H%M%y%m%d}{slot.block}}}" if payment.payment_id % _RESENT_EVERY == 5 else ""
    user = f"{{108:M{payment.payment_id:010d}}}{{121:{payment.uetr}}}"
    files = [
        File(
            "fin-out",
            "MT103",
            path("out", at.date(), slot, "fin"),
            fin.sent("103", receiver, slot, user, fin.mt103(payment), trailers),
        ),
        _answer(slot, at, payment.nak),
    ]
    if payment.cover and payment.nak is None:
        cover = seq.take("fin-out")
        user = f"{{119:COV}}{{121:{payment.uetr}}}"
        content = fin.sent("202", CORRESPONDENT_BIC8, cover, user, fin.mt202cov(payment))
        files += [
            File("fin-out", "MT202", path("out", at.date(), cover, "fin"), content),
            _answer(cover, at, None),
        ]
    return files


def _answer(slot: Slot, at: datetime, error: str | None) -> File:
    content = fin.acknowledgement(slot, at + timedelta(seconds=1), error)
    return File("fin-in", "NAK" if error else "ACK", path("in", at.date(), slot, "ack"), content)


def _pacs008(payment: Payment, seq: Sequences, at: datetime) -> File:
    slot = seq.take("mx-out")
    return File("mx-out", "pacs.008", path("out", at.date(), slot, "xml"), mx.pacs008(payment, at))


def _pacs002(payment: Payment, seq: Sequences, at: datetime) -> File:
    slot = seq.take("mx-in")
    return File("mx-in", "pacs.002", path("in", at.date(), slot, "xml"), mx.pacs002(payment, at))


def statement_file(statement: Statement, seq: Sequences, at: datetime) -> File:
    """A statement page as it comes in: camt.053 or MT940, as the account has it."""
    if statement.account.delivery == "camt053":
        slot = seq.take("mx-in")
        return File("mx-in", "camt.053", path("in", at.date(), slot, "xml"), mx.camt053(statement, at))
    slot = seq.take("fin-in")
    text = fin.mt940(statement)
    content = fin.received("940", LEDGER_BIC8, statement.statement_id, slot, (at, at), "", text)
    return File("fin-in", "MT940", path("in", at.date(), slot, "fin"), content)


def advice(entries: Sequence[Entry], seq: Sequences, at: datetime) -> File:
    """A camt.054 for bookings of one account; its identifier is that of its first entry."""
    slot = seq.take("mx-in")
    first = entries[0]
    if first.payment is None:
        raise ValueError("an advice is about payments")
    account = first.payment.debtor
    content = mx.camt054(f"C54-{first.entry_ref}", account, entries, at)
    return File("mx-in", "camt.054", path("in", at.date(), slot, "xml"), content)


def seed_archive(
    payments: Sequence[Payment], statements: Sequence[Statement], seq: Sequences, days: Sequence[date]
) -> Iterator[File]:
    """All messages of a seed in order of time; each business day is a session."""
    by_day: dict[date, list[Delivery]] = defaultdict(list)
    for payment in payments:
        if payment.channel in ("FIN", "MX"):
            for item in payment_deliveries(payment):
                by_day[item.at.date()].append(item)
    for item in _evening(statements):
        by_day[item.at.date()].append(item)
    for index, day in enumerate(days):
        if index:
            seq.next_session()
        for delivery in sorted(by_day[day], key=lambda item: (item.at, item.order)):
            yield from delivery.make(seq)


def _evening(statements: Sequence[Statement]) -> Iterator[Delivery]:
    """Advices at 19:00 and statements at 20:00 for the accounts that have them delivered."""
    for index, statement in enumerate(statements):
        if not statement.account.delivery:
            continue
        at = datetime.combine(statement.day, datetime.min.time(), UTC) + timedelta(hours=20, milliseconds=index * 20)
        yield Delivery(at, str(statement.statement_id), _statement_maker(statement, at))
        told = [item for item in statement.entries if _advised(item)]
        if told:
            early = at - timedelta(hours=1)
            yield Delivery(early, str(statement.statement_id), _advice_maker(told, early))


def _advised(entry: Entry) -> bool:
    """Debits of MX payments are advised by camt.054."""
    return entry.payment is not None and entry.payment.channel == "MX" and entry.credit_debit == "DBIT"


def _statement_maker(statement: Statement, at: datetime) -> Callable[[Sequences], list[File]]:
    return lambda seq: [statement_file(statement, seq, at)]


def _advice_maker(entries: list[Entry], at: datetime) -> Callable[[Sequences], list[File]]:
    return lambda seq: [advice(entries, seq, at)]
