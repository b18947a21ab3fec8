"""An MX message as leaves: one short path each, so that one rule fits every version and every wrapper."""

from __future__ import annotations

import re
from dataclasses import dataclass

from payments.iso20022.xml import Element, leaves, local

_DROPPED = frozenset({"FinInstnId", "Pty", "FIId", "RtrChain", "Agt", "Document"})
_BICS = frozenset({"BIC", "BICOrBEI", "AnyBIC", "BICFI"})
_INDEX = re.compile(r"\[([0-9]+)\]")
_REPEATED = ("Ntry", "CdtTrfTxInf", "DrctDbtTxInf", "Itm", "TxInf", "TxInfAndSts")


@dataclass(slots=True)
class Leaf:
    """path: short, without indices, wrappers and the choice between party and agent; header leaves begin with `H/`.
    place: the path as it stands in the message. sequence: `T2.` beneath the second transaction or entry."""

    path: str
    value: str
    place: str
    sequence: str = ""
    used: bool = False


def leaves_of(root: Element) -> list[Leaf]:
    """The leaves of the first header and document beneath `root`, wrappers left aside."""
    header = next((item for item in root.iter() if local(item.tag) == "AppHdr"), None)
    document = next((item for item in root.iter() if local(item.tag) == "Document"), None)
    body = next(iter(document), None) if document is not None else None
    found = [_leaf(f"H/{path}", path, value, f"AppHdr/{path}") for path, value in leaves(header).items()]
    counts: dict[str, int] = {}
    balances: dict[str, str] = {}
    raw = leaves(body)
    for path, value in raw.items():
        if "Bal" in path and path.endswith("Tp/CdOrPrtry/Cd"):
            balances[path.rpartition("/Tp/")[0]] = value
    for path, value in raw.items():
        leaf = _leaf(path, path, value, path)
        leaf.sequence = _sequence(path, counts)
        prefix = next((name for name in balances if path.startswith(name + "/")), None)
        if prefix is not None:
            leaf.path = f"Bal:{balances[prefix]}/{leaf.path.rpartition('Bal/')[2]}"
        found.append(leaf)
    return [leaf for leaf in found if leaf.value]


def _leaf(path: str, original: str, value: str, place: str) -> Leaf:
    parts = [part for part in _INDEX.sub("", path).split("/") if part not in _DROPPED]
    head, sign, attribute = parts[-1].partition("@")
    if head in _BICS:
        parts[-1] = "BICFI" + sign + attribute
    return Leaf("/".join(parts), value, place)


def _sequence(path: str, counts: dict[str, int]) -> str:
    """The number of the transaction through the whole message: a second PmtInf goes on counting."""
    parts = path.split("/")
    for index, part in enumerate(parts):
        if part.partition("[")[0] in _REPEATED:
            key = "/".join(parts[: index + 1])
            if key not in counts:
                counts[key] = len(counts) + 1
            return f"T{counts[key]}."
    return ""
