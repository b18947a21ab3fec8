"""Amounts, dates and instants as FIN writes them. A fault is a finding with the tag as its place, never an exception."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache

from cutwater.core.money import Money
from payments.values import TWO_PLACES, Findings, fin_date, money

_USUAL = re.compile(
    r"[0-9]{1,16}+,[0-9]{0,2}+"
).fullmatch  # what goes the short way, in a currency of two places or more


def money_of(number: str, currency: str, place: str, findings: Findings) -> Money | None:
    """An amount with its comma. A whole number without one has one meaning only: taken, and said."""
    if currency in TWO_PLACES and _USUAL(number):
        return Money.sure(currency, Decimal(number.replace(",", ".")))
    if "," not in number and number.isascii() and number.strip().isdigit():
        findings.warn("amount_comma", place, f"{number[:20]!r} lacks the decimal comma")
        number = number.strip() + ","
    return money(number, currency, place, findings, comma=True)


def dated_amount(tag: str, value: str, findings: Findings) -> tuple[date | None, Money | None]:
    """`YYMMDD` `CCY` amount (32A, 32C, 32D)."""
    text, place = value.strip(), f":{tag}:"
    return day_of(tag, text[:6], findings), money_of(text[9:], text[6:9], place, findings)


def amount_of(tag: str, value: str, findings: Findings) -> Money | None:
    """`CCY` amount (32B, 33B, 71F, 71G)."""
    text = value.strip()
    return money_of(text[3:], text[:3], f":{tag}:", findings)


def day_of(tag: str, text: str, findings: Findings) -> date | None:
    known = known_day(text.strip())
    return known if known is not None else fin_date(text.strip(), f":{tag}:", findings)


@lru_cache(maxsize=4096)
def known_day(text: str) -> date | None:
    """YYMMDD, None where it is no day. A message's dates are few: the same day stands in thousands of them."""
    return fin_date(text, "", Findings())


def offset_time(tag: str, value: str) -> datetime | None:
    """13D `YYMMDDHHMM+HHMM`: an instant. 13C says a time of day without a date, which is none."""
    text = value.strip()
    if (
        tag != "13D"
        or len(text) != 15
        or not (text[:10] + text[11:]).isascii()
        or not (text[:10] + text[11:]).isdigit()
    ):
        return None
    day = known_day(text[:6])
    hours, minutes, sign = int(text[11:13]), int(text[13:15]), text[10]
    if day is None or sign not in "+-" or hours > 14 or minutes > 59 or int(text[6:8]) > 23 or int(text[8:10]) > 59:
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    zone = timezone(offset if sign == "+" else -offset)
    return datetime(day.year, day.month, day.day, int(text[6:8]), int(text[8:10]), tzinfo=zone).astimezone(UTC)
