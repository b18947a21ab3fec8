"""Names and validators tell what a field holds; no sampled value leaves."""

from __future__ import annotations

import pytest

from inventory.pii import by_name, classify, is_bic, is_email, is_iban, of_fields

IBANS = [
    "GB82WEST12345698765432",
    "DE89370400440532013000",
    "NL91ABNA0417164300",
    "CH9300762011623852957",
    "AT611904300234573201",
]


@pytest.mark.parametrize("value", [*IBANS, "gb82 west 1234 5698 7654 32"])
def test_ibans_whose_check_digits_hold(value: str) -> None:
    assert is_iban(value)


@pytest.mark.parametrize("value", ["GB82WEST12345698765433", "GB82", "", "XX00ABC", "DE8937040044053201300é"])
def test_other_text_is_no_iban(value: str) -> None:
    assert not is_iban(value)


def test_bics_and_addresses() -> None:
    assert is_bic("DEUTDEFF")
    assert is_bic("NWBKGB2LXXX")
    assert not is_bic("PAYMENTS")  # country `EN` does not exist
    assert not is_bic("deutdeff")
    assert is_email("someone@example.org")
    assert not is_email("a@b")


@pytest.mark.parametrize(
    ("field", "what"),
    [
        ("debtor_iban", "iban"),
        ("creditorIban", "iban"),
        ("legal_name", "name"),
        ("account_number", "account"),
        ("sort_code", "account"),
        ("e_mail", "email"),
        ("remittance", "free_text"),
        ("file_name", ""),
        ("account_id", ""),
        ("amount", ""),
        ("climbing", ""),
    ],
)
def test_names_tell(field: str, what: str) -> None:
    assert by_name(field) == what


def test_a_sample_tells_what_the_name_hides() -> None:
    found = classify("acct", [*IBANS, None])
    assert found is not None
    assert (found.what, found.by, found.hit_rate) == ("iban", "sample", "1.00")


def test_few_hits_decide_nothing() -> None:
    assert classify("code", [IBANS[0], "a", "b", "c", "d"]) is None
    assert classify("code", IBANS[:4]) is None  # too small a sample


def test_no_value_is_in_the_result() -> None:
    assert not any(value in str(of_fields({"x": IBANS, "iban": IBANS})) for value in IBANS)
