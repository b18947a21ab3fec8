"""Which facts belong to one payment: connected by links, whatever the order in which they came.

Facts that share a link stand in one component (union-find). A component with one UETR, or none, is one payment, so a
UETR that arrives late joins what stood apart. A component with several UETRs was connected by loose links alone (an
end-to-end id used again): there the loose links bind only what carries no UETR. Both rules look at the component as a whole, so
no order of arrival changes the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from payments.lifecycle.facts import Fact


class Components:
    """Union-find over links. A component is known by a number; its facts lie in one list, the smaller moves."""

    def __init__(self) -> None:
        self._home: dict[str, int] = {}
        self._into: list[int] = []
        self.facts: dict[int, list[Fact]] = {}

    def add(self, fact: Fact) -> tuple[int, ...]:
        """Puts a fact into its component, joining components that it connects. Returns those that were joined, if any."""
        home, target = self._home, -1
        joined: tuple[int, ...] = ()
        for link in fact.links:
            found = home.get(link)
            if found is None:
                continue
            found = self._root(found)
            if target < 0:
                target = found
            elif found != target:
                joined = (*joined, target, found)
                target = self._join(target, found)
        if target < 0:
            target = len(self._into)
            self._into.append(target)
            self.facts[target] = []
        for link in fact.links:
            if link not in home:
                home[link] = target
        self.facts[target].append(fact)
        return joined

    def find(self, link: str) -> int | None:
        number = self._home.get(link)
        return None if number is None else self._root(number)

    def _root(self, number: int) -> int:
        into = self._into
        while into[number] != number:
            into[number] = into[into[number]]
            number = into[number]
        return number

    def _join(self, one: int, other: int) -> int:
        if len(self.facts[one]) < len(self.facts[other]):
            one, other = other, one
        self._into[other] = one
        self.facts[one].extend(self.facts.pop(other))
        return one


@dataclass
class Group:
    """The facts of one payment; key: its UETR, else the least of its events' own payment keys.

    ambiguous: the UETRs that loose links would have tied together.
    """

    key: str
    facts: list[Fact] = field(default_factory=list)
    ambiguous: tuple[str, ...] = ()


def groups(facts: Iterable[Fact]) -> Iterator[Group]:
    """The payments of one component."""
    items = list(facts)
    uetrs = sorted({item.uetr for item in items if item.uetr})
    if len(uetrs) <= 1:
        key = uetrs[0] if uetrs else min(item.own for item in items)
        yield Group(key, items)
        return
    loose = Components()
    for item in items:
        if item.uetr is None:
            loose.add(item)
    for uetr in uetrs:
        yield Group(uetr, [item for item in items if item.uetr == uetr], tuple(uetrs))
    for rest in loose.facts.values():
        yield Group(min(item.own for item in rest), rest, tuple(uetrs))
