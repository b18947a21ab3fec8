"""The peak memory of everything that the demo started, sampled while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable


class Sampler:
    """Adds up the proportional memory (USS + shared share) of process trees every two seconds; keeps the peak."""

    def __init__(self, roots: Callable[[], Iterable[int]], every: float = 2.0) -> None:
        self.roots, self.every, self.peak = roots, every, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def peak_mib(self) -> int:
        return self.peak >> 20

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.wait(self.every):
            self.peak = max(self.peak, measured(self.roots()))


def measured(roots: Iterable[int]) -> int:
    """Bytes of the trees below these processes, each process once; what ended meanwhile counts nothing."""
    import psutil

    seen: dict[int, int] = {}
    for root in roots:
        try:
            top = psutil.Process(root)
            for process in (top, *top.children(recursive=True)):
                if process.pid not in seen:
                    info = process.memory_full_info()
                    seen[process.pid] = int(getattr(info, "pss", info.rss))
        except psutil.Error:
            continue
    return sum(seen.values())
