"""What a wave's cutovers sent to try their channels, added to the ground truth: the engine says in its journal what it sent.

For tests and the demo's verdict only. Counted like everything else that was emitted: reconciliation holds it on both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cutwater.core.config import Endpoints, Project
from cutwater.state.store import open_store
from sandbox.estate import observe, truth
from sandbox.estate.truth import Tally


def tell(project: Project, wave: str) -> dict[str, int]:
    """Counts the probes of every round, also of those that went back, into truth/probes.json; stream -> how many."""
    with open_store(project.state_url) as store:
        records = store.journal.records(wave, ["effect.outcome"])
    sent = [item.payload["outcome"] for item in records if str(item.payload["effect"]).startswith("probe/send/")]
    tally, ends = Tally(), project.endpoints()
    for place in sent:
        _count(tally, ends, place)
    tally.save(truth.folder(project) / "probes.json", clean=True, wave=wave)
    return dict(sorted(Counter(str(place["stream"]) for place in sent).items()))


def _count(tally: Tally, ends: Endpoints, place: Mapping[str, Any]) -> None:
    stream = str(place["stream"])
    kind, _, name = stream.partition(":")
    if kind == "kafka":
        tally.events(name)
    elif kind == "file":
        tally.counts[f"feeds/{stream}/files"] += 1
        path = Path(ends.drop_dir) / name / str(place["name"])
        tally.counts[f"feeds/{stream}/payments"] += observe.lines_of(name, path)
    else:
        side = name.rpartition("-")[2]
        tally.counts[f"feeds/{stream}/{observe.kind_of(Path(ends.swift_dir) / side / str(place['name']))}"] += 1
