"""The process that serves the legacy REST API (sandbox.legacy_api)."""

from __future__ import annotations

import signal
import sys

from sandbox.http import wrong
from sandbox.layout import HOST, Layout
from sandbox.specs import Launch


class LegacyApi:
    """Well when it reaches its database: /health asks it."""

    name = "api"
    stop_signal = signal.SIGTERM

    def prepare(self, layout: Layout) -> Launch:
        folder = layout.data / "api"
        folder.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "sandbox.legacy_api", str(layout.home), HOST, str(layout.port("api"))]
        return Launch(argv, cwd=folder)

    def healthy(self, layout: Layout) -> str:
        return wrong(layout.ports()["api"], "/health")

    def settle(self, layout: Layout) -> None:
        return None
