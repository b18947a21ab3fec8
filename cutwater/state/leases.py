"""Leases: one runner per wave, by a unique partial index; tokens rise strictly; the store's clock decides expiry."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from cutwater.core.clock import iso, parse_iso
from cutwater.core.errors import LeaseHeld
from cutwater.state.database import Database
from cutwater.state.models import LeaseRow
from cutwater.state.records import Lease


class Leases:
    """Acquire, renew, release. A lease that ran out ends when somebody else takes the wave."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def acquire(self, wave: str, holder: str, ttl_seconds: int) -> Lease:
        """The wave's lease with a token above all earlier ones; raises LeaseHeld CW2001 where it is held."""
        try:
            with self.database.write() as connection:
                return self._acquire(connection, wave, holder, ttl_seconds)
        except IntegrityError:  # another process was quicker; the index let one through
            held = self.current(wave)
            raise _held(wave, held) from None

    def _acquire(self, connection: Connection, wave: str, holder: str, ttl_seconds: int) -> Lease:
        active = connection.execute(_active(wave).with_for_update()).one_or_none()
        now = self.database.now(connection)
        if active is not None:
            if parse_iso(active.expires_at) > now:
                raise _held(wave, _lease(active))
            connection.execute(
                update(LeaseRow).where(LeaseRow.id == active.id).values(ended_at=iso(now), ended_how="expired")
            )
        newest = connection.execute(select(func.max(LeaseRow.token)).where(LeaseRow.wave == wave)).scalar() or 0
        expires = now + timedelta(seconds=ttl_seconds)
        connection.execute(
            insert(LeaseRow).values(
                wave=wave,
                token=newest + 1,
                holder=holder,
                acquired_at=iso(now),
                expires_at=iso(expires),
                ttl_seconds=ttl_seconds,
                ended_how="",
            )
        )
        return Lease(wave, newest + 1, holder, expires, now)

    def renew(self, lease: Lease) -> Lease:
        """The same token for another term from now; raises LeaseHeld CW2002 where the lease is no longer ours.

        One that ran out but that nobody took is renewed: its token is still the newest.
        """
        with self.database.write() as connection:
            row = connection.execute(_active(lease.wave).with_for_update()).one_or_none()
            if row is None or row.token != lease.token:
                raise LeaseHeld(
                    "CW2002",
                    f"the lease {lease.token} of wave {lease.wave} was lost",
                    cause=f"{row.holder} holds {row.token} since {row.acquired_at}"
                    if row is not None
                    else "it was ended",
                    state="nothing was written",
                    next=f"cutwater wave status {lease.wave}",
                    details={"wave": lease.wave, "token": lease.token},
                )
            expires = self.database.now(connection) + timedelta(seconds=row.ttl_seconds)
            connection.execute(update(LeaseRow).where(LeaseRow.id == row.id).values(expires_at=iso(expires)))
            return Lease(lease.wave, lease.token, lease.holder, expires, lease.acquired_at)

    def release(self, lease: Lease) -> None:
        """Ends it. Twice, or after somebody else took the wave, changes nothing."""
        with self.database.write() as connection:
            connection.execute(
                update(LeaseRow)
                .where(LeaseRow.wave == lease.wave, LeaseRow.token == lease.token, LeaseRow.ended_at.is_(None))
                .values(ended_at=iso(self.database.now(connection)), ended_how="released")
            )

    def current(self, wave: str) -> Lease | None:
        """The lease that holds now; None where there is none or it ran out."""
        with self.database.read() as connection:
            row = connection.execute(_active(wave)).one_or_none()
            return None if row is None or parse_iso(row.expires_at) <= self.database.now(connection) else _lease(row)

    def lapsed(self, wave: str) -> Lease | None:
        """A lease that ran out without being released: the mark of a dead runner."""
        with self.database.read() as connection:
            row = connection.execute(_active(wave)).one_or_none()
            return (
                _lease(row) if row is not None and parse_iso(row.expires_at) <= self.database.now(connection) else None
            )

    def newest_token(self, wave: str) -> int:
        """The highest token that was ever given for the wave; 0 where none was."""
        with self.database.read() as connection:
            return connection.execute(select(func.max(LeaseRow.token)).where(LeaseRow.wave == wave)).scalar() or 0


def _active(wave: str) -> Any:
    return select(LeaseRow.__table__).where(LeaseRow.wave == wave, LeaseRow.ended_at.is_(None))


def _lease(row: Any) -> Lease:
    return Lease(row.wave, row.token, row.holder, parse_iso(row.expires_at), parse_iso(row.acquired_at))


def _held(wave: str, lease: Lease | None) -> LeaseHeld:
    since: datetime | None = lease.acquired_at if lease else None
    return LeaseHeld(
        "CW2001",
        f"wave {wave} is being run by {lease.holder if lease else 'another process'}",
        cause=f"it holds the lease {lease.token} since {iso(since)}, until {iso(lease.expires_at)} unless renewed"
        if lease and since
        else "it took the lease at this moment",
        state="nothing was done",
        next=f"cutwater wave status {wave}",
        details={"wave": wave, "holder": lease.holder if lease else "", "token": lease.token if lease else 0},
    )
