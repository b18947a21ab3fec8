"""The To-Be side's servers: the store's own PostgreSQL, and the process of the To-Be payments API (sandbox.tobe_api)."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from sandbox.http import wrong
from sandbox.layout import HOST, TOBE, Layout
from sandbox.postgres import Database, Postgres
from sandbox.specs import Launch

SCHEMA = Path(__file__).with_name("tobe.sql")


def tobe_postgres() -> Postgres:
    """A second server: the store shares nothing with what it replaces."""
    return Postgres(TOBE, (Database("tobe", "tobe_owner", script=SCHEMA),), {"shared_buffers": "64MB"})


class TobeApi:
    """Well when it reaches the store: /health asks it."""

    name = "tobe-api"
    stop_signal = signal.SIGTERM

    def prepare(self, layout: Layout) -> Launch:
        folder = layout.data / "tobe-api"
        folder.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "sandbox.tobe_api", str(layout.home), HOST, str(layout.port(self.name))]
        return Launch(argv, cwd=folder)

    def healthy(self, layout: Layout) -> str:
        return wrong(layout.ports()[self.name], "/health")

    def settle(self, layout: Layout) -> None:
        return None
