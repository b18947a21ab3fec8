"""What the supervisor needs to know of a server: how to prepare it, start it, ask whether it is well, and stop it."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cutwater.core.config import EMBEDDED
from sandbox.layout import Layout


@dataclass(frozen=True)
class Launch:
    """How one process is started. `uid` and `gid` are set where we are root and the server refuses root."""

    argv: list[str]
    cwd: Path
    env: dict[str, str] = field(default_factory=dict)
    uid: int | None = None
    gid: int | None = None


class ServerSpec(Protocol):
    """One server of the sandbox."""

    name: str
    stop_signal: signal.Signals

    def prepare(self, layout: Layout) -> Launch:
        """Chooses ports, writes the configuration and the data's first form; safe to repeat. Blocks, may take seconds."""

    def healthy(self, layout: Layout) -> str:
        """Asks the server itself; returns "" when it is well, else what is wrong. Takes a second or less."""

    def settle(self, layout: Layout) -> None:
        """What has to be there once the server answers (roles, databases); safe to repeat."""


def specs(provider: str = EMBEDDED) -> list[ServerSpec]:
    """The servers, in the order in which they are listed. provider: who runs those that are not our own programs."""
    from sandbox.aws import Aws
    from sandbox.gateway import Gateway
    from sandbox.kafka import Kafka
    from sandbox.legacy import LegacyApi
    from sandbox.notify import Notify
    from sandbox.postgres import Postgres
    from sandbox.registry import Registry
    from sandbox.tobe import TobeApi, tobe_postgres

    listed: list[ServerSpec] = [
        Postgres(),
        Kafka(),
        Registry(),
        Aws(),
        LegacyApi(),
        tobe_postgres(),
        TobeApi(),
        Gateway(),
        Notify(),
    ]
    if provider == EMBEDDED:
        return listed
    from sandbox.containers import IMAGES, Container

    return [Container(spec) if spec.name in IMAGES else spec for spec in listed]
