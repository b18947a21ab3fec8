"""Maker and checker: who may approve a plan, and whose word counts. Pure; the engine and the command ask the same rule.

The maker is who planned it: everybody whom the journal names with this plan's hash. A checker is another person. One
person has one voice, in one role. Names are compared without case, blanks and the tricks of Unicode.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cutwater.core.errors import BadInput, Refused
from waves.plan import Plan
from waves.store import ApprovalView, RecordView

NOBODY = ("", "nobody")
PLANNED_BY = ("wave.state", "plan.saved")  # kinds of the records that carry `plan` and `by`


# Unicode's Default_Ignorable_Code_Point beyond the categories Cf and Cc (UCD, DerivedCoreProperties.txt), and the blank of Braille.
_UNSEEN = (
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2065, 0x2065), (0x2800, 0x2800), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0xE0000, 0xE0FFF),
)  # fmt: skip
# Letters of other scripts that look like Latin ones (UTS #39, confusables.txt: Cyrillic, Greek, Armenian), by code point.
_LOOKS = (
    "0410A 0412B 0415E 041AK 041CM 041DH 041EO 0420P 0421C 0422T 0423Y 0425X 0406I 0408J 0405S "
    "0391A 0392B 0395E 0396Z 0397H 0399I 039AK 039CM 039DN 039FO 03A1P 03A4T 03A5Y 03A7X "
    "0430a 0435e 043Eo 0440p 0441c 0443y 0445x 0456i 0458j 0455s 04BBh 0501d "
    "051Bq 051Dw 04CFl 03B1a 03BFo 03C1p 03BDv 03B9i 03BAk 03C5u 03C7x 03C4t 0131i 0585o"
)
_ALIKE = {int(word[:4], 16): word[4] for word in _LOOKS.split()}


def person(name: str) -> str:
    """The name as it is compared: NFKC, case folded, letters that look alike as one, without blanks and what nobody sees."""
    latin = unicodedata.normalize("NFKC", name).translate(_ALIKE)
    folded = unicodedata.normalize("NFKC", latin.casefold())
    seen = (c for c in folded if not c.isspace() and unicodedata.category(c) not in ("Cf", "Cc"))
    return "".join(c for c in seen if not any(first <= ord(c) <= last for first, last in _UNSEEN))


def is_name(name: str) -> bool:
    """Whether it names a person: it has a letter, and is not `nobody`."""
    return any(c.isalpha() for c in person(name)) and person(name) not in NOBODY


def makers_of(plan_hash: str, records: Iterable[RecordView]) -> tuple[str, ...]:
    """Everybody who planned exactly this, in order; empty where the journal does not say."""
    names = [
        str(item.payload.get("by", ""))
        for item in records
        if item.kind in PLANNED_BY and item.payload.get("plan") == plan_hash
    ]
    return tuple(dict.fromkeys(name for name in names if is_name(name)))


@dataclass(frozen=True)
class Rule:
    """What a plan asks for: roles that each have to approve, and at least so many different people."""

    roles: tuple[str, ...]
    approvers: int

    @classmethod
    def of(cls, plan: Plan) -> Rule:
        params = next((step.params for step in plan.steps if step.kind == "approval"), {})
        return cls(tuple(str(role) for role in params.get("roles", ())), int(params.get("approvers", 1)))


@dataclass(frozen=True)
class Standing:
    """counted: (who, role) of the words that count. void: (who, role, why) of those that do not. missing_roles: still to
    approve. missing_people: how many more people. no_maker: two are asked for and the journal names no maker."""

    counted: tuple[tuple[str, str], ...]
    void: tuple[tuple[str, str, str], ...]
    missing_roles: tuple[str, ...]
    missing_people: int
    no_maker: bool

    @property
    def complete(self) -> bool:
        return bool(self.counted) and not (self.missing_roles or self.missing_people or self.no_maker)

    @property
    def missing(self) -> str:
        """What is missing, in words; empty where nothing is."""
        parts = []
        if self.no_maker:
            parts.append("who planned it (plan it once more: `cutwater wave plan --as NAME`)")
        if self.missing_roles:
            parts.append(", ".join(self.missing_roles))
        more = max(self.missing_people - len(self.missing_roles), int(not self.counted and not self.missing_roles))
        if more:
            parts.append(f"{more} more {'person' if more == 1 else 'people'}, not the maker")
        return " and ".join(parts)


def standing(rule: Rule, makers: Sequence[str], given: Iterable[ApprovalView]) -> Standing:
    """Judges the approvals of one plan (those of its hash, oldest first)."""
    made = {person(name) for name in makers}
    counted: list[tuple[str, str]] = []
    void: list[tuple[str, str, str]] = []
    voices: dict[str, str] = {}
    for item in given:
        name = person(item.who)
        if not is_name(item.who):
            void.append((item.who, item.role, "is no name"))
        elif name in made:
            void.append((item.who, item.role, "planned it"))
        elif voices.setdefault(name, item.role) != item.role:
            void.append((item.who, item.role, f"has approved as {voices[name]} already"))
        elif all(person(who) != name for who, _ in counted):
            counted.append((item.who, item.role))
    roles = {role for _, role in counted}
    return Standing(
        tuple(counted),
        tuple(void),
        tuple(role for role in rule.roles if role not in roles),
        max(0, rule.approvers - len(counted)),
        rule.approvers > 1 and not made,
    )


def check_approval(
    plan: Plan, makers: Sequence[str], given: Sequence[ApprovalView], who: str, role: str, plan_hash: str = ""
) -> None:
    """Refuses a word that would not count: CW3052 (another plan), CW3023 (role, person), CW3050 (maker), CW3051 (twice)."""
    if plan_hash and not (len(plan_hash) >= 4 and plan.hash.startswith(plan_hash.lower())):
        raise Refused(
            "CW3052",
            f"plan {plan_hash[:12]} is not the current plan of wave {plan.wave}",
            cause=f"current is {plan.hash[:12]}; an approval holds for one plan, by its hash",
            state="nothing was approved",
            next=f"cutwater wave show {plan.wave}",
        )
    _check_role(plan, who, role)
    maker = next((name for name in makers if person(name) == person(who)), None)
    if maker is not None:
        raise Refused(
            "CW3050",
            f"{who} planned wave {plan.wave} and cannot approve it",
            cause=f"plan {plan.hash[:12]} was made by {maker}: the checker is another person",
            state="nothing was approved",
            next=f"cutwater wave approve {plan.wave} --as ANOTHER-PERSON --role {role} --plan {plan.hash[:12]}",
        )
    other = next((item for item in given if person(item.who) == person(who) and item.role != role), None)
    if other is not None:
        raise Refused(
            "CW3051",
            f"{who} has approved wave {plan.wave} as {other.role} already",
            cause="one person has one voice; every role is another person's",
            state=f"the approval as {other.role} stands, none was added",
            next=f"cutwater wave approve {plan.wave} --as ANOTHER-PERSON --role {role} --plan {plan.hash[:12]}",
        )


def _check_role(plan: Plan, who: str, role: str) -> None:
    if role not in plan.roles:
        raise BadInput(
            "CW3023",
            f"the plan of wave {plan.wave} has no role {role}",
            state="nothing was approved",
            next=f"--role one of: {', '.join(plan.roles) or 'none; declare roles in the wave file'}",
        )
    if not is_name(who):
        raise BadInput(
            "CW3023",
            "nobody cannot approve, nor a name without a letter",
            state="nothing was approved",
            next="--as with a person's name",
        )
    named = plan.roles[role]
    if person(named) not in (*NOBODY, person(who)):
        raise Refused(
            "CW3023",
            f"{who} is not {role} of wave {plan.wave}",
            cause=f"the plan names {named}",
            state="nothing was approved",
            next=f"cutwater wave approve {plan.wave} --as {named!r} --role {role}",
        )
