"""Completeness of feeds and the declared expectations between tables and feeds."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from reconciliation_estate import NOW, Feeds, payments

from cutwater.core.clock import iso
from reconciliation import feeds as check
from reconciliation.compare import Verdict
from reconciliation.expectations import batch_events, row_events, status_events
from reconciliation.feed_run import FeedRun, explain_control_totals, shorten
from reconciliation.options import BatchEvents, ReconcileOptions, RowEvents, StatusEvents
from reconciliation.ports import Intake, IntakeRow, LakeEvent, LakeMessage, SourceFile

TOPIC = "kafka:payments"
OLD, YOUNG, CUTOFF = NOW - timedelta(hours=1), NOW - timedelta(seconds=5), NOW - timedelta(minutes=1)


def ran(feeds: Feeds, stream: str = TOPIC, wait: int = 0) -> Any:
    run = FeedRun([stream], feeds.view, ReconcileOptions(feed_wait_seconds=wait), lambda: NOW, lambda _: None)
    run.look()
    return run.results(run.wait())[0]


@pytest.mark.parametrize(
    ("end", "runs", "expected"),
    [
        ((0, 10), [(0, 10)], []),
        ((0, 10), [(0, 4), (5, 10)], [(4, 5)]),
        ((0, 10), [], [(0, 10)]),
        ((5, 10), [(0, 7)], [(7, 10)]),
        ((5, 5), [], []),
        ((0, 10), [(3, 20)], [(0, 3)]),
        ((2, 8), [(0, 3), (9, 12)], [(3, 8)]),
    ],
)
def test_missing_offsets(end: tuple[int, int], runs: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    assert check.missing_offsets(end, runs) == expected


def test_a_whole_topic_passes(feeds: Feeds) -> None:
    result = ran(feeds)
    assert (result.verdict, result.source, result.lake) == (Verdict.PASS, 16, 16)


def test_a_lost_record_is_named_and_a_transaction_marker_is_not(feeds: Feeds) -> None:
    feeds.held[0] = [(0, 4), (5, 7), (8, 10)]
    feeds.markers.add((0, 7))
    result = ran(feeds)
    assert [item.key for item in result.breaks] == ["partition 0 offset 4"]
    assert result.verdict is Verdict.FAIL


def test_a_lake_that_lags_is_waited_for(feeds: Feeds) -> None:
    feeds.held[0] = [(0, 4)]
    feeds.polls = [lambda: None, lambda: feeds.held.update({0: [(0, 10)]})]
    assert ran(feeds, wait=60).verdict is Verdict.PASS


def test_a_lake_that_stands_still_is_inconclusive_not_lost(feeds: Feeds) -> None:
    feeds.held[0] = [(0, 4)]
    result = ran(feeds)
    assert (result.verdict, result.breaks, result.pending) == (Verdict.INCONCLUSIVE, [], 6)


def test_an_empty_source_is_not_checked(feeds: Feeds) -> None:
    feeds.topic, feeds.held = {0: (0, 0)}, {}
    assert ran(feeds).verdict is Verdict.INCONCLUSIVE


def test_files_by_name_and_hash(feeds: Feeds) -> None:
    listed = [SourceFile(name, name * 8, iso(at)) for name, at in (("a", OLD), ("b", OLD), ("c", OLD), ("d", YOUNG))]
    feeds.listed["file:x"] = listed
    feeds.taken["file:x"] = [
        LakeMessage("1", "in/a", "a" * 8, iso(OLD)),
        LakeMessage("2", "b", "other", iso(OLD)),
        LakeMessage("3", "gone", "g", iso(OLD)),
    ]
    result = ran(feeds, "file:x")
    found = {(item.label, item.key, item.state) for item in result.breaks}
    assert found == {
        ("FIELD_MISMATCH(sha256)", "b", "open"),
        ("MISSING_IN_TARGET", "c", "open"),
        ("MISSING_IN_SOURCE", "gone", "explained"),
    }
    assert (result.verdict, result.pending) == (Verdict.FAIL, 1)


def test_sequence_gaps_name_the_numbers() -> None:
    def file(number: int, at: Any = OLD) -> SourceFile:
        return SourceFile(f"L_1_{number}.fin", "x", iso(at), "LT", "1001", number)

    found = list(check.sequence_breaks("swift:fin-in", [file(n) for n in (1, 2, 5, 7)], [], CUTOFF))
    assert [item.key for item in found] == ["LT session 1001 3-4", "LT session 1001 6"]
    young = [file(1), file(3, YOUNG)]
    assert not list(check.sequence_breaks("swift:fin-in", young, [], CUTOFF))
    held = [LakeMessage("1", "L_1_2.fin", "x", iso(OLD), "LT", "1001", 2)]
    assert not list(check.sequence_breaks("swift:fin-in", [file(1), file(3)], held, CUTOFF))


def test_intake_outcomes() -> None:
    def row(
        name: str, outcome: str, events: int = 1, known: int = 0, booked: int = 1, rule: str = "", at: Any = OLD
    ) -> IntakeRow:
        findings = json.dumps([{"rule": rule, "place": "GrpHdr", "text": "stated 2, actual 1"}]) if rule else ""
        return IntakeRow(name, name, iso(at), outcome, events, known, booked, findings, "")

    rows = (
        row("dup", "duplicate", known=1, booked=0),
        row("conflict", "conflict"),
        row("bad", "quarantined", rule="no_amount"),
        row("lost", "accepted", events=3, booked=2),
        row("total", "accepted", rule="control_total"),
        row("silent", ""),
        row("fresh", "", at=YOUNG),
    )
    found = {
        (item.label, item.key, item.state) for item in check.intake_breaks(TOPIC, Intake(7, {}, rows=rows), CUTOFF)
    }
    assert found == {
        ("DUPLICATE_SOURCE", "dup", "explained"),
        ("KEY_COLLISION", "conflict", "open"),
        ("PARSE_FAILURE", "bad", "open"),
        ("MISSING_IN_TARGET(events)", "lost", "open"),
        ("FIELD_MISMATCH(control_total)", "total", "open"),
        ("MISSING_IN_TARGET(intake)", "silent", "open"),
    }


def test_the_intake_identity_must_hold(feeds: Feeds) -> None:
    feeds.intakes[TOPIC] = Intake(16, {"accepted": 15})
    assert ran(feeds).verdict is Verdict.INCONCLUSIVE


STATUS = StatusEvents.model_validate(
    {
        "kind": "status_events",
        "table": "payhub.payment_status",
        "through": {"table": "payhub.payment", "join": "payment_id", "key": "uetr"},
        "status": "status",
        "at": "occurred_at",
        "streams": [TOPIC],
    }
)


def event(uetr: str, status: str = "", amount: str | None = None, **values: Any) -> LakeEvent:
    found = LakeEvent(uetr, "", status, None if amount is None else Decimal(amount), "GBP", OLD, "m1")
    return found._replace(**values)


def test_late_ahead_and_pending_statuses() -> None:
    owners = [{"payment_id": n, "uetr": f"u{n}"} for n in range(1, 5)]
    statuses = [
        {"payment_id": n, "status": status, "occurred_at": at}
        for n, status, at in (
            (1, "ACSP", OLD),
            (1, "ACSC", OLD),
            (2, "ACSP", OLD),
            (2, "ACSC", YOUNG),
            (3, "ACSP", OLD),
            (4, "RJCT", OLD),
        )
    ]
    events = [event("u1", "ACSP"), event("u2", "ACSP"), event("u3", "ACSP"), event("u3", "ACSC"), event("u4", "RJCT")]
    events += [event("u9", "RCVD"), event("u3", "ACCC", event_time=YOUNG)]
    outcome = status_events(STATUS, statuses, owners, events, CUTOFF)
    assert {(item.label, item.key) for item in outcome.breaks} == {
        ("STATUS_MISMATCH(behind)", "uetr=u1"),
        ("STATUS_MISMATCH(ahead)", "uetr=u3"),
        ("MISSING_IN_SOURCE(payment)", "uetr=u9"),
    }
    assert (outcome.judged, outcome.pending) == (5, 1)


def test_every_row_has_one_event_of_its_amount() -> None:
    rule = RowEvents(
        kind="row_events",
        table="t",
        key="uetr",
        at="created_at",
        amount="amount",
        currency="currency",
        streams=(TOPIC,),
    )
    rows = [{**row, "created_at": OLD, "currency": "GBP"} for row in payments(5)]
    rows[4]["created_at"] = YOUNG
    events = [event(rows[0]["uetr"], amount=str(rows[0]["amount"])), event(rows[1]["uetr"], amount="0.01")]
    events += [event(rows[2]["uetr"], amount=str(rows[2]["amount"]))] * 2
    outcome = row_events(rule, rows, [*events, event("stranger")], CUTOFF)
    assert sorted(item.label for item in outcome.breaks) == [
        "AMOUNT_MISMATCH(amount)",
        "DUPLICATE_TARGET",
        "MISSING_IN_SOURCE",
        "MISSING_IN_TARGET",
    ]
    assert outcome.pending == 1


BATCH = BatchEvents.model_validate(
    {
        "kind": "batch_events",
        "table": "payhub.file_batch",
        "feed": "feed",
        "file_name": "file_name",
        "count": "item_count",
        "total": "control_sum",
        "at": "received_at",
        "members": {
            "table": "payhub.payment",
            "join": "batch_id",
            "key": "payment_id",
            "amount": "amount",
            "match": [{"source": "uetr", "event": "uetr"}, {"source": "ref", "event": "instruction_id", "length": 3}],
        },
        "streams": ["file:pain001", "file:bacs"],
    }
)


def test_a_payment_without_its_line_is_named() -> None:
    batch = {
        "batch_id": 1,
        "feed": "bacs",
        "file_name": "f1",
        "item_count": 3,
        "control_sum": Decimal(30),
        "received_at": OLD,
    }
    members = [
        {"payment_id": n, "batch_id": 1, "uetr": f"u{n}", "ref": f"R{n:02d}-long", "amount": Decimal(10)}
        for n in (1, 2, 3)
    ]
    events = [event("u1", amount="10"), event("", amount="10.01", instruction_id="R02"), event("u7", amount="1")]
    outcome = batch_events(BATCH, [batch], members, events, {"f1": "m1"}, CUTOFF)
    assert {(item.label, item.key) for item in outcome.breaks} == {
        ("MISSING_IN_TARGET", "payment_id=3"),
        ("AMOUNT_MISMATCH(amount)", "payment_id=2"),
        ("MISSING_IN_SOURCE(line)", "f1 u7"),
    }
    assert {item.asset for item in outcome.breaks} == {"file:bacs"}
    wrong = batch_events(BATCH, [{**batch, "item_count": 4, "control_sum": Decimal(31)}], members, events, {}, CUTOFF)
    assert {"FIELD_MISMATCH(count)", "AMOUNT_MISMATCH(control_sum)"} <= {item.label for item in wrong.breaks}
    assert batch_events(BATCH, [{**batch, "received_at": YOUNG}], members, [], {}, CUTOFF).pending == 1


def test_a_total_that_disagrees_is_explained_once_the_batch_is_whole(feeds: Feeds) -> None:
    feeds.listed["file:x"] = [SourceFile("f1", "s", iso(OLD))]
    feeds.taken["file:x"] = [LakeMessage("1", "f1", "s", iso(OLD))]
    findings = json.dumps([{"rule": "control_total", "place": "UTL1", "text": "stated 2, actual 1"}])
    feeds.intakes["file:x"] = Intake(
        1, {"accepted": 1}, rows=(IntakeRow("1", "f1", iso(OLD), "accepted", 1, 0, 1, findings, ""),)
    )
    result = ran(feeds, "file:x")
    assert result.verdict is Verdict.FAIL
    explain_control_totals([result], {"f1": "a corrected file followed"})
    assert (result.verdict, [item.state for item in result.breaks]) == (Verdict.PASS, ["explained"])


def test_many_explained_breaks_do_not_hide_one_that_blocks(feeds: Feeds) -> None:
    """The list is cut after the verdict, and what blocks stands first: a cut list once turned FAIL into PASS."""
    feeds.listed["file:x"] = [SourceFile("f1", "s", iso(OLD))]
    cleared = [LakeMessage(str(n), f"gone{n}", "s", iso(OLD)) for n in range(5)]
    feeds.taken["file:x"] = [LakeMessage("1", "f1", "s", iso(OLD)), *cleared]
    feeds.intakes["file:x"] = Intake(6, {"accepted": 6}, doubled=1)
    run = FeedRun(
        ["file:x"],
        feeds.view,
        ReconcileOptions(feed_wait_seconds=0, max_breaks_per_asset=3),
        lambda: NOW,
        lambda _: None,
    )
    run.look()
    results = run.results(run.wait())
    explain_control_totals(results, {})
    shorten(results, 3)
    assert results[0].verdict is Verdict.FAIL
    assert [item.label for item in results[0].breaks if item.blocking] == ["DUPLICATE_TARGET"]
    assert len(results[0].breaks) == 3
