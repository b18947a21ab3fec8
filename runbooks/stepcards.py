"""Cards of a cutover that the engine carries out: one for each step of the plan, told by the step itself.

DO, SEE and UNDO are the titles of the effects that the step yields on its way forward and back: they are asked for, as in
a dry run, and nothing is carried out. What people do before and after stands around them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from runbooks.catalogue import CUTOVER, ROLLBACK, CardSpec
from runbooks.model import Landmarks
from waves.engine import drive
from waves.executors import DryRunExecutor
from waves.history import History
from waves.plan import Plan, StepSpec
from waves.steps import CUTOVER_KINDS, STEPS, Flow, StepContext

_EPOCH = re.compile(r",? epoch \d+")  # which one it will be is known at the route, not in the plan


@dataclass(frozen=True)
class _Words:
    """duty: who watches the step. estimate: seconds that it took on the sandbox estate (9 tables, 8 feeds, two rounds), rounded up:
    what is said where nothing was measured, and said to be an estimate."""

    duty: str
    see: str
    estimate: int = 1
    back: str = ""
    back_estimate: int = 1


_KINDS = {
    "reverse": _Words(
        "engine", "The marker has come back by the reverse sync: there is a way back without loss.", 7,
        "The reverse sync is stopped; the change stream goes on.",
    ),
    "probe": _Words(
        "operations", "Each channel: the marked message stands in the lake, judged as marked, booked nowhere.", 5,
        "The marked messages stay: no production count has them.",
    ),
    "baseline": _Words(
        "reconciliation", "PASS over everything, while payments flow. Anything else is a no, before anything is dark.", 3,
        "The verifier's slot and publication are gone from the legacy side.",
    ),
    "fence": _Words(
        "database", "Clients get 503 and Retry-After; owner and superuser are refused. Payments wait from here.", 1,
        "The legacy side writes, the route says legacy with a new epoch: payments wait no longer; what was held is released there.",
    ),
    "drain": _Words("engine", "Each channel's own proof: the marker was seen, and nothing follows it."),
    "final": _Words("reconciliation", "PASS over what was touched since the baseline, 0 open breaks. Anything else is a no."),
    "switch": _Words(
        "database", "Keys are complete, numbers stand above both sides, the store takes writes of its epoch. The route is dark still.", 1,
        "The store refuses writes, and the legacy side holds every payment that the store took.",
    ),
    "smoke": _Words("operations", "Each channel: taken, seen once, reversed."),
    "open": _Words("lead", "The route says tobe and payments wait no longer; what was held is released."),
    "retire": _Words("lead", "Slot and publication are gone from the legacy side. The lake's tables and the fence stay.", 2),
}  # fmt: skip

_BY_ITSELF = (
    "It goes back by itself before the route opens: every step that left a trace takes its UNDO, the last first, and {wave} "
    "is in DUAL_RUN again. Why: cutwater wave status {wave}. Runner gone: cutwater wave resume {wave}."
)
_AFTER_OPEN = (
    "From here nothing goes back by itself. Runner gone, or held payments wait: cutwater wave resume {wave}. 5xx above 1% "
    "for 15 minutes, or a payment lost or doubled: the decider rules the rollback (R01)."
)
_PEOPLE = {
    "C17": replace(
        next(card for card in CUTOVER if card.id == "C17"),
        title="See what was held settled",
        do="The opening released what was held, in order per account. Read the ledger and its proof out.",
        if_not="Open ones wait for an answer, and their account with them: cutwater wave resume {wave}. A proof that does not add up: stop, name each payment.",
        when=(),
        commands=("cutwater wave held {wave}",),
    ),
    "C18": replace(
        next(card for card in CUTOVER if card.id == "C18"),
        title="Reconcile after the switch, and decide: stay, fix forward, or roll back",
        duty="decider",
        see="PASS over a point behind the opening; one ruling, by the named decider, with the time.",
        undo="The rollback of section 9.",
        commands=("cutwater reconcile run {wave}", "cutwater wave status {wave}"),
    ),
    "R01": replace(
        next(card for card in ROLLBACK if card.id == "R01"),
        if_not="Behind the latest safe rollback start the command asks for a decision (--decision TEXT --as WHO --role ROLE); else fix forward within a time box.",
    ),
    "R10": replace(
        next(card for card in ROLLBACK if card.id == "R10"),
        title="See what was held settled, on the legacy side",
        do="What was never sent goes back to its sender, who tries again on the legacy side. Read the ledger and its proof out.",
        when=(),
        commands=("cutwater wave held {wave}",),
    ),
}


def has_steps(plan: Plan) -> bool:
    """Whether the plan says how it is cut over; else people do it, by the catalogue's cards."""
    return any(spec.kind == "open" for spec in plan.steps)


def ways(plan: Plan, spec: StepSpec) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(what the step does, its way back) as lines for people, in order."""
    step = STEPS[spec.kind]
    forward = (*_asked(plan, spec, step.start), *_asked(plan, spec, step.complete))
    stops = tuple(f"stop the service {name}" for name in step.services(_context(plan, spec)))
    return forward, (*stops, *_asked(plan, spec, step.rollback))


def _asked(plan: Plan, spec: StepSpec, part: Callable[[StepContext], Flow]) -> tuple[str, ...]:
    executor = DryRunExecutor(History(plan.wave), {})
    drive(spec, part(_context(plan, spec)), executor)
    return tuple(_EPOCH.sub("", text) for _, _, text in executor.lines)


def _context(plan: Plan, spec: StepSpec) -> StepContext:
    return StepContext(plan, spec, 1, History(plan.wave))


def forward_cards(plan: Plan) -> list[CardSpec]:
    """The weekend: what people do before, the steps up to the open route, what people do after."""
    before = [_people(CUTOVER, name) for name in ("C01", "C02", "C03")]
    steps = _linked([_card(plan, spec, f"S{n:02d}") for n, spec in _numbered(plan) if spec.kind != "retire"], "C03")
    after = _linked([_people(CUTOVER, name) for name in ("C17", "C18", "C19")], steps[-1].id)
    return [*before, *steps, *after]


def last_cards(plan: Plan) -> list[CardSpec]:
    """What ends the wave when nobody wants the way back any more."""
    return [_card(plan, spec, f"S{n:02d}") for n, spec in _numbered(plan) if spec.kind == "retire"]


def back_cards(plan: Plan) -> list[CardSpec]:
    """The rollback: the ruling, each step's own way back, the last first, and what people do on the legacy side."""
    before = [_people(ROLLBACK, name) for name in ("R01", "R02")]
    found = [(spec, ways(plan, spec)[1]) for spec in reversed(plan.steps) if spec.kind in CUTOVER_KINDS]
    steps = [_back(spec, lines, f"B{n:02d}") for n, (spec, lines) in enumerate(_with_lines(found), start=1)]
    steps = _linked(steps, "R01")
    if steps:
        first = steps[0]
        steps[0] = replace(first, commands=("cutwater wave rollback {wave}", *first.commands))
    after = _linked(
        [_people(ROLLBACK, name) for name in ("R09", "R10", "R11")], steps[-1].id if steps else before[-1].id
    )
    return [*before, *steps, *after]


def _with_lines(found: Iterable[tuple[StepSpec, tuple[str, ...]]]) -> list[tuple[StepSpec, tuple[str, ...]]]:
    return [(spec, lines) for spec, lines in found if lines]


def _numbered(plan: Plan) -> list[tuple[int, StepSpec]]:
    """The steps of the cutover, from 1."""
    return list(enumerate((spec for spec in plan.steps if spec.kind in _KINDS), start=1))


def _card(plan: Plan, spec: StepSpec, card_id: str) -> CardSpec:
    words, (forward, back) = _KINDS[spec.kind], ways(plan, spec)
    verb = "complete {wave} --yes {wave}" if spec.kind == "retire" else "cutover {wave}"
    first = spec.kind in ("reverse", "retire")
    given = "Give the command once." if first else f"Part of cutwater wave {verb}, which goes on by itself: watch."
    if spec.kind == "retire":
        given = "Only after the exit of section 13. It asks for the wave's name."
    undo = {"open": "The rollback of section 9.", "retire": "None: rollback is refused from here on."}.get(spec.kind)
    return CardSpec(
        card_id,
        _literal(spec.title),
        words.duty,
        given,
        words.see,
        _if_not(spec),
        undo or ("" if back else "Nothing of its own to undo."),
        measure=f"step:{spec.id}",
        irreversible=not spec.reversible,
        commands=(f"cutwater wave {verb}",) if first else ("cutwater wave status {wave}",),
        sees=forward,
        undos=() if undo else back,
        estimate=words.estimate,
        role=spec.swimlane,
    )


def _if_not(spec: StepSpec) -> str:
    if spec.kind == "open":
        return _AFTER_OPEN
    if spec.kind == "retire":
        return "Runner gone: cutwater wave resume {wave}, until the wave is COMPLETED. What is left is named by its status."
    return f"{'Nothing is dark yet. ' if spec.kind == 'reverse' else ''}{_BY_ITSELF}"


def _back(spec: StepSpec, lines: tuple[str, ...], card_id: str) -> CardSpec:
    words = _KINDS[spec.kind]
    return CardSpec(
        card_id,
        f"Way back of {_literal(spec.id)}",
        words.duty,
        "Part of cutwater wave rollback {wave}, which goes on by itself: watch.",
        words.back or "The step's own effects are undone.",
        "Both sides stay fenced until it is through: nothing is lost, payments wait. Runner gone: cutwater wave resume {wave}.",
        "None: the wave goes on to DUAL_RUN and can be cut over again.",
        measure=f"back:{spec.id}",
        sees=lines,
        estimate=words.back_estimate,
    )


def _people(catalogue: Iterable[CardSpec], card_id: str) -> CardSpec:
    return _PEOPLE.get(card_id) or next(card for card in catalogue if card.id == card_id)


def _linked(cards: list[CardSpec], before: str) -> list[CardSpec]:
    """One after the other, the first after `before`."""
    found = []
    for card in cards:
        found.append(replace(card, needs=(before,)))
        before = card.id
    return found


def _literal(text: str) -> str:
    """A text from the plan in which nothing is filled in."""
    return text.replace("{", "{{").replace("}", "}}")


BY_HAND = Landmarks()


def landmarks(plan: Plan) -> Landmarks:
    """Cards that other sections name."""
    if not has_steps(plan):
        return BY_HAND
    at = {spec.kind: f"S{n:02d}" for n, spec in _numbered(plan)}
    return Landmarks(at["fence"], at["fence"], "C18", at["final"], "C17", ("C02", "C18", "R01"))


__all__: tuple[str, ...] = (
    "BY_HAND", "back_cards", "forward_cards", "has_steps", "landmarks", "last_cards", "ways",
)  # fmt: skip
