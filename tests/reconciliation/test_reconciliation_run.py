"""One verdict over everything, the life of a break, the self-check, the evidence and the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from reconciliation_estate import MAPPINGS, NOW, PAYMENT, Feeds, StaticPinner, payments, sides

from adapters.memory.compare_side import MemorySide
from inventory.model import TableMapping
from reconciliation.breaks import Break
from reconciliation.compare import Verdict
from reconciliation.evidence import Frame, document
from reconciliation.options import ReconcileOptions
from reconciliation.ports import TableSide
from reconciliation.reports.render import render
from reconciliation.run import Context, RunResult, reconcile

TOPIC = "kafka:payments"
CONTEXT = Context("R-1", ReconcileOptions(feed_wait_seconds=0), clock=lambda: NOW, pause=lambda _: None)


def ran(
    source: MemorySide, target: MemorySide, context: Context = CONTEXT, feeds: Feeds | None = None, pinned: bool = True
) -> RunResult:
    pinner = StaticPinner() if pinned else StaticPinner(None)
    view = feeds.view if feeds else None
    return reconcile("W01", MAPPINGS, [TOPIC] if feeds else [], source, target, pinner, view, context)


def body_of(result: RunResult, earlier: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    return document(result, Frame("payhub", CONTEXT.settings, NOW + timedelta(seconds=3), earlier, "p" * 64))


def test_equal_sides_pass_and_every_planted_fault_was_found(feeds: Feeds) -> None:
    result = ran(*sides(), feeds=feeds)
    found, planted = result.self_check.totals
    assert (result.verdict, result.not_checked, result.breaks) == (Verdict.PASS, [], [])
    assert found == planted > 50
    assert set(result.self_check.planted) >= {
        "altered cent",
        "dropped row",
        "swapped values",
        "NULL vs empty",
        "row doubled twice",
        "lost record",
    }


def test_no_pin_no_pass(feeds: Feeds) -> None:
    result = ran(*sides(), feeds=feeds, pinned=False)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert {item.asset: item.verdict for item in result.tables} == dict.fromkeys(
        (m.asset_id for m in MAPPINGS), Verdict.INCONCLUSIVE
    )
    assert "no common point" in " ".join(body_of(result)["why"])


def test_an_asset_that_nobody_compares_is_inconclusive_unless_declared() -> None:
    other = replace(CONTEXT, other_assets=("api:payments.get",))
    assert ran(*sides(), other).verdict is Verdict.INCONCLUSIVE
    declared = ReconcileOptions(declared_gaps={"api:*": "parity comes with the next wave"})
    result = ran(*sides(), replace(other, settings=declared))
    assert (result.verdict, [item.declared for item in result.not_checked]) == (Verdict.PASS, [True])


def test_a_self_check_that_finds_nothing_never_passes() -> None:
    class Blind(MemorySide):
        """Its copies hide what was planted in them."""

        @contextmanager
        def copy_of(self, mapping: TableMapping, rows: Sequence[Mapping[str, Any]]) -> Iterator[TableSide]:
            yield self

    source, target = sides()
    result = ran(source, Blind(target.tables))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "missed" in result.self_check.bound

    class NoCopies:
        """A side that cannot copy: nothing is planted."""

        def __init__(self, side: MemorySide) -> None:
            self.columns, self.totals, self.digests, self.rows = side.columns, side.totals, side.digests, side.rows

    bare = reconcile("W01", MAPPINGS, [], source, NoCopies(target), StaticPinner(), None, CONTEXT)
    assert (bare.verdict, bare.self_check.bound) == (Verdict.INCONCLUSIVE, "nothing was planted: no bound")


def test_a_break_keeps_its_id_and_age_is_closed_and_comes_again() -> None:
    whole, harmed = sides(), sides(lambda rows: rows[1:])
    first = ran(*harmed)
    (seen,) = first.breaks
    later = replace(CONTEXT, run="R-2", clock=lambda: NOW + timedelta(days=2), previous=[replace(seen, owner="ops")])
    again = ran(*harmed, later).breaks[0]
    assert (again.id, again.first_seen, again.owner, again.run) == (seen.id, seen.first_seen, "ops", "R-2")
    mended = ran(*whole, replace(later, run="R-3", previous=[again]))
    assert (mended.verdict, mended.breaks[0].state, mended.breaks[0].run) == (Verdict.PASS, "closed", "R-3")
    reopened = ran(*harmed, replace(later, run="R-4", previous=mended.breaks)).breaks[0]
    assert (reopened.state, reopened.first_seen) == ("open", "2026-11-25T12:00:00.000000Z")


def test_what_could_not_be_looked_at_stays_open() -> None:
    (seen,) = ran(*sides(lambda rows: rows[1:])).breaks
    source, _ = sides()
    result = ran(source, MemorySide({}), replace(CONTEXT, run="R-2", previous=[seen]))
    assert [(item.state, item.id) for item in result.breaks] == [("open", seen.id)]


def test_breaks_travel_as_plain_data() -> None:
    (seen,) = ran(*sides(lambda rows: rows[1:])).breaks
    assert Break.from_dict(seen.as_dict()) == seen


def test_the_page_stands_alone_masks_and_escapes(feeds: Feeds) -> None:
    def harm(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows[3]["remittance"] = "<script>alert(1)</script>"
        return rows[:-1]

    result = ran(*sides(harm), feeds=feeds)
    page = render(body_of(result), "ab" * 32, ["datacompy-payhub.payment.txt"])
    assert "✗ FAIL" in page
    assert "NOT SIGNED" in page
    assert ("ab" * 32) in page
    assert "misses &lt;=" in page
    assert "<script" not in page
    assert "Invoice" not in page
    assert not re.search(r"(src|href)\s*=|url\(|@import", page)
    assert "<svg" in page


@pytest.mark.parametrize("pinned", [True, False])
def test_every_verdict_has_a_page(pinned: bool) -> None:
    result = ran(*sides(), pinned=pinned)
    earlier = [body_of(ran(*sides(lambda rows: rows[1:])))]
    page = render(body_of(result, earlier), "0" * 64)
    assert result.verdict.value in page
    assert page.count("<tr") > 10


def test_scope_adds_up(feeds: Feeds) -> None:
    feeds.held[0] = [(0, 4)]
    for level in body_of(ran(*sides(), feeds=feeds))["scope"]:
        assert level["judged"] + level["in_grace"] + level["not_checked"] == level["population"]


def test_a_second_opinion_over_the_differing_rows() -> None:
    from reconciliation.peer import peer_report

    result = ran(*sides(lambda rows: [{**r, "amount": r["amount"] + (r["payment_id"] == 4)} for r in rows[1:]]))
    table = next(item for item in result.tables if item.asset == PAYMENT.asset_id)
    text = peer_report(PAYMENT, table.witness)
    assert "Number of rows in source but not in lake: 1" in text
    assert "amount" in text
    assert "Invoice" not in text
    assert len(payments()) == table.rows[0]
