"""Which texts of two columns are equal: by value where the column is json or nested, under its declared rule, else verbatim.

What a text is turned into (`readers`) is compared; a pairwise rule sees both of those. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from inventory.model import TableMapping
from reconciliation.dialect import currency_column
from reconciliation.encoding import Field, compared, text_of
from reconciliation.forms import Form
from reconciliation.nested import json_text
from reconciliation.rules import EXACT, Rule, agree, normalised

Reader = Callable[[str | None], str | None]


@dataclass(frozen=True)
class Equality:
    """forms, rules: per column; what stands in neither is compared verbatim."""

    forms: Mapping[str, Form] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)

    @cached_property
    def readers(self) -> dict[str, Reader]:
        """Column -> what makes equal values equal texts, for the columns that need it."""
        found: dict[str, Reader] = {}
        for name in self.forms:
            rule = self.rules.get(name, EXACT)
            if rule.steps:
                found[name] = partial(normalised, rule)
            elif self.forms[name].lane:
                found[name] = json_text
        return found

    @cached_property
    def pairwise(self) -> dict[str, Rule]:
        """Column -> its rule that takes both values."""
        return {name: rule for name, rule in self.rules.items() if rule.pairwise and name in self.forms}

    @property
    def verbatim(self) -> bool:
        """Whether equal means: the same canonical texts."""
        return not self.readers and not self.pairwise

    def read(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row with its texts turned into what is compared."""
        readers = self.readers
        return {name: readers[name](value) if name in readers else value for name, value in row.items()}

    def differing(self, mapping: TableMapping, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Field]:
        """The fields of two rows (as `read` gives them) that are not equal."""
        by = currency_column(mapping)
        currency = str(mine[by] or "") if by else None
        found = []
        for item in compared(mapping):
            before, after = text_of(item, mine[item.name]), text_of(item, theirs[item.name])
            if before == after:
                continue
            rule = self.pairwise.get(item.name)
            if rule is None or not agree(rule, before, after, currency):
                found.append(item)
        return found


VERBATIM = Equality()


def unfit(forms: Mapping[str, Form], rules: Mapping[str, Rule], key: Sequence[str]) -> list[str]:
    """Why rules and forms cannot hold for their columns, in words."""
    found = []
    for name in key:
        if name in rules and rules[name].kind not in ("exact", "derived"):
            found.append(f"{name}: {rules[name]} cannot hold for a column of the key")
        elif name in forms and forms[name].lane:
            found.append(f"{name}: json and nested values are no key")
    for name, rule in rules.items():
        if name not in forms:
            continue
        if rule.kind == "tolerance" and forms[name].kind not in ("long", "decimal", "number"):
            found.append(f"{name}: a tolerance needs exact numbers on both sides")
        if rule.kind == "truncated" and forms[name].kind not in ("string", "char"):
            found.append(f"{name}: truncation is for texts")
        if rule.pairwise and not key:
            found.append(f"{name}: {rule} needs a key")
    return found
