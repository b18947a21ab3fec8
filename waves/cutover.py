"""What the planner adds to a wave that says how it is cut over: from the reverse sync to the open route, and its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from waves.plan import StepSpec
from waves.wave_file import CutoverSection

_Link = tuple[str, str, str, dict[str, Any], bool]  # id, kind, title, params, reversible


def cutover_steps(
    section: CutoverSection, mappings: Sequence[Mapping[str, Any]], feeds: Sequence[str], names: Mapping[str, str]
) -> list[StepSpec]:
    """One step after the other: while it is dark there is nothing to be done side by side.

    mappings: the wave's tables, which the fence closes. names: slot and publication of the wave.
    """
    tables = [[item["source_schema"], item["source_table"]] for item in mappings]
    grace, keys = section.grace_seconds, [item.as_plain() for item in section.keys]
    back = section.reverse.model_dump(mode="json") if section.reverse else {}
    reverse = {"keys": keys, **back}
    check = {
        "slot": f"{names['slot']}_check" if tables else "",
        "publication": f"{names['publication']}_check" if tables else "",
        "tables": tables,
    }
    files = [item.model_dump(mode="json") for item in section.files]
    fence = {"tables": tables, "grace_seconds": grace, "outbox": list(section.outbox or ()), "files": files}
    switch = {
        "margin": section.sequence_margin,
        "keys": keys,
        "pairs": [item.model_dump(mode="json") for item in section.sequences],
        "compare": [item.model_dump(mode="json") for item in section.compare_back],
        "store_tables": [list(item) for item in section.store_tables],
        "grace_seconds": grace,
        "files": files,
        "topics": list(section.consumers.topics) if section.consumers else [],
        "from_group": section.consumers.from_group if section.consumers else "",
        "to_group": section.consumers.to_group if section.consumers else "",
        "consumer_grace": section.consumers.grace_seconds if section.consumers else 0,
    }
    chain: list[_Link] = [
        ("reverse", "reverse", "Prove the way back: a marker from the store to the legacy side", reverse, True),
        *_probe(section),
        ("baseline", "baseline", "Compare everything while payments flow", check, True),
        ("fence", "fence", f"Route dark, fence {len(tables)} legacy tables, prove it", fence, True),
        ("drain", "drain", "Drain every channel up to the fence", {"feeds": list(feeds)}, True),
        ("final", "final", "Reconcile at the fence point", {}, True),
        ("switch", "switch", "Hand keys, sequences and consumers over to the store", switch, True),
        ("smoke", "smoke", "A marked payment through every channel", {"channels": list(section.smoke)}, True),
        ("open", "open", "Open the route to the new side", {"files": files}, True),
        ("retire", "retire", "Remove the slot and the publication from the legacy side", dict(names), False),
    ]
    steps, before = [], "approval"
    for step_id, kind, title, params, reversible in chain:
        who = "cutover-manager" if kind in ("open", "retire") else "engine"
        steps.append(StepSpec(step_id, kind, title, (before,), who, params, reversible))
        before = step_id
    return steps


def _probe(section: CutoverSection) -> list[_Link]:
    """Before the baseline: what it sends is compared there like everything else."""
    if not section.probe:
        return []
    params = {"channels": list(section.probe), "patience_seconds": section.probe_seconds}
    return [("probe", "probe", "A marked message through every channel that does not pass the route", params, True)]
