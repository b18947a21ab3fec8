"""A database of somebody else's, made in the sandbox's server, and the load of a program that keeps an invariant.

CUTWATER_TEST_POSTGRES names another server instead (the connection string of a superuser, wal_level logical): so the same
test runs against an older PostgreSQL.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path

import psycopg

from cutwater.core.config import Project

SCHEMA = Path(__file__).with_name("foreign.sql")
TOTAL = 50 * 10_000  # what all desks hold together, after every transaction


class ForeignDatabase:
    """Owned by a role that may only log in: what else it needs, `init` has to say."""

    def __init__(self, sandbox: Project) -> None:
        known = json.loads(sandbox.endpoints_file.read_text("utf-8"))["private"]["admin_dsn"]
        self.admin = os.environ.get("CUTWATER_TEST_POSTGRES") or str(known)
        tail = secrets.token_hex(3)
        self.name, self.role, self.owner, self.password = (
            f"shop_{tail}",
            f"clerk {tail}",
            f"owner_{tail}",
            "p@:/%# " + tail,
        )
        with psycopg.connect(self.admin, autocommit=True) as db:
            db.execute(f"CREATE ROLE \"{self.role}\" LOGIN PASSWORD '{self.password}'".encode())
            db.execute(f"CREATE ROLE {self.owner}".encode())
            db.execute(f"CREATE DATABASE {self.name} OWNER {self.owner} TEMPLATE template0 ENCODING 'UTF8'".encode())
        self.as_admin(
            f"GRANT CREATE ON SCHEMA public TO {self.owner}; SET ROLE {self.owner}; {SCHEMA.read_text('utf-8')}"
        )

    @property
    def dsn(self) -> str:
        return psycopg.conninfo.make_conninfo(self.admin, dbname=self.name)

    @property
    def url(self) -> str:
        from urllib.parse import quote

        parts = psycopg.conninfo.conninfo_to_dict(self.admin)
        return f"postgresql://{quote(self.role)}:{quote(self.password, safe='')}@{parts['host']}:{parts['port']}/{self.name}"

    def as_admin(self, statements: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as db:
            db.execute(statements.encode())

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as db:
            return list(db.execute(query.encode()).fetchall())

    def drop(self) -> None:
        with psycopg.connect(self.admin, autocommit=True) as db:
            for (slot,) in db.execute(
                "SELECT slot_name::text FROM pg_replication_slots WHERE database = %s AND NOT active", (self.name,)
            ).fetchall():
                db.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
            db.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)".encode())
            with suppress(psycopg.Error):
                db.execute(f'DROP ROLE "{self.role}", {self.owner}'.encode())


# One transaction each: %(n)s counts up. Money goes from desk to desk, so that the total never moves.
LOAD = (
    "UPDATE tickets.desk SET cash = cash + CASE id WHEN 1 + %(n)s %% 50 THEN -7 ELSE 7 END WHERE id IN (1 + %(n)s %% 50, 1 + (%(n)s + 13) %% 50)",
    "UPDATE tickets.odds SET free = CASE %(n)s %% 3 WHEN 0 THEN 'NaN' WHEN 1 THEN 1.500 ELSE 'Infinity' END, ratio = -ratio, span = span + '1 day',"
    " host = '192.168.0.1/24', place = ROW(NULL, %(n)s, NULL), valid_to = 'infinity', tags = tags[:4] || 'n\\o'::text, price = price + 1::money,"
    " mood = 'cross', yes = NOT yes, code = 'k', pad = 'z', at_time = '12:00:00.123' WHERE id = 1 + %(n)s %% 120",
    "INSERT INTO tickets.odds (id, docb, share, may_be_nan) VALUES (2000 + %(n)s, '{\"n\": null}', 'NaN', 'NaN') ON CONFLICT DO NOTHING",
    "DELETE FROM tickets.odds WHERE id = 2000 + %(n)s - 5",
    "DELETE FROM tickets.visits WHERE ctid = (SELECT min(ctid) FROM tickets.visits)",
    "INSERT INTO tickets.visits VALUES ('v' || %(n)s %% 9, 'ça va', CASE %(n)s %% 2 WHEN 0 THEN '-0'::float8 ELSE 0.0 END, now(), '{}')",
    "UPDATE tickets.sale SET day = '2026-01-01'::date + (%(n)s * 37) %% 360, amount = amount + 1 WHERE id = 1 + %(n)s %% 300",
    "INSERT INTO tickets.sale (day, desk, amount) VALUES ('2026-09-01', 1, %(n)s)",
    "DELETE FROM tickets.sale WHERE id = 301 + %(n)s %% 40",
    "UPDATE tickets.log SET kind = (kind + 1) %% 3 WHERE ctid = (SELECT min(ctid) FROM tickets.log_rest) AND tableoid = 'tickets.log_rest'::regclass",
    "INSERT INTO tickets.log VALUES ('line ' || %(n)s %% 20, 1)",
    'UPDATE "Lager Süd"."Artikel Nr.1" SET "select" = %(n)s, "日本語" = \'値\' || %(n)s WHERE "select" %% 7 = %(n)s %% 7',
    'UPDATE "dotted.name"."x.y" SET body = md5(%(n)s::text) || body WHERE id = (SELECT min(id::text)::uuid FROM "dotted.name"."x.y") AND %(n)s %% 20 = 0',
    "UPDATE public.loose SET id = id + 0.00, note = note || 'x' WHERE id = 1 + %(n)s %% 30",
)


class Load(threading.Thread):
    """Writes until it is stopped; `failed` holds the first error, which is what a migration tool must never cause."""

    def __init__(self, database: ForeignDatabase) -> None:
        super().__init__(name="foreign load", daemon=True)
        self.database, self.ended, self.done, self.failed = database, threading.Event(), 0, ""

    def run(self) -> None:
        with psycopg.connect(self.database.dsn, autocommit=True) as db:
            while not self.ended.wait(0.01):
                self.done += 1
                for statement in LOAD:
                    try:
                        db.execute(statement.encode(), {"n": self.done})
                    except psycopg.Error as error:
                        self.failed = self.failed or f"{statement[:60]}: {error}"

    def stop(self) -> None:
        self.ended.set()
        self.join()
