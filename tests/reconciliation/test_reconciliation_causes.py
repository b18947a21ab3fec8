"""The likely cause that a person reads beside a differing value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.causes import cause


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        (None, "", "NULL against an empty text"),
        ("x", None, "NULL on one side"),
        ("12.345", "12.35", "rounded to 2 decimal places"),
        ("12.345", "12.34", "rounded to 2 decimal places"),
        ("12.349", "12.34", "cut to 2 decimal places"),
        ("12.5", "-12.5", "the sign is turned"),
        ("12.5", "1250", "major against minor units (a factor of 100)"),
        ("12.50", "12.51", ""),
        ("2026-03-29 01:30:00+00:00", "2026-03-29 02:30:00+00:00", "shifted by +1 h: a time zone"),
        ("2026-03-29 01:30:00", "2026-03-28 20:00:00", "shifted by -5.5 h: a time zone"),
        ("2026-03-29 01:30:00.123456", "2026-03-29 01:30:00.123000", "the fraction of the second is cut"),
        ("ACME ", "ACME", "blanks at an end"),
        ("ACME", "Acme", "upper and lower case"),
        ("é", "e\u0301", "another Unicode form: U+00E9 against U+0065 at character 1"),
        ("Müller", "MÃ¼ller", "UTF-8 that was read as Latin-1"),
        ("a long name", "a long", "cut to 6 characters"),
        ("Zoë", "Zo?", "characters that the target's encoding lacks"),
        ("one", "two", ""),
    ],
)
def test_rules(source: str | None, target: str | None, says: str) -> None:
    assert cause(source, target) == says


@given(st.none() | st.text(max_size=20), st.none() | st.text(max_size=20))
def test_any_two_values_have_a_cause_or_none(source: str | None, target: str | None) -> None:
    assert isinstance(cause(source, target), str)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.decimals(allow_nan=False, allow_infinity=False))
def test_any_two_numbers(source: object, target: object) -> None:
    assert isinstance(cause(f"{source:f}", f"{target:f}"), str)
