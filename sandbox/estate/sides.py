"""The two platforms that may write payments, and which of them the route names.

Legacy while there is no route. Each write first asks the side's own database whether it takes this epoch (sandbox.epoch), so
that what we believe of the route may be old without harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx
import psycopg

from cutwater.core.config import Endpoints
from cutwater.core.errors import Unavailable
from sandbox.epoch import Fenced, Stale, Ticket, check, is_refusal
from sandbox.estate import book, seed, store_book
from sandbox.estate.book import Connection, Work
from sandbox.estate.broker import Publisher
from sandbox.estate.truth import Tally
from sandbox.tobe_store import take_ids

LEGACY, DARK, TOBE = "legacy", "dark", "tobe"


class Held(Exception):
    """Nobody takes writes now: what is to be written waits."""


class Unclear(Exception):
    """The connection broke: whether the transaction was committed has to be asked."""


@dataclass(frozen=True)
class Named:
    """What the gateway said last."""

    side: str = LEGACY
    epoch: int | None = None
    wave: str = ""


class Sides:
    """Connections to both databases. The store is not touched before a route has named it."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints, self.route = endpoints, Named()
        self.legacy: Connection = seed.connect(endpoints, autocommit=True)
        self.store: Connection | None = None
        self._client = httpx.Client(timeout=2, trust_env=False)

    def look(self) -> Named:
        """Asks the gateway for the route; where it does not answer, the last one holds."""
        if self.endpoints.gateway_url:
            try:
                found = self._client.get(f"{self.endpoints.gateway_url}/_route").raise_for_status().json()
                self.route = Named(str(found["side"]), int(found["epoch"]), str(found["wave"]))
            except (httpx.HTTPError, ValueError, KeyError):
                pass
        return self.route

    def take_ids(self, table: str, count: int) -> list[int]:
        """Numbers for payments or files, from the open side's own sequence. Raises Held, psycopg.Error."""
        if not count:
            return []
        if self.route.side == DARK:
            raise Held("the route is dark")
        if self.route.side == LEGACY:
            return book.take_ids(self.legacy, table, count)
        return take_ids(self._store(), {"payment": "payment_id", "file_batch": "batch_id"}[table], count)

    def write(self, work: Work) -> Tally:
        """One transaction on the open side. Raises Held (nothing was written), Unclear, psycopg.Error (nothing was written)."""
        tally, side = Tally(), self.route.side
        if side == DARK:
            raise Held("the route is dark")
        connection = self.legacy if side == LEGACY else self._store()
        write = book.write if side == LEGACY else store_book.write
        self._in_one(connection, lambda: write(connection, work, tally))
        return tally

    def wrote(self, side: str, work: Work) -> bool:
        """Whether `work` was committed there after all. Raises psycopg.Error while that side does not answer."""
        payment, status = work.advanced[0]
        if side == TOBE:
            return store_book.wrote(self._store(), payment, status)
        return book.wrote(self.legacy, payment, status)

    def on_legacy(self, work: Callable[[], None]) -> bool:
        """Runs a transaction of the legacy side's own; False where that side is closed and nothing was done."""
        if self.route.side != LEGACY:
            return False
        try:
            self._in_one(self.legacy, work)
        except Held:
            return False
        return True

    def relay(self, publisher: Publisher, tally: Tally) -> int:
        """Both outboxes, whoever is open: what was committed is published. A side that is closed and down is passed over."""
        done = 0
        if not _is_broken(self.legacy):
            done += book.relay(self.legacy, publisher, tally)
        if self.route.side == TOBE or (self.store is not None and not _is_broken(self.store)):
            done += store_book.relay(self._store(), publisher, tally)
        return done

    def unpublished(self) -> int:
        """Events of the store that the relay has not come to: those of transactions that had just been committed."""
        return 0 if self.store is None else store_book.unpublished(self.store)

    @property
    def broken(self) -> bool:
        """Whether a connection is gone."""
        return _is_broken(self.legacy) or (self.store is not None and _is_broken(self.store))

    def mend(self) -> None:
        """Connects again what broke. Raises Unavailable, psycopg.OperationalError where the open side does not answer."""
        if self.store is not None and _is_broken(self.store):
            try:
                self.store = store_book.connect(self.endpoints.store_dsn)
            except psycopg.OperationalError:
                if self.route.side == TOBE:
                    raise
        if _is_broken(self.legacy):
            try:
                self.legacy = seed.connect(self.endpoints, autocommit=True)
            except Unavailable:
                if self.route.side == LEGACY:
                    raise

    def close(self) -> None:
        self.legacy.close()
        if self.store is not None:
            self.store.close()
        self._client.close()

    def _in_one(self, connection: Connection, work: Callable[[], None]) -> None:
        try:
            with connection.transaction():
                check(connection, Ticket(self.route.epoch, self.route.wave))
                work()
        except (Fenced, Stale) as refusal:
            raise Held(str(refusal)) from None
        except psycopg.Error as error:
            if connection.closed or connection.broken:
                raise Unclear(str(error)) from error
            if is_refusal(error):
                raise Held(str(error)) from None
            raise

    def _store(self) -> Connection:
        if self.store is None:
            if not self.endpoints.store_dsn:
                raise Unavailable(
                    "CW1212", "the route names a store, and the project has none", next="mend cutwater.toml"
                )
            self.store = store_book.connect(self.endpoints.store_dsn)
        return self.store


def _is_broken(connection: Connection) -> bool:
    return connection.closed or connection.broken
