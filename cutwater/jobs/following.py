"""A full run makes a basis; a run that follows it compares what was touched since: what the dark window waits for.

docs/adr/0005-final-reconciliation.md says why this is enough, and what is looked at besides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.duckdb.feed_since import LakeFeedsSince, SourcesSince
from adapters.duckdb.feed_view import EVENTS, INTAKE, RAW
from adapters.duckdb.lake import LakeReader
from adapters.duckdb.overlay import OverlaySide
from adapters.iceberg.added import snapshot_before
from adapters.iceberg.history import keep
from adapters.iceberg.mapping_data import mapping_of
from adapters.postgres.arrow_reader import lock_statement
from adapters.postgres.connection import connect, translated
from adapters.postgres.snapshot import PgSnapshot
from adapters.postgres.touched import storage, touched
from adapters.postgres.touched_side import TouchedSide
from cutwater import wiring
from cutwater.core.clock import iso, utc_now
from cutwater.core.config import Project
from cutwater.core.errors import Inconclusive
from cutwater.core.hashing import canonical_json, sha256_file
from cutwater.jobs.reconciling import Ran, Sides, run, settings_of
from inventory.model import TableMapping
from reconciliation.basis import Basis, FeedBasis, advanced, feed_basis, marked_from
from reconciliation.options import ReconcileOptions
from reconciliation.ports import FeedView, Pin, PinnedPair
from waves.plan import Plan

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from cutwater.state.store import Store

_PIN = "SELECT pg_current_snapshot()::text, pg_export_snapshot(), pg_current_wal_insert_lsn()::text"
FILE = "basis.json"


@dataclass(frozen=True)
class Marks:
    """What has to be noted before a full run begins, so that a later one can follow it."""

    tables: dict[str, int | None]
    storage: dict[str, str]


def mark(project: Project, plan: Plan, settings: ReconcileOptions, started_at: datetime) -> Marks:
    """The lake's snapshots behind which everything new will be found, and the files of the source's tables."""
    mappings = [mapping_of(item) for item in plan.mappings]
    catalog = wiring.catalog(project)
    try:
        marks: dict[str, int | None] = {}
        for mapping in mappings:
            table = catalog.load_table(mapping.changes)
            newest = table.current_snapshot()
            marks[mapping.changes] = _kept(table, None if newest is None else int(newest.snapshot_id))
        for name in (INTAKE, EVENTS, RAW):
            if catalog.table_exists(name):
                table = catalog.load_table(name)
                marks[name] = _kept(table, snapshot_before(table, marked_from(started_at, settings)))
    finally:
        catalog.close()
    files = storage(project.endpoints().postgres_dsn, plan.wave, mappings) if mappings else {}
    return Marks(marks, files)


def _kept(table: Table, snapshot_id: int | None) -> int | None:
    """A mark that stays while the history is thinned out."""
    if snapshot_id is not None:
        keep(table, snapshot_id)
    return snapshot_id


def basis_of(ran: Ran, marks: Marks) -> Basis:
    """What a full run that passed leaves to those that follow it."""
    result = ran.result
    return Basis(
        result.run,
        result.as_of,
        result.pg_snapshot,
        result.pg_snapshot,
        {name: int(number) for name, number in result.snapshots.items()},
        marks.tables,
        marks.storage,
        {item.asset: item.rows[0] for item in result.tables},
        _feeds(ran),
    )


def _feeds(ran: Ran) -> dict[str, FeedBasis]:
    return {item.stream: feed_basis(item.source, item.past, item.files, set(item.absent)) for item in ran.result.feeds}


def keep_basis(ran: Ran, basis: Basis) -> dict[str, Any]:
    """Writes the basis beside its run's evidence. Returns what names it: run, file's hash, as_of."""
    path = ran.folder / FILE
    path.write_text(canonical_json(basis.as_dict()) + "\n", encoding="utf-8")
    return {"run": basis.run, "basis_sha256": sha256_file(path), "as_of": basis.as_of}


def advance(
    project: Project, plan: Plan, store: Store, basis: Basis, names: tuple[str, str], drain: Callable[[], None]
) -> tuple[Ran, Basis] | None:
    """One short run under traffic that follows `basis`, and the later basis that it leaves; None where it does not pass.

    names: slot and publication of the verifier. drain: brings the change tables behind what the source shows now.
    """
    settings, started_at = settings_of(project), utc_now()
    sides = sides_since(project, plan.wave, basis, *names, drain)
    ran = run(project, plan.wave, store, sides, basis=basis)
    if ran.body["verdict"] != "PASS":
        return None
    later = advanced(basis, ran.result.run, ran.result.as_of, ran.result.pg_snapshot, _feeds(ran))
    settle(project, plan, later, *names)
    catalog = wiring.catalog(project)
    try:
        marks = {
            name: _kept(table, snapshot_before(table, marked_from(started_at, settings)))
            for name, table in (
                (name, catalog.load_table(name)) for name in (INTAKE, EVENTS, RAW) if name in basis.marks
            )
        }
    finally:
        catalog.close()
    return ran, replace(later, marks={**basis.marks, **marks})


def settle(project: Project, plan: Plan, basis: Basis, slot: str, publication: str) -> None:
    """Lets the verifier's slot pass by what `basis` has seen: the next look is spared it."""
    mappings = [mapping_of(item) for item in plan.mappings]
    since = PgSnapshot.parse(basis.pg_snapshot)
    touched(project.endpoints().postgres_dsn, plan.wave, slot, publication, mappings, since)


def get_ready(project: Project, plan: Plan, basis: Basis) -> OverlaySide:
    """The lake side of a run that will follow `basis`, with everything done that can be before it."""
    side = OverlaySide(LakeReader(wiring.catalog(project)), basis)
    side.get_ready([mapping_of(item) for item in plan.mappings])
    return side


def load_basis(project: Project, name: str, sha256: str) -> Basis:
    """The basis of run `name`. Raises Inconclusive (CW4017) where the file is gone or was altered."""
    path = Path(project.run_dir / "evidence" / name / FILE)
    if not path.is_file() or sha256_file(path) != sha256:
        raise Inconclusive("CW4017", f"the basis of run {name} is not what it was", cause=str(path.name))
    return Basis.from_dict(json.loads(path.read_text("utf-8")))


@dataclass
class FencePinner:
    """reconciliation.ports.Pinner: the source at a snapshot of now, the copies of the basis with all changes laid over."""

    dsn: str
    wave: str
    basis: Basis
    source: TouchedSide
    target: OverlaySide
    slot: str  # and publication: the verifier's own
    publication: str
    drain: Callable[[], None] = lambda: None  # at the fence both sides stand still already

    @contextmanager
    def pinned(self, tables: Sequence[TableMapping]) -> Iterator[PinnedPair]:
        with connect(self.dsn, f"{self.wave}/pin", autocommit=False) as held, translated("pinning the source"):
            held.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            if tables:
                held.execute(lock_statement(tables))
            row = held.execute(_PIN).fetchone()
            snapshot, exported, lsn = row or ("", "", "")
            as_of, now = iso(utc_now()), PgSnapshot.parse(snapshot)
            self.drain()
            until = self._lay(tables, now) if tables else {}
            source = {"snapshot": exported, "pg_snapshot": str(now), "lsn": lsn}
            told = ", ".join(f"{name} {number}" for name, number in sorted(until.items()))
            target = f"copies of {self.basis.run}, changes up to {told}"
            yield PinnedPair(
                Pin("postgres", f"snapshot {snapshot}, LSN {lsn}", source),
                Pin("iceberg", target, {"snapshots": dict(self.basis.copies)}),
                as_of,
            )

    def _lay(self, tables: Sequence[TableMapping], now: PgSnapshot) -> dict[str, int | None]:
        """Of each table the rows that are compared, on both sides."""
        since = PgSnapshot.parse(self.basis.pg_snapshot)
        found = touched(self.dsn, self.wave, self.slot, self.publication, tables, since)
        if found.emptied:
            raise Inconclusive("CW4017", f"{', '.join(sorted(found.emptied))} was truncated since the basis")
        files = storage(self.dsn, self.wave, tables)
        until: dict[str, int | None] = {}
        for mapping in tables:
            whole = files[mapping.asset_id] != self.basis.storage.get(mapping.asset_id)
            number = self.target.reader.current(mapping.changes)
            keys = self.target.lay(
                mapping, (self.basis.marks.get(mapping.changes), number), now, None if whole else found.arrow(mapping)
            )
            if keys is not None:
                self.source.keys[mapping.asset_id] = keys
            until[mapping.changes] = number
        return until


def sides_since(
    project: Project,
    wave: str,
    basis: Basis,
    slot: str,
    publication: str,
    drain: Callable[[], None] = lambda: None,
    ready: OverlaySide | None = None,
) -> Sides:
    """What `reconciling.run` compares when it follows a basis. slot, publication: the verifier's own. ready: the lake side, got
    ready for the same basis."""
    dsn = project.endpoints().postgres_dsn
    if ready is not None:
        ready.reader.reopen(wiring.catalog(project))
    source, target = TouchedSide(dsn), ready or OverlaySide(LakeReader(wiring.catalog(project)), basis)
    ahead = LakeReader(wiring.catalog(project))  # its own: feeds and tables are looked at side by side
    feeds = FeedView(LakeFeedsSince(ahead, basis), SourcesSince(wiring.feed_sources(project), basis))
    return Sides(source, target, FencePinner(dsn, wave, basis, source, target, slot, publication, drain), feeds)
