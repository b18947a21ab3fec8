"""Every question of preparation, asked before anything is created.

The trap that this exists for: publishing a table without replica identity makes the legacy system's own UPDATE and
DELETE fail. That is how a migration tool breaks production.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.iceberg.mapping_data import mapping_of
from adapters.postgres.connection import Connection, connect, translated, where
from cutwater.core.errors import BadInput, CutwaterError, Refused
from inventory.model import TableMapping
from lakehouse.tables import CHANGE_COLUMNS
from waves.ports import Fence, Outcome

_TABLE = """
SELECT c.relreplident::text, c.relkind::text, c.relpersistence::text,
       has_table_privilege(c.oid, 'SELECT'),
       pg_has_role(c.relowner, 'USAGE'),
       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attgenerated <> ''),
       ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey[:i.indnkeyatts - 1])
             WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END),
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT a.attnotnull),
       EXISTS (SELECT 1 FROM pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent)),
       row_security_active(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


_OURS = {column.name for column in CHANGE_COLUMNS} | {"_ord", "_kept", "_n", "_copy"}  # the change table's, the fold's


class PostgresCheck:
    """`postgres.check` {tables, wave}: raises the first refusal with all findings in its details; creates nothing."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        with connect(self.dsn, fence.wave) as db, translated(f"checking {where(self.dsn)}", "nothing was created"):
            problems = list(server_problems(db)) + [
                p for data in args["tables"] for p in table_problems(db, mapping_of(data))
            ]
            version = db.info.server_version
        if problems:
            first = problems[0]
            first.details = {"findings": [f"{p.code} {p.what}" for p in problems]}
            if len(problems) > 1:
                first.cause = (
                    (first.cause + "; " if first.cause else "")
                    + f"{len(problems) - 1} more: "
                    + "; ".join(p.what for p in problems[1:4])
                )
            raise first
        return {"server_version": version, "tables": len(args["tables"])}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a question leaves no trace: it is asked again

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"check {len(args['tables'])} tables of {where(self.dsn)}: rights, keys, replica identity, slots, open transactions"


def server_problems(db: Connection) -> Iterator[CutwaterError]:
    """What the server itself lacks."""
    state = "nothing was created"
    if db.info.server_version < 140000:
        yield BadInput(
            "CW3110", f"PostgreSQL {db.info.server_version // 10000} is too old: 14 or later is needed", state=state
        )
    level = _one(db, "SHOW wal_level")
    if level != "logical":
        yield BadInput(
            "CW3111",
            f"wal_level is {level}, not logical",
            state=state,
            next="set wal_level=logical (Aurora: rds.logical_replication=1) and restart the server",
        )
    free = int(
        _one(db, "SELECT current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)")
    )
    if free < 1:
        yield BadInput(
            "CW3112",
            "no replication slot is free",
            state=state,
            next="raise max_replication_slots, or drop an orphan that cutwater doctor names",
        )
    may = _one(db, "SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user")
    rds = _one(
        db,
        "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'rds_replication' AND pg_has_role(current_user, oid, 'MEMBER'))",
    )
    if not (may or rds):
        yield BadInput(
            "CW3113",
            "the role may not use logical replication",
            state=state,
            next="ALTER ROLE ... REPLICATION (Aurora: GRANT rds_replication TO ...)",
        )


def table_problems(db: Connection, mapping: TableMapping) -> Iterator[CutwaterError]:
    """What one table lacks."""
    name, state = f"{mapping.source_schema}.{mapping.source_table}", "nothing was created"
    row = db.execute(_TABLE, (mapping.source_schema, mapping.source_table)).fetchone()
    if row is None:
        yield BadInput(
            "CW3114", f"there is no table {name}", state=state, next="cutwater inventory discover, then plan again"
        )
        return
    identity, kind, persistence, may_read, owner, has_key, generated, carried, nullable, related, hidden = row
    if not may_read:
        yield BadInput(
            "CW3104", f"SELECT on {name} is missing", state=state, next=f"GRANT SELECT ON {name} TO the migration role"
        )
    if not owner:
        yield BadInput(
            "CW3115",
            f"the role does not own {name}: it cannot be published",
            state=state,
            next="let its owner create the publication, or grant the owner's role",
        )
    if persistence != "p":
        yield Refused(
            "CW3116",
            f"{name} is unlogged or temporary: its changes are in no stream",
            state=state,
            next="ALTER TABLE ... SET LOGGED, or leave it out of the wave",
        )
    if kind != "r" or related:
        yield Refused(
            "CW3116",
            f"{name} is partitioned, a partition, or has parents or children: not every change of such a table is in its stream",
            cause="a TRUNCATE or DETACH of a partition is not sent, and a child's changes come under the child's name",
            state=state,
            next="move its partitions as tables of their own once detached, or leave it out of the wave",
        )
    if hidden:
        yield Refused(
            "CW3104",
            f"a row security policy hides rows of {name} from the migration role",
            state=state,
            next="ALTER ROLE ... BYPASSRLS, or let the policy's owner run the migration",
        )
    if identity == "n" or (identity == "d" and not has_key):
        yield Refused(
            "CW3117",
            f"{name} has no replica identity: once published, the legacy system's own UPDATE and DELETE on it would fail",
            state=state,
            next=f"ALTER TABLE {name} REPLICA IDENTITY FULL, or give it a primary key",
        )
    elif identity != "f" and not (mapping.key and set(mapping.key) <= set(carried)):
        wanted = f"the key ({', '.join(mapping.key)})" if mapping.key else "the whole row"
        yield Refused(
            "CW3117",
            f"the replica identity of {name} does not carry {wanted}: its DELETEs and UPDATEs could not be followed",
            state=state,
            next=f"ALTER TABLE {name} REPLICA IDENTITY FULL, or name another key in the wave file",
        )
    if loose := sorted(set(mapping.key) & set(nullable)):
        yield Refused(
            "CW3121",
            f"{', '.join(loose)} of the key of {name} may be NULL: such a row is in no range and matches no other",
            state=state,
            next="declare a key without NULLs in the wave file, or SET NOT NULL",
        )
    if generated and db.info.server_version < 180000:
        yield Refused(
            "CW3118",
            f"{name} has generated columns ({', '.join(generated)}): they are in no stream before PostgreSQL 18",
            state=state,
        )
    if taken := unusable_names([c.name for c in mapping.columns]):
        yield Refused(
            "CW3119",
            f"{name} has columns that the lake cannot tell apart from others: {', '.join(taken)}",
            cause="names compare without case there, and ours begin with _has_ or are _lsn, _seq, _xid, _op, _commit_ts, _unchanged, _ord, _kept, _n, _copy",
            state=state,
            next="leave the table out of the wave, or rename the columns on the legacy side",
        )
    yield from _shape(db, mapping, name)
    yield from _unique(db, mapping, name)


def unusable_names(names: Sequence[str]) -> list[str]:
    """Columns that would be taken for ours in the change table or the fold, or that differ from another only by case."""
    lowered = [name.lower() for name in names]
    return sorted(
        name
        for name, low in zip(names, lowered, strict=True)
        if low in _OURS or low.startswith("_has_") or lowered.count(low) > 1
    )


def _shape(db: Connection, mapping: TableMapping, name: str) -> Iterator[CutwaterError]:
    found = {
        column: kind for column, kind in db.execute(_COLUMNS, (mapping.source_schema, mapping.source_table)).fetchall()
    }
    declared = {c.name: c.pg_type for c in mapping.columns}
    changed = sorted(set(found) ^ set(declared)) + sorted(
        c for c in set(found) & set(declared) if found[c] != declared[c]
    )
    if changed:
        yield Refused(
            "CW3119",
            f"{name} is not what was planned: {', '.join(changed)}",
            state="nothing was created",
            next="cutwater inventory discover, then plan and approve again",
        )


def _unique(db: Connection, mapping: TableMapping, name: str) -> Iterator[CutwaterError]:
    if not mapping.key:
        return
    from psycopg import sql

    key = sql.SQL(", ").join(map(sql.Identifier, mapping.key))
    table = sql.Identifier(mapping.source_schema, mapping.source_table)
    guarded = """SELECT EXISTS (SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relname = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
        AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY(i.indkey)) = %s)"""
    if db.execute(guarded, (mapping.source_schema, mapping.source_table, sorted(mapping.key))).fetchone() == (True,):
        return
    twice = db.execute(
        sql.SQL("SELECT 1 FROM {t} GROUP BY {k} HAVING count(*) > 1 LIMIT 1").format(t=table, k=key)
    ).fetchone()
    if twice is not None:
        yield Refused(
            "CW3121",
            f"the key ({', '.join(mapping.key)}) of {name} is not unique",
            state="nothing was created",
            next="declare another key in the wave file, or none: the rows are then compared as a multiset",
        )


def _one(db: Connection, query: str) -> Any:
    row = db.execute(query.encode()).fetchone()
    return row[0] if row else None
