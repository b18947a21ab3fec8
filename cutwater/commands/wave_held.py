"""`cutwater wave held`: the ledger of payments that arrived while a wave was dark, masked, and its proof."""

from __future__ import annotations

from typing import Any

from cutwater.core.config import Project
from cutwater.core.redaction import mask, plain, redact
from cutwater.state.records import HeldPayment
from cutwater.state.store import open_store
from waves.wave_file import wave_path


def held(project: Project, wave: str) -> dict[str, Any]:
    """The proof, and every payment without what it says: account and receipt masked, no body."""
    wave_path(project.files_dir, wave)  # refuses what is no name
    with open_store(project.state_url) as store:
        proof = store.held.proof(wave)
        records = store.journal.records(wave, ["held.proof"], last=1)
        proved = {"seq": records[0].seq, "at": records[0].at, "hash": records[0].hash} if records else None
        return {
            "wave": wave,
            "proof": proof.as_dict(),
            "proved": proved,
            "payments": [_shown(item) for item in store.held.list(wave)],
        }


def _shown(item: HeldPayment) -> dict[str, Any]:
    return {
        "key": plain(redact(item.key)),
        "account": mask(item.account),
        "channel": item.channel,
        "received_at": item.received_at,
        "currency": item.currency,
        "amount": None if item.amount is None else f"{item.amount:f}",
        "state": item.state,
        "offered_at": item.offered_at,
        "settled_at": item.settled_at,
        "receipt": mask(item.receipt, 8) if item.receipt else "",
        "reason": plain(redact(item.reason)),
    }
