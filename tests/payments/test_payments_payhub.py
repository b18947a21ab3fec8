"""payhub's records."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.identity import join_key
from payments.model import EventKind
from payments.parties import bic11
from payments.payhub import parse_record

INITIATED: dict[str, Any] = {
    "event_id": "e1",
    "uetr": "6D8A3F0E-1C57-4B62-9A53-0F6B6F1F3A11",
    "payment_id": 7,
    "end_to_end_id": "E2E",
    "instruction_id": "I1",
    "channel": "API",
    "debtor_iban": "GB82WEST12345698765432",
    "creditor_iban": "DE89370400440532013000",
    "amount": Decimal("12.50000"),
    "currency": "GBP",
    "value_date": date(2026, 11, 23),
    "occurred_at": datetime(2026, 11, 23, 10, tzinfo=UTC),
}
STATUS: dict[str, Any] = {
    "event_id": "e2",
    "uetr": "6d8a3f0e-1c57-4b62-9a53-0f6b6f1f3a11",
    "payment_id": 7,
    "seq": 2,
    "status": "ACSC",
    "reason_code": None,
    "reported_by": "BANKGB2L",
    "occurred_at": datetime(2026, 11, 23, 10, tzinfo=UTC),
}


def test_both_kinds() -> None:
    (first,) = parse_record("PaymentInitiated", INITIATED).events
    (second,) = parse_record("PaymentStatusChanged", STATUS).events
    assert (first.event_key, first.kind) == ("payhub.initiated|PAYHUB|e1|1", EventKind.INITIATED)
    assert (second.event_key, second.status, second.extra["seq"]) == ("payhub.status|PAYHUB|e2|1", "ACSC", "2")
    assert first.payment_key == second.payment_key == "6d8a3f0e-1c57-4b62-9a53-0f6b6f1f3a11"


def test_what_the_schema_has_gained_is_kept() -> None:
    (event,) = parse_record("PaymentStatusChanged", {**STATUS, "region": "north"}).events
    assert event.extra["region"] == "north"


def test_any_change_is_another_content() -> None:
    (before,) = parse_record("PaymentInitiated", INITIATED).events
    (after,) = parse_record("PaymentInitiated", {**INITIATED, "amount": Decimal("12.51")}).events
    assert before.event_key == after.event_key
    assert before.content_hash != after.content_hash


@pytest.mark.parametrize("name", sorted(INITIATED))
def test_a_missing_field_is_a_finding(name: str) -> None:
    parsed = parse_record("PaymentInitiated", {key: value for key, value in INITIATED.items() if key != name})
    assert [(item.code, item.path) for item in parsed.findings] == [("missing_field", name)]


def test_another_record_is_a_finding() -> None:
    assert parse_record("PaymentForgotten", {}).findings[0].code == "unknown_event_type"


@given(
    st.dictionaries(
        st.sampled_from(sorted(INITIATED)), st.none() | st.integers() | st.text() | st.decimals() | st.binary()
    )
)
def test_any_values(changed: dict[str, Any]) -> None:
    parsed = parse_record("PaymentInitiated", {**INITIATED, **changed})
    assert bool(parsed.events) != bool(parsed.findings)


@given(st.lists(st.text(max_size=8), min_size=2, max_size=4), st.lists(st.text(max_size=8), min_size=2, max_size=4))
def test_different_parts_never_make_one_key(one: list[str], other: list[str]) -> None:
    assert (join_key(*one) == join_key(*other)) == (one == other)


def test_bic_of_eight_is_the_head_office() -> None:
    assert bic11("bankgb2l") == bic11("BANKGB2LXXX") == "BANKGB2LXXX"
