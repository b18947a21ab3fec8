"""The journal of a wave, cut into parts: preparation, each cutover, each way back, the completion. Pure.

What was planned for a step is what the runbook would have said at the moment its part began: only earlier records count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runbooks import stepcards, tasks
from runbooks.catalogue import CardSpec
from runbooks.executed import fold
from runbooks.facts import Facts
from runbooks.model import NOBODY, NOT_MEASURED, Took
from runbooks.people import watcher
from runbooks.review import Actual, Part
from runbooks.words import milliseconds
from waves import life
from waves.plan import StepSpec
from waves.point_of_no_return import DECISION_RECORDED
from waves.store import RecordView

TOLERANCE = timedelta(milliseconds=100)  # and a tenth of the plan: less is not late


@dataclass
class _Span:
    step: str
    began: datetime
    run: str
    ended: datetime | None = None


@dataclass
class _Part:
    kind: str
    name: str
    began: datetime
    seq: int
    why: str = ""
    decided: str = ""
    ended: datetime | None = None
    result: str = ""
    spans: list[_Span] = field(default_factory=list)


@dataclass
class _Reader:
    """Takes the records of one attempt in order."""

    parts: list[_Part] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    reason: str = ""
    mark: datetime | None = None
    decided: list[str] = field(default_factory=list)

    def take(self, record: RecordView, kinds: Mapping[str, str]) -> None:
        body: Mapping[str, Any] = record.payload if isinstance(record.payload, Mapping) else {}
        if record.kind == "rollback.started":
            self.reason = str(body.get("reason", ""))
        elif record.kind == DECISION_RECORDED:
            role = f" as {body['role']}" if body.get("role") else ""
            self.decided.append(f"{body.get('who', '?')}{role}: {body.get('reason', '')}")
        elif record.kind == "wave.state":
            self._state(record, str(body.get("from", "")), str(body.get("to", "")))
        elif record.kind == "step.started":
            self._started(record, str(body.get("step", "")), kinds)
        elif record.kind == "step.completed" and self.parts:
            self._completed(record, str(body.get("step", "")))
        elif record.kind == "step.rolled_back" and self.mark is not None:
            self.parts[-1].spans.append(_Span(str(body.get("step", "")), self.mark, record.run_id, record.at))
            self.mark = record.at

    def _state(self, record: RecordView, old: str, new: str) -> None:
        self.mark = None
        if new == life.PLANNED:
            self.parts, self.counts = [], {}
        elif new == life.READY:
            self._end(record.at, "ready")
        elif new == life.CUTTING_OVER:
            self._open(record, "cutover", "Cutover")
        elif new == life.CUT_OVER:
            self._end(record.at, "cut over")
        elif new == life.ROLLING_BACK:
            self._end(record.at, "stopped")
            name = "Rollback" if old == life.CUT_OVER else "Way back by itself"
            self._open(record, "back", name, self.reason)
            self.mark = record.at
        elif new == life.DUAL_RUN and old == life.ROLLING_BACK:
            self._end(record.at, "back in the dual run")
        elif new == life.COMPLETED:
            self._end(record.at, "completed")

    def _open(self, record: RecordView, kind: str, name: str, why: str = "") -> None:
        self.counts[name] = self.counts.get(name, 0) + 1
        self.parts.append(
            _Part(kind, f"{name} {self.counts[name]}", record.at, record.seq, why, "; ".join(self.decided))
        )
        self.decided = []

    def _end(self, at: datetime, result: str) -> None:
        if self.parts and self.parts[-1].ended is None:
            self.parts[-1].ended, self.parts[-1].result = at, result

    def _started(self, record: RecordView, step: str, kinds: Mapping[str, str]) -> None:
        if kinds.get(step) == "retire":
            self.parts.append(_Part("end", "Completion", record.at, record.seq))
        elif not self.parts or self.parts[-1].ended is not None:
            self.parts.append(_Part("before", "Preparation", record.at, record.seq))
        self.parts[-1].spans.append(_Span(step, record.at, record.run_id))

    def _completed(self, record: RecordView, step: str) -> None:
        for part in reversed(self.parts):
            for span in part.spans:
                if span.step == step and span.ended is None:
                    span.ended = record.at
                    return


def parts(facts: Facts) -> tuple[Part, ...]:
    """Every part of the present attempt, oldest first."""
    kinds, reader = {spec.id: spec.kind for spec in facts.plan.steps}, _Reader()
    for record in facts.records:
        reader.take(record, kinds)
    return tuple(_part(facts, item) for item in reader.parts)


def _part(facts: Facts, part: _Part) -> Part:
    cards = _cards(facts, part.kind)
    known = fold(record for record in facts.records if record.seq < part.seq)
    specs = {spec.id: spec for spec in facts.plan.steps}
    rows = []
    for span in part.spans:
        spec = specs.get(span.step)
        card = cards.get(span.step) or CardSpec(span.step, "", "engine", "", "", "", "", measure=f"step:{span.step}")
        if part.kind == "back" and span.step not in cards:
            continue  # a step without a way back of its own
        rows.append(_actual(facts, span, card, spec, tasks.took(tasks.durations(facts, known, card)), part.ended))
    late = any(row.word == "late" for row in rows)
    word = "blocked" if part.ended is None else "fail" if part.result == "stopped" else "late" if late else "pass"
    return Part(
        part.kind,
        part.name,
        part.began,
        part.ended,
        word,
        part.result or "not ended",
        part.why,
        part.decided,
        tuple(rows),
    )


def _actual(
    facts: Facts, span: _Span, card: CardSpec, spec: StepSpec | None, took: Took, over: datetime | None
) -> Actual:
    planned = took.p90_ms if took.basis != "none" else None
    actual = None if span.ended is None else milliseconds(span.ended - span.began)
    word, said = judged(actual, planned)
    if actual is None:
        said = "did not end" if over is not None else "under way"
    person = watcher(facts, card.duty, spec.swimlane if spec is not None else "").name
    title = spec.title if spec is not None else span.step
    return Actual(
        card.id, f"Way back of {span.step}" if card.measure.startswith("back:") else title, span.began, span.ended, actual,
        planned, took.text if took.basis != "none" else NOT_MEASURED, took.basis, word, said,
        _who(facts, spec, span.run), person or NOBODY,
    )  # fmt: skip


def judged(actual_ms: int | None, planned_ms: int | None) -> tuple[str, str]:
    """(word, what it says) of an actual length beside its plan."""
    if actual_ms is None:
        return "blocked", "did not end"
    if planned_ms is None:
        return "unknown", "no plan"
    over = actual_ms - planned_ms
    if over > milliseconds(TOLERANCE) and over * 10 > planned_ms:
        return "late", "over plan"
    return "pass", "within plan"


def _who(facts: Facts, spec: StepSpec | None, run: str) -> str:
    if spec is not None and spec.kind == "approval" and facts.approvals:
        return ", ".join(f"{item.who} ({item.role})" for item in facts.approvals)
    return f"runner {run}" if run else "runner"


def _cards(facts: Facts, kind: str) -> dict[str, CardSpec]:
    """Step id -> the card that a part of this kind was planned by."""
    if not facts.by_steps or kind == "before":
        return {}
    found: Iterable[CardSpec] = {
        "cutover": stepcards.forward_cards, "back": stepcards.back_cards, "end": stepcards.last_cards
    }[kind](facts.plan)  # fmt: skip
    return {card.measure.partition(":")[2]: card for card in found if card.measure.startswith(("step:", "back:"))}


def dark_plan(found: Sequence[Part], began: datetime, side: str, first: str) -> int | None:
    """How long a dark window was planned to be: the steps of its part from the card `first` on (the fence)."""
    part = next((item for item in reversed(found) if item.began <= began), None)
    if part is None or (part.kind == "cutover") != (side == "tobe"):
        return None  # a cutover that went back by itself was planned to end elsewhere
    rows = [row for row in part.steps if part.kind == "back" or row.id >= first]
    known = [row.planned_ms for row in rows if row.planned_ms is not None]
    return sum(known) if known and len(known) == len(rows) else None
