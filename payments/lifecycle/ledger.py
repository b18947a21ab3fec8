"""The ledger of payments: folds facts in any order, answers for one payment or all, now or as of an instant.

What it answers is a function of the set of facts alone: arrival order never shows. Folding is cheap (links and one
append); a payment's story is derived when it is asked for and goes on from where it stood when later facts come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from payments.lifecycle.facts import Fact
from payments.lifecycle.linking import Components, Group, groups
from payments.lifecycle.story import Story, order_of
from payments.lifecycle.table import DEFAULT, SCHEMES, Table


class Axis(StrEnum):
    EVENT = "event"  # what had happened by then, as known today
    KNOWLEDGE = "knowledge"  # what was known by then


class Taken(StrEnum):
    """What folding a fact did."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"  # the same event key with other content


@dataclass(slots=True)
class Payment:
    """One payment: its key, its story, and the events that came with two contents."""

    key: str
    story: Story
    facts: list[Fact]
    conflicts: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()


@dataclass(slots=True)
class _Derived:
    payments: list[Payment]
    count: int  # facts of the component that are in it
    batches: tuple[tuple[str, int, int], ...] = ()  # what was known of its batches: statuses, senders


@dataclass
class Ledger:
    """schemes: transition tables by scheme code, over `default`."""

    default: Table = DEFAULT
    schemes: Mapping[str, Table] = field(default_factory=lambda: dict(SCHEMES))

    def __post_init__(self) -> None:
        self._components = Components()
        self._seen: dict[str, Fact] = {}
        self._others: dict[str, dict[str, Fact]] = {}  # event key -> every content, where there is more than one
        self._derived: dict[int, _Derived] = {}
        self._batches: dict[str, list[Fact]] = {}
        self._senders: dict[str, set[str]] = {}

    def fold(self, fact: Fact) -> Taken:
        """Takes one fact in. A duplicate changes nothing but, at most, the instant from which it was known."""
        before = self._seen.get(fact.key)
        if before is not None:
            return self._again(before, fact)
        self._seen[fact.key] = fact
        self._place(fact)
        return Taken.NEW

    def fold_all(self, facts: Iterable[Fact]) -> dict[Taken, int]:
        counts = dict.fromkeys(Taken, 0)
        for fact in facts:
            counts[self.fold(fact)] += 1
        return counts

    def _place(self, fact: Fact) -> None:
        if fact.about:
            self._batches.setdefault(fact.about, []).append(fact)
            return
        for batch in fact.batches:
            self._senders.setdefault(batch, set()).add(fact.sender)
        for number in self._components.add(fact):
            self._derived.pop(number, None)

    def _again(self, before: Fact, fact: Fact) -> Taken:
        variants = self._others.get(fact.key, {before.content: before})
        known = variants.get(fact.content)
        if known is not None:
            if fact.known < known.known:
                self._replace(known, replace(known, known=fact.known))
            return Taken.DUPLICATE
        variants[fact.content] = fact
        self._others[fact.key] = variants
        self._place(fact)
        self._derived.clear()
        return Taken.CONFLICT

    def _replace(self, old: Fact, new: Fact) -> None:
        """The same event was known earlier than we thought."""
        if self._seen[old.key] is old:
            self._seen[old.key] = new
        if old.key in self._others:
            self._others[old.key][old.content] = new
        if old.about:
            items = self._batches[old.about]
        else:
            number = self._components.find(old.links[0])
            items = self._components.facts[number if number is not None else 0]
        items[next(index for index, item in enumerate(items) if item is old)] = new
        self._derived.clear()

    def __len__(self) -> int:
        return len(self._seen)

    def payments(self) -> Iterator[Payment]:
        """All of them, by component in the order of their keys."""
        found = [item for number in self._components.facts for item in self._of(number)]
        yield from sorted(found, key=lambda item: item.key)

    def payment(self, key: str) -> Payment | None:
        """By UETR, payment key, event key or link; None where nothing has it."""
        fact = self._seen.get(key)
        names = [key, f"u|{key.lower()}", f"k|{key}", *(fact.links[:1] if fact else ())]
        for name in names:
            number = self._components.find(name)
            if number is not None:
                found = self._of(number)
                exact = next((item for item in found if item.key in (key, key.lower())), None)
                return exact or next(
                    (item for item in found if any(key in (one.key, *one.links) for one in item.facts)), found[0]
                )
        return None

    def as_of(self, moment: datetime, axis: Axis) -> Ledger:
        """The ledger as it stood at `moment`: rebuilt from what had happened, or was known, by then."""
        kept = Ledger(self.default, self.schemes)
        for fact in self.facts():
            if (fact.when if axis is Axis.EVENT else fact.known) <= moment:
                kept.fold(fact)
        return kept

    def facts(self) -> Iterator[Fact]:
        """Every fact, conflicting contents included: what a rebuild needs."""
        for key, fact in self._seen.items():
            yield from self._others[key].values() if key in self._others else (fact,)

    def _of(self, number: int) -> list[Payment]:
        facts = self._components.facts[number]
        derived = self._derived.get(number)
        if derived is not None and derived.batches == self._known_of(name for name, _, _ in derived.batches):
            if derived.count == len(facts):
                return derived.payments
            if self._goes_on(derived, facts):
                return derived.payments
        payments = [self._tell(group) for part in self._parts(facts) for group in groups(part)]
        batches = self._known_of(sorted({batch for fact in facts for batch in fact.batches}))
        self._derived[number] = _Derived(payments, len(facts), batches)
        return payments

    def _known_of(self, batches: Iterable[str]) -> tuple[tuple[str, int, int], ...]:
        return tuple((name, len(self._batches.get(name, ())), len(self._senders.get(name, ()))) for name in batches)

    def _parts(self, facts: list[Fact]) -> Iterable[list[Fact]]:
        """The component's valid facts; where a content was set aside, what it alone had tied together comes apart."""
        valid = [fact for fact in facts if self._valid(fact)] if self._others else facts
        if len(valid) == len(facts):
            return (facts,)
        again = Components()
        for fact in valid:
            again.add(fact)
        return again.facts.values()

    def _goes_on(self, derived: _Derived, facts: list[Fact]) -> bool:
        """Applies what came since, where it all stands behind what is told already."""
        if len(derived.payments) != 1 or self._others:
            return False
        (payment,) = derived.payments
        table = payment.story.table
        fresh = sorted(facts[derived.count :], key=lambda fact: order_of(fact, table))
        last = order_of(payment.facts[-1], table)
        if order_of(fresh[0], table) <= last or any(item.batches or item.scheme for item in fresh):
            return False
        uetrs = {item.uetr for item in fresh if item.uetr}
        if uetrs - {payment.key} or min(item.own for item in fresh) < payment.key:
            return False
        for fact in fresh:
            payment.story.apply(fact)
            payment.facts.append(fact)
        derived.count = len(facts)
        return True

    def _tell(self, group: Group) -> Payment:
        facts = list(group.facts)
        conflicts = sorted({fact.key for fact in facts if fact.key in self._others})
        scheme = min((fact.scheme for fact in facts if fact.scheme), default="")
        table = self.schemes.get(scheme, self.default)
        batches = sorted({batch for fact in facts for batch in fact.batches})
        for batch in batches:
            if len(self._senders.get(batch, ())) <= 1:
                facts.extend(fact for fact in self._batches.get(batch, ()) if self._valid(fact))
        facts.sort(key=lambda fact: order_of(fact, table))
        story = Story(table)
        for fact in facts:
            story.apply(fact)
        for batch in batches:
            if len(self._senders.get(batch, ())) > 1 and batch in self._batches:
                words = f"the batch {batch} was sent by several senders: its status is nobody's"
                story.anomalies.append(("ambiguous_batch", "", words))
        return Payment(group.key, story, facts, tuple(conflicts), group.ambiguous)

    def _valid(self, fact: Fact) -> bool:
        """Of two contents under one event key the one that was known first counts."""
        variants = self._others.get(fact.key)
        return variants is None or fact is min(variants.values(), key=lambda item: (item.known, item.content))
