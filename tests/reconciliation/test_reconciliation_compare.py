"""Schema, totals, buckets, rows, fields, classes: in memory, where every fault is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from reconciliation_estate import NOTE, PAYMENT, PIN, notes, payments, sides

from adapters.memory.compare_side import MemorySide
from cutwater.core.errors import Unavailable
from inventory.model import ColumnMapping, TableMapping
from reconciliation.compare import CompareOptions, Verdict, compare_table, worst
from reconciliation.ports import Pin
from reconciliation.status import direction

Rows = list[dict[str, Any]]


def changed(at: int, **values: Any) -> Callable[[Rows], Rows]:
    return lambda rows: [{**row, **values} if row["payment_id"] == at else row for row in rows]


def compared(harm: Callable[[Rows], Rows]) -> list[tuple[str, str]]:
    source, target = sides(harm)
    result = compare_table(PAYMENT, source, target, PIN, CompareOptions())
    assert result.verdict is (Verdict.FAIL if result.breaks else Verdict.PASS)
    return [(item.label, item.key) for item in result.breaks]


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda rows: rows, []),
        (changed(7, amount=Decimal("49.26")), [("AMOUNT_MISMATCH(amount)", "payment_id=7")]),
        (lambda rows: rows[1:], [("MISSING_IN_TARGET", "payment_id=1")]),
        (lambda rows: [*rows, {**rows[0], "payment_id": 9999}], [("MISSING_IN_SOURCE", "payment_id=9999")]),
        (lambda rows: [*rows, rows[4], rows[4]], [("DUPLICATE_TARGET", "payment_id=5")]),
        (changed(3, status="RCVD"), [("STATUS_MISMATCH(behind)", "payment_id=3")]),
        (changed(5, status="ACCC"), [("STATUS_MISMATCH(ahead)", "payment_id=5")]),
        (changed(5, remittance=""), [("FIELD_MISMATCH(remittance)", "payment_id=5")]),
        (changed(6, uetr="00000000-0000-4000-8000-00000000000A"), [("FIELD_MISMATCH(uetr)", "payment_id=6")]),
        (
            lambda rows: [
                {**r, "created_at": r["created_at"] + timedelta(microseconds=r["payment_id"] == 9)} for r in rows
            ],
            [("FIELD_MISMATCH(created_at)", "payment_id=9")],
        ),
    ],
    ids=["equal", "cent", "dropped", "extra", "doubled-twice", "behind", "ahead", "null-empty", "uuid", "microsecond"],
)
def test_a_difference_is_named(harm: Callable[[Rows], Rows], expected: list[tuple[str, str]]) -> None:
    assert compared(harm) == expected


def test_swapped_amounts_leave_every_sum_equal_and_are_found() -> None:
    rows = payments()
    first, second = rows[2]["amount"], rows[5]["amount"]  # both GBP... of one currency: the totals stay equal
    assert rows[2]["currency"] == rows[5]["currency"]
    found = compared(lambda items: changed(6, amount=first)(changed(3, amount=second)(items)))
    assert found == [("AMOUNT_MISMATCH(amount)", "payment_id=3"), ("AMOUNT_MISMATCH(amount)", "payment_id=6")]


def test_value_at_risk_is_exact_and_per_currency() -> None:
    source, target = sides(lambda rows: changed(7, amount=Decimal("48.24"))(rows[1:]))
    by_key = {item.key: item for item in compare_table(PAYMENT, source, target, PIN, CompareOptions()).breaks}
    assert by_key["payment_id=1"].gross == {"EUR": "7.25"}
    assert by_key["payment_id=1"].net == {"EUR": "-7.25"}
    assert by_key["payment_id=7"].net == {"EUR": "-1.01"}


def test_texts_are_masked() -> None:
    source, target = sides(changed(7, remittance="Somebody's name"))
    (found,) = compare_table(PAYMENT, source, target, PIN, CompareOptions()).breaks
    assert "Somebody" not in found.target
    assert found.source != found.target


def test_identical_rows_of_a_keyless_table_are_counted() -> None:
    source = MemorySide({NOTE.asset_id: notes()})
    for rows, label in ((notes()[1:], "MISSING_IN_TARGET"), ([*notes(), notes()[0]], "DUPLICATE_TARGET")):
        result = compare_table(NOTE, source, MemorySide({NOTE.asset_id: rows}), PIN, CompareOptions())
        assert [item.label for item in result.breaks] == [label]


def test_nothing_that_was_not_checked_passes() -> None:
    source, target = sides()
    empty = MemorySide({PAYMENT.asset_id: []})
    assert compare_table(PAYMENT, empty, empty, PIN, CompareOptions()).verdict is Verdict.INCONCLUSIVE
    allowed = CompareOptions(allow_empty=frozenset({PAYMENT.asset_id}))
    assert compare_table(PAYMENT, empty, empty, PIN, allowed).verdict is Verdict.PASS
    absent = compare_table(PAYMENT, source, MemorySide({}), PIN, CompareOptions())
    assert absent.verdict is Verdict.INCONCLUSIVE
    extra = MemorySide(source.tables, {PAYMENT.asset_id: {c.name: "x" for c in PAYMENT.columns} | {"new": "text"}})
    uncovered = compare_table(PAYMENT, extra, target, PIN, CompareOptions())
    assert (uncovered.verdict, "new" in uncovered.why) == (Verdict.INCONCLUSIVE, True)
    assert worst([]) is Verdict.INCONCLUSIVE


def test_a_missing_column_is_a_break_of_the_structure() -> None:
    source, target = sides()
    target.declared[PAYMENT.asset_id] = {item.name: item.lake_type for item in PAYMENT.columns[:-1]}
    result = compare_table(PAYMENT, source, target, PIN, CompareOptions())
    assert [(item.label, item.key) for item in result.breaks] == [("FIELD_MISMATCH(created_at)", "schema")]


def test_an_unknown_type_is_no_pass() -> None:
    odd = replace(PAYMENT, columns=(*PAYMENT.columns, ColumnMapping("place", "point", "struct<x>")))
    source, target = sides()
    assert compare_table(odd, source, target, PIN, CompareOptions()).verdict is Verdict.INCONCLUSIVE


def test_digests_that_contradict_the_rows_never_pass() -> None:
    class Blind(MemorySide):
        """Differs in its digests, gives back equal rows."""

        def digests(self, mapping: TableMapping, pin: Pin, buckets: int) -> Any:
            return dict(list(super().digests(mapping, pin, buckets).items())[1:])

    source, target = sides()
    result = compare_table(PAYMENT, source, Blind(target.tables), PIN, CompareOptions())
    assert result.verdict is Verdict.INCONCLUSIVE


def test_an_error_in_the_middle_never_passes() -> None:
    class Broken(MemorySide):
        def rows(self, *_: Any) -> Any:
            raise Unavailable("CW4005", "the files are gone")

    source, target = sides(lambda rows: rows[1:])
    result = compare_table(PAYMENT, source, Broken(target.tables), PIN, CompareOptions())
    assert (result.verdict, "CW4005" in result.why) == (Verdict.INCONCLUSIVE, True)


def test_more_breaks_than_are_listed_are_counted() -> None:
    source, target = sides(lambda rows: rows[50:])
    result = compare_table(PAYMENT, source, target, PIN, CompareOptions(max_breaks=10))
    assert (len(result.breaks), result.not_listed, result.verdict) == (10, 40, Verdict.FAIL)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("ACSC", "ACSP", "behind"),
        ("ACSP", "ACSC", "ahead"),
        ("RJCT", "ACSP", "behind"),
        ("RJCT", "ACSC", "conflict"),
        ("ACSC", "RJCT", "conflict"),
        ("ACCP", "ACWC", "conflict"),
    ],
)
def test_status_direction(source: str, target: str, expected: str) -> None:
    assert direction(source, target) == expected
