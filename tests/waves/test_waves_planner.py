"""The planner: pure, frozen, hashed; and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from waves_bench import ACCOUNT, ESTATE, NOTE, PAYMENT, START, WAVE, WAY_BACK, table

from cutwater.core.errors import BadInput
from cutwater.core.hashing import canonical_json
from inventory.model import Asset, AssetKind, Snapshot
from inventory.type_map import lake_type
from waves.plan import Plan
from waves.planner import drifted, make_plan
from waves.wave_file import parse_wave


def planned(wave: bytes = WAVE, estate: Snapshot = ESTATE) -> Plan:
    return make_plan(parse_wave(wave, Path("W01.yaml")), estate)


def refused(wave: bytes = WAVE, estate: Snapshot = ESTATE) -> BadInput:
    with pytest.raises(BadInput) as caught:
        planned(wave, estate)
    return caught.value


def estate(*assets: Asset) -> Snapshot:
    return Snapshot("S", START, assets)


def test_steps_needs_and_reasons() -> None:
    plan = planned()
    ids = [step.id for step in plan.steps]
    assert ids == [
        "prepare",
        "backfill:payhub.account",
        "backfill:payhub.operator_note",
        "backfill:payhub.payment",
        "stream",
        "feeds",
        "dual_run",
        "gate:recon",
        "gate:breaks",
        "approval",
    ]
    for step in plan.steps:
        assert all(ids.index(need) < ids.index(step.id) for need in step.needs)
    assert plan.reasons["backfill:payhub.payment"] == "after account, which it refers to"
    assert plan.step("prepare").params == {"slot": "cutwater_w01", "publication": "cutwater_w01"}
    types = {column["name"]: column["lake_type"] for mapping in plan.mappings for column in mapping["columns"]}
    assert (types["amount"], types["details"], types["payment_id"]) == ("decimal(23,5)", "string", "long")
    keys = {mapping["source_table"]: mapping["key"] for mapping in plan.mappings}
    assert keys == {"payment": ["payment_id"], "account": ["account_id"], "operator_note": []}


def test_the_hash_is_of_the_content_alone() -> None:
    plan = planned()
    assert planned().hash == plan.hash
    assert planned(estate=replace(ESTATE, id="S9", assets=ESTATE.assets[::-1])).hash == plan.hash
    busy = replace(PAYMENT, measures={"rows": 5}, owner="x")
    assert planned(estate=replace(ESTATE, assets=(busy, *ESTATE.assets[1:]))).hash == plan.hash
    assert planned(WAVE.replace(b"threshold: 0", b"threshold: 1")).hash != plan.hash
    assert Plan.from_dict(json.loads(canonical_json(plan.as_dict()))).hash == plan.hash


def test_drift_is_of_structure() -> None:
    plan = planned()
    assert drifted(plan, ESTATE) == []
    assert drifted(plan, replace(ESTATE, assets=ESTATE.assets[1:])) == ["postgres:payhub.payment"]
    other = replace(PAYMENT, structure={**PAYMENT.structure, "relkind": "partitioned"})
    assert drifted(plan, replace(ESTATE, assets=(other, *ESTATE.assets[1:])))


def test_an_unknown_asset_is_named_with_its_place_and_the_nearest() -> None:
    error = refused(WAVE.replace(b"kafka:payhub.payment.status.v1", b"kafka:payhub.payment.stat.v1"))
    assert error.code == "CW3004"
    assert "W01.yaml:6:5" in error.what
    assert "kafka:payhub.payment.status.v1" in error.what
    assert "did you mean" in error.next


CHANNELS = b"""\
cutover:
  files: [{feed: "file:pain001", incoming: incoming/pain001}]
  consumers: {topics: [payhub.payment.status.v1], from_group: a, to_group: b, grace_seconds: 3}
  probe: [kafka]
"""


def test_channels_of_a_cutover_stand_in_its_steps() -> None:
    wave = WAVE.replace(b"accepts_writes: readers", b"accepts_writes: store")
    plan = planned(wave + CHANNELS + WAY_BACK)
    route = {"feed": "file:pain001", "incoming": "incoming/pain001"}
    assert [plan.step(name).params["files"] for name in ("fence", "switch", "open")] == [[route]] * 3
    assert plan.step("switch").params["consumer_grace"] == 3
    assert plan.step("probe").params == {"channels": ["kafka"], "patience_seconds": 60}
    assert plan.step("baseline").needs == ("probe",)
    assert "probe" not in [step.id for step in planned(wave + b"cutover:\n" + WAY_BACK).steps]


def test_a_file_route_of_a_feed_that_the_wave_does_not_move_is_refused() -> None:
    error = refused(
        WAVE.replace(b"readers", b"store") + CHANNELS.replace(b'"file:pain001"', b'"file:pain01"') + WAY_BACK
    )
    assert error.code == "CW3004"
    assert "file:pain001" in str(error)
    for outside in (b"../x", b"/etc"):
        with pytest.raises(BadInput, match="CW3003"):
            parse_wave(WAVE + CHANNELS.replace(b"incoming/pain001", outside), Path("W01.yaml"))


def test_a_table_without_identity_is_refused_with_the_remedy() -> None:
    bare = table("operator_note", [], {"note": "text"}, replica_identity="default")
    error = refused(estate=estate(PAYMENT, ACCOUNT, bare, *ESTATE.assets[3:]))
    assert error.code == "CW3005"
    assert "payhub.operator_note has no primary key and no replica identity" in error.what
    assert error.next.endswith('ALTER TABLE "payhub"."operator_note" REPLICA IDENTITY FULL;')
    nothing = replace(PAYMENT, structure={**PAYMENT.structure, "replica_identity": "nothing"})
    assert refused(estate=estate(nothing, ACCOUNT, NOTE, *ESTATE.assets[3:])).code == "CW3005"


def test_a_key_that_is_not_unique_is_refused() -> None:
    said = b"mappings:\n  postgres:payhub.payment: {key: [currency]}\n"
    error = refused(WAVE + said)
    assert error.code == "CW3006"
    assert "(currency) is not unique in payhub.payment" in error.what
    assert "W01.yaml:16:29" in error.what
    assert planned(WAVE + said.replace(b"[currency]", b"[payment_id]")).mappings


def test_a_type_without_counterpart_is_carried_as_text_and_a_class_may_be_said() -> None:
    odd = table("odd", ["id"], {"id": "bigint", "total": "numeric", "where": "point", "ratio": "real"})
    world = estate(*ESTATE.assets, odd)
    columns = {c["name"]: c for m in planned(WAVE, world).mappings if m["source_table"] == "odd" for c in m["columns"]}
    assert {name: c["lake_type"] for name, c in columns.items()} == {
        "id": "long",
        "total": "string",
        "where": "string",
        "ratio": "float",
    }
    said = b"mappings:\n  postgres:payhub.odd:\n    fields:\n      total: {lake_type: double, class: ignored}\n"
    columns = {c["name"]: c for m in planned(WAVE + said, world).mappings for c in m["columns"]}
    assert (columns["total"]["lake_type"], columns["total"]["field_class"]) == ("double", "ignored")


def test_a_reference_that_leaves_the_wave_is_a_bridge() -> None:
    plan = planned(WAVE.replace(b"postgres:payhub.*", b"postgres:payhub.payment"))
    note = plan.reasons["bridge:postgres:payhub.payment->postgres:payhub.account"]
    assert "payhub.account by account_id, which is not in this wave" in note


def test_who_accepts_writes_has_to_fit() -> None:
    only_tables = WAVE.replace(b"  - kafka:payhub.payment.status.v1\n  - file:pain001\n", b"").replace(
        b"readers", b"feeds"
    )
    assert refused(only_tables).code == "CW3025"
    only_feeds = WAVE.replace(b"  - postgres:payhub.*\n", b"")
    assert refused(only_feeds).code == "CW3025"
    plan = planned(only_feeds.replace(b"readers", b"feeds"))
    assert [step.id for step in plan.steps][:3] == ["prepare", "feeds", "dual_run"]


def test_foreign_keys_in_a_circle_still_give_an_order() -> None:
    key = [{"columns": ["b"], "references": "b", "target_columns": ["id"]}]
    a = table("a", ["id"], {"id": "bigint", "b": "bigint"}, foreign_keys=key)
    b = table("b", ["id"], {"id": "bigint"}, foreign_keys=[{**key[0], "references": "payhub.a"}])
    plan = planned(WAVE, estate(a, b, *ESTATE.assets[3:]))
    assert plan.reasons["postgres:payhub.a"] == "foreign keys form a cycle: begun at its first name"


@pytest.mark.parametrize(
    ("pg", "lake"),
    [
        ("bigint", "long"),
        ("integer", "int"),
        ("smallint", "int"),
        ("numeric(23,5)", "decimal(23,5)"),
        ("numeric(12)", "decimal(12,0)"),
        ("numeric(39,2)", "string"),
        ("numeric(3,5)", "string"),
        ("numeric", "string"),
        ("character varying(35)", "string"),
        ("character(3)", "string"),
        ("char(3)", "string"),
        ("timestamp(3) with time zone", "timestamptz"),
        ("timestamp without time zone", "timestamp"),
        ("timestamptz", "timestamptz"),
        ("uuid", "string"),
        ("jsonb", "string"),
        ("bytea", "binary"),
        ("double precision", "double"),
        ("real", "float"),
        ("boolean", "boolean"),
        ("date", "date"),
        ("time without time zone", "string"),
        ("interval", "string"),
        ("text[]", "string"),
        ("payhub.channel", "string"),
    ],
)
def test_types(pg: str, lake: str) -> None:
    assert lake_type(pg) == lake


def test_an_enumeration_is_kept_by_its_label() -> None:
    assert lake_type("payhub.channel", enum=True) == "string"
    assert AssetKind("postgres") is AssetKind.POSTGRES


@pytest.mark.parametrize("lacks", ["reverse", "store_tables", "compare_back"])
def test_a_store_without_its_way_back_is_not_planned(lacks: str) -> None:
    """Its rollback would lose what the store has accepted, or prove nothing."""
    lines = [line for line in WAY_BACK.splitlines(True) if not line.strip().startswith(lacks.encode())]
    error = refused(WAVE.replace(b"readers", b"store") + b"cutover:\n" + b"".join(lines))
    assert error.code == "CW3025"
    assert f"cutover.{lacks}" in str(error)
    assert planned(WAVE.replace(b"readers", b"store") + b"cutover:\n" + WAY_BACK).step("switch")
