"""The real runner that dies, or kills a server, at a chosen record of its journal.

CRASH_AT: how many records this process writes before it dies by SIGKILL. CRASH_WHEN: `before` the record is written, or
`after`. FAULT_ORDERS: a folder of orders that is looked into at every record (see strikes.Order): the runner that meets an
order's moment takes it away, so that it is carried out once, and kills whom it names before it goes on.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from strikes import RUNNER, Order, strike

from cutwater.jobs import runner
from cutwater.state.journal import Journal

LEFT = int(os.environ.get("CRASH_AT", "0"))
WHEN = os.environ.get("CRASH_WHEN", "after")
ORDERS = Path(os.environ.get("FAULT_ORDERS", "/nowhere"))
count = last = 0
real = Journal.append


def append(self: Journal, wave: str, kind: str, payload: dict[str, Any], *args: Any, **more: Any) -> Any:
    global count, last
    count += 1
    if LEFT and count == LEFT and WHEN == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    carry_out("before", kind, payload)
    record = real(self, wave, kind, payload, *args, **more)
    last = record.seq
    carry_out("after", kind, payload)
    if LEFT and count == LEFT:
        os.kill(os.getpid(), signal.SIGKILL)
    return record


def carry_out(when: str, kind: str, payload: dict[str, Any]) -> None:
    for order in Order.standing(ORDERS):
        if order.meets(when, kind, payload) and order.take(ORDERS, last):
            if order.victim == RUNNER:
                os.kill(os.getpid(), signal.Signals[order.how])
                continue
            strike(Path(order.sandbox), order.victim)


if __name__ == "__main__":
    Journal.append = append  # type: ignore[method-assign]
    sys.exit(runner.main())
