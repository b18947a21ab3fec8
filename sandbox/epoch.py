"""What both sides check in the transaction of every write: is this side open, and does the request carry its epoch?

The answer stands in the database itself (cutwater.fence, written by the cutover), so that it holds whatever a gateway, a
route or a configuration says. The row is locked FOR SHARE: who raises the fence waits for the writes that saw it down. A
database without that table, or without the wave's row, is under no fence and takes any epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import tuple_row

EPOCH_HEADER, WAVE_HEADER, SMOKE_HEADER = "x-cutwater-epoch", "x-cutwater-wave", "x-cutwater-smoke"
RETRY_AFTER_SECONDS = 1
# The fence's own SQLSTATEs (docs/specs/fence.md), a trigger of anybody's, and a database that was set read-only.
_REFUSALS = frozenset({"WF001", "WF002", "P0001", "25006"})
_THERE = "SELECT to_regclass('cutwater.fence') IS NOT NULL"
_ROWS = "SELECT wave, epoch, closed, token FROM cutwater.fence WHERE %s IN ('', wave) ORDER BY wave FOR SHARE"
_PASS = "INSERT INTO cutwater.pass (xid, wave, token) VALUES (pg_current_xact_id(), %s, %s) ON CONFLICT DO NOTHING"  # noqa: S105 - the fence's table


class Fenced(Exception):
    """This side takes no writes now."""


class Stale(Exception):
    """The request carries another epoch than this side."""


@dataclass(frozen=True)
class Ticket:
    """What a request says of its way here. epoch None: it came past the gateway. wave '': the route of any wave.

    smoke: the mark of a synthetic payment, which passes a closed fence: it is how the side is tried before it opens.
    """

    epoch: int | None = None
    wave: str = ""
    smoke: str = ""


PAST_THE_GATEWAY = Ticket()


def ticket(headers: Any) -> Ticket:
    """From a request's headers; raises Stale where the epoch is no number."""
    text = headers.get(EPOCH_HEADER)
    if text is not None and not text.isdecimal():
        raise Stale(f"{EPOCH_HEADER} {text[:20]!r} is no epoch")
    return Ticket(None if text is None else int(text), headers.get(WAVE_HEADER, ""), headers.get(SMOKE_HEADER, ""))


def check(connection: psycopg.Connection[Any], shown: Ticket) -> None:
    """Inside the writer's transaction, before its first write. Raises Fenced or Stale."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        if not (cursor.execute(_THERE).fetchone() or (False,))[0]:
            return
        for wave, epoch, closed, token in cursor.execute(_ROWS, [shown.wave]).fetchall():
            if shown.smoke and closed:
                if shown.epoch is not None and shown.epoch < epoch:
                    raise Stale(f"the smoke test carries epoch {shown.epoch}, this side is at {epoch}")
                cursor.execute(_PASS, [wave, token])
            elif closed:
                raise Fenced(f"writes are closed here since epoch {epoch}")
            elif shown.epoch is not None and shown.epoch != epoch:
                raise Stale(f"the request carries epoch {shown.epoch}, this side is at {epoch}")


def let_through(connection: psycopg.Connection[Any]) -> None:
    """Lets the current transaction write through closed fences: for what drains (a relay that marks what it published)."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        if (cursor.execute(_THERE).fetchone() or (False,))[0]:
            for wave, token in cursor.execute("SELECT wave, token FROM cutwater.fence WHERE closed").fetchall():
                cursor.execute(_PASS, [wave, token])


def is_refusal(error: psycopg.Error) -> bool:
    """Whether the fence's trigger (not a row, not a lost connection) refused."""
    return error.sqlstate in _REFUSALS
