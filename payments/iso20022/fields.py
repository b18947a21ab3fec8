"""From an element's leaves to the event's fields, by a map: data says where a field stands in which version, nothing branches.

A map is {field: paths}; the first path that says something wins, so versions that name a thing otherwise stand side by side
(`BICFI`, then `BIC`). What no path takes, and what lost against a better one, stays in `extra` by path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from payments.values import Findings, iso_date, iso_time, money, number

Map = Mapping[str, tuple[str, ...]]
Index = dict[str, tuple[str, int]]
Told = dict[str, Any]

MONEY = frozenset({"amount", "instructed_amount", "original_amount"})
_DATES = frozenset({"settlement_date", "value_date", "requested_date", "booking_date", "original_settlement_date"})
_SAID = MONEY | _DATES  # an empty one is a finding, not silence
UETR = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REPEATS = frozenset({"remittance"})  # every occurrence counts
_TRUE = {"true": True, "1": True, "false": False, "0": False}


def index(*maps: Map) -> Index:
    """Path -> (field, rank) of some maps together; of two that name one field, the earlier map's paths rank first."""
    found: Index = {}
    ranks: dict[str, int] = {}
    for one in maps:
        for field, paths in one.items():
            for path in paths:
                ranks[field] = ranks.get(field, -1) + 1
                found.setdefault(path, (field, ranks[field]))
    return found


def tell(values: Mapping[str, str], where: Index, place: str, findings: Findings) -> tuple[Told, dict[str, str]]:
    """(fields, extra) of one element. place: the element's path, for findings."""
    won, extra = chosen(values, where)
    told: Told = {}
    before_path = f"{place}/" if place else ""
    for field, (_, path, text) in won.items():
        convert = CONVERT.get(field)
        told[field] = text if convert is None else convert(text, before_path + path, findings, extra, path)
    return told, extra


def chosen(values: Mapping[str, str], where: Index) -> tuple[dict[str, tuple[int, str, str]], dict[str, str]]:
    """Which path wins which field, as (rank, path, text), and what is left over."""
    won: dict[str, tuple[int, str, str]] = {}
    extra: dict[str, str] = {}
    for path, text in values.items():
        hit = where.get(path)
        if hit is None:
            if path[-1] == "]" and _again(path, text, where, won):
                continue
            if text:
                extra[path] = text
            continue
        field, rank = hit
        if not text and field not in _SAID:
            continue
        before = won.get(field)
        if before is None:
            won[field] = (rank, path, text)
        elif rank < before[0]:
            won[field] = (rank, path, text)
            extra[before[1]] = before[2]
        else:
            extra[path] = text
    return won, extra


def _again(path: str, text: str, where: Index, won: dict[str, tuple[int, str, str]]) -> bool:
    """`RmtInf/Ustrd[2]`: joined to the first by a line end."""
    base = path[: path.rindex("[")]
    field, rank = where.get(base, ("", 0))
    before = won.get(field)
    if field not in _REPEATS or before is None or before[0] != rank:
        return False
    won[field] = (rank, before[1], f"{before[2]}\n{text}")
    return True


def _money(text: str, place: str, findings: Findings, extra: dict[str, str], path: str) -> Any:
    currency = extra.pop(f"{path}@Ccy", "")
    found = money(text, currency, place, findings)
    if found is None:
        extra[path], extra[f"{path}@Ccy"] = text, currency
    return found


def _date(text: str, place: str, findings: Findings, extra: dict[str, str], path: str) -> Any:
    """A date as it was said stays in `extra` where more than a day was said."""
    if not text:
        findings.warn("date", place, "the date is empty")
        return None
    found = iso_date(text, place, findings)
    if found is None or len(text) > 10:
        extra[path] = text
    return found


def _time(text: str, place: str, findings: Findings, extra: dict[str, str], path: str) -> Any:
    found = iso_time(text, place, findings)
    if found is None:
        extra[path] = text  # a time without an offset is no instant
    return found


def _rate(text: str, place: str, findings: Findings, extra: dict[str, str], path: str) -> Any:
    found = number(text)
    if found is None:
        findings.warn("number", place, f"{text[:40]!r} is no rate")
        extra[path] = text
    return found


def _account(text: str, place: str, _: Findings, extra: dict[str, str], path: str) -> Any:
    found = text if text.isalnum() else "".join(text.split())
    return found.upper() if path.endswith("IBAN") else found


def _flag(text: str, place: str, findings: Findings, extra: dict[str, str], path: str) -> Any:
    found = _TRUE.get(text)
    if found is None:
        findings.warn("indicator", place, f"{text[:10]!r} is neither true nor false")
        extra[path] = text
    return found


def _uetr(text: str, place: str, findings: Findings, extra: dict[str, str], path: str) -> Any:
    if UETR.fullmatch(text):
        return text.lower()
    findings.warn("uetr", place, "is no UUID; kept, but no payment key")
    extra[path] = text
    return None


CONVERT: dict[str, Callable[[str, str, Findings, dict[str, str], str], Any]] = {
    **dict.fromkeys(MONEY, _money),
    **dict.fromkeys(_DATES, _date),
    "event_time": _time,
    "exchange_rate": _rate,
    "debtor_account": _account,
    "creditor_account": _account,
    "reversal": _flag,
    "uetr": _uetr,
}


def day_that_counts(told: Told) -> date | None:
    """Settlement, else value, else requested."""
    for name in ("settlement_date", "value_date", "requested_date"):
        found = told.get(name)
        if isinstance(found, date):
            return found
    return None


def total_of(amounts: list[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))
