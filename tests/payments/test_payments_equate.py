"""Every MT and MX pair of the public corpus is equated field by field; a planted difference is never explained away."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from payments.equate.compare import Match
from payments.equate.engine import Equation, equate
from payments.fin.reader import read_fin
from payments.iso20022.xml import read
from payments.values import Findings

CORPUS = Path(os.environ.get("CUTWATER_CORPUS", Path(__file__).resolve().parents[3] / "shared" / "corpus"))
pytestmark = pytest.mark.skipif(not (CORPUS / "PAIRS.tsv").is_file(), reason="the sample corpus is not here")


def pairs() -> list[tuple[Path, Path]]:
    with (CORPUS / "PAIRS.tsv").open(encoding="utf-8", newline="") as lines:
        named = [(CORPUS / row["mt_path"], CORPUS / row["mx_path"]) for row in csv.DictReader(lines, delimiter="\t")]
    return [pair for pair in named if all(path.is_file() for path in pair)]  # the list names some that are not shipped


def equated(mt: bytes, mx: bytes) -> Equation | None:
    message, root = next(iter(read_fin(mt)), None), read(mx, Findings())
    return None if message is None or root is None else equate(message, root)


def test_no_field_of_any_pair_is_unexplained(capsys: pytest.CaptureFixture[str]) -> None:
    total, compared, other = Counter[Match](), 0, 0
    for mt, mx in pairs():
        found = equated(mt.read_bytes(), mx.read_bytes())
        if found is None or not found.comparable:
            other += 1
            continue
        compared += 1
        total.update(found.count())
    with capsys.disabled():
        told = ", ".join(f"{match.value} {total[match]}" for match in Match)
        print(f"\n{compared} pairs equated, {other} not of one kind; fields {sum(total.values())}: {told}")
    assert compared >= 60
    assert total[Match.EXACT] > total[Match.TRUNCATION]
    assert total[Match.UNEXPLAINED] == 0


def test_an_altered_cent_is_unexplained_in_every_pair_that_carries_an_amount() -> None:
    altered = 0
    for mt, mx in pairs():
        plain = mt.read_bytes()
        start = plain.find(b":32A:")
        comma = plain.find(b",", start)
        if start < 0 or comma < 0 or not plain[comma - 1 : comma].isdigit():
            continue
        digit = b"3" if plain[comma - 1 : comma] != b"3" else b"4"
        found = equated(plain[: comma - 1] + digit + plain[comma:], mx.read_bytes())
        if found is not None and found.comparable:
            altered += 1
            assert found.unexplained, mt.name
    assert altered >= 30
