"""The real runner that kills itself, by SIGKILL, at a chosen record of its journal.

CRASH_AT: how many records this process writes before it dies. CRASH_WHEN: `before` the record is written, or `after`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from cutwater.jobs import runner
from cutwater.state.journal import Journal

LEFT = int(os.environ.get("CRASH_AT", "0"))
WHEN = os.environ.get("CRASH_WHEN", "after")
count = 0
real = Journal.append


def append(self: Journal, *args: Any, **more: Any) -> Any:
    global count
    count += 1
    if LEFT and count == LEFT and WHEN == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    record = real(self, *args, **more)
    if LEFT and count == LEFT:
        os.kill(os.getpid(), signal.SIGKILL)
    return record


if __name__ == "__main__":
    Journal.append = append  # type: ignore[method-assign]
    sys.exit(runner.main())
