"""The table of named faults names tests that there are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from fault_cases import CASES
from fault_report import STEPS, VICTIMS, Report

HERE = Path(__file__).parent


@pytest.mark.parametrize("place", sorted({place for case in CASES for place in case.where}))
def test_each_is_there(place: str) -> None:
    file, _, name = place.partition("::")
    tree = ast.parse((HERE / file).read_text("utf-8"))
    assert name in {item.name for item in tree.body if isinstance(item, ast.FunctionDef)}


def test_a_case_is_as_good_as_its_worst_test() -> None:
    case, report = CASES[0], Report()
    assert report.result(case) == "not run"
    for place in case.where[1:]:
        report.ran(f"tests/{place}[a]", "passed")
    assert report.result(case) == f"{len(case.where) - 1} of {len(case.where)} ran"
    report.ran(f"tests/{case.where[0]}", "passed")
    assert report.result(case) == "PASS"
    report.ran(f"tests/{case.where[1]}[b]", "failed")
    report.ran(f"tests/{case.where[1]}[c]", "passed")
    assert report.result(case) == "FAIL"


def test_the_matrix_is_printed_and_written(tmp_path: Path) -> None:
    report = Report()
    assert report.lines() == []
    for way in ("cutover", "rollback"):
        for step in STEPS:
            for victim in VICTIMS:
                report.cell(way, step, victim, "PASS", "went on")
    text = "\n".join(report.lines())
    assert text.count("PASS went on") == 2 * len(STEPS) * len(VICTIMS)
    report.write(tmp_path / "out")
    assert (tmp_path / "out" / "fault-matrix.txt").read_text("utf-8") == text + "\n"
