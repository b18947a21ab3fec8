"""The store: one object with everything that cutwater remembers."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta
from types import TracebackType

from cutwater.core.clock import Clock, utc_now
from cutwater.state.database import Database
from cutwater.state.findings import EvidenceStore, Recon, Snapshots
from cutwater.state.held import HeldPayments
from cutwater.state.journal import Journal
from cutwater.state.leases import Leases
from cutwater.state.migrate import to_head
from cutwater.state.records import Problem
from cutwater.state.requests import Requests
from cutwater.state.waves import Approvals, Plans, Waves


class Store:
    """Journal, leases, waves, plans, approvals, requests, snapshots, recon, evidence, held. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.journal = Journal(database)
        self.leases = Leases(database)
        self.waves = Waves(database)
        self.plans = Plans(database)
        self.approvals = Approvals(database, self.journal)
        self.requests = Requests(database)
        self.snapshots = Snapshots(database)
        self.recon = Recon(database)
        self.evidence = EvidenceStore(database, self.journal)
        self.held = HeldPayments(database, self.journal)

    def now(self) -> datetime:
        """The store's clock."""
        with self.database.read() as connection:
            return self.database.now(connection)

    def skew(self, clock: Clock = utc_now) -> timedelta:
        """The store's clock minus `clock`, as far as the time of asking does not explain it; zero where they agree.

        The last record counts as well: one that was written in the future tells of a clock that was set back.
        """
        before = clock()
        with self.database.read() as connection:
            now = self.database.now(connection)
        last = self.journal.records(last=1)
        after = clock()
        ahead = max([now, *(item.at for item in last)]) - after
        return ahead if ahead > timedelta() else min(timedelta(), now - before)

    def verify(self, anchor: tuple[int, str] | None = None) -> list[Problem]:
        """The journal's chain, then evidence, approvals and held payments against it."""
        problems = self.journal.verify(anchor)
        return problems + self.evidence.verify() + self.approvals.verify() + self.held.verify()

    def close(self) -> None:
        """Lets go of every connection."""
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(url: str, clock: Clock = utc_now) -> Store:
    """Opens the store at `url` (sqlite:///PATH, postgresql://...) and brings its schema to head.

    Raises BadInput CW2005 for another URL, CW2006 for a newer store, Unavailable CW2004 where it does not answer.
    """
    with ExitStack() as undo:
        database = Database(url, clock)
        undo.callback(database.close)
        to_head(database)
        undo.pop_all()
    return Store(database)
