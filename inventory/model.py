"""Assets, edges and snapshots of the estate, and how one asset maps to its To-Be table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from cutwater.core.clock import parse_iso
from cutwater.core.hashing import sha256_json


class AssetKind(StrEnum):
    POSTGRES = "postgres"
    KAFKA = "kafka"
    API = "api"
    FILE = "file"
    SWIFT = "swift"


@dataclass(frozen=True)
class Asset:
    """One asset. `id` is `<kind>:<name>`, e.g. `postgres:payhub.payment`, `kafka:payhub.payment.status.v1`,
    `file:pain001`, `swift:fin-in`, `api:payments.get_status`.

    structure: what voids an approval when it changes (columns, keys, partitions, operations), plain JSON values.
    measures: what moves all the time (counts, offsets, bytes), plain JSON values. Of every kind: `volume` (int or None)
    with its `unit` and `exact` (False: an estimate); `pii`: field -> class, hit rate and how it was told.
    docs/specs/inventory.md names the keys of each kind.
    """

    id: str
    kind: AssetKind
    name: str
    owner: str = "nobody"
    criticality: str = "medium"
    structure: dict[str, object] = field(default_factory=dict)
    measures: dict[str, object] = field(default_factory=dict)
    evidence: str = ""  # where it was seen: catalog, access log, header scan
    last_seen: datetime | None = None
    confidence: str = "0.50"  # a decimal in text: 0.00-1.00

    @property
    def structure_hash(self) -> str:
        return sha256_json({"id": self.id, "structure": self.structure})


@dataclass(frozen=True)
class Edge:
    """How `source` feeds `target`; kind: fk, writes, reads, feeds, same_payment."""

    source: str
    target: str
    kind: str
    evidence: str = ""


@dataclass(frozen=True)
class Finding:
    """Something about an asset that a person has to know. state: blocked, late or unknown (cutwater.core.tokens)."""

    asset: str
    state: str
    text: str


@dataclass(frozen=True)
class Snapshot:
    """What discovery saw at one time. systems: facts of a whole system, by kind (roles, slots, consumer groups)."""

    id: str
    taken_at: datetime
    assets: tuple[Asset, ...]
    edges: tuple[Edge, ...] = ()
    not_checked: dict[str, str] = field(default_factory=dict)  # kind, or kind.part -> why it could not be looked at
    findings: tuple[Finding, ...] = ()
    systems: dict[str, dict[str, object]] = field(default_factory=dict)

    def asset(self, asset_id: str) -> Asset | None:
        return next((item for item in self.assets if item.id == asset_id), None)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Snapshot:
        """The inverse of `as_dict` after a journey through JSON."""
        return cls(
            id=body["id"],
            taken_at=_instant(body["taken_at"]),
            assets=tuple(
                Asset(
                    **{
                        **item,
                        "kind": AssetKind(item["kind"]),
                        "last_seen": _instant(item["last_seen"]) if item.get("last_seen") else None,
                    }
                )
                for item in body["assets"]
            ),
            edges=tuple(Edge(**item) for item in body.get("edges", ())),
            not_checked=dict(body.get("not_checked", {})),
            findings=tuple(Finding(**item) for item in body.get("findings", ())),
            systems=dict(body.get("systems", {})),
        )


def _instant(value: str | datetime) -> datetime:
    return value if isinstance(value, datetime) else parse_iso(value)


class FieldClass(StrEnum):
    """How a field is compared (payments.md, field classes); the thin path uses EXACT and IGNORED."""

    EXACT = "exact"
    NORMALISED = "normalised"
    TRUNCATION_EQUAL = "truncation_equal"
    TOLERANCE = "tolerance"
    DERIVED = "derived"
    ENRICHMENT_ONLY = "enrichment_only"
    IGNORED = "ignored"


@dataclass(frozen=True)
class ColumnMapping:
    """One column: its name, PostgreSQL type (format_type), the lake's type (Iceberg), nullability and field class."""

    name: str
    pg_type: str
    lake_type: str
    nullable: bool = True
    field_class: FieldClass = FieldClass.EXACT


def qualified(schema: str, table: str) -> str:
    """`schema.table`. A part with a dot or a quote in it stands in quotes, so that no two tables share a name."""
    return ".".join('"' + part.replace('"', '""') + '"' if set(part) & set('."') else part for part in (schema, table))


def parts_of(name: str) -> tuple[str, str]:
    """(schema, table) of a qualified name."""
    found = re.fullmatch(r'("(?:[^"]|"")*"|[^."]*)\.(.*)', name, re.DOTALL)
    if found is None:
        raise ValueError(f"{name!r} is no schema.table")
    schema, table = (p[1:-1].replace('""', '"') if p[:1] == '"' else p for p in found.groups())
    return schema, table


@dataclass(frozen=True)
class TableMapping:
    """A PostgreSQL table and its 1:1 copy in the lake.

    key is empty for a table without a primary key: its rows are a multiset.
    """

    source_schema: str
    source_table: str
    target: str  # "legacy.payment"
    key: tuple[str, ...]
    columns: tuple[ColumnMapping, ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Made once: what is derived from a mapping is kept by it, and looked up for every row."""
        return hash((self.source_schema, self.source_table, self.target, self.key, self.columns))

    @property
    def asset_id(self) -> str:
        return f"postgres:{qualified(self.source_schema, self.source_table)}"

    @property
    def changes(self) -> str:
        """The append-only change table: `legacy_changes.<table>`."""
        return "legacy_changes." + self.target.split(".", 1)[1]
