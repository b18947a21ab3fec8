"""The story of a run, told from its journal: one line per change, on standard error."""

from __future__ import annotations

import sys
from typing import Any


class Story:
    """Called with each record while a command follows a runner."""

    def __init__(self) -> None:
        self.rows = self.chunks = 0

    def __call__(self, record: Any, history: Any) -> None:
        line = self._line(record.kind, record.payload)
        if line:
            sys.stderr.write(f"{record.at:%H:%M:%S} {line}\n")
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
