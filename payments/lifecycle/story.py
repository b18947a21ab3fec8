"""The state of one payment, folded from its facts one after the other in their own order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from cutwater.core.money import EXACT
from payments.lifecycle.facts import Fact, Step
from payments.lifecycle.table import DEFAULT, SETTLED, Effect, Table

_ACCEPTED = frozenset({"CNCL", "ACCR", "CNCLD"})  # the recall is accepted
_REFUSED = frozenset({"RJCR", "RJCT", "UWFW"})
_MOVES = frozenset({Step.SENT, Step.COVER, Step.COLLECTED, Step.RETURNED, Step.REVERSED})


@dataclass(slots=True)
class Reporter:
    """What one agent says: its state (a status code), the rank behind it, and since when."""

    state: str = ""
    rank: int = 0
    since: datetime | None = None
    reason: str = ""


class Happened(NamedTuple):
    """One line of the history. effect: what it did to its reporter's state; `note` where it is no status."""

    key: str
    step: Step
    at: datetime | None
    known: datetime
    reporter: str
    status: str
    effect: Effect
    state: str


@dataclass(slots=True)
class Story:
    """A payment as its facts tell it. Feed it facts in the order of `order_of`; `Ledger` does.

    reporters: state by reporting agent. legs, covers, returns, reversals, bookings: the facts themselves, in order.
    recall: '', `pending`, `accepted` or `refused`. deducted: what agents took out of the principal, by currency.
    """

    table: Table = DEFAULT
    reporters: dict[str, Reporter] = field(default_factory=dict)
    history: list[Happened] = field(default_factory=list)
    by_step: dict[Step, list[Fact]] = field(default_factory=dict)
    recall: str = ""
    anomalies: list[tuple[str, str, str]] = field(default_factory=list)  # (rule, event key, words)

    def apply(self, fact: Fact) -> None:
        """Folds the next fact."""
        step, effect, state = fact.step, Effect.NOTE, ""
        if step is Step.STATUS or step is Step.BATCH_STATUS:
            effect, state = self._status(fact)
        elif step is Step.RECALL:
            self.recall = self.recall or "pending"
        elif step is Step.ANSWER:
            self._answer(fact)
        self.by_step.setdefault(step, []).append(fact)
        self.history.append(Happened(fact.key, step, fact.at, fact.known, fact.reporter, fact.status, effect, state))

    def _status(self, fact: Fact) -> tuple[Effect, str]:
        reporter = self.reporters.get(fact.reporter)
        if reporter is None:
            reporter = self.reporters[fact.reporter] = Reporter()
        state, rank, effect = self.table.step(reporter.state, reporter.rank, fact.status)
        if effect is Effect.ADVANCE:
            reporter.state, reporter.rank, reporter.since, reporter.reason = state, rank, fact.at, fact.reason
        elif effect is Effect.ANOMALY:
            words = f"{fact.reporter or 'a reporter'} said {fact.status} after {reporter.state}"
            self.anomalies.append(("transition", fact.key, words))
        return effect, reporter.state

    def _answer(self, fact: Fact) -> None:
        if fact.status in _ACCEPTED:
            answer = "accepted"
        elif fact.status in _REFUSED:
            answer = "refused"
        else:
            return
        if self.recall in ("accepted", "refused") and self.recall != answer:
            self.anomalies.append(("recall", fact.key, f"the recall was {self.recall}, and then {answer}"))
        if not self.by_step.get(Step.RECALL):
            self.anomalies.append(("recall", fact.key, "answers a recall that was not seen"))
        self.recall = answer

    @property
    def status(self) -> tuple[str, str]:
        """(code, reporter) that speaks for the payment: the furthest settled; else a refusal; else the furthest."""
        best: tuple[int, int, str, str] = (-1, -1, "", "")
        for name, one in self.reporters.items():
            ended = one.state in self.table.terminal and one.state not in self.table.ranks
            weight = 2 if ended else 1
            best = max(best, (weight, one.rank, one.state, name)) if one.state else best
        return best[2], best[3]

    @property
    def stage(self) -> str:
        """One word for where the payment stands; the first rule that fits. Derived, never told."""
        steps, states = self.by_step, {one.state for one in self.reporters.values()}
        furthest = max((one.rank for one in self.reporters.values()), default=0)
        credits = any(item.direction == "CRDT" for item in self._booked())
        rules = (
            ("RETURNED", Step.RETURNED in steps),
            ("REVERSED", Step.REVERSED in steps),
            ("CANCELLED", self.recall == "accepted" or "CANC" in states),
            ("BLOCKED", "BLCK" in states),
            ("REJECTED", "RJCT" in states),
            ("CREDITED", credits or "ACCC" in states),
            ("SETTLED", furthest >= SETTLED or bool(self._booked())),
            ("PENDING", "PDNG" in states),
            ("REFUSED_BY_NETWORK", "NAK" in states and furthest <= self.table.ranks.get("NAK", 0)),
            ("IN_PROGRESS", Step.SENT in steps or Step.COVER in steps or bool(states - {""})),
            ("ORDERED", Step.ORDERED in steps or Step.COLLECTED in steps),
        )
        return next((name for name, holds in rules if holds), "REPORTED")

    def _booked(self) -> list[Fact]:
        entries = [*self.by_step.get(Step.BOOKED, ()), *self.by_step.get(Step.ADVISED, ())]
        return [item for item in entries if item.status in ("BOOK", "")]

    @property
    def deducted(self) -> dict[str, Decimal]:
        """Instructed amount less what the last leg carried, where both are of one currency."""
        legs = self.by_step.get(Step.SENT, [])
        first = next((item for item in legs if item.instructed is not None), None)
        if not legs or first is None or first.instructed is None:
            return {}
        last = legs[-1]
        if last.amount is None or last.currency != first.instructed_currency:
            return {}
        taken = EXACT.subtract(first.instructed, last.amount)
        return {last.currency: taken} if taken else {}

    @property
    def returned(self) -> dict[str, Decimal]:
        """What came back, by currency."""
        sums: dict[str, Decimal] = {}
        for item in self.by_step.get(Step.RETURNED, []):
            if item.amount is not None:
                sums[item.currency] = EXACT.add(sums.get(item.currency, Decimal(0)), item.amount)
        return sums


_STEPS = {step: number for number, step in enumerate(Step)}


def order_of(fact: Fact, table: Table = DEFAULT) -> tuple[datetime, int, int, str, str]:
    """Where a fact stands in its payment's story: by event time; at one instant by step, by rank, by key."""
    rank = table.ranks.get(fact.status, SETTLED) if fact.status else 0
    return (fact.when, _STEPS[fact.step], rank, fact.key, fact.content)
