"""The legacy API's access log: one JSON object per call, as a gateway of the bank would write it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cutwater.core.clock import iso, utc_now


class AccessLog:
    """ASGI middleware. Fields: ts (RFC 3339 UTC), method, path, operation_id ("" where no route matched), status, ms
    (integer milliseconds), client_id (header X-Client-Id, "" where none), bytes (of the answer's body). Health checks are left out."""

    def __init__(self, app: ASGIApp, path: Path) -> None:
        self.app = app
        # O_APPEND: a whole line lands at the end, also when somebody rotates or copies the file.
        self.log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/health":
            await self.app(scope, receive, send)
            return
        began, seen = time.perf_counter_ns(), {"status": 500, "bytes": 0}

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
            elif message["type"] == "http.response.body":
                seen["bytes"] += len(message.get("body", b""))
            await send(message)

        scope.setdefault("state", {})
        try:
            await self.app(scope, receive, counted)
        finally:
            self._write(scope, seen, (time.perf_counter_ns() - began) // 1_000_000)

    def _write(self, scope: Scope, seen: dict[str, int], milliseconds: int) -> None:
        headers = dict(scope["headers"])
        line = {
            "ts": iso(utc_now()),
            "method": scope["method"],
            "path": scope["path"],
            "operation_id": scope["state"].get("operation", ""),
            "status": seen["status"],
            "ms": milliseconds,
            "client_id": headers.get(b"x-client-id", b"").decode("latin-1"),
            "bytes": seen["bytes"],
        }
        os.write(self.log, (json.dumps(line, separators=(",", ":")) + "\n").encode("utf-8"))
