"""Amounts for people: exact, with the currency's own decimals, never added across currencies."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from cutwater.core.money import minor_units


def amount(currency: str, value: str) -> str:
    """`18,240.55`: with the currency's own decimals, more only where the amount has more."""
    number = Decimal(value)
    exponent = number.normalize().as_tuple().exponent
    places = max(minor_units(currency) if currency else 0, -exponent if isinstance(exponent, int) else 0)
    return f"{number:,.{places}f}"


def money(amounts: Mapping[str, str]) -> str:
    """`EUR 1.00, GBP 2.00`."""
    return ", ".join(f"{key or 'no currency'} {amount(key, value)}" for key, value in sorted(amounts.items())) or "-"
