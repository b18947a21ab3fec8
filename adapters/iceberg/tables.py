"""The lake's tables: created from their definitions, dropped by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adapters.iceberg.commits import NO_RETRY
from adapters.iceberg.mapping_data import mapping_of
from adapters.iceberg.types import arrow_schema, change_columns, current_columns
from cutwater.core.errors import Refused
from lakehouse.tables import LAKE_TABLES, Column
from waves.ports import Fence, Outcome

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

OWNER = "cutwater.created-by"
# Copy-on-write: changelog scans refuse merge-on-read delete files, and readers stay simple.
PROPERTIES = {
    "format-version": "2",
    "write.delete.mode": "copy-on-write",
    "write.update.mode": "copy-on-write",
    "write.merge.mode": "copy-on-write",
    **NO_RETRY,
    # Identifiers hardly repeat: a dictionary of them is built and thrown away. 64 KiB keep currencies and states in one,
    # and a payments table is written in about half the time, a quarter smaller (bench/backfill.py's table, zstd).
    "write.parquet.dict-size-bytes": "65536",
    "write.parquet.compression-level": "1",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}


def wanted(mappings: list[Mapping[str, Any]]) -> dict[str, list[Column]]:
    """Every table that a wave needs, by name."""
    tables: dict[str, list[Column]] = {spec.name: list(spec.columns) for spec in LAKE_TABLES}
    for data in mappings:
        mapping = mapping_of(data)
        tables[mapping.target] = current_columns(mapping)
        tables[mapping.changes] = change_columns(mapping)
    return tables


class CreateTables:
    """`lake.tables` {wave, mappings}: creates what is not there; a table of another shape is refused, never altered."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        created, kept, shared = [], [], {spec.name for spec in LAKE_TABLES}
        for name, columns in sorted(wanted(list(args["mappings"])).items()):
            schema = arrow_schema(columns)
            if self.catalog.table_exists(name):
                self._same(name, columns)
                if name not in shared:
                    self._ours(name, fence)
                kept.append(name)
                continue
            self.catalog.create_namespace_if_not_exists(name.split(".")[0])
            self.catalog.create_table(name, schema=schema, properties={**PROPERTIES, OWNER: fence.wave})
            created.append(name)
        return {"made": created, "kept": kept}

    def _ours(self, name: str, fence: Fence) -> None:
        """A copy has one wave: a second one would append its rows to those of the first."""
        owner = self.catalog.load_table(name).properties.get(OWNER)
        if owner != fence.wave:
            raise Refused(
                "CW3205",
                f"the lake's table {name} belongs to {f'wave {owner}' if owner else 'somebody else'}",
                cause="a second copy in the same table would double its rows",
                state="it was left as it is",
                next="name another target in the wave file's mappings, or abandon the other wave",
            )

    def _same(self, name: str, columns: list[Column]) -> None:
        found = {(field.name, str(field.field_type)) for field in self.catalog.load_table(name).schema().fields}
        missing = sorted(
            c.name for c in columns if (c.name, c.type.replace(",", ", ").replace(",  ", ", ")) not in found
        )
        if missing:
            raise Refused(
                "CW3205",
                f"the lake already has a table {name} of another shape",
                cause=f"it lacks {', '.join(missing)}",
                state="it was left as it is",
                next="cutwater wave abandon, or rename it",
            )

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        names = sorted(wanted(list(args["mappings"])))
        if not all(self.catalog.table_exists(name) for name in names):
            return None
        ours = [name for name in names if self.catalog.load_table(name).properties.get(OWNER) == fence.wave]
        return {"made": ours, "kept": sorted(set(names) - set(ours))}

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"create {len(wanted(list(args['mappings'])))} Iceberg tables where they are missing"


class DropTables:
    """`lake.drop_tables` {tables}: drops those that this wave created; what is gone already stays gone.

    The event store is shared: it stays while another wave has a copy in the lake. Files are left to the lake's
    orphan clean-up; the catalog's entry is what makes a table.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        dropped, mine = [], self._mine(args, fence)
        for name in mine:
            self.catalog.drop_table(name)
            dropped.append(name)
        return {
            "dropped": dropped,
            "left": sorted(n for n in args["tables"] if n not in mine and self.catalog.table_exists(n)),
        }

    def _mine(self, args: Mapping[str, Any], fence: Fence) -> list[str]:
        shared = {spec.name for spec in LAKE_TABLES}
        there = [name for name in sorted(args["tables"]) if self.catalog.table_exists(name)]
        ours = [name for name in there if self.catalog.load_table(name).properties.get(OWNER) == fence.wave]
        return [name for name in ours if name not in shared or not self._others(fence.wave)]

    def _others(self, wave: str) -> bool:
        """Has another wave a copy in the lake?"""
        if not self.catalog.namespace_exists("legacy"):
            return False
        owners = (self.catalog.load_table(name).properties.get(OWNER) for name in self.catalog.list_tables("legacy"))
        return any(owner not in (None, wave) for owner in owners)

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None if self._mine(args, fence) else {"dropped": [], "left": []}

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"drop the Iceberg tables {', '.join(sorted(args['tables']))} where this wave created them"
