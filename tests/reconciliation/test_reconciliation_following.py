"""What a run that follows a basis judges again, and what it leaves to the basis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from reconciliation_estate import MAPPINGS, PAYMENT, PIN, StaticPinner, notes, payments

from adapters.memory.compare_side import MemorySide
from cutwater.core.clock import iso
from cutwater.core.errors import Inconclusive
from reconciliation.basis import Basis, FeedBasis, advanced, at_the_fence, feed_basis, marked_from
from reconciliation.evidence import Frame, document
from reconciliation.expectations import batch_events, row_events, status_events
from reconciliation.options import BatchEvents, Match, Members, ReconcileOptions, RowEvents, StatusEvents, Through
from reconciliation.ports import LakeEvent, SourceFile
from reconciliation.run import Context, reconcile

NOW = datetime(2026, 11, 25, 4, tzinfo=UTC)
SINCE, CUTOFF = NOW - timedelta(seconds=60), NOW
OLD, NEW = NOW - timedelta(seconds=90), NOW - timedelta(seconds=10)
ROWS = RowEvents(
    kind="row_events", table="t", key="uetr", at="at", amount="amount", currency="currency", streams=("kafka:x",)
)
STATUSES = StatusEvents(
    kind="status_events",
    table="s",
    through=Through(table="t", join="id", key="uetr"),
    status="status",
    at="at",
    streams=("kafka:x",),
)


def event(uetr: str, at: datetime | None, status: str = "", amount: str = "1") -> LakeEvent:
    return LakeEvent(uetr, "", status, Decimal(amount), "GBP", at, f"m-{uetr}")


def row(uetr: str, at: datetime, **more: Any) -> dict[str, Any]:
    return {"uetr": uetr, "at": at, "amount": Decimal(1), "currency": "GBP", **more}


def test_a_row_of_before_the_basis_needs_no_event_again_and_its_event_no_row() -> None:
    found = row_events(ROWS, [row("old", OLD)], [event("older", OLD), event("silent", None)], CUTOFF, SINCE)
    assert (found.judged, found.breaks) == (0, [])


def test_a_new_row_without_event_and_a_new_event_without_row_are_named() -> None:
    found = row_events(
        ROWS, [row("mine", NEW), row("old", OLD)], [event("theirs", NEW), event("old", OLD)], CUTOFF, SINCE
    )
    assert [(item.cls.value, item.key) for item in found.breaks] == [
        ("MISSING_IN_TARGET", "uetr=mine"),
        ("MISSING_IN_SOURCE", "uetr=theirs"),
    ]
    assert found.judged == 1


def test_statuses_are_judged_from_the_basis_on_and_matched_with_what_stands_before_it() -> None:
    owners = [{"id": 1, "uetr": "a"}, {"id": 2, "uetr": "b"}]
    rows = [
        {"id": 1, "status": "RCVD", "at": OLD},
        {"id": 1, "status": "ACSC", "at": NEW},
        {"id": 2, "status": "RCVD", "at": NEW},
    ]
    told = [event("a", NEW, "ACSC"), event("c", OLD, "RCVD")]
    found = status_events(STATUSES, rows, owners, told, CUTOFF, SINCE)
    assert [(item.cls.value, item.key, item.field) for item in found.breaks] == [
        ("STATUS_MISMATCH", "uetr=b", "behind")
    ]
    assert found.judged == 2
    assert len(status_events(STATUSES, rows, owners, told, CUTOFF).breaks) == 3  # without a basis: everything


def test_batches_of_before_the_basis_are_left_to_it() -> None:
    rule = BatchEvents(
        kind="batch_events",
        table="b",
        feed="feed",
        file_name="file",
        count="n",
        total="sum",
        at="at",
        members=Members(
            table="t", join="batch", key="id", amount="amount", match=(Match(source="uetr", event="uetr"),)
        ),
        streams=("file:x",),
    )
    batches = [
        {"feed": "x", "file": name, "n": 1, "sum": Decimal(1), "at": at, "batch": name}
        for name, at in (("old", OLD), ("new", NEW))
    ]
    members = [row(name, OLD, batch=name, id=name) for name in ("old", "new")]
    found = batch_events(rule, batches, members, [], {}, CUTOFF, SINCE)
    assert [(item.cls.value, item.key) for item in found.breaks] == [("MISSING_IN_TARGET", "id=new")]


def test_the_basis_reaches_back_over_everything_that_could_have_been_pending() -> None:
    settings = ReconcileOptions(grace_seconds={"*": 15, "file:*": 900})
    basis = Basis("R1", iso(NOW), "1:1:", "1:1:", {}, {})
    assert basis.since(settings) == NOW - timedelta(seconds=900)
    assert marked_from(NOW, settings) < basis.since(settings)
    strict = at_the_fence(ReconcileOptions(grace_seconds={"*": 15, "kafka:late": 40, "file:*": 900}))
    assert (strict.grace("kafka:any"), strict.grace("kafka:late"), strict.grace("file:x"), strict.grace("swift:x")) == (
        0,
        0,
        900,
        15,
    )
    assert basis.since(strict) == NOW - timedelta(seconds=900)


def test_a_feeds_basis_keeps_the_last_number_of_each_session_and_looks_again_for_what_was_absent() -> None:
    files = [SourceFile(f"f{n}", "0" * 64, iso(NOW), "LT", "0001", n) for n in (1, 2, 3)]
    found = feed_basis(3, {0: 7}, files, {"f3"})
    assert set(found.files) == {"f1", "f2"}
    assert [item["sequence"] for item in found.anchors] == [2]


@pytest.mark.parametrize("body", [{}, {"feeds": []}, {"run": "R1", "feeds": {"x": {"messages": "many"}}}])
def test_what_is_no_basis_is_said_and_not_guessed(body: dict[str, Any]) -> None:
    with pytest.raises(Inconclusive, match="CW4017"):
        Basis.from_dict(body)


def test_a_run_that_follows_closes_nothing_and_says_what_it_stands_on() -> None:
    rows = payments()
    sides = [MemorySide({PAYMENT.asset_id: rows, "postgres:payhub.note": notes()}) for _ in range(2)]
    basis = Basis("R-base", iso(NOW), "1:1:", "1:1:", {}, {}, rows={PAYMENT.asset_id: 1_000_000})
    harmed = [dict(item) for item in rows]
    harmed[3]["amount"] += Decimal("0.01")
    first = reconcile(
        "W01",
        MAPPINGS,
        (),
        MemorySide({**sides[0].tables, PAYMENT.asset_id: harmed}),
        sides[1],
        StaticPinner(PIN),
        None,
        Context("R-0"),
    )
    assert len(first.open_breaks) == 1
    context = Context("R-1", previous=first.breaks, basis=basis)
    followed = reconcile("W01", MAPPINGS, (), sides[0], sides[1], StaticPinner(PIN), None, context)
    assert [item.state for item in followed.breaks] == [
        "open"
    ]  # not found again is not closed: not everything was looked at
    assert followed.verdict.value == "FAIL"
    body = document(followed, Frame("p", ReconcileOptions(), NOW))
    assert body["basis"] == {
        "run": "R-base",
        "as_of": iso(NOW),
        "pg_snapshot": "1:1:",
        "rows": 1_000_000,
        "messages": 0,
    }
    clean = reconcile("W01", MAPPINGS, (), sides[0], sides[1], StaticPinner(PIN), None, Context("R-2", basis=basis))
    assert clean.verdict.value == "PASS"
    assert "since R-base passed" in " ".join(document(clean, Frame("p", ReconcileOptions(), NOW))["why"])


def test_a_later_basis_adds_what_came_and_keeps_what_was_known() -> None:
    def file(name: str, number: int) -> SourceFile:
        return SourceFile(name, "0" * 64, iso(NOW), "LT", "0001", number)

    first = feed_basis(2, {0: 7, 1: 3}, [file("f1", 1), file("f2", 2)], set())
    feeds = {"swift:x": first, "kafka:x": FeedBasis(10, {0: 7})}
    basis = Basis("R1", iso(NOW), "1:1:", "1:1:", {"t": 5}, {"c": 6}, feeds=feeds)
    then = {"swift:x": feed_basis(2, {}, [file("f2", 2), file("f3", 3)], set()), "kafka:x": FeedBasis(4, {0: 11})}
    later = advanced(basis, "R2", iso(NOW + timedelta(seconds=3)), "9:9:", then)
    assert (later.run, later.pg_snapshot, later.copied_at, dict(later.copies)) == ("R2", "9:9:", "1:1:", {"t": 5})
    assert later.feeds["kafka:x"] == FeedBasis(14, {0: 11})
    assert (later.feeds["swift:x"].messages, set(later.feeds["swift:x"].files)) == (3, {"f1", "f2", "f3"})
    assert [item["sequence"] for item in later.feeds["swift:x"].anchors] == [3]
    assert Basis.from_dict(later.as_dict()) == later
