"""Both sides at one point: an exported snapshot on the source, and the lake folded to exactly what it sees."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from adapters.postgres.arrow_reader import lock_statement
from adapters.postgres.change_stream import AHEAD, write_marker
from adapters.postgres.connection import connect, translated
from cutwater.core.clock import iso, utc_now
from cutwater.core.errors import Inconclusive
from cutwater.core.ids import new_id
from inventory.model import TableMapping
from reconciliation.ports import Pin, PinnedPair

Ask = Callable[[str, Mapping[str, Any]], int]  # (kind, payload) -> number of the request
Result = Callable[[int], tuple[str, Mapping[str, Any]]]  # -> (open | answered | failed, answer)


_PIN = "SELECT pg_current_snapshot()::text, pg_export_snapshot(), pg_current_wal_insert_lsn()::text"


def _pair(snapshot: str, exported: str, lsn: str, as_of: str, answer: Mapping[str, Any]) -> PinnedPair:
    lake = {name: int(item["snapshot"]) for name, item in answer["tables"].items() if item["snapshot"]}
    source = {"snapshot": exported, "pg_snapshot": snapshot, "lsn": lsn}
    told = ", ".join(f"{name} {number}" for name, number in sorted(lake.items()))
    return PinnedPair(
        Pin("postgres", f"snapshot {snapshot}, LSN {lsn}", source), Pin("iceberg", told, {"snapshots": lake}), as_of
    )


class RunnerPinner:
    """reconciliation.ports.Pinner: asks the wave's runner to fold at our snapshot, and holds it while it is read."""

    def __init__(
        self,
        dsn: str,
        wave: str,
        ask: Ask,
        result: Result,
        alive: Callable[[], bool],
        close: Callable[[], None] = lambda: None,
        seconds: int = 180,
    ) -> None:
        self.dsn, self.wave, self.ask, self.result, self.alive = dsn, wave, ask, result, alive
        self.close, self.seconds = close, seconds

    @contextmanager
    def pinned(self, tables: Sequence[TableMapping]) -> Iterator[PinnedPair]:
        """Raises Inconclusive (CW3132) where the runner is dead, refuses or takes too long."""
        try:
            with self._pinned(tables) as pair:
                yield pair
        finally:
            self.close()

    @contextmanager
    def _pinned(self, tables: Sequence[TableMapping]) -> Iterator[PinnedPair]:
        for last in (False, False, True):
            if not self.alive():
                raise self._none(
                    "no runner of this wave is alive: the lake's side stands still", f"cutwater wave resume {self.wave}"
                )
            with connect(self.dsn, f"{self.wave}/pin", autocommit=False) as held, translated("pinning the source"):
                held.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                if tables:
                    held.execute(
                        lock_statement(tables)
                    )  # before the snapshot: to it a table rewritten later looks empty
                row = held.execute(_PIN).fetchone()
                snapshot, exported, lsn = row or ("", "", "")
                as_of, marker = iso(utc_now()), new_id(f"{self.wave}:pin:")
                with connect(self.dsn, f"{self.wave}/pin") as db:
                    write_marker(db, marker)
                answer = self._wait(
                    self.ask("pin", {"pg_snapshot": snapshot, "marker": marker, "until": self._until()}), retry=not last
                )
                if answer is None:
                    continue
                yield _pair(snapshot, exported, lsn, as_of, answer)
                return

    def _until(self) -> str:
        """After this nobody waits for the answer any more: the runner then lets the request go."""
        return iso(utc_now() + timedelta(seconds=self.seconds))

    def _wait(self, number: int, retry: bool) -> Mapping[str, Any] | None:
        """The runner's answer; None where the lake had passed our snapshot already and another pin may be tried."""
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            state, answer = self.result(number)
            if state == "answered":
                return answer
            if state == "failed" and retry and answer.get("code") == AHEAD:
                return None
            if state == "failed":
                raise self._none(
                    f"the runner could not bring the lake to the pin: {answer.get('what', '')}",
                    f"cutwater wave status {self.wave}",
                )
            if not self.alive():
                raise self._none(
                    "the runner died while it brought the lake to the pin", f"cutwater wave resume {self.wave}"
                )
            time.sleep(0.1)
        raise self._none(
            f"the runner did not bring the lake to the pin in {self.seconds} s", f"cutwater wave status {self.wave}"
        )

    def _none(self, cause: str, then: str) -> Inconclusive:
        return Inconclusive(
            "CW3132",
            f"both sides of {self.wave} could not be read at one point",
            cause=cause,
            state="nothing was compared; nothing was changed",
            next=then,
        )
