"""Duties of a cutover and who holds them. A named person on each task; `nobody` shows."""

from __future__ import annotations

from runbooks.facts import Facts
from runbooks.model import NOBODY, Person

# duty -> (words for people, what it does, roles that hold it where runbook.yaml does not say)
DUTIES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "decider": ("Decider", "rules go or no-go, switch, fix forward, rollback", ("decider", "decision-authority", "cutover-decider", "sponsor")),
    "lead": ("Migration lead", "runs the bridge and the clock", ("migration-lead", "lead", "cutover-lead")),
    "engine": ("Engine", "watches what cutwater carries out", ("migration-engineer", "migration-lead", "lead")),
    "database": ("Database", "fence, sequences, in-flight transactions", ("database-owner", "database-lead", "dba", "source-owner")),
    "route": ("Route", "routes, epochs, held requests", ("route-owner", "platform-lead", "integration-lead", "platform-owner")),
    "reconciliation": ("Reconciliation", "proves both sides equal", ("reconciliation-lead", "reconciliation")),
    "operations": ("Payments operations", "feeds, smoke tests, held payments", ("payments-operations", "operations-lead", "operations", "payments-lead")),
    "communications": ("Communications", "numbered messages", ("communications", "communications-lead", "comms")),
}  # fmt: skip


def role_of(facts: Facts, duty: str) -> str:
    """The wave's role that holds a duty: as runbook.yaml says, else the first of the usual names; empty where none."""
    said = facts.settings.duties.get(duty)  # type: ignore[call-overload]
    if said:
        return str(said)
    return next((role for role in DUTIES[duty][2] if role in facts.plan.roles), "")


def people(facts: Facts) -> tuple[Person, ...]:
    """Every duty, then the wave's roles that hold none of them."""
    found = [_person(facts, words, role_of(facts, duty), does) for duty, (words, does, _) in DUTIES.items()]
    held = {item.role for item in found}
    rest = sorted(set(facts.plan.roles) - held)
    return (*found, *(_person(facts, "-", role, "named in the wave file") for role in rest))


def holder(facts: Facts, duty: str) -> Person:
    words, does, _ = DUTIES[duty]
    return _person(facts, words, role_of(facts, duty), does)


def watcher(facts: Facts, duty: str, role: str) -> Person:
    """Who is named on a step's card: the plan's own role where it has one, else who holds the duty."""
    return _person(facts, role, role, "named in the plan") if role in facts.plan.roles else holder(facts, duty)


def _person(facts: Facts, words: str, role: str, does: str) -> Person:
    name = (facts.plan.roles.get(role) or "").strip() or NOBODY
    deputy = (facts.settings.deputies.get(role) or "").strip() or NOBODY
    return Person(words, role or "no role", name, deputy, facts.settings.contacts.get(role, ""), does)
