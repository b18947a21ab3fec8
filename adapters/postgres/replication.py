"""Publication and slot: made once, seen again after a crash, dropped without a trace."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg import sql

from adapters.postgres.connection import Connection, connect, translated, where
from adapters.postgres.fence_locks import end_writers
from adapters.postgres.fence_tables import resolve
from adapters.postgres.owner_mark import Owner, foreign, owns_publication, owns_slot, put, standing
from cutwater.core.errors import Refused, Unavailable
from waves.ports import Fence, Outcome

_BLOCKERS = """
SELECT pid, coalesce(application_name, ''), coalesce(usename::text, ''), date_trunc('second', now() - xact_start)::text, left(coalesce(query, ''), 60)
FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 5
"""


_SLOT = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND database = current_database()"

_PREPARED = "SELECT gid, owner::text, date_trunc('second', now() - prepared)::text FROM pg_prepared_xacts ORDER BY prepared LIMIT 5"


# Row filters and column lists exist from PostgreSQL 15 on: asked through JSON, so that 14 understands the question.
_NARROWED = """
SELECT 1 FROM pg_publication p LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid WHERE p.pubname = %s
AND (NOT (pubinsert AND pubupdate AND pubdelete AND pubtruncate)
     OR (to_jsonb(r) ->> 'prqual') IS NOT NULL OR (to_jsonb(r) ->> 'prattrs') IS NOT NULL)
"""


class CreatePublication:
    """`postgres.publication` {name, tables}. owner: whose it will be; one that stands is taken only if it is ours."""

    def __init__(self, dsn: str, owner: Owner | None = None) -> None:
        self.dsn, self.owner = dsn, owner

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        tables = sql.SQL(", ").join(sql.Identifier(*pair) for pair in args["tables"])
        statement = sql.SQL("CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root = true)").format(
            sql.Identifier(args["name"]), tables
        )
        with (
            connect(self.dsn, fence.wave) as db,
            translated(f"creating publication {args['name']}", "no publication was created"),
        ):
            try:
                with db.transaction():
                    db.execute(statement)
                    if self.owner is not None:
                        put(db, str(args["name"]), self.owner.mark)
            except pg.DuplicateObject:
                if not owns_publication(db, self.owner, str(args["name"]), fence.run_id):
                    raise foreign(db, "publication", str(args["name"]), where(self.dsn)) from None
                if self._same(db, args) is None:
                    raise Refused(
                        "CW3122",
                        f"a publication {args['name']} of other tables exists already",
                        state="it was left as it is",
                        next="cutwater wave abandon, or drop it",
                    ) from None
        return {"publication": args["name"], "tables": len(args["tables"])}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        with connect(self.dsn, fence.wave) as db, translated("looking for the publication"):
            return self._same(db, args) if owns_publication(db, self.owner, str(args["name"])) else None

    def _same(self, db: Connection, args: Mapping[str, Any]) -> Outcome | None:
        """What stands, where it publishes just these tables."""
        found = db.execute(
            "SELECT schemaname::text, tablename::text FROM pg_publication_tables WHERE pubname = %s",
            (args["name"],),
        ).fetchall()
        part = db.execute(_NARROWED, (args["name"],)).fetchone()
        same = part is None and sorted(map(tuple, args["tables"])) == sorted(found)
        return {"publication": args["name"], "tables": len(found)} if same else None

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"create publication {args['name']} for {len(args['tables'])} tables on {where(self.dsn)}"


class CreateSlot:
    """`postgres.slot` {name, wait_seconds, tables, grace_seconds}: waits for open writing transactions a bounded time, then
    names them. With a grace, who has written to `tables` is ended after it, as the fence would. owner: as of the publication
    of the slot's name; a slot that stands is taken only if it is ours."""

    def __init__(self, dsn: str, owner: Owner | None = None) -> None:
        self.dsn, self.owner = dsn, owner

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        self._claim(str(args["name"]), fence)
        graced = "grace_seconds" in args
        wait = max(1, int(args["grace_seconds"])) if graced else int(args.get("wait_seconds", 20))
        started = time.monotonic()
        found, ended = self._made(args, wait, fence), []
        if found is None and graced:
            with connect(self.dsn, fence.wave) as db, translated("ending writers"):
                ended = end_writers(db, resolve(db, args["tables"]))
            found = self._made(args, wait, fence)
        if found is None:
            raise self._blocked(args["name"], wait, fence)
        waited = str(round(time.monotonic() - started, 3))
        return {**found, "waited_seconds": waited, **({"ended": ended} if graced else {})}

    def _claim(self, name: str, fence: Fence) -> None:
        """Says in the publication's mark that the slot will be ours. Raises Refused where another's stands, or may stand."""
        if self.owner is None:
            return
        with connect(self.dsn, fence.wave) as db, translated(f"looking for slot {name}", "no slot was created"):
            if standing(db, name).exists and not owns_publication(db, self.owner, name):
                raise foreign(db, "publication", name, where(self.dsn))
            if db.execute(_SLOT, (name,)).fetchone() is not None:
                if not owns_slot(db, self.owner, name, fence.run_id):
                    raise foreign(db, "slot", name, where(self.dsn))
            elif standing(db, name).exists:
                put(db, name, replace(self.owner.mark, slot=True))

    def _made(self, args: Mapping[str, Any], wait: int, fence: Fence) -> Outcome | None:
        """The slot; None where a transaction was still open after `wait` seconds."""
        with connect(self.dsn, fence.wave, statement_seconds=wait, lock_seconds=wait) as db:
            try:
                row = db.execute(
                    "SELECT lsn::text FROM pg_create_logical_replication_slot(%s, 'pgoutput')", (args["name"],)
                ).fetchone()
            except pg.DuplicateObject:
                found = self.observe(args, fence)
                if found is None:
                    raise Refused(
                        "CW3124",
                        f"a slot {args['name']} of another plug-in exists",
                        state="it was left as it is",
                        next="drop it, then cutwater wave resume",
                    ) from None
                return found
            except (pg.QueryCanceled, pg.LockNotAvailable):  # whichever of the two time-outs comes first
                return None
            except psycopg.Error as error:
                from adapters.postgres.connection import explain

                raise explain(error, f"creating slot {args['name']}", "no slot was created") from error
        return {"slot": args["name"], "lsn": row[0] if row else ""}

    def _blocked(self, name: str, wait: int, fence: Fence) -> Unavailable:
        with connect(self.dsn, fence.wave) as db, translated("naming the blockers"):
            rows = db.execute(_BLOCKERS).fetchall()
            prepared = db.execute(_PREPARED).fetchall()
            db.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND NOT active",
                (name,),
            )
        told = [f"pid {pid} {app or user} open for {age}: {query}" for pid, app, user, age, query in rows]
        told += [
            f"prepared transaction '{gid}' of {owner}, {age} old: no session holds it" for gid, owner, age in prepared
        ]
        named = "; ".join(told) or "it ended while we looked"
        return Unavailable(
            "CW3125",
            f"slot {name} could not be created: an open transaction blocks it",
            cause=f"after {wait} s these still write: {named}",
            state="no slot was left behind; the legacy side is unchanged",
            money="nothing switched; customers are on the old platform",
            next="end that transaction (or wait for it), then cutwater wave resume",
            details={"blockers": [row[0] for row in rows]},
        )

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        with connect(self.dsn, fence.wave) as db, translated("looking for the slot"):
            if not owns_slot(db, self.owner, str(args["name"])):
                return None
            row = db.execute(
                "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s AND plugin = 'pgoutput' AND database = current_database() AND confirmed_flush_lsn IS NOT NULL",
                (args["name"],),
            ).fetchone()
        return {"slot": args["name"], "lsn": row[0]} if row else None

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"create logical slot {args['name']} on {where(self.dsn)}"


class Drop:
    """`postgres.drop_slot` / `postgres.drop_publication` {name}: gone afterwards, whether it was there or not.
    What is another's is left (`left`)."""

    def __init__(self, dsn: str, kind: str, owner: Owner | None = None) -> None:
        self.dsn, self.kind, self.owner = dsn, kind, owner

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        with (
            connect(self.dsn, fence.wave) as db,
            translated(f"dropping {self.kind} {args['name']}", "it is still there"),
        ):
            ours = owns_slot if self.kind == "slot" else owns_publication
            if not ours(db, self.owner, str(args["name"])):
                return {"dropped": "", "left": f"{self.kind} {args['name']}: it is another's"}
            if self.kind == "slot":
                db.execute(
                    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s AND active",
                    (args["name"],),
                )
                db.execute(
                    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
                    (args["name"],),
                )
            else:
                db.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(args["name"])))
        return {"dropped": args["name"]}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        query = {
            "slot": "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s",
            "publication": "SELECT 1 FROM pg_publication WHERE pubname = %s",
        }[self.kind]
        with connect(self.dsn, fence.wave) as db, translated(f"looking for the {self.kind}"):
            return {"dropped": args["name"]} if db.execute(query.encode(), (args["name"],)).fetchone() is None else None

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"drop {self.kind} {args['name']} on {where(self.dsn)}"
