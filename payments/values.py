"""Reading amounts, dates and times out of messages: exact, and with a finding instead of an exception."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from cutwater.core.money import EXACT, Money, minor_units
from payments.currencies import CURRENT, known
from payments.model import Finding

# Decimal() takes exponents, underscores and foreign digits; the standards take none of them.
_POINT = re.compile(r"\+?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_COMMA = re.compile(r"[0-9]{1,18},[0-9]*")
# What goes the short way: at most twelve digits before the point and two behind it, in a currency that has two or more.
_USUAL = re.compile(r"[0-9]{1,12}+(?:\.[0-9]{1,2}+)?+").fullmatch
TWO_PLACES = frozenset(code for code in CURRENT if minor_units(code) >= 2)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What may stand behind a day: a zone, or a time of the clock and a zone.
_BEHIND_DAY = re.compile(
    r"(?:T(?:[01][0-9]|2[0-4]):[0-5][0-9](?::[0-6][0-9](?:\.[0-9]{1,12})?)?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)


class Findings:
    """Collects what is wrong with one input; capped, so that hostile input cannot fill memory with findings."""

    LIMIT = 200

    def __init__(self) -> None:
        self.items: list[Finding] = []
        self._dropped, self._worst = 0, "warn"

    def error(self, rule: str, place: str, text: str) -> None:
        self._add(Finding("error", rule, place, text))

    def warn(self, rule: str, place: str, text: str) -> None:
        self._add(Finding("warn", rule, place, text))

    def _add(self, item: Finding) -> None:
        if len(self.items) < self.LIMIT:
            self.items.append(item)
        else:
            self._dropped += 1
            self._worst = "error" if item.severity == "error" else self._worst

    def tuple(self) -> tuple[Finding, ...]:
        """All of them; the last one says how many more there were."""
        if not self._dropped:
            return tuple(self.items)
        # The summary is as bad as the worst of the rest, so that no error slips through the cap.
        words = f"{self._dropped} more findings not listed"
        return (*self.items, Finding(self._worst, "too_many_findings", "", words))


def usual_money(text: str, code: str) -> Money | None:
    """An amount that is beyond doubt; None where `money` has to look closer."""
    return Money.sure(code, Decimal(text)) if code in TWO_PLACES and _USUAL(text) else None


def money(
    number: str | None, currency: str | None, place: str, findings: Findings, comma: bool = False
) -> Money | None:
    """An amount, or None with an `amount` finding (error). comma: SWIFT FIN's decimal comma, which is mandatory there."""
    text, code = (number or "").strip(), (currency or "").strip()
    if not comma and (usual := usual_money(text, code)) is not None:
        return usual
    if not (_COMMA if comma else _POINT).fullmatch(text) or len(text) > 40:
        findings.error("amount", place, f"{text[:40]!r} is no amount")
        return None
    try:
        value = Money(code, Decimal(text.replace(",", ".")))
    except ValueError as error:
        findings.error("amount", place, str(error))
        return None
    if not known(code):
        findings.warn("unknown_currency", place, f"{code} is no currency of ISO 4217")
    if len(text) > 18 and sum(char.isdigit() for char in text.lstrip("+0").rstrip("0")) > 18:
        findings.warn("amount_digits", place, "more than the 18 digits that ISO 20022 allows")
    decimals = len(text.partition("," if comma else ".")[2].rstrip("0"))
    if decimals > minor_units(code):
        findings.warn("minor_units", place, f"{code} has {minor_units(code)} decimal places, the amount has {decimals}")
    return value


def number(text: str | None) -> Decimal | None:
    """A plain decimal of a control total (up to 17 fractions), or None where it is none."""
    value = (text or "").strip()
    return Decimal(value) if _POINT.fullmatch(value) and len(value) <= 40 else None


def add(items: Sequence[Decimal]) -> Decimal:
    """An exact sum; 38 digits hold 10**15 amounts of 23."""
    total = Decimal(0)
    for item in items:
        total = EXACT.add(total, item)
    return total


def iso_date(text: str | None, place: str, findings: Findings) -> date | None:
    """`YYYY-MM-DD`, a zone or a time behind it left aside; None where silent, None and a finding where unreadable."""
    if not text:
        return None
    text = text.strip()
    match = _DAY.match(text)
    try:
        if match is None or (len(text) > 10 and not _BEHIND_DAY.fullmatch(text, 10)):
            return _unreadable(text, place, findings)
        return date.fromisoformat(match[0])
    except ValueError:
        return _unreadable(text, place, findings)


def iso_time(text: str | None, place: str, findings: Findings) -> datetime | None:
    """An instant in UTC. A time without an offset is no instant: None, and the text stays in `extra`."""
    if not text:
        return None
    try:
        value = datetime.fromisoformat(text.strip())
        return value.astimezone(UTC) if value.tzinfo else None
    except (ValueError, OverflowError):
        findings.warn("date", place, f"{text[:40]!r} is no date and time")
        return None


def fin_date(text: str, place: str, findings: Findings) -> date | None:
    """YYMMDD; 80-99 are the twentieth century (SWIFT's window)."""
    if len(text) != 6 or not text.isascii() or not text.isdigit():
        return _unreadable(text, place, findings)
    year = int(text[:2])
    try:
        return date(year + (1900 if year >= 80 else 2000), int(text[2:4]), int(text[4:6]))
    except ValueError:
        return _unreadable(text, place, findings)


def _unreadable(text: str, place: str, findings: Findings) -> date | None:
    findings.error("date", place, f"{text[:40]!r} is no date")
    return None


def check_total(
    control: dict[str, str], name: str, stated: str | None, actual: Decimal | int, place: str, findings: Findings
) -> None:
    """Records `<name>.stated` and `<name>.actual`; a disagreement is a `control_total` warning.

    Why a warning: the records that are there are still accepted; the difference is kept for reconciliation.
    """
    control[f"{name}.actual"] = f"{actual:f}" if isinstance(actual, Decimal) else str(actual)
    if stated is None or not stated.strip():
        return
    control[f"{name}.stated"] = stated.strip()[:60]
    value = number(stated)
    if value is None:
        findings.warn("control_total", place, f"stated {stated[:40]!r} is no number, actual {actual}")
    elif value != actual:
        findings.warn("control_total", place, f"stated {value:f}, actual {control[f'{name}.actual']}")
