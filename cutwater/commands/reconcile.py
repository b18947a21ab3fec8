"""What `cutwater reconcile` does, as importable functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutwater.commands.evidence import evidence_file
from cutwater.core.config import Project
from cutwater.core.errors import BadInput, Refused
from cutwater.core.hashing import sha256_file
from cutwater.jobs.reconciling import Ran, Sides, plan_of, run, settings_of, write_report
from reconciliation.breaks import CLOSED, MEANING, BreakClass

if TYPE_CHECKING:
    from cutwater.state.store import Store

__all__ = ["Ran", "Sides", "breaks", "explain", "plan_of", "report", "run", "settings_of", "write_report"]


def breaks(store: Store, wave: str | None, everything: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The newest run (of a wave, or of all) and its breaks; closed ones only where `everything` is asked."""
    body = _latest(store, wave)
    found = store.recon.breaks(run_id=body["run"])
    return body, [item for item in found if everything or item["state"] != CLOSED]


def explain(store: Store, break_id: str, wave: str | None = None) -> dict[str, Any]:
    """One break, by its id or by its number in `reconcile breaks`; BadInput CW4010 where there is none."""
    body, found = breaks(store, wave)
    if break_id.isdigit() and 1 <= int(break_id) <= len(found):
        item = found[int(break_id) - 1]
    else:
        every = [*store.recon.breaks(run_id=body["run"]), *reversed(store.recon.breaks(wave))]
        item = next((one for one in every if one["id"] == break_id.upper()), {})
    if not item:
        raise BadInput("CW4010", f"there is no break {break_id}", next="cutwater reconcile breaks")
    return {**item, "wave": body["wave"], "meaning": MEANING[BreakClass(item["cls"])], "looked_at_by": body["run"]}


def report(project: Project, store: Store, run_id: str | None, wave: str | None) -> Ran:
    """The files of a run, the page rendered anew from its evidence; CW4009 where there is none, CW4018 where it was
    edited."""
    body = _latest(store, wave) if run_id is None else store.recon.run(run_id)
    evidence = evidence_file(project, str(body["run"]))
    folder = evidence.parent
    if not evidence.is_file():
        raise BadInput("CW4009", f"the evidence file of run {body['run']} is not there", cause=str(evidence))
    digest = sha256_file(evidence)
    _as_recorded(store, str(body["run"]), evidence, digest)
    full = json.loads(evidence.read_text("utf-8"))
    write_report(folder, full, digest, sorted(path.name for path in folder.glob("datacompy-*.txt")))
    return Ran(full, digest, folder)


def _as_recorded(store: Store, run_id: str, path: Path, digest: str) -> None:
    """Raises Refused CW4018 where the file is not the one that the journal recorded for this run."""
    records = store.journal.records(kinds=["evidence.added"])
    recorded = [str(item.payload.get("sha256")) for item in records if item.run_id == run_id]
    if digest not in recorded:
        raise Refused(
            "CW4018",
            f"the evidence file of run {run_id} is not what was recorded",
            cause=f"{path} has SHA-256 {digest}, the journal says {', '.join(recorded) or 'nothing of this run'}",
            state="no report was rendered from it",
            next=f"cutwater evidence verify, then cutwater reconcile run {store.recon.run(run_id)['wave']}",
        )


def _latest(store: Store, wave: str | None) -> dict[str, Any]:
    if wave is not None:
        found = store.recon.latest(wave)
        if found:
            return dict(found)
    else:
        rows = store.evidence.list("reconciliation", limit=1)
        if rows:
            return store.recon.run(str(rows[0].body["run"]))
    raise BadInput("CW4009", "nothing has been reconciled yet", next=f"cutwater reconcile run {wave or 'WAVE'}")
