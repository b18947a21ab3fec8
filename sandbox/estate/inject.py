"""Plants named faults, and undoes on the source's side what its sender would repair. Each is recorded in ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutwater.core.clock import iso, utc_now
from cutwater.core.config import Project
from cutwater.core.errors import BadInput
from cutwater.core.ids import new_id
from sandbox.estate import state, truth
from sandbox.estate.faults import events, feeds, lake
from sandbox.estate.faults.common import Fault, Scene, scene
from sandbox.estate.truth import Tally

_BY_PRODUCT = "the product repairs its own copy: cutwater reconcile finds it, the runner writes the row anew"
FAULTS = {
    item.name: item
    for item in (
        Fault("lost-row", lake.lose_row, None, "MISSING_IN_TARGET", _BY_PRODUCT),
        Fault("altered-amount", lake.alter_amount, None, "AMOUNT_MISMATCH", _BY_PRODUCT),
        Fault(
            "duplicate-event",
            events.duplicate_event,
            None,
            "DUPLICATE_SOURCE",
            "nothing to undo: the second event has the key and the content of the first, which proves it a duplicate",
        ),
        Fault("late-status", events.late_status, events.publish_late_status, "STATUS_MISMATCH"),
        Fault("missing-file-line", feeds.missing_file_line, feeds.redeliver_file, "MISSING_IN_TARGET"),
        Fault("sequence-gap", feeds.sequence_gap, feeds.deliver_message, "SEQUENCE_GAP"),
    )
}


def inject(project: Project, faults: Sequence[str], undo: bool) -> dict[str, Any]:
    """Plants the named faults, or undoes those of them that stand (undo without names: all).

    Without names and undo nothing is planted: the names are listed. Undoing twice changes nothing the second time.
    """
    unknown = sorted(set(faults) - set(FAULTS))
    if unknown:
        raise BadInput(
            "CW1207",
            f"there is no fault {', '.join(unknown)}",
            state="nothing was planted",
            next=f"known: {', '.join(FAULTS)}",
        )
    if undo:
        return {"undone": _undo(project, faults or list(FAULTS))}
    if not faults:
        return {"faults": list(FAULTS), "planted": truth.faults(project)}
    return {"planted": [_plant(project, FAULTS[name]) for name in faults]}


def _plant(project: Project, fault: Fault) -> dict[str, Any]:
    with state.locked(project) as known:
        place = scene(project, known)
        try:
            facts = fault.plant(place)
        finally:
            _close(project, place)
        entry = {
            "kind": "fault",
            "id": new_id("F"),
            "fault": fault.name,
            "at": iso(utc_now()),
            "expected": fault.expected,
            **facts,
        }
        truth.record(project, entry)
    return entry


def _undo(project: Project, names: Sequence[str]) -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = []
    for entry in truth.faults(project):
        fault = FAULTS[entry["fault"]]
        if fault.name not in names or entry["undone"]:
            continue
        told = {"id": entry["id"], "fault": fault.name, "key": entry["key"], "uetr": entry["uetr"]}
        if fault.undo is None:
            done.append({**told, "undo": None, "why": fault.why})
            continue
        with state.locked(project) as known:
            place = scene(project, known)
            try:
                facts = fault.undo(place, entry)
            finally:
                _close(project, place)
            truth.record(project, {"kind": "undo", "id": entry["id"], "at": iso(utc_now()), "undo": facts})
        done.append({**told, "undo": facts})
    return done


def _close(project: Project, place: Scene) -> None:
    """Lets go, and keeps the count of what was sent, also where the fault was planted by halves."""
    place.connection.close()
    path = truth.folder(project) / "inject.json"
    total = Tally.load(path)
    total.merge(place.tally)
    total.save(path)
