"""The estate on real servers: seeded once, kept alive by traffic, harmed by faults, and told truthfully."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cutwater.core.config import Project
from cutwater.core.errors import BadInput, Refused
from cutwater.core.progress import Silent
from payments.registry import parse
from sandbox.estate import background, commands, seed, state, truth
from sandbox.estate.observe import differences

pytestmark = pytest.mark.real
STANDING = ["duplicate-event", "late-status", "missing-file-line", "sequence-gap"]


@pytest.fixture(scope="module")
def project(sandbox_project: Project) -> Project:
    """A seeded estate: whatever stands there already is used, tests share the sandbox."""
    try:
        state.load(sandbox_project)
    except BadInput:
        commands.seed(sandbox_project, payments=1_500, days=3, seed=3)
    return sandbox_project


def known(project: Project) -> dict[str, int]:
    numbers = state.load(project)
    return {"payments": numbers.payments, "days": numbers.days, "seed": numbers.seed}


def sequences(project: Project) -> dict[tuple[str, ...], list[int]]:
    """(direction, suffix, LT, session) -> the numbers in the archive, rising."""
    found: dict[tuple[str, ...], list[int]] = {}
    for path in Path(project.endpoints().swift_dir).glob("*/*/*"):
        terminal, session, number = path.stem.split("_")
        if path.suffix != ".ack":
            found.setdefault((path.parts[-3], path.suffix, terminal, session), []).append(int(number))
    return {key: sorted(numbers) for key, numbers in found.items()}


def gaps(project: Project) -> list[tuple[tuple[str, ...], int]]:
    return [
        (key, number)
        for key, numbers in sequences(project).items()
        for number in sorted(set(range(1, numbers[-1] + 1)) - set(numbers))
    ]


def test_what_was_told_stands_there(project: Project) -> None:
    assert differences(project) == []
    assert gaps(project) == []


def test_seeding_again_changes_nothing(project: Project) -> None:
    before = truth.ground_truth(project)
    again = commands.seed(project, **known(project))
    assert again["seeded"] is False
    assert truth.ground_truth(project) == before
    assert differences(project) == []


def test_another_seed_is_refused(project: Project) -> None:
    with pytest.raises(Refused) as caught:
        commands.seed(project, **{**known(project), "seed": 99}, progress=Silent())
    assert caught.value.code == "CW1202"
    assert differences(project) == []


def test_the_database_is_what_the_generator_says(project: Project) -> None:
    with seed.connect(project.endpoints()) as db:
        long_text = db.execute("SELECT count(*) FROM payhub.payment WHERE length(remittance) > 8192").fetchone()
        toast = db.execute(
            "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'payhub.payment'::regclass"
        ).fetchone()
        stray = db.execute(
            "SELECT count(*) FROM payhub.payment p JOIN LATERAL (SELECT status FROM payhub.payment_status s"
            " WHERE s.payment_id = p.payment_id ORDER BY seq DESC LIMIT 1) l ON true WHERE l.status <> p.status"
        ).fetchone()
        twins = db.execute(
            "SELECT max(n) FROM (SELECT count(*) AS n FROM payhub.operator_note GROUP BY noted_at, operator, payment_id, note) t"
        ).fetchone()
        untied = db.execute(
            "SELECT count(*) FROM payhub.statement s WHERE closing_balance - opening_balance <> (SELECT coalesce(sum(CASE"
            " credit_debit WHEN 'CRDT' THEN amount ELSE -amount END), 0) FROM payhub.statement_entry e"
            " WHERE e.statement_id = s.statement_id)"
        ).fetchone()
    assert long_text is not None
    assert long_text[0] >= 1
    assert toast is not None
    assert toast[0] > 0
    assert (stray, untied) == ((0,), (0,))
    assert twins is not None
    assert twins[0] > 1


def test_traffic_is_drained_so_that_all_sides_tell_the_same(project: Project) -> None:
    before = truth.ground_truth(project)["tables"]["payhub.payment"]
    sent = commands.traffic(project, rate=40, seconds=7)
    assert sent["errors"] == {}
    assert sent["payments"] > 40
    assert {"API", "KAFKA", "BACS", "PAIN001"} <= set(sent["channels"])
    assert truth.ground_truth(project)["tables"]["payhub.payment"] == before + sent["payments"]
    assert differences(project) == []
    assert gaps(project) == []
    with seed.connect(project.endpoints()) as db:
        unpublished = db.execute("SELECT count(*) FROM payhub.outbox WHERE published_at IS NULL").fetchone()
        events = db.execute("SELECT count(*) FROM payhub.payment_status").fetchone()
    assert unpublished == (0,)
    assert events is not None


def test_detached_traffic_ends_cleanly_and_faults_are_planted_beside_it(project: Project) -> None:
    started = commands.traffic(project, rate=20, detach=True)
    try:
        assert started["state"] == "running"
        with pytest.raises(Refused) as caught:
            commands.traffic(project, rate=20)
        assert caught.value.code == "CW1205"
        planted = commands.inject(project, STANDING)["planted"]
    finally:
        stopped = commands.traffic(project, stop=True)
    assert stopped["state"] == "stopped"
    assert stopped["errors"] == {}
    assert commands.traffic(project, stop=True) == {"state": "not running"}
    assert background.running(project) is None
    assert [item["fault"] for item in planted] == STANDING
    assert differences(project) == []
    assert [number for _, number in gaps(project)] == [planted[3]["sequence"]]
    check_planted(project, planted)

    undone = commands.inject(project, [], undo=True)["undone"]
    assert [item["fault"] for item in undone] == STANDING
    assert gaps(project) == []
    assert differences(project) == []
    again = commands.inject(project, [], undo=True)["undone"]
    assert [item["fault"] for item in again] == [
        "duplicate-event"
    ]  # proven by its key, nothing to repair at the source
    check_undone(project, planted)


def check_planted(project: Project, planted: list[dict[str, Any]]) -> None:
    """Each fault is what its record says, and nothing else was harmed."""
    late, short = planted[1], planted[2]
    with seed.connect(project.endpoints()) as db:
        row = db.execute("SELECT status::text FROM payhub.payment WHERE payment_id = %s", [int(late["key"])]).fetchone()
        waiting = db.execute("SELECT count(*) FROM payhub.outbox WHERE event_id = %s", [late["event_id"]]).fetchone()
        batch = db.execute(
            "SELECT item_count, control_sum FROM payhub.file_batch WHERE batch_id = %s", [short["batch_id"]]
        ).fetchone()
    assert (row, waiting) == (("ACCC",), (0,))
    assert batch == (12, Decimal(short["before"]["control_sum"]))
    content = (Path(project.endpoints().drop_dir) / "bacs" / short["place"]).read_bytes()
    assert short["reference"].encode() not in content
    found = parse(content, "file:bacs")
    assert len(found.events) == 11
    assert {item.code for item in found.findings} == {"control_total"}


def check_undone(project: Project, planted: list[dict[str, Any]]) -> None:
    late, short, gap = planted[1:]
    with seed.connect(project.endpoints()) as db:
        told = db.execute(
            "SELECT published_at IS NOT NULL FROM payhub.outbox WHERE event_id = %s", [late["event_id"]]
        ).fetchone()
    assert told == (True,)
    name = Path(short["place"])
    whole = (Path(project.endpoints().drop_dir) / "bacs" / f"{name.stem}_R1{name.suffix}").read_bytes()
    assert parse(whole, "file:bacs").accepted
    assert short["reference"].encode() in whole
    message = parse((Path(project.endpoints().swift_dir) / gap["place"]).read_bytes(), "swift:fin-in")
    assert message.accepted
    assert [item.uetr for item in message.events] == [gap["uetr"]]


@pytest.fixture
def lake_copy(project: Project) -> Any:
    """A small copy of the oldest payments in the lake; what a wave made stays as it is."""
    import pyarrow as pa
    from pyiceberg.exceptions import NamespaceAlreadyExistsError, TableAlreadyExistsError

    from adapters.iceberg.catalog import open_catalog

    catalog = open_catalog(project.endpoints())
    with seed.connect(project.endpoints()) as db:
        rows = db.execute(
            "SELECT payment_id, uetr::text, amount, currency, status::text FROM payhub.payment ORDER BY 1"
        ).fetchall()
    names = ["payment_id", "uetr", "amount", "currency", "status"]
    kinds = [pa.int64(), pa.string(), pa.decimal128(23, 5), pa.string(), pa.string()]
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    data = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=schema)
    try:
        catalog.create_namespace("legacy")
    except NamespaceAlreadyExistsError:
        pass
    try:
        table = catalog.create_table("legacy.payment", schema)
    except TableAlreadyExistsError:
        catalog.close()
        pytest.skip("a wave's copy stands in the shared sandbox")
    table.append(data)
    yield catalog
    catalog.drop_table("legacy.payment")
    catalog.close()


def test_faults_in_the_lake(project: Project, lake_copy: Any) -> None:
    before = {row["payment_id"]: row for row in lake_copy.load_table("legacy.payment").scan().to_arrow().to_pylist()}
    lost, altered = commands.inject(project, ["lost-row", "altered-amount"])["planted"]
    after = {row["payment_id"]: row for row in lake_copy.load_table("legacy.payment").scan().to_arrow().to_pylist()}
    assert set(before) - set(after) == {int(lost["key"])}
    changed = {key for key, row in after.items() if row != before[key]}
    assert changed == {int(altered["key"])}
    key = int(altered["key"])
    assert after[key]["amount"] - before[key]["amount"] == Decimal("0.01")
    assert after[key]["amount"] == Decimal(altered["after"]["amount"])
    undone = commands.inject(project, ["lost-row"], undo=True)["undone"]
    assert undone[0]["undo"] is None
    assert "product" in undone[0]["why"]


def test_a_lake_without_a_copy_and_unknown_names_are_refused(project: Project) -> None:
    with pytest.raises(BadInput) as caught:
        commands.inject(project, ["earthquake"])
    assert caught.value.code == "CW1207"
    assert commands.inject(project)["faults"][0] == "lost-row"


def test_ground_truth_is_plain_data(project: Project) -> None:
    found = truth.ground_truth(project)
    assert json.loads(json.dumps(found)) == found
    assert found["events"] > 5 * found["tables"]["payhub.payment"]
