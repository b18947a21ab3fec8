"""The ledger of held payments against the proofs in the journal. A ledger grows: what a proof counted is there for good.

The control totals stand beside the ledger, and who alters one can alter both. A proof in the journal cannot be altered
unseen: it names the totals of its time and a SHA-256 of the rows that it counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, select

from cutwater.core.hashing import sha256_json
from cutwater.state.database import load
from cutwater.state.models import HeldPaymentRow, JournalRow
from cutwater.state.records import HeldProof, HeldTotal

PROOF = "held.proof"


def sealed(connection: Connection, proof: HeldProof) -> dict[str, Any]:
    """What the journal keeps of a proof: its figures, and the rows that it counted (`rows`: upto, ended, sha256)."""
    ended = proof.open == 0
    upto = connection.execute(
        select(HeldPaymentRow.id).where(HeldPaymentRow.wave == proof.wave).order_by(HeldPaymentRow.id.desc()).limit(1)
    ).scalar()
    rows = {"upto": upto or 0, "ended": ended, "sha256": _digest(connection, proof.wave, upto or 0, ended)}
    return {**proof.as_dict(), "rows": rows}


def contradictions(connection: Connection, wave: str, by_currency: Mapping[str, Mapping[str, HeldTotal]]) -> list[str]:
    """What the proofs of the journal say and the ledger does not hold any more, in words."""
    records = connection.execute(
        select(JournalRow.seq, JournalRow.payload)
        .where(JournalRow.wave == wave, JournalRow.kind == PROOF)
        .order_by(JournalRow.seq)
    )
    found: list[str] = []
    for record in records:
        try:
            said = load(record.payload)
        except ValueError:  # the chain's own check names this record
            continue
        fewer = _fewer(said.get("by_currency", {}), by_currency)
        rows = said.get("rows")
        if not fewer and rows and _digest(connection, wave, rows["upto"], rows["ended"]) != rows["sha256"]:
            fewer = ["payments that it counted were altered or exchanged"]
        found += [f"the proof of journal record {record.seq} is not kept: {text}" for text in fewer]
    return found


def _fewer(said: Mapping[str, Any], now: Mapping[str, Mapping[str, HeldTotal]]) -> list[str]:
    """Totals of an old proof that the ledger falls short of: no payment leaves it, and none has two ends."""
    found = []
    for currency, parts in sorted(said.items()):
        for name in ("held", "released", "returned"):
            then = HeldTotal(int(parts[name]["count"]), Decimal(parts[name]["sum"]))
            has = now.get(currency, {}).get(name, HeldTotal())
            if has.count < then.count or (has.count == then.count and has.total != then.total):
                found.append(
                    f"{name} {currency or 'without amount'} was {then.count} of {then.total:f}, "
                    f"the ledger has {has.count} of {has.total:f}"
                )
    return found


def _digest(connection: Connection, wave: str, upto: int, ended: bool) -> str:
    """SHA-256 of the first rows. Where all had their end, that end counts as well: it never changes."""
    columns = [
        HeldPaymentRow.id,
        HeldPaymentRow.key,
        HeldPaymentRow.account,
        HeldPaymentRow.body_sha256,
        HeldPaymentRow.received_at,
    ]
    ends = [HeldPaymentRow.state, HeldPaymentRow.receipt] if ended else []
    query = (
        select(*columns, *ends)
        .where(HeldPaymentRow.wave == wave, HeldPaymentRow.id <= upto)
        .order_by(HeldPaymentRow.id)
    )
    return sha256_json([list(row) for row in connection.execute(query)])
