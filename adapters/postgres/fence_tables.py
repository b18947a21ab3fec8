"""Which tables a fence stands on, and its trigger on each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from adapters.postgres.connection import Connection
from cutwater.core.errors import BadInput, Refused

# Below every table that was named: its partitions and children. Above: what an insert may come through.
_TREE = """
WITH RECURSIVE named AS (
  SELECT t.s, t.n, c.oid FROM unnest(%s::text[], %s::text[]) AS t (s, n)
  LEFT JOIN (pg_class c JOIN pg_namespace k ON k.oid = c.relnamespace AND c.relkind IN ('r', 'p', 'f')) ON k.nspname = t.s AND c.relname = t.n
), down (oid) AS (
  SELECT oid FROM named WHERE oid IS NOT NULL UNION SELECT i.inhrelid FROM pg_inherits i JOIN down ON i.inhparent = down.oid
), up (oid) AS (
  SELECT i.inhparent FROM pg_inherits i JOIN down ON i.inhrelid = down.oid
  UNION SELECT i.inhparent FROM pg_inherits i JOIN up ON i.inhrelid = up.oid
), beside (top, oid) AS (
  SELECT up.oid, i.inhrelid FROM up JOIN pg_inherits i ON i.inhparent = up.oid
  UNION SELECT b.top, i.inhrelid FROM beside b JOIN pg_inherits i ON i.inhparent = b.oid
)
SELECT n.s, n.n, 'missing', 0::oid FROM named n WHERE n.oid IS NULL
UNION ALL SELECT k.nspname::text, c.relname::text,
  CASE WHEN c.oid IN (TABLE down) THEN 'fenced'
       WHEN c.relkind = 'p' AND NOT EXISTS (
         SELECT 1 FROM beside b WHERE b.top = c.oid AND b.oid NOT IN (TABLE down) AND b.oid NOT IN (TABLE up)) THEN 'fenced'
       ELSE 'beyond' END, c.oid
FROM pg_class c JOIN pg_namespace k ON k.oid = c.relnamespace WHERE c.oid IN (TABLE down) OR c.oid IN (TABLE up)
"""
_ARMED = """
SELECT c.oid, k.nspname::text, c.relname::text, t.tgname::text, encode(t.tgargs, 'escape'), t.tgenabled = 'A'
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace k ON k.oid = c.relnamespace
WHERE t.tgfoid = to_regprocedure('cutwater.guard()') ORDER BY 2, 3
"""
# A subscription writes rows without firing statement triggers: the guard never hears of it.
_SUBSCRIBED = """
SELECT DISTINCT s.subname::text, r.srrelid::regclass::text FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
WHERE s.subenabled AND r.srrelid = ANY(%s) ORDER BY 1, 2
"""


@dataclass(frozen=True, order=True)
class Table:
    """One relation that the fence stands on."""

    schema: str
    name: str
    oid: int

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


def resolve(db: Connection, tables: Sequence[Sequence[str]]) -> list[Table]:
    """The named tables with their partitions and, where these are all of it, their root; in the order of all locking.

    Raises BadInput (CW3404) for one that is not there, Refused (CW3405) where rows can come in through a parent that also
    has other partitions.
    """
    rows = db.execute(_TREE, ([t[0] for t in tables], [t[1] for t in tables])).fetchall()
    if missing := sorted(f"{s}.{n}" for s, n, kind, _ in rows if kind == "missing"):
        raise BadInput(
            "CW3404",
            f"there is no table {', '.join(missing)} to be fenced",
            state="nothing was fenced",
            next="cutwater inventory discover, then plan and approve again",
        )
    if beyond := sorted(f"{s}.{n}" for s, n, kind, _ in rows if kind == "beyond"):
        raise Refused(
            "CW3405",
            f"rows reach these tables through {', '.join(beyond)} too, which has other partitions or children",
            state="nothing was fenced",
            next="move all its partitions in one wave, or detach those that move",
        )
    return sorted(Table(schema, name, oid) for schema, name, _, oid in rows)


def refuse_subscribed(db: Connection, tables: Sequence[Table]) -> None:
    """Raises Refused (CW3406) where a subscription feeds one of the tables."""
    found = db.execute(_SUBSCRIBED, ([t.oid for t in tables],)).fetchall()
    if found:
        raise Refused(
            "CW3406",
            "a subscription writes into fenced tables: " + ", ".join(f"{name} into {table}" for name, table in found),
            cause="rows of logical replication fire no statement trigger: no fence would hold them",
            state="nothing was fenced by this call",
            next=f'ALTER SUBSCRIPTION "{found[0][0]}" DISABLE, then cutwater wave resume',
        )


def trigger_name(wave: str) -> str:
    """Sorted before other triggers by its name, so that a refused write does nothing before it is refused."""
    name = f"00_cutwater_fence_{wave}"
    return name if len(name.encode()) <= 63 else f"00_cutwater_fence_{hashlib.sha256(wave.encode()).hexdigest()[:32]}"


def arm(db: Connection, table: Table, wave: str, at: str) -> None:
    """Puts the guard of the closing `at` on one table, in the caller's transaction.

    CREATE TRIGGER waits for the writers in flight; ALWAYS, so that session_replication_role = replica does not pass.
    """
    name = sql.Identifier(trigger_name(wave))
    db.execute(
        sql.SQL(
            "CREATE OR REPLACE TRIGGER {} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {}"
            " FOR EACH STATEMENT EXECUTE FUNCTION cutwater.guard({}, {})"
        ).format(name, table.quoted, sql.Literal(wave), sql.Literal(at))
    )
    db.execute(sql.SQL("ALTER TABLE ONLY {} ENABLE ALWAYS TRIGGER {}").format(table.quoted, name))


def armed(db: Connection, wave: str) -> dict[Table, str]:
    """The tables on which the wave's guard stands, ALWAYS, with the closing that armed each."""
    return {table: at for table, _, at, always in _guards(db, wave) if always}


def disarm(db: Connection, table: Table, wave: str) -> None:
    """Takes the wave's guard off one table."""
    db.execute(sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(sql.Identifier(trigger_name(wave)), table.quoted))


def guarded(db: Connection, wave: str) -> list[Table]:
    """Every table that carries a guard of the wave, in whatever state."""
    return [table for table, _, _, _ in _guards(db, wave)]


def _guards(db: Connection, wave: str) -> list[tuple[Table, str, str, bool]]:
    found = []
    for oid, schema, name, trigger, arguments, always in db.execute(_ARMED).fetchall():
        of_wave, at, *_ = arguments.split("\\000")
        if trigger == trigger_name(wave):
            found.append((Table(schema, name, oid), of_wave, at, always))
    return found
