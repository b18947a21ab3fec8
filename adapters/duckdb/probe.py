# ruff: noqa: S608 - relations are made by LakeReader; values are parameters
"""What the lake made of single deliveries: looked up by stream and place, at the newest snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.duckdb.lake import LakeReader

RAW, INTAKE = "raw.message", "raw.intake"


class LakeProbes:
    """Implements `adapters.probe.actions.Lake`."""

    def __init__(self, reader: LakeReader) -> None:
        self.reader = reader

    def outcomes(self, places: Sequence[Mapping[str, Any]]) -> list[str]:
        intake = self.reader.relation(INTAKE, self.reader.current(INTAKE))  # written last: what it has, raw has too
        raw = self.reader.relation(RAW, self.reader.current(RAW))
        query = (
            f"SELECT i.outcome FROM {raw} m JOIN {intake} i USING (message_id) WHERE m.stream = ? AND m.position = ?"
        )
        found = []
        for place in places:
            position = str(place["name"]) if "name" in place else f"{place['partition']}:{place['offset']}"
            rows = self.reader.query(query, [str(place["stream"]), position])
            found.append(str(rows[0][0]) if rows else "")
        return found
