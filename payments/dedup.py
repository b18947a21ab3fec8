"""Is this event new? Duplicate, possible duplicate, conflict or new, and by which rule it was said.

The rules in order: the event key proves (same content: duplicate; other content: conflict). A message input reference proves
as much. Everything weaker only makes possible: nothing is dropped on a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from payments.identity import NOT_PROVIDED, join_key
from payments.model import PaymentEvent


class Verdict(StrEnum):
    NEW = "new"
    DUPLICATE = "duplicate"
    POSSIBLE = "possible duplicate"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Judgement:
    """rule: what it rests on. other: the event key of the earlier event; empty where it is new."""

    verdict: Verdict
    rule: str = ""
    other: str = ""


@dataclass
class Deduplicator:
    """Judges events one after the other and remembers each.

    A training message is judged by nobody: it is no payment. `pde`, `pdm`: SWIFT's marks, which alone prove nothing.
    """

    _hashes: dict[str, str] = field(default_factory=dict)
    _mirs: dict[str, tuple[str, str]] = field(default_factory=dict)
    _weak: dict[str, str] = field(default_factory=dict)

    def judge(self, event: PaymentEvent, mir: str = "", pde: bool = False, pdm: bool = False) -> Judgement:
        """What this event is against all before it."""
        found = self._proved(event, mir) or self._possible(event, pde or pdm) or Judgement(Verdict.NEW)
        self._remember(event, mir)
        return found

    def _proved(self, event: PaymentEvent, mir: str) -> Judgement | None:
        known = self._hashes.get(event.event_key)
        if known is not None:
            same = known == event.content_hash
            return Judgement(Verdict.DUPLICATE if same else Verdict.CONFLICT, "event_key", event.event_key)
        if mir and f"{mir}|{event.ordinal}" in self._mirs:
            other, content = self._mirs[f"{mir}|{event.ordinal}"]
            return Judgement(Verdict.DUPLICATE if content == event.content_hash else Verdict.CONFLICT, "mir", other)
        return None

    def _possible(self, event: PaymentEvent, marked: bool) -> Judgement | None:
        for rule, key in _weak_keys(event):
            other = self._weak.get(key)
            if other is not None:
                return Judgement(Verdict.POSSIBLE, rule, other)
        return Judgement(Verdict.POSSIBLE, "possible_duplicate_mark") if marked else None

    def _remember(self, event: PaymentEvent, mir: str) -> None:
        self._hashes.setdefault(event.event_key, event.content_hash)
        if mir:
            self._mirs.setdefault(f"{mir}|{event.ordinal}", (event.event_key, event.content_hash))
        for _, key in _weak_keys(event):
            self._weak.setdefault(key, event.event_key)


def _weak_keys(event: PaymentEvent) -> list[tuple[str, str]]:
    """What two events of one kind, family and sender share where one is the other sent again under a new message id."""
    head = (event.family, event.kind.value, event.sender)
    keys = []
    if event.uetr:
        keys.append(("uetr", join_key("u", *head, event.uetr, event.status or "")))
    reference = event.instruction_id or ""
    if event.amount is not None and reference.upper() not in NOT_PROVIDED:
        day = event.value_date.isoformat() if event.value_date else ""
        amount = f"{event.amount.amount:.5f}"
        keys.append(("reference", join_key("r", *head, reference, day, event.amount.currency, amount)))
    return keys
