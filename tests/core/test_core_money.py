"""Money is exact, carries its currency, and is never summed across currencies."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutwater.core.money import MINOR_UNITS, Money, minor_units, totals

CURRENCIES = st.sampled_from(["GBP", "EUR", "JPY", "KWD", "CLF"])
AMOUNTS = st.decimals(
    min_value=Decimal("-999999999999999999.99999"), max_value=Decimal("999999999999999999.99999"), places=5
)
MONEY = st.builds(Money, CURRENCIES, AMOUNTS)


@given(st.lists(MONEY, max_size=30))
def test_sums_per_currency_are_exact(items: list[Money]) -> None:
    sums = totals(items)
    assert list(sums) == sorted({item.currency for item in items})
    for currency, total in sums.items():
        hundred_thousandths = sum(int(item.amount.scaleb(5)) for item in items if item.currency == currency)
        assert total.scaleb(5) == hundred_thousandths


@given(st.lists(MONEY, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_a_sum_does_not_matter(items: list[Money], dice: object) -> None:
    shuffled = list(items)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert totals(items) == totals(shuffled)


@given(MONEY)
def test_its_text_holds_the_whole_amount(item: Money) -> None:
    code, _, figure = str(item).partition(" ")
    assert code == item.currency
    assert Decimal(figure.replace(",", "")) == item.amount


@pytest.mark.parametrize(
    ("currency", "amount"),
    [
        ("GBP", Decimal("0.000001")),
        ("GBP", Decimal("1000000000000000000")),
        ("GBP", Decimal("-1000000000000000000")),
        ("GBP", Decimal("NaN")),
        ("GBP", Decimal("Infinity")),
        ("gbp", Decimal(1)),
        ("GB", Decimal(1)),
        ("G1P", Decimal(1)),
    ],
)
def test_what_does_not_fit_is_refused(currency: str, amount: Decimal) -> None:
    with pytest.raises(ValueError, match=r"ISO 4217|finite|Decimal\(23,5\)"):
        Money(currency, amount)


def test_a_float_is_never_money() -> None:
    with pytest.raises(ValueError, match="finite Decimal"):
        Money("GBP", 1.5)  # type: ignore[arg-type]


def test_minor_units_shape_the_text() -> None:
    assert str(Money("GBP", Decimal("18240.5"))) == "GBP 18,240.50"
    assert str(Money("JPY", Decimal(1000))) == "JPY 1,000"
    assert str(Money("KWD", Decimal("1.5"))) == "KWD 1.500"
    assert str(Money("GBP", Decimal("0.00005"))) == "GBP 0.00005"
    assert minor_units("XXX") == 2
    assert set(MINOR_UNITS.values()) == {0, 3, 4}
