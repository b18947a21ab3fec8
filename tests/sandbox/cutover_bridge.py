"""The hand of the cutover for tests of both sides: sets route and fences, brings over what the other side needs, releases."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import yaml
from sandbox_support import eventually

from adapters.aws.route import Route, RouteSet
from adapters.postgres.fence import DropFence, LiftFence, RaiseFence
from adapters.postgres.keys import StoreKeys
from adapters.postgres.reverse_mapping import mapping_of
from adapters.postgres.reverse_marker import BeginReverse
from adapters.postgres.reverse_sync import ReverseSync
from adapters.postgres.sequences import RaiseSequences
from cutwater.core.config import Endpoints, Project
from cutwater.jobs.cutover_actions import HeldRelease
from cutwater.state.store import open_store
from cutwater.wiring import held_receiver
from waves.ports import Fence, Waiting

WAVE = "WX"
LEGACY_TABLES = ("file_batch", "payment", "payment_status", "outbox", "operator_note", "account")
# Not the keys: a request that writes one writes a payment, too.
STORE_TABLES = ("payment", "payment_status", "outbox")
OUTBOX = ("tobe", "outbox")
FILES = Path(__file__).resolve().parents[2] / "sandbox" / "project"
MAPPING = FILES / "reverse.yaml"


@dataclass
class Bridge:
    """The hand of the cutover: sets the route and both sides' fences by the actions of its steps."""

    project: Project
    epoch: int = 0

    @property
    def ends(self) -> Endpoints:
        return self.project.endpoints()

    @property
    def held(self) -> Fence:
        return Fence(WAVE, 1, "run")

    @property
    def sides(self) -> dict[str, str]:
        return {"legacy": self.ends.postgres_dsn, "store": self.ends.store_dsn}

    def fence(self, side: str, epoch: int, closed: bool) -> None:
        args: dict[str, Any] = {"side": side, "wave": WAVE, "epoch": epoch}
        if not closed:
            LiftFence(self.sides).perform(args, self.held)
            return
        names = LEGACY_TABLES if side == "legacy" else STORE_TABLES
        tables = [["payhub" if side == "legacy" else "tobe", name] for name in names]
        RaiseFence(self.sides).perform({**args, "tables": tables, "grace_seconds": 2}, self.held)

    def route(self, side: str, epoch: int | None = None) -> None:
        """Until the gateway says it: by the action itself."""
        self.epoch = self.epoch + 1 if epoch is None else epoch
        action = RouteSet(Route(self.ends))
        args = {"wave": WAVE, "side": side, "epoch": self.epoch}
        assert eventually(lambda: self._done(lambda: action.perform(args, self.held)))

    @staticmethod
    def _done(work: Callable[[], object]) -> bool:
        try:
            work()
        except Waiting:
            return False
        return True

    def dark(self) -> None:
        self.route("dark")
        self.fence("legacy", self.epoch, closed=True)
        self.fence("store", self.epoch, closed=True)

    def open(self, side: str) -> None:
        """Opens a side and releases to it what was held."""
        self.opens(side)
        self.release()

    def opens(self, side: str) -> None:
        """Brings over what the other side has to know, then opens this one."""
        if side == "legacy":
            self.reverse()
        else:
            copies = yaml.safe_load((FILES / "waves" / "W01.yaml").read_text("utf-8"))["cutover"]["keys"]
            StoreKeys(self.ends.postgres_dsn, self.ends.store_dsn).perform(
                {"copies": copies, "complete": True}, self.held
            )
        taker = "legacy" if side == "legacy" else "store"
        self.number(taker)
        self.fence(taker, self.epoch + 1, closed=False)
        self.route(side)

    def begin(self) -> None:
        """What was in the store before is another attempt's."""
        action = BeginReverse(self.ends.store_dsn, self.ends.postgres_dsn, OUTBOX)
        assert eventually(lambda: self._done(lambda: action.perform({"wave": WAVE}, self.held)))

    def number(self, taker: str) -> None:
        """A side's next number is above all that either side has given."""
        pair = {"legacy": ["payhub", "payment", "payment_id"], "store": ["tobe", "payment", "payment_id"]}
        RaiseSequences(self.sides, [pair]).perform({"to": taker, "margin": 1000}, self.held)

    def release(self) -> dict[str, Any]:
        """What was held in the dark, to the side that is open."""
        self.lease()
        action = HeldRelease(self.project, held_receiver(self.project))
        return action.perform({"wave": WAVE, "epoch": self.epoch}, self.held)

    def lease(self) -> None:
        """The ledger asks for the newest token of the wave: ours."""
        with open_store(self.project.state_url) as store:
            if not store.leases.newest_token(WAVE):
                store.leases.acquire(WAVE, "bridge", 3600)

    def reverse(self) -> None:
        """All that the store has committed, to the legacy side."""
        mapping = mapping_of(yaml.safe_load(MAPPING.read_text("utf-8")))
        sync = ReverseSync(self.ends.store_dsn, self.ends.postgres_dsn, WAVE, OUTBOX, mapping)
        try:
            assert eventually(lambda: sync.poll(self.held).caught_up)
        finally:
            sync.close()

    def clear(self) -> None:
        """Back to the legacy side, which has all that the store took; and no fence on either."""
        self.reverse()
        for side in self.sides:
            DropFence(self.sides).perform({"side": side, "wave": WAVE}, self.held)
        self.route("legacy")


def direct(url: str, body: dict[str, Any], key: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{url}/payments", json=body, headers={"Idempotency-Key": key, **headers}, trust_env=False)


def key() -> str:
    return secrets.token_hex(8)


def count(dsn: str, table: str, uetr: str) -> int:
    with psycopg.connect(dsn) as db:
        return int(db.execute(f"SELECT count(*) FROM {table} WHERE uetr = %s".encode(), [uetr]).fetchall()[0][0])
