"""The fault matrix as it is printed at the end of a run: who was killed at which step and what came of it, and the named cases.

`test-out/fault-matrix.txt` and `.json` hold the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fault_cases import CASES, Case

STEPS = ("reverse", "fence", "drain", "final", "switch", "smoke", "open")
VICTIMS = {
    "runner": "runner",
    "kafka": "broker",
    "postgres": "legacy database",
    "tobe-postgres": "store's database",
    "gateway": "gateway",
    "tobe-api": "To-Be API",
}
FOLDER = Path(__file__).resolve().parents[1] / "test-out"


@dataclass
class Report:
    """What a session of tests has shown. cells: (way, step, victim) -> (PASS or FAIL, a word); results: test -> outcome."""

    cells: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)

    def cell(self, way: str, step: str, victim: str, verdict: str, word: str) -> None:
        self.cells[way, step, victim] = verdict, word

    def ran(self, node: str, outcome: str) -> None:
        """Parameters are left out; one that failed is the result of all."""
        name = node.partition("[")[0]
        if self.results.get(name) != "failed":
            self.results[name] = outcome

    def result(self, case: Case) -> str:
        """FAIL where one of its tests failed, PASS where all ran, else how many did."""
        found = [self.results.get(f"tests/{place}", "") for place in case.where]
        if "failed" in found:
            return "FAIL"
        ran = sum(item == "passed" for item in found)
        return "PASS" if ran == len(found) else "not run" if not ran else f"{ran} of {len(found)} ran"

    def lines(self) -> list[str]:
        if not self.cells:
            return []
        told = [f"killed with SIGKILL while a step was under way; {len(self.cells)} cells"]
        for way in ("cutover", "rollback"):
            rows = [[way, *VICTIMS.values()]]
            for step in STEPS:
                cells = [self.cells.get((way, step, victim)) for victim in VICTIMS]
                rows.append([step, *("-" if cell is None else " ".join(cell) for cell in cells)])
            told += ["", *_table(rows)]
        rows = [["case", "what happens", "where tested", "result"]]
        for case in CASES:
            for number, place in enumerate(case.where):
                rows.append([case.name, case.what, place, self.result(case)] if not number else ["", "", place, ""])
        return [*told, "", *_table(rows)]

    def write(self, folder: Path = FOLDER) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "fault-matrix.txt").write_text("\n".join(self.lines()) + "\n", "utf-8")
        cells = [
            {"way": way, "step": step, "killed": victim, "verdict": verdict, "word": word}
            for (way, step, victim), (verdict, word) in self.cells.items()
        ]
        cases = [
            {"case": item.name, "what": item.what, "where": list(item.where), "result": self.result(item)}
            for item in CASES
        ]
        text = json.dumps({"cells": cells, "cases": cases}, indent=1, ensure_ascii=False)
        (folder / "fault-matrix.json").write_text(text + "\n", "utf-8")


def _table(rows: list[list[str]]) -> Iterable[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
