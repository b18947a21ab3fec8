"""The story of a run, told from its journal: one line per change, on standard error."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from typing import Any

from cutwater.core.clock import utc_now

_PATIENCE_SECONDS = 10.0  # a wait is spoken of this often; a service's trouble at once


class Story:
    """Called with each record while a command follows a runner."""

    def __init__(self) -> None:
        self.rows = self.chunks = 0
        self.waiting = self.trouble = ""
        self.spoke = time.monotonic()

    def waits(self, waiting: str, trouble: str) -> None:
        if trouble != self.trouble:
            self._say(f"  ! {trouble}; it is tried again by itself" if trouble else "  the services are well again")
        elif waiting and waiting != self.waiting and time.monotonic() - self.spoke > _PATIENCE_SECONDS:
            self._say(f"  .. {waiting}")
        else:
            return
        self.waiting, self.trouble, self.spoke = waiting, trouble, time.monotonic()

    def __call__(self, record: Any, history: Any) -> None:
        line = self._line(record.kind, record.payload)
        if line:
            self._say(line, record.at)

    def _say(self, line: str, at: datetime | None = None) -> None:
        sys.stderr.write(f"{at or utc_now():%H:%M:%S} {line}\n")
        sys.stderr.flush()

    def _line(self, kind: str, body: dict[str, Any]) -> str:
        if kind == "run.started":
            return f"runner {body['pid']} at work, to {body['to']}. Ctrl-C detaches, the runner goes on."
        if kind == "wave.state":
            return f"{body['from'] or 'new'} > {body['to']}"
        if kind == "step.started":
            self.rows = self.chunks = 0
            return f"> {body['step']}"
        if kind == "effect.outcome":
            return self._outcome(body)
        if kind == "effect.failed":
            again = f"; again in {body['again_in_seconds']} s" if body["again_in_seconds"] else ""
            return f"  ! {body['effect']}: {body['error'].get('what', '')}{again}"
        if kind == "step.completed":
            rows = f"  {self.rows:,} rows in {self.chunks} ranges" if self.chunks else ""
            return f"ok {body['step']}{rows}  {body['seconds']} s"
        if kind == "gate.evaluated":
            return f"gate {body['gate']}: {body['verdict']}  {body['reason'] or body['value']}"
        if kind == "wave.condition" and body["condition"]:
            return f"condition {body['condition']}"
        if kind == "run.ended":
            return f"run ended: {body['reason']}"
        return ""

    def _outcome(self, body: dict[str, Any]) -> str:
        found = " (was done already)" if body.get("observed") else ""
        if "/chunk/" in body["effect"]:
            self.rows, self.chunks = self.rows + int(body["outcome"].get("rows", 0)), self.chunks + 1
            return f"  copied {body['effect'].split('/chunk/')[1]:>6}  {self.rows:,} rows{found}" if found else ""
        return f"  done {body['effect']}{found}  {body['seconds']} s"
