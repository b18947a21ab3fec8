"""Parties and accounts of the estate, and how one payment is drawn from them. Same seed, same draws."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from cutwater.core.money import minor_units
from sandbox.estate.model import Account, Party, Payment, Status
from sandbox.estate.names import BANKS, OWN_BANK, Bank, account_numbers, company_name, lei, street

LAST_DAY = date(2026, 11, 20)  # the seed's last business day: fixed, so that the same input gives the same bytes
DELIVERED = 24  # own accounts whose statements come in: the first half as camt.053, the second as MT940
LONG_TEXT_EVERY = 1500  # one payment in so many carries a remittance text over 8 kB (TOAST)
_KINDS = ("CORPORATE", "SME", "PUBLIC", "CHARITY")
_CURRENCIES = ("GBP", "EUR", "USD", "JPY", "KWD", "BHD")
_OWN_CURRENCY = ("GBP", "GBP", "GBP", "GBP", "EUR", "EUR", "EUR", "USD", "JPY", "KWD")
_PARTY_SINCE = datetime(2019, 3, 4, 9, 0, tzinfo=UTC)
_SUBJECTS = ("Invoice", "Rechnung", "Facture", "Order", "Retainer", "Deposit", "Rückzahlung", "Settlement €")

# Path, weight. Own creditors get ACCC behind ACSC. The order is legal by payments.md's table of ranks.
_PATHS: tuple[tuple[tuple[str, ...], int], ...] = (
    (("RCVD", "ACTC", "ACCP", "ACSP", "ACSC"), 60),
    (("RCVD", "ACCP", "ACSC"), 16),
    (("RCVD", "ACTC", "ACSP", "ACSC"), 13),
    (("RCVD", "ACTC", "PDNG", "ACCP", "ACSP", "ACSC"), 5),
    (("RCVD", "RJCT"), 2),
    (("RCVD", "ACTC", "RJCT"), 2),
    (("RCVD", "ACTC", "PDNG", "CANC"), 1),
    (("RCVD", "ACTC", "PDNG"), 1),
)
_BACS_PATHS = ((("RCVD", "ACTC", "ACCP", "ACSP", "ACSC"), 97), (("RCVD", "ACTC", "RJCT"), 3))
_MX_PATHS = ((("RCVD", "ACTC", "ACCP", "ACSP", "ACSC"), 96), (("RCVD", "ACTC", "ACCP", "RJCT"), 4))
_INBOUND_PATH = ((("RCVD", "ACCP", "ACSC"), 1),)
_REJECTS = ("AC01", "AC04", "AM04", "BE04", "RC01", "MS03")


def make_rng(*parts: object) -> random.Random:
    """A generator of its own for every part of the estate, so that parts do not disturb each other's draws."""
    return random.Random(":".join(map(str, parts)))  # noqa: S311 - test data, not secrets


def business_days(count: int, last: date = LAST_DAY) -> list[date]:
    """The last `count` Mondays to Fridays up to `last`, rising."""
    found: list[date] = []
    day = last
    while len(found) < count:
        if day.weekday() < 5:
            found.append(day)
        day -= timedelta(days=1)
    return found[::-1]


def next_business_day(day: date, count: int = 1) -> date:
    """The `count`-th Monday to Friday after `day`."""
    for _ in range(count):
        day += timedelta(days=3 if day.weekday() == 4 else 2 if day.weekday() == 5 else 1)
    return day


class World:
    """Parties and accounts. `own`: held by this bank; `external`: at other banks. `size` is the number of payments."""

    def __init__(self, seed: int, size: int) -> None:
        rng = make_rng("world", seed, size)
        self.own: list[Account] = []
        self.external: list[Account] = []
        own_count = max(2 * DELIVERED, min(400, size // 50))
        for number in range(own_count):
            delivery = "camt053" if number < DELIVERED // 2 else "mt940" if number < DELIVERED else ""
            currency = _CURRENCIES[number % 6] if delivery else rng.choice(_OWN_CURRENCY)
            self.own.append(self._account(rng, OWN_BANK, currency, True, delivery))
        for number in range(3 * own_count):
            bank = BANKS[number % len(BANKS)]
            self.external.append(self._account(rng, bank, rng.choice(bank.currencies), False, ""))
        self.own_by = _by_currency(self.own)
        self.external_by = _by_currency(self.external)
        self.bacs_creditors = [a for a in self.own + self.external if a.currency == "GBP" and a.sort_code]

    @property
    def accounts(self) -> list[Account]:
        return sorted(self.own + self.external, key=lambda item: item.account_id)

    def _account(self, rng: random.Random, bank: Bank, currency: str, own: bool, delivery: str) -> Account:
        number = len(self.own) + len(self.external) + 1
        country = "JP" if currency == "JPY" else "PL" if rng.random() < 0.04 else bank.country
        party = Party(
            100_000 + number,
            company_name(rng, country, number),
            rng.choice(_KINDS),
            country,
            lei(rng) if rng.random() < 0.6 else None,
            street(rng),
            None
            if rng.random() < 0.2
            else {"segment": rng.choice("ABC"), "vat": rng.random() < 0.5, "aka": [], "town": "Łódź-Süd"},
            _PARTY_SINCE + timedelta(minutes=number, microseconds=rng.randrange(10**6)),
        )
        value, sort_code, account_number = account_numbers(rng, bank)
        overdraft = Decimal(rng.randrange(1, 500) * 1000).quantize(Decimal("0.01")) if rng.random() < 0.3 else None
        opened = date(2015, 1, 5) + timedelta(days=rng.randrange(3000))
        status = "ACTIVE" if delivery or rng.random() < 0.97 else "DORMANT"
        return Account(
            200_000 + number,
            party,
            bank,
            own,
            value,
            sort_code,
            account_number,
            currency,
            status,
            overdraft,
            opened,
            delivery,
        )

    def debtor(self, rng: random.Random, currency: str) -> Account:
        """An own account; those with delivered statements are the busy ones."""
        accounts = self.own_by[currency]
        busy = [item for item in accounts if item.delivery]
        return rng.choice(busy) if rng.random() < 0.4 else rng.choice(accounts)

    def creditor(self, rng: random.Random, debtor: Account, channel: str) -> Account:
        """Another account of the same currency; SWIFT only reaches other banks, Bacs only sort codes."""
        if channel == "BACS":
            pool: Sequence[Account] = self.bacs_creditors
        elif channel in ("FIN", "MX") or rng.random() < 0.75:
            pool = self.external_by[debtor.currency]
        else:
            pool = self.own_by[debtor.currency]
        chosen = rng.choice(pool)
        return chosen if chosen is not debtor else self.external_by[debtor.currency][0]


def _by_currency(accounts: list[Account]) -> dict[str, list[Account]]:
    return {currency: [item for item in accounts if item.currency == currency] for currency in _CURRENCIES}


def currency_for(rng: random.Random, channel: str) -> str:
    """Which currency a channel pays in; Bacs is sterling, pain.001 batches keep to the large ones."""
    if channel == "BACS":
        return "GBP"
    if channel == "PAIN001":
        return rng.choice(("GBP", "EUR", "EUR", "USD"))
    if channel in ("FIN", "MX"):
        return rng.choice(("EUR", "USD", "USD", "GBP", "JPY", "KWD", "BHD"))
    return rng.choice(("GBP", "GBP", "GBP", "EUR", "EUR", "USD", "JPY", "KWD", "BHD"))


def draw_payment(
    rng: random.Random,
    world: World,
    channel: str,
    at: datetime,
    debtor: Account | None = None,
    same_day: bool = False,
) -> Payment:
    """One payment created at `at`, without its ids (see `number`) and without statuses (see `plan_statuses`)."""
    payer = debtor or world.debtor(rng, currency_for(rng, channel))
    inbound = channel == "FIN" and rng.random() < 0.25
    payee = world.creditor(rng, payer, channel)
    if inbound:
        payer, payee = payee, payer
    units = minor_units(payer.currency)
    amount = Decimal(rng.randrange(1, 10 ** rng.randint(3, 8))).scaleb(-units)
    value_date = next_business_day(at.date(), 2) if channel == "BACS" and not same_day else at.date()
    chance = rng.random()
    return Payment(
        payment_id=0,
        uetr=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        end_to_end_id="",
        instruction_id="",
        channel=channel,
        debtor=payer,
        creditor=payee,
        amount=amount,
        value_date=value_date,
        remittance=None if chance < 0.1 else f"{rng.choice(_SUBJECTS)} {rng.randrange(10**6)}",
        charges=Decimal(rng.randrange(1, 400_000)).scaleb(-4) if chance > 0.7 else None,
        details=None if 0.4 < chance < 0.45 else _details(rng, payee),
        created_at=at,
        inbound=inbound,
        cover=channel == "FIN" and not inbound and payer.currency == "USD" and rng.random() < 0.5,
    )


def _details(rng: random.Random, payee: Account) -> dict[str, object]:
    return {
        "creditorAgent": payee.bank.bic11,
        "purpose": rng.choice(("SUPP", "SALA", "TRAD", "TAXS", None)),
        "screening": {"score": rng.randrange(100), "list": "v42", "hit": False},
        "tags": [rng.choice(("größe", "büro", "north", "q4"))] if rng.random() < 0.3 else [],
    }


def number(payment: Payment, payment_id: int) -> None:
    """Gives a payment its id and the references that follow from it. InstrId: unique, 12 characters, fits every
    channel. EndToEndId is weak by nature (payments.md): some are NOTPROVIDED, some are used twice."""
    payment.payment_id = payment_id
    payment.instruction_id = f"{payment.channel[0]}{payment.channel[-1]}{payment_id:010d}"
    weak = payment_id % 50
    payment.end_to_end_id = "NOTPROVIDED" if weak == 7 else f"E2E-{payment_id - (weak == 11):012d}"
    if payment_id % LONG_TEXT_EVERY == 42:
        payment.remittance = long_text(payment.uetr)


def long_text(uetr: str) -> str:
    """A remittance text of about 12 kB that hardly compresses, so that PostgreSQL keeps it out of line (TOAST)."""
    rng = make_rng("text", uetr)
    return " ".join(f"{rng.getrandbits(64):016x}" for _ in range(700))


def plan_statuses(
    rng: random.Random, payment: Payment, pending: tuple[int, int] = (60, 900), same_day: bool = False
) -> list[Status]:
    """The whole life of a payment: rows of payment_status with times from its creation on.

    pending: seconds that PDNG lasts, from and to. same_day: Bacs settles at once instead of after two days.
    """
    if payment.inbound:
        paths: Sequence[tuple[tuple[str, ...], int]] = _INBOUND_PATH
    else:
        paths = {"BACS": _BACS_PATHS, "MX": _MX_PATHS}.get(payment.channel, _PATHS)
    if payment.channel == "FIN" and not payment.inbound:
        payment.nak = "T33" if rng.random() < 0.03 else None
        paths = _MX_PATHS[:1] if payment.nak is None else _BACS_PATHS[1:]
    path = rng.choices([item for item, _ in paths], [weight for _, weight in paths])[0]
    if path[-1] == "ACSC" and payment.creditor.own:
        path = (*path, "ACCC")
    at = payment.created_at
    found: list[Status] = []
    for seq, code in enumerate(path, start=1):
        if payment.channel == "BACS" and not same_day and code in ("ACSP", "ACSC"):
            at = datetime.combine(next_business_day(at.date()), datetime.min.time(), UTC) + timedelta(hours=6)
        far = code in ("ACSP", "ACSC", "RJCT") and payment.channel in ("FIN", "MX") and not payment.inbound
        reason = rng.choice(_REJECTS) if code == "RJCT" else "CUST" if code == "CANC" else None
        reporter = payment.creditor.bank.bic11 if far and payment.nak is None else OWN_BANK.bic11
        found.append(Status(seq, code, reason, reporter, at))
        wait = rng.randint(*pending) if code == "PDNG" else 0
        at += timedelta(seconds=wait, milliseconds=rng.randint(150, 2500), microseconds=rng.randrange(1000))
    return found
