"""Who may decide what the plan leaves to a person: a rollback past its latest safe start, a cutover outside its window. Pure.

A decision counts when the plan names its role as one that decides, names the person as the one who holds that role, and,
where two checkers are asked for, the person is not the maker of the plan. Names are compared as in `waves.approvals`.
"""

from __future__ import annotations

from collections.abc import Sequence

from cutwater.core.errors import BadInput, Refused
from waves.approvals import NOBODY, Rule, is_name, person
from waves.plan import Plan


def deciding_roles(plan: Plan) -> tuple[str, ...]:
    """The wave file's `deciders`; those who approve the plan where it names none."""
    params = next((step.params for step in plan.steps if step.kind == "approval"), {})
    named = tuple(str(role) for role in params.get("deciders", ()))
    return named or Rule.of(plan).roles


def check_decision(plan: Plan, makers: Sequence[str], who: str, role: str, about: str, command: str) -> None:
    """Refuses a decision that does not count, before anything is done.

    about: what is decided, in words. command: the command line up to `--as`. Raises BadInput CW3042 (who or role is not
    said), Refused CW3056 (the role does not decide), CW3057 (the person does not hold it), CW3058 (the maker).
    """
    state = f"nothing was done and nothing recorded: {about} is not decided"
    roles = deciding_roles(plan)
    again = f"{command} --as WHO --role {' or '.join(roles) or 'ROLE'}"
    if not is_name(who) or not role.strip():
        lacks = "the role in which it is taken" if is_name(who) else "a person's name"
        raise BadInput("CW3042", f"a decision needs {lacks}", cause=about, state=state, next=again)
    if role not in roles:
        named = f"the wave file names {', '.join(roles)}" if roles else "the wave file names no role that decides"
        raise Refused("CW3056", f"{role} does not decide on wave {plan.wave}", cause=named, state=state, next=again)
    holder = plan.roles.get(role, "")
    if person(holder) in NOBODY or person(holder) != person(who):
        nobody = person(holder) in NOBODY
        raise Refused(
            "CW3057",
            f"{who} is not {role} of wave {plan.wave}",
            cause=f"the plan names {'nobody' if nobody else holder}",
            state=state,
            next=f"name a person for {role} under roles in the wave file, then cutwater wave plan {plan.wave}"
            if nobody
            else f"{command} --as {holder!r} --role {role}",
        )
    maker = next((name for name in makers if person(name) == person(who)), None)
    if maker is not None and Rule.of(plan).approvers > 1:
        raise Refused(
            "CW3058",
            f"{who} planned wave {plan.wave} and cannot decide on it",
            cause=f"plan {plan.hash[:12]} was made by {maker}: who decides is another person",
            state=state,
            next=f"{command} --as ANOTHER-PERSON --role {' or '.join(roles)}",
        )
