"""Which fields hold personal or account data: by their names, and by validators over a sample.

Only hit rates are kept. The samples themselves are never stored, logged or returned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

LEAST_HIT_RATE = Decimal("0.50")  # below it, hits may be chance: the name alone then decides
LEAST_SAMPLE = 5

# Whole words of a column or property name, split at _ . - and at camel case.
_NAMES: tuple[tuple[str, frozenset[str]], ...] = (
    ("iban", frozenset({"iban"})),
    ("bic", frozenset({"bic", "bicfi"})),
    ("email", frozenset({"email", "mail"})),
    ("phone", frozenset({"phone", "mobile", "telephone"})),
    ("birth", frozenset({"birth", "dob", "birthdate"})),
    ("address", frozenset({"address", "street", "postcode"})),
    ("account", frozenset({"sortcode"})),
    ("free_text", frozenset({"remittance", "note", "narrative"})),
    ("name", frozenset({"surname", "forename", "operator"})),
)
_PHRASES = (
    ("name", re.compile(r"(legal|full|first|last|debtor|creditor|party|account_?holder)_?name")),
    ("account", re.compile(r"(account_?(number|no)|sort_?code)$")),
)
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]{2,}")
# ISO 3166 alone tells a BIC from any word of eight capitals; its most used codes suffice for a hint.
_COUNTRIES = frozenset(
    "AE AT AU BE BG BR CA CH CN CY CZ DE DK EE ES FI FR GB GR HK HR HU IE IN IS IT JP KR LI LT LU LV MT MX NL NO NZ PL PT RO "
    "SA SE SG SI SK TR US ZA".split()
)


@dataclass(frozen=True)
class Sensitive:
    """What a field holds. by: name, sample or name+sample. hit_rate: a decimal in text, '' where no sample decided."""

    what: str
    by: str
    hit_rate: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"what": self.what, "by": self.by, "hit_rate": self.hit_rate}


def is_iban(value: str) -> bool:
    """ISO 13616: the check digits hold (mod 97)."""
    text = value.replace(" ", "").upper()
    if _IBAN.fullmatch(text) is None:
        return False
    moved = text[4:] + text[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def is_bic(value: str) -> bool:
    """ISO 9362 form with a known country."""
    return _BIC.fullmatch(value) is not None and value[4:6] in _COUNTRIES


def is_email(value: str) -> bool:
    return len(value) <= 254 and _EMAIL.fullmatch(value) is not None


_VALIDATORS: Mapping[str, Callable[[str], bool]] = {"iban": is_iban, "bic": is_bic, "email": is_email}


def by_name(field: str) -> str:
    """The class that a field's name tells; '' where it tells none."""
    words = {word.lower() for word in _WORD.findall(field)}
    for what, names in _NAMES:
        if words & names:
            return what
    lowered = field.lower()
    return next((what for what, pattern in _PHRASES if pattern.search(lowered)), "")


def classify(field: str, sample: Iterable[str | None] = ()) -> Sensitive | None:
    """What a field holds by its name and a sample of its values; None where neither says anything."""
    values = [value for value in sample if value]
    named = by_name(field)
    best, rate = "", Decimal(0)
    if len(values) >= LEAST_SAMPLE:
        for what, valid in _VALIDATORS.items():
            hits = (Decimal(sum(valid(value) for value in values)) / len(values)).quantize(Decimal("0.01"))
            if hits > rate:
                best, rate = what, hits
    if rate >= LEAST_HIT_RATE:
        return Sensitive(best, "name+sample" if best == named else "sample", str(rate))
    return Sensitive(named, "name") if named else None


def of_fields(fields: Mapping[str, Iterable[str | None]]) -> dict[str, dict[str, str]]:
    """`classify` over many fields; those without a finding are left out."""
    found = {name: classify(name, sample) for name, sample in sorted(fields.items())}
    return {name: item.as_dict() for name, item in found.items() if item is not None}
