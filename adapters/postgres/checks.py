"""Every question of preparation, asked before anything is created.

The trap that this exists for: publishing a table without replica identity makes the legacy system's own UPDATE and
DELETE fail. That is how a migration tool breaks production.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
       has_table_privilege(c.relowner, c.oid, 'SELECT') AND has_schema_privilege(c.relowner, n.oid, 'USAGE'),
       (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = c.relowner),
       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attgenerated <> ''),
       ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey[:i.indnkeyatts - 1])
             WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END),
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT a.attnotnull),
       c.relispartition OR EXISTS (SELECT 1 FROM pg_inherits h WHERE h.inhrelid = c.oid OR (h.inhparent = c.oid AND c.relkind = 'r')),
       row_security_active(c.oid),
       has_schema_privilege(n.oid, 'USAGE'),
       pg_get_userbyid(c.relowner)::text,
       ARRAY(SELECT quote_ident(m.nspname) || '.' || quote_ident(l.relname) FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
             JOIN pg_namespace m ON m.oid = l.relnamespace WHERE t.isleaf AND c.relkind = 'p' AND l.relreplident <> c.relreplident ORDER BY 1),
       ARRAY(SELECT quote_ident(m.nspname) || '.' || quote_ident(l.relname) FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
             JOIN pg_namespace m ON m.oid = l.relnamespace WHERE t.isleaf AND c.relkind = 'p' AND (l.relkind <> 'r' OR l.relpersistence <> 'p') ORDER BY 1),
       ARRAY(SELECT quote_ident(m.nspname) || '.' || quote_ident(l.relname) FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
             JOIN pg_namespace m ON m.oid = l.relnamespace WHERE t.isleaf AND c.relkind = 'p' ORDER BY 1)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL (%s) ORDER BY a.attnum
"""
_ROLE = """
SELECT current_user::text, current_database()::text,
       r.rolreplication OR r.rolsuper
       OR EXISTS (SELECT 1 FROM pg_roles g WHERE g.rolname = 'rds_replication' AND pg_has_role(current_user, g.oid, 'MEMBER')),
       EXISTS (SELECT 1 FROM pg_roles g WHERE g.rolname = 'rds_replication'),
       has_database_privilege(current_database(), 'CREATE')
FROM pg_roles r WHERE r.rolname = current_user
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
            next="ALTER SYSTEM SET wal_level = logical; and restart the server (RDS, Aurora: rds.logical_replication = 1 in the parameter group, and reboot)",
        )
    free = int(
        _one(db, "SELECT current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)")
    )
    if free < 1:
        yield BadInput(
            "CW3112",
            "no replication slot is free",
            state=state,
            next="ALTER SYSTEM SET max_replication_slots = 20; and restart the server, or drop an orphan that cutwater doctor names",
        )
    yield from _role_problems(db)


def _role_problems(db: Connection) -> Iterator[CutwaterError]:
    """What the role lacks beside the tables' own rights; `next` is the statement that mends it."""
    state = "nothing was created"
    found = db.execute(_ROLE).fetchone() or ("", "", True, True, True)
    role, database, may_replicate, is_rds, may_create = found
    if not may_replicate:
        mend = f"GRANT rds_replication TO {quoted(role)};" if is_rds else f"ALTER ROLE {quoted(role)} REPLICATION;"
        yield BadInput("CW3113", f"the role {role} may not use logical replication", state=state, next=mend)
    if not may_create:
        yield BadInput(
            "CW3104",
            f"CREATE on database {database} is missing: {role} cannot make the publication",
            state=state,
            next=f"GRANT CREATE ON DATABASE {quoted(database)} TO {quoted(role)};",
        )


def quoted(*parts: str) -> str:
    """An SQL identifier as it has to be typed."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def table_problems(db: Connection, mapping: TableMapping) -> Iterator[CutwaterError]:
    """What one table lacks; `next` is the statement that mends it, where there is one."""
    name, state = f"{mapping.source_schema}.{mapping.source_table}", "nothing was created"
    row = db.execute(_TABLE, (mapping.source_schema, mapping.source_table)).fetchone()
    if row is None:
        yield BadInput(
            "CW3114", f"there is no table {name}", state=state, next="cutwater inventory discover, then plan again"
        )
        return
    table = _Table(name, quoted(mapping.source_schema, mapping.source_table), db.info.user, *row)
    yield from _rights(mapping, table)
    yield from _streamed(table)
    yield from _identity(mapping, table)
    if loose := sorted(set(mapping.key) & set(table.nullable)):
        yield Refused(
            "CW3121",
            f"{', '.join(loose)} of the key of {name} may be NULL: such a row is in no range and matches no other",
            state=state,
            next="declare a key without NULLs in the wave file, or SET NOT NULL",
        )
    carried = [column.name for column in mapping.columns]
    if (made := sorted(set(table.generated) & set(carried))) and db.info.server_version < 180000:
        yield Refused(
            "CW3118",
            f"{name} has generated columns ({', '.join(made)}) in its key: they are in no stream before PostgreSQL 18",
            state=state,
            next="declare a key without them in the wave file",
        )
    if taken := unusable_names(carried):
        yield Refused(
            "CW3119",
            f"{name} has columns that the lake cannot tell apart from others: {', '.join(taken)}",
            cause="names compare without case there, and ours begin with _has_ or are _lsn, _seq, _xid, _op, _commit_ts, _unchanged, _ord, _kept, _n, _copy",
            state=state,
            next="leave the table out of the wave, or rename the columns on the legacy side",
        )
    yield from _shape(db, mapping, name, [c for c in table.generated if c not in carried])
    yield from _unique(db, mapping, name)


@dataclass(frozen=True)
class _Table:
    """A row of _TABLE. owned: the role is the owner or inherits its rights. partitions: the leaves of a partitioned table; others and unfit: leaves of another replica identity,
    and such as have no stream (foreign, unlogged)."""

    name: str
    sql: str
    role: str
    identity: str
    kind: str
    persistence: str
    may_read: bool
    owned: bool
    owner_may_read: bool
    owner_is_super: bool
    has_key: bool
    generated: list[str]
    carried: list[str]
    nullable: list[str]
    related: bool
    hidden: bool
    may_use: bool
    owner: str
    others: list[str]
    unfit: list[str]
    partitions: list[str]


def _rights(mapping: TableMapping, table: _Table) -> Iterator[CutwaterError]:
    state, role = "nothing was created", quoted(table.role)
    inherited = not table.owned and table.owner_may_read and not table.owner_is_super  # they come with the owner's role
    if not (table.may_use or inherited):
        schema = quoted(mapping.source_schema)
        mend = f"GRANT USAGE ON SCHEMA {schema} TO {role};"
        yield BadInput("CW3104", f"USAGE on schema {mapping.source_schema} is missing", state=state, next=mend)
    if not (table.may_read or inherited):
        mend = f"GRANT SELECT ON {table.sql} TO {role};"
        yield BadInput("CW3104", f"SELECT on {table.name} is missing", state=state, next=mend)
    if not table.owned:
        yield BadInput(
            "CW3115",
            f"the role does not own {table.name}: it cannot be published",
            state=state,
            next=f"ALTER TABLE {table.sql} OWNER TO a role that is no superuser, then GRANT that role TO {role};"
            if table.owner_is_super
            else f"GRANT {quoted(table.owner)} TO {role};",
        )
    if table.hidden:
        yield Refused(
            "CW3104",
            f"a row security policy hides rows of {table.name} from the migration role",
            state=state,
            next=f"ALTER ROLE {role} BYPASSRLS;",
        )


def _streamed(table: _Table) -> Iterator[CutwaterError]:
    """Tables that have no complete change stream."""
    state = "nothing was created"
    if table.persistence != "p":
        yield Refused(
            "CW3116",
            f"{table.name} is unlogged or temporary: its changes are in no stream",
            state=state,
            next=f"ALTER TABLE {table.sql} SET LOGGED; or leave it out of the wave",
        )
    if table.related or table.kind not in ("r", "p"):
        yield Refused(
            "CW3116",
            f"{table.name} is a partition, or has parents or children by inheritance: its rows would come under several names",
            state=state,
            next="move the partitioned table at its root; leave inheritance out of the wave",
        )
    if table.unfit:
        yield Refused(
            "CW3116",
            f"partitions of {table.name} are foreign or unlogged: {', '.join(table.unfit)}; their changes are in no stream",
            state=state,
            next="make them ordinary tables, or leave the table out of the wave",
        )


def _identity(mapping: TableMapping, table: _Table) -> Iterator[CutwaterError]:
    """What its changes have to carry. Partitions are decoded by their own identity and sent under the root's."""
    state = "nothing was created"
    mend = " ".join(f"ALTER TABLE {one} REPLICA IDENTITY FULL;" for one in (table.sql, *table.partitions))
    if table.identity == "n" or (table.identity == "d" and not table.has_key):
        yield Refused(
            "CW3117",
            f"{table.name} has no replica identity: once published, the legacy system's own UPDATE and DELETE on it would fail",
            state=state,
            next=mend,
        )
    elif table.identity != "f" and not (mapping.key and set(mapping.key) <= set(table.carried)):
        wanted = f"the key ({', '.join(mapping.key)})" if mapping.key else "the whole row"
        yield Refused(
            "CW3117",
            f"the replica identity of {table.name} does not carry {wanted}: its DELETEs and UPDATEs could not be followed",
            state=state,
            next=f"{mend} or name another key in the wave file",
        )
    elif table.others:
        yield Refused(
            "CW3117",
            f"partitions of {table.name} have another replica identity than the table: {', '.join(table.others)}",
            state=state,
            next=mend,
        )


def unusable_names(names: Sequence[str]) -> list[str]:
    """Columns that would be taken for ours in the change table or the fold, or that differ from another only by case."""
    lowered = [name.lower() for name in names]
    return sorted(
        name
        for name, low in zip(names, lowered, strict=True)
        if low in _OURS or low.startswith("_has_") or lowered.count(low) > 1
    )


def _shape(db: Connection, mapping: TableMapping, name: str, left_out: list[str]) -> Iterator[CutwaterError]:
    wanted = (mapping.source_schema, mapping.source_table, left_out)
    found = {column: kind for column, kind in db.execute(_COLUMNS, wanted).fetchall()}
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
