"""What else a live database sees beside payments: account versions, operators' notes, the outbox's purge."""

from __future__ import annotations

import random

from sandbox.estate.sides import Sides
from sandbox.estate.truth import Tally
from sandbox.estate.world import World

_EVERY = 1.0  # seconds
_PURGE_EVERY, _PURGE_ROWS = 5, 200  # rounds, rows
_NOTE = """
INSERT INTO payhub.operator_note (noted_at, operator, payment_id, note)
SELECT clock_timestamp(), 'ops-desk-1', max(payment_id), 'seen by the desk' FROM payhub.payment"""
# The last note is written once more, byte for byte: identical rows are legal here.
_AGAIN = """
INSERT INTO payhub.operator_note SELECT * FROM payhub.operator_note WHERE note = 'seen by the desk'
ORDER BY noted_at DESC LIMIT 1"""
_FORGET = """
DELETE FROM payhub.operator_note WHERE ctid =
(SELECT ctid FROM payhub.operator_note WHERE note = 'seen by the desk' ORDER BY noted_at LIMIT 1)"""
_PURGE = """
DELETE FROM payhub.outbox WHERE event_id IN
(SELECT event_id FROM payhub.outbox WHERE published_at < clock_timestamp() - interval '30 seconds' ORDER BY created_at LIMIT %s)"""
_VERSION = "UPDATE payhub.account SET version = version + 1 WHERE account_id = ANY(%s)"


class Upkeep:
    """Once a second a small transaction. Primary keys never change."""

    def __init__(self, rng: random.Random, world: World) -> None:
        self.rng, self.world, self._next, self._round = rng, world, 0.0, 0

    def work(self, sides: Sides, tally: Tally, elapsed: float) -> None:
        """Does what is due `elapsed` seconds after the start, and counts it. Nothing while the legacy side is closed."""
        if elapsed < self._next:
            return
        self._next, self._round = elapsed + _EVERY, self._round + 1
        counted = Tally()

        def transaction() -> None:
            connection = sides.legacy
            accounts = self.rng.sample(self.world.own, 3)
            connection.execute(_VERSION, [sorted(item.account_id for item in accounts)])
            if self._round % 2 == 0:
                counted.rows("operator_note", connection.execute(_NOTE).rowcount)
            if self._round % 6 == 0:
                counted.rows("operator_note", connection.execute(_AGAIN).rowcount)
            if self._round % 7 == 0:
                counted.rows("operator_note", -connection.execute(_FORGET).rowcount)
            if self._round % _PURGE_EVERY == 0:
                counted.rows("outbox", -connection.execute(_PURGE, [_PURGE_ROWS]).rowcount)

        if sides.on_legacy(transaction):
            tally.merge(counted)
