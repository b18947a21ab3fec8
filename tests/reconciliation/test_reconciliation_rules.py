"""Declared comparison classes: what they take for equal, and what they do not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutwater.core.errors import BadInput
from reconciliation.nested import json_text
from reconciliation.rules import agree, grade, normalised, rule_of


@pytest.mark.parametrize("text", ["", "near", "tolerance", "tolerance:-1", "tolerance:x", "tolerance:\u0663", "truncated:", "normalised:", "normalised:trim+what", "derived:", "derived: ", "exact:1"])  # fmt: skip
def test_what_is_no_rule_is_refused_with_the_rules_there_are(text: str) -> None:
    with pytest.raises(BadInput, match="CW4034") as refused:
        rule_of(text)
    assert "tolerance:N" in refused.value.next


@pytest.mark.parametrize(
    "text", ["exact", "ignored", "enriched", "tolerance:2", "truncated:35", "normalised:trim+upper", "derived:a || b"]
)
def test_a_rule_reads_as_it_is_written(text: str) -> None:
    assert str(rule_of(text)) == text


@given(st.decimals(-(10**12), 10**12, places=5), st.integers(0, 300), st.sampled_from(["GBP", "JPY", "BHD", "", None]))
def test_a_tolerance_is_in_minor_units_of_the_currency(value: Decimal, units: int, currency: str | None) -> None:
    rule, places = rule_of(f"tolerance:{units}"), {"JPY": 0, "BHD": 3}.get(currency or "", 2)
    limit = Decimal(units).scaleb(-places)
    assert agree(rule, str(value), str(value + limit), currency)
    assert agree(rule, str(value), str(value - limit), currency)
    assert not agree(rule, str(value), str(value + limit + Decimal("0.00001")), currency)


def test_no_tolerance_reaches_null_or_nan() -> None:
    rule = rule_of("tolerance:1000000000")
    assert not agree(rule, None, "0")
    assert not agree(rule, "0", None)
    assert not agree(rule, "NaN", "0")
    assert not agree(rule, "1", "one")


def test_truncation_is_of_the_target_to_that_length_only() -> None:
    rule = rule_of("truncated:4")
    assert agree(rule, "abcdef", "abcd")
    assert not agree(rule, "abcdef", "abc")
    assert not agree(rule, "abcd", "abcdef")
    assert not agree(rule, "abcdef", "abce")
    assert not agree(rule, None, "")


def test_enrichment_fills_what_was_null_and_changes_nothing() -> None:
    rule = rule_of("enriched")
    assert agree(rule, None, "x")
    assert not agree(rule, "x", None)
    assert not agree(rule, "", "x")


def test_steps_run_in_their_order() -> None:
    assert normalised(rule_of("normalised:trim+collapse+upper"), "  a \t b ") == "A B"
    assert normalised(rule_of("normalised:nfc"), "a\u0308") == "\u00e4"
    assert normalised(rule_of("normalised:number"), " +001.500") == "1.5"
    assert normalised(rule_of("normalised:number"), "-0.0") == "0"
    assert normalised(rule_of("normalised:number"), "1e5") == "1e5"
    assert normalised(rule_of("normalised:trim"), None) is None


def test_every_rule_lowers_the_grade() -> None:
    assert grade({}) == "exact"
    assert grade({"a": rule_of("ignored"), "b": rule_of("tolerance:1")}) == "exact but for b tolerance:1 without a"


@pytest.mark.parametrize(
    ("one", "other"),
    [('{"a":1,"b":2}', ' {"b" : 2.0,"a":1e0}'), ("-0.0", "0"), ("1E2", "100"), ('"\\u00e4"', '"\u00e4"'), ("[1, 2]", "[1,2]"), ('{"a":1,"a":2}', '{"a":2}'), ("100000000000000000000.5", "1000000000000000000005e-1")],
)  # fmt: skip
def test_json_is_equal_by_value(one: str, other: str) -> None:
    assert json_text(one) == json_text(other)


@pytest.mark.parametrize(("one", "other"), [("1", '"1"'), ("[1,2]", "[2,1]"), ("null", '""'), ("{}", "[]"), ("true", "1"), ('"a"', '"a "'), ("{", "{ "), ("1", "1.0000000000000000000000001"), ("NaN", '"NaN"'), ("", "null")])  # fmt: skip
def test_json_that_differs_reads_differently(one: str, other: str) -> None:
    assert json_text(one) != json_text(other)


def test_hostile_json_is_told_apart_and_breaks_nothing() -> None:
    deep = "[" * 100_000
    assert json_text(deep) == f"not json: {deep}"
    assert json_text("9" * 5_000) is not None
    assert json_text("1e999999999999") != json_text("1e999999999998")
    assert json_text('"\\ud800"') == '"\\ud800"'
