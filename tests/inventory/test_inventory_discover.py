"""One snapshot of many systems: what fails is named, what dangles is found, what changed is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.memory.discovery import MemoryDiscoverer
from cutwater.core.errors import Unavailable
from cutwater.core.hashing import canonical_json
from inventory.discover import discover
from inventory.drift import drift
from inventory.model import Asset, AssetKind, Edge, Finding, Snapshot

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def asset(identity: str, **more: object) -> Asset:
    kind, name = identity.split(":", 1)
    return Asset(identity, AssetKind(kind), name, **more)  # type: ignore[arg-type]


TABLE = asset(
    "postgres:payhub.outbox",
    structure={"columns": [{"name": "a", "type": "text"}, {"name": "b", "type": "int"}], "primary_key": ["a"]},
    measures={"volume": 3, "unit": "rows", "exact": True},
)
TOPIC = asset("kafka:events", structure={"partitions": 3}, measures={"volume": 9, "unit": "messages", "exact": False})


def snapshot(*systems: MemoryDiscoverer, name: str = "I1") -> Snapshot:
    return discover(systems, NOW, name)


def test_a_failing_system_is_named_and_stops_nothing() -> None:
    away = MemoryDiscoverer(AssetKind.KAFKA, failure=Unavailable("CW2109", "no broker", cause="://user:secret@host"))
    broken = MemoryDiscoverer(AssetKind.API, failure=KeyError("paths"))
    found = snapshot(MemoryDiscoverer(AssetKind.POSTGRES, [TABLE]), away, broken)
    assert [item.id for item in found.assets] == [TABLE.id]
    assert found.not_checked["kafka"].startswith("CW2109 no broker")
    assert "secret" not in found.not_checked["kafka"]
    assert found.not_checked["api"] == "defect of this discoverer: KeyError: 'paths'"
    assert found.not_checked["swift"] == "no system of this kind is configured"
    assert "postgres" not in found.not_checked


def test_edges_stand_between_what_was_seen() -> None:
    writes = Edge(TABLE.id, TOPIC.id, "writes", "rows")
    lost = Edge(TABLE.id, "kafka:gone", "writes", "rows")
    tables = MemoryDiscoverer(AssetKind.POSTGRES, [TABLE], [writes, lost, writes])
    both = snapshot(tables, MemoryDiscoverer(AssetKind.KAFKA, [TOPIC]))
    assert both.edges == (writes,)
    assert both.findings == (Finding(TABLE.id, "unknown", "writes kafka:gone, which no system has (rows)"),)
    alone = snapshot(tables)
    assert (alone.edges, alone.findings) == ((), ())  # Kafka was not looked at: nothing is said about it


def test_a_snapshot_survives_json() -> None:
    found = snapshot(
        MemoryDiscoverer(AssetKind.POSTGRES, [TABLE], findings=[Finding(TABLE.id, "late", "x")]),
        MemoryDiscoverer(AssetKind.KAFKA, [TOPIC]),
    )
    assert Snapshot.from_dict(json.loads(canonical_json(found.as_dict()))) == found


def test_without_a_change_there_is_no_drift() -> None:
    found = snapshot(MemoryDiscoverer(AssetKind.POSTGRES, [TABLE]))
    assert drift(found, replace(found, id="I2")).changes == ()


def test_structure_and_traffic_are_told_apart() -> None:
    changed = replace(
        TABLE,
        structure={"columns": [{"name": "a", "type": "varchar"}, {"name": "c", "type": "int"}], "primary_key": ["a"]},
        measures={"volume": 4, "unit": "rows", "exact": True},
    )
    one = snapshot(MemoryDiscoverer(AssetKind.POSTGRES, [TABLE]))
    two = snapshot(MemoryDiscoverer(AssetKind.POSTGRES, [changed, asset("postgres:payhub.new")]), name="I2")
    found = drift(one, two)
    told = [(item.asset, item.what, item.field, item.before, item.after) for item in found.changes]
    assert told == [
        ("postgres:payhub.new", "added", "", None, None),
        (TABLE.id, "structure", "columns.a.type", "text", "varchar"),
        (TABLE.id, "structure", "columns.b", {"name": "b", "type": "int"}, None),
        (TABLE.id, "structure", "columns.c", None, {"name": "c", "type": "int"}),
        (TABLE.id, "measure", "volume", 3, 4),
    ]
    assert len(found.structural) == 4


def test_the_order_of_columns_is_structure_too() -> None:
    columns = TABLE.structure["columns"]
    assert isinstance(columns, list)
    turned = replace(TABLE, structure={**TABLE.structure, "columns": columns[::-1]})
    one, two = (snapshot(MemoryDiscoverer(AssetKind.POSTGRES, [item])) for item in (TABLE, turned))
    assert [(item.what, item.field) for item in drift(one, two).changes] == [("structure", "columns")]


def test_what_was_not_checked_is_not_removed() -> None:
    one = snapshot(MemoryDiscoverer(AssetKind.POSTGRES, [TABLE]), MemoryDiscoverer(AssetKind.KAFKA, [TOPIC]))
    two = snapshot(
        MemoryDiscoverer(AssetKind.POSTGRES, [TABLE]),
        MemoryDiscoverer(AssetKind.KAFKA, failure=Unavailable("CW2109", "away")),
        name="I2",
    )
    found = drift(one, two)
    assert found.changes == ()
    assert found.not_comparable["kafka"] == "not checked in I2: CW2109 away"


@pytest.mark.parametrize(("kind", "structural"), [("fk", 1), ("writes", 0)])
def test_a_new_edge_is_structural_where_it_is_a_constraint(kind: str, structural: int) -> None:
    other = asset("postgres:payhub.other")
    one = snapshot(MemoryDiscoverer(AssetKind.POSTGRES, [TABLE, other]))
    two = snapshot(MemoryDiscoverer(AssetKind.POSTGRES, [TABLE, other], [Edge(TABLE.id, other.id, kind)]))
    found = drift(one, two)
    assert [(item.what, item.field, item.after) for item in found.changes] == [("edge_added", kind, other.id)]
    assert len(found.structural) == structural


def test_a_locked_table_is_neither_removed_nor_added() -> None:
    one = snapshot(MemoryDiscoverer(AssetKind.POSTGRES, [TABLE]))
    two = replace(one, id="I2", assets=(), not_checked={**one.not_checked, "postgres.payhub.outbox": "locked"})
    assert drift(one, two).changes == drift(two, one).changes == ()
    assert "postgres.payhub.outbox" in drift(one, two).not_comparable
