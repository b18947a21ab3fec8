"""Statements that tie: by account and day, opening + entries = closing, each opens with what the one before closed with."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date
from decimal import Decimal
from itertools import count

from cutwater.core.money import minor_units
from sandbox.estate.model import Account, Entry, Payment, Statement
from sandbox.estate.world import World, make_rng

PAGE = {"camt053": 60, "mt940": 12, "": 200}  # entries on a page; FIN messages end at 2,000 characters
_FIRST_STATEMENT, _FIRST_ENTRY = 700_001, 1_000_001

# (payment or None, amount, credit or debit, reversal)
Movement = tuple[Payment | None, Decimal, str, bool]


def build_statements(seed: int, world: World, payments: list[Payment], days: list[date]) -> list[Statement]:
    """One statement per own account and day with movements; accounts whose statements are delivered get one each day."""
    rng = make_rng("ledger", seed)
    booked = _movements(rng, payments)
    statement_ids, entry_ids = count(_FIRST_STATEMENT), count(_FIRST_ENTRY)
    found: list[Statement] = []
    balances = {item.account_id: _opening(rng, item) for item in world.own}
    sequences = {item.account_id: rng.randint(1, 180) for item in world.own}
    for day in days:
        for account in world.own:
            moves = booked.get((account.account_id, day), [])
            if rng.random() < 0.02:
                moves.append((None, _fee(rng, account), "DBIT", False))
            if not moves and not account.delivery:
                continue
            sequences[account.account_id] += 1
            size = PAGE[account.delivery]
            pages = [moves[start : start + size] for start in range(0, len(moves), size)] or [[]]
            for page, chunk in enumerate(pages, start=1):
                entries = tuple(_entry(next(entry_ids), move, day) for move in chunk)
                opening = balances[account.account_id]
                closing = opening + sum((item.signed for item in entries), Decimal(0))
                balances[account.account_id] = closing
                found.append(
                    Statement(
                        next(statement_ids),
                        account,
                        sequences[account.account_id],
                        page,
                        page == len(pages),
                        day,
                        opening,
                        closing,
                        entries,
                    )
                )
    return found


def _movements(rng: random.Random, payments: list[Payment]) -> dict[tuple[int, date], list[Movement]]:
    """What is booked by account and day; now and then a debit is booked twice by mistake and reversed the same day."""
    booked: dict[tuple[int, date], list[Movement]] = defaultdict(list)
    for payment in payments:
        if not payment.settled:
            continue
        day = payment.updated_at.date()
        if payment.debtor.own:
            moves = booked[payment.debtor.account_id, day]
            moves.append((payment, payment.amount, "DBIT", False))
            if rng.random() < 0.003:
                moves += [(payment, payment.amount, "DBIT", False), (payment, payment.amount, "CRDT", True)]
        if payment.creditor.own:
            booked[payment.creditor.account_id, day].append((payment, payment.amount, "CRDT", False))
    return booked


def _entry(entry_id: int, move: Movement, day: date) -> Entry:
    payment, amount, direction, reversal = move
    value = payment.value_date if payment is not None else day
    return Entry(entry_id, payment, f"AS{entry_id:012d}", amount, direction, reversal, day, value)


def _opening(rng: random.Random, account: Account) -> Decimal:
    return Decimal(rng.randrange(-(10**7), 10**10)).scaleb(-minor_units(account.currency))


def _fee(rng: random.Random, account: Account) -> Decimal:
    return Decimal(rng.randrange(100, 5000)).scaleb(-minor_units(account.currency))
