"""A runner's release of held payments, killed by SIGKILL: python crashing_release.py PROJECT WAVE EPOCH MOMENT NUMBER

MOMENT: `offered` (the intent stands, nothing was sent) or `sent` (it is on the open side, the ledger does not know) of the
payment with that NUMBER; `released`: after the last one, before the ledger is closed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from cutwater.core.config import load_project
from cutwater.jobs.cutover_actions import HeldRelease
from cutwater.state.held import HeldPayments
from cutwater.wiring import held_receiver
from waves.ports import Fence


def main(root: str, wave: str, epoch: str, moment: str, number: str) -> None:
    project, seen = load_project(Path(root)), 0
    send = held_receiver(project)

    def dying(payment: Any) -> str:
        nonlocal seen
        seen += 1
        if moment == "offered" and seen == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        receipt = send(payment)
        if moment == "sent" and seen == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return receipt

    def close(*_args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    if moment == "released":
        HeldPayments.close = close  # type: ignore[method-assign]
    HeldRelease(project, dying).perform({"wave": wave, "epoch": int(epoch)}, Fence(wave, 1, "run"))


if __name__ == "__main__":
    main(*sys.argv[1:])
