"""Comparison classes that a person declares for a column, other than `exact`. Pure. Each lowers the grade of the verdict.

A rule never touches a digest: digests are of the values as they are, and what they find equal is equal under every rule.
Only where they differ do rules decide, over both canonical texts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation

from cutwater.core.errors import BadInput
from cutwater.core.money import minor_units

_WIDE = Context(prec=400, traps=[InvalidOperation])
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
MOST = 10**9


def _number(text: str) -> str:
    """A plain number by value: `+01.50` is `1.5`; anything else stays as it is."""
    if not _PLAIN_NUMBER.fullmatch(text.strip()):
        return text
    value = Decimal(text.strip()).normalize(_WIDE)
    return format(abs(value) if value == 0 else value, "f")


STEPS: dict[str, Callable[[str], str]] = {
    "trim": str.strip,
    "collapse": lambda text: " ".join(text.split()),
    "upper": str.upper,
    "lower": str.lower,
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "number": _number,
}
FORMS = (
    "exact, ignored, tolerance:N (minor units), truncated:N (characters), enriched, derived:SQL, normalised:"
    + "+".join(STEPS)
)


@dataclass(frozen=True)
class Rule:
    """kind: `exact`, `ignored`, `normalised` (steps: names of STEPS), `truncated` (number: characters), `tolerance` (number:
    minor units of the row's currency, two decimal places without one), `enriched`, or `derived` (expression: SQL that the
    source evaluates in the column's stead)."""

    kind: str = "exact"
    number: int = 0
    steps: tuple[str, ...] = ()
    expression: str = ""

    @property
    def pairwise(self) -> bool:
        """Whether it takes both values to say that they are equal."""
        return self.kind in ("tolerance", "truncated", "enriched")

    def __str__(self) -> str:
        match self.kind:
            case "tolerance" | "truncated":
                return f"{self.kind}:{self.number}"
            case "normalised":
                return f"normalised:{'+'.join(self.steps)}"
            case "derived":
                return f"derived:{self.expression}"
        return self.kind


EXACT = Rule()


def rule_of(text: str) -> Rule:
    """A rule as it is typed. Raises BadInput CW4034 with the forms that there are."""
    kind, _, rest = text.partition(":")
    if kind in ("exact", "ignored", "enriched") and not rest:
        return Rule(kind)
    if kind in ("tolerance", "truncated") and rest.isascii() and rest.isdigit() and int(rest) <= MOST:
        return Rule(kind, int(rest))
    if kind == "normalised" and rest and set(rest.split("+")) <= STEPS.keys():
        return Rule(kind, steps=tuple(rest.split("+")))
    if kind == "derived" and rest.strip():
        return Rule(kind, expression=rest.strip())
    raise BadInput(
        "CW4034", f"{text or 'nothing'} is no comparison class", state="nothing was compared", next=f"write {FORMS}"
    )


def normalised(rule: Rule, text: str | None) -> str | None:
    """The text after the rule's steps, in their order; NULL stays NULL."""
    if text is None:
        return None
    for step in rule.steps:
        text = STEPS[step](text)
    return text


def agree(rule: Rule, source: str | None, target: str | None, currency: str | None = None) -> bool:
    """Whether two canonical texts that differ are equal under a pairwise rule. currency: of the row, ISO 4217."""
    if rule.kind == "enriched":
        return source is None
    if source is None or target is None:
        return False
    if rule.kind == "truncated":
        return len(source) > rule.number and target == source[: rule.number]
    try:
        apart = abs(_WIDE.subtract(Decimal(source), Decimal(target)))
    except InvalidOperation:
        return False
    return apart.is_finite() and apart <= Decimal(rule.number).scaleb(-minor_units(currency or ""), _WIDE)


def grade(rules: dict[str, Rule]) -> str:
    """What the verdict is worth, in words: `exact`, or exact but for what was declared."""
    lowered = [f"{name} {rule}" for name, rule in rules.items() if rule.kind not in ("exact", "ignored")]
    without = [name for name, rule in rules.items() if rule.kind == "ignored"]
    text = "exact" if not lowered else "exact but for " + ", ".join(lowered)
    return f"{text} without {', '.join(without)}" if without else text
