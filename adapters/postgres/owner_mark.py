"""Whose publication, whose slot: a mark in the publication's comment. Two projects may give their waves one name.

A slot has no comment, so it follows the publication of its name: the mark says `slot` once the owner was about to make
it, and had seen that none stood there. What was made before there were marks is its maker's by the journal alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from psycopg import sql

from adapters.postgres.connection import Connection
from cutwater.core.errors import Refused

FOREIGN = "CW3134"
_COMMENT = re.compile(r"cutwater owner=(\w+) project=(\S+) wave=(\S+)( slot)?")
_SEEN = "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = %s"


class Owner(Protocol):
    """Who we are, and what our journal says that we made."""

    @property
    def mark(self) -> Mark: ...

    def made(self, what: str, but_run: str = "") -> bool:
        """Whether an intent of ours made `postgres:<kind>/<name>`, leaving out those of the run `but_run`."""


@dataclass(frozen=True)
class Mark:
    """owner: an identity that lives as long as the state store. slot: its slot was made, or was about to be."""

    owner: str
    project: str
    wave: str
    slot: bool = False

    @property
    def text(self) -> str:
        return f"cutwater owner={self.owner} project={self.project} wave={self.wave}{' slot' if self.slot else ''}"

    @property
    def told(self) -> str:
        return f"project {self.project} (owner {self.owner}), wave {self.wave}"


@dataclass(frozen=True)
class Standing:
    """What stands under a name. exists: the publication does. mark: None where it carries none."""

    exists: bool
    mark: Mark | None = None


def standing(db: Connection, publication: str) -> Standing:
    """The publication's mark as it is now."""
    row = db.execute(_SEEN, (publication,)).fetchone()
    if row is None:
        return Standing(False)
    found = _COMMENT.fullmatch(row[0] or "")
    return Standing(True, Mark(found[1], found[2], found[3], bool(found[4])) if found else None)


def put(db: Connection, publication: str, mark: Mark) -> None:
    """Writes the mark."""
    comment = sql.SQL("COMMENT ON PUBLICATION {} IS {}")
    db.execute(comment.format(sql.Identifier(publication), sql.Literal(mark.text)))


def owns_publication(db: Connection, owner: Owner | None, name: str, but_run: str = "") -> bool:
    """Whether the publication that stands is ours. Without an owner everything is."""
    if owner is None:
        return True
    mark = standing(db, name).mark
    return mark.owner == owner.mark.owner if mark else owner.made(f"postgres:publication/{name}", but_run)


def owns_slot(db: Connection, owner: Owner | None, name: str, but_run: str = "") -> bool:
    """Whether the slot that stands is ours: by the publication of its name, else by the journal."""
    if owner is None:
        return True
    mark = standing(db, name).mark
    if mark is not None and mark.owner != owner.mark.owner:
        return False
    return bool(mark and mark.slot) or owner.made(f"postgres:slot/{name}", but_run)


def foreign(db: Connection, kind: str, name: str, database: str) -> Refused:
    """The refusal of what is another's; it names whose, and what to do."""
    mark = standing(db, name).mark
    gone = f"DROP PUBLICATION {name}" if kind == "publication" else f"SELECT pg_drop_replication_slot('{name}')"
    whose = f"it is of {mark.told}" if mark else "it carries no mark of this project, and its journal did not make it"
    return Refused(
        FOREIGN,
        f"a {kind} {name} stands on {database} already, and it is not this project's",
        cause=whose,
        state="it was left as it is; nothing was created",
        money="nothing switched: customers are on the old platform",
        next=f"give this wave another name (and plan it); or, if its owner is gone for good, on the source: {gone}",
        details={"kind": kind, "name": name, "owner": mark.owner if mark else ""},
    )
