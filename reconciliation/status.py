"""Where a payment's status stands on its way (payments.md: ISO publishes no table; this one is ours)."""

from __future__ import annotations

RANK = {
    "RCVD": 10,
    "PATC": 15,
    "ACTC": 20,
    "ACCP": 30,
    "ACWC": 30,
    "ACFC": 35,
    "ACFW": 35,
    "ACSP": 40,
    "ACPD": 40,
    "ACSC": 50,
    "ACWP": 50,
    "ACCC": 60,
}
# No rank of their own: pending can go on to any later rank, the others end the way.
UNRANKED = frozenset({"PDNG", "RJCT", "CANC", "BLCK"})


def is_status(code: object) -> bool:
    """Whether a value is a code of the table; other enumerations (an account's OPEN, CLOSED) are plain fields."""
    return isinstance(code, str) and (code in RANK or code in UNRANKED)


def direction(source: str, target: str) -> str:
    """How the target stands to the source: `ahead`, `behind`, or `conflict` where no rank decides."""
    left, right = RANK.get(source), RANK.get(target)
    if left is not None and right is not None and left != right:
        return "ahead" if right > left else "behind"
    if source in UNRANKED - {"PDNG"} and (right is not None or target == "PDNG") and (right or 0) < RANK["ACSC"]:
        return "behind"  # the source has ended the way, the target does not know yet
    return "conflict"
