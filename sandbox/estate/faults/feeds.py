"""Faults in files and messages: a record that is missing from a file, a message that is missing from a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from cutwater.core.clock import utc_now
from sandbox.estate import book, seed
from sandbox.estate.archive import File, received_mt103
from sandbox.estate.book import Work
from sandbox.estate.faults.common import Facts, Scene
from sandbox.estate.generator import complete_batch, draw_batch
from sandbox.estate.model import Batch, Payment
from sandbox.estate.world import World, draw_payment
from sandbox.estate.writers import bacs

# The last record: whoever numbers records by their place numbers the others alike in both files.
_RECORDS, _MISSING = 12, -1


def missing_file_line(scene: Scene) -> Facts:
    """Delivers a Bacs file without one of its records; its control totals and the batch's row count it."""
    received = utc_now()
    drawn = draw_batch(scene.rng, scene.world(), "bacs", received, _RECORDS, same_day=True)
    batch = Batch(0, "bacs", "", received, drawn)
    work = Work(batches=[batch])
    scene.pay(drawn, work)
    complete_batch(batch, book.take_ids(scene.connection, "file_batch", 1)[0])
    scene.commit(work)
    gone = drawn[_MISSING]
    seed.drop(scene.endpoints, batch, bacs.write(batch, {gone.payment_id}))
    scene.tally.batch(batch, _RECORDS - 1)
    return {
        "asset": "file:bacs",
        "place": batch.file_name,
        "key": str(gone.payment_id),
        "uetr": gone.uetr,
        "reference": gone.instruction_id,
        "batch_id": batch.batch_id,
        "before": {"records": _RECORDS, "control_sum": str(batch.control_sum), "currency": batch.currency},
        "after": {"records": _RECORDS - 1, "control_sum": str(batch.control_sum - gone.amount)},
        "parked": scene.park(batch.file_name, batch.content),
    }


def redeliver_file(scene: Scene, fault: Mapping[str, Any]) -> Facts:
    """The sender delivers the whole file under a new name."""
    name = Path(str(fault["place"]))
    again = f"{name.stem}_R1{name.suffix}"
    seed.write_file(Path(scene.endpoints.drop_dir) / "bacs", again, scene.unpark(str(fault["parked"])))
    scene.tally.counts["feeds/file:bacs/files"] += 1
    scene.tally.counts["feeds/file:bacs/payments"] += int(fault["before"]["records"])
    return {"delivered": again}


def sequence_gap(scene: Scene) -> Facts:
    """Two MT103 are received; the first never reaches the archive, so that its OSN is missing before the second's."""
    world, now = scene.world(), utc_now()
    drawn = [_inbound(scene, world, index) for index in range(2)]
    work = Work()
    scene.pay(drawn, work)
    scene.commit(work)
    lost, next_one = (received_mt103(item, scene.state.sequences, now) for item in drawn)
    seed.archive(scene.endpoints, next_one)
    scene.tally.file(next_one)
    terminal, session, sequence = Path(lost.path).stem.split("_")
    return {
        "asset": "swift:fin-in",
        "place": lost.path,
        "key": f"{terminal}|{session}|{int(sequence)}",
        "uetr": drawn[0].uetr,
        "payment_id": drawn[0].payment_id,
        "terminal": terminal,
        "session": session,
        "sequence": int(sequence),
        "before": {"sequence": int(sequence)},
        "after": None,
        "parked": scene.park(Path(lost.path).name, lost.content),
    }


def deliver_message(scene: Scene, fault: Mapping[str, Any]) -> Facts:
    """The missing message is retrieved and delivered under its own OSN, flagged as a possible duplicate (PDM)."""
    content = scene.unpark(str(fault["parked"]))
    file = File("fin-in", "MT103", str(fault["place"]), content.removesuffix(b"}") + b"{PDM:}}")
    seed.archive(scene.endpoints, file)
    scene.tally.file(file)
    return {"delivered": file.path}


def _inbound(scene: Scene, world: World, index: int) -> Payment:
    at = utc_now() + timedelta(microseconds=index)
    while True:
        payment = draw_payment(scene.rng, world, "FIN", at)
        if payment.inbound:
            return payment
