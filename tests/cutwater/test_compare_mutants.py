"""Every known way in which a comparer goes blind, built into the engine on purpose: each is noticed by what the engine says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cutwater.cli.main import main
from inventory.model import TableMapping
from reconciliation import adhoc_rows
from reconciliation.dialect import Dialect
from reconciliation.dialect_duckdb import DuckDialect
from reconciliation.encoding import Field, Kind

ROWS = "SELECT i AS id, 'text ' || i AS name, repeat('x', 300) || i AS long, (i * 1.25)::DECIMAL(12, 2) AS amount FROM range(200) t(i)"
SAME = f"SELECT * FROM ({ROWS})"


def altered(columns: str) -> str:
    return SAME.replace("SELECT *", f"SELECT {columns}", 1)


# What is compared with ROWS, and what has to be said: verdict, then rows that differ, are missing, are doubled in the target.
SCENES: list[tuple[str, tuple[str, int, int, int]]] = [
    (SAME, ("PASS", 0, 0, 0)),
    (altered("* REPLACE (CASE WHEN id = 5 THEN name || ' ' ELSE name END AS name)"), ("FAIL", 1, 0, 0)),
    (altered("* REPLACE (CASE WHEN id = 5 THEN long || 'y' ELSE long END AS long)"), ("FAIL", 1, 0, 0)),
    (altered("* REPLACE (CASE WHEN id = 5 THEN amount + 0.01 ELSE amount END AS amount)"), ("FAIL", 1, 0, 0)),
    (altered("* REPLACE (CASE WHEN id IN (5, 6) THEN NULL ELSE name END AS name)"), ("FAIL", 2, 0, 0)),
    (f"{SAME} WHERE id < 100", ("FAIL", 0, 100, 0)),
    (f"{SAME} UNION ALL {SAME} WHERE id = 5 UNION ALL {SAME} WHERE id = 5", ("FAIL", 0, 0, 2)),
]
EMPTY = ("SELECT i AS id, '' AS name FROM range(9) t(i)", "SELECT i AS id, NULL::VARCHAR AS name FROM range(9) t(i)")


def said(folder: Path, left: str, right: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, int, int, int]:
    for name, text in (("l", left), ("r", right)):
        with duckdb.connect() as db:
            db.execute(f"COPY ({text}) TO '{folder / name}.parquet'")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(
            [
                "reconcile",
                "compare",
                *(f"parquet://{folder / name}.parquet" for name in "lr"),
                "--key",
                "id",
                "--output",
                "json",
            ]
        )
    body = json.loads(capsys.readouterr().out)
    rows = body["rows"]
    return body["verdict"], rows["differing"], rows["missing_in_target"], rows["duplicate_in_target"]


def texts(change: str, kind: Kind = Kind.TEXT) -> Callable[[pytest.MonkeyPatch], None]:
    """A canonical text that loses something."""

    def build_in(patch: pytest.MonkeyPatch) -> None:
        real = DuckDialect.text

        def blind(self: DuckDialect, field: Field) -> str:
            text = real(self, field)
            return change.format(text) if field.kind is kind else text

        patch.setattr(DuckDialect, "text", blind)

    return build_in


def xor(patch: pytest.MonkeyPatch) -> None:
    real = Dialect.digests

    def blind(self: Dialect, relation: str, mapping: TableMapping, buckets: int) -> str:
        query = real(self, relation, mapping, buckets)
        return (
            query.replace("sum(a)", "bit_xor(a)")
            .replace("sum(b)", "bit_xor(b)")
            .replace("count(*) AS n", "count(DISTINCT k) AS n")
        )

    patch.setattr(Dialect, "digests", blind)


def first_rows(patch: pytest.MonkeyPatch) -> None:
    real = Dialect.rows

    def blind(self: Dialect, relation: str, mapping: TableMapping, buckets: int, wanted: Sequence[int]) -> str:
        return real(self, relation, mapping, buckets, wanted) + " LIMIT 10"

    patch.setattr(Dialect, "rows", blind)


def paired(patch: pytest.MonkeyPatch) -> None:
    real = adhoc_rows.of_key

    def blind(mapping: TableMapping, mine: list[Any], theirs: list[Any], equality: Any) -> Iterator[Any]:
        return real(mapping, mine[:1], theirs[:1], equality)

    patch.setattr(adhoc_rows, "of_key", blind)
    patch.setattr("adapters.duckdb.located_side.repeated", lambda relation, mapping: "SELECT 0")


MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "trim": texts("rtrim({})"),
    "256 characters": texts("left({}, 256)"),
    "NULL is empty": texts("coalesce({}, '')"),
    "scale ignored": texts("split_part({}, '.', 1)", Kind.DECIMAL),
    "XOR": xor,
    "first rows": first_rows,
    "duplicates paired": paired,
}


@pytest.mark.parametrize("scene", range(len(SCENES)))
def test_as_it_is_it_says_what_is_so(scene: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right, expected = SCENES[scene]
    assert said(tmp_path, ROWS, right, capsys) == expected
    assert said(tmp_path, *EMPTY, capsys)[0] == "FAIL"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_blind_engine_is_noticed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    MUTANTS[name](monkeypatch)
    found = [said(tmp_path, ROWS, right, capsys) for right, _ in SCENES]
    blind = said(tmp_path, *EMPTY, capsys)[0] != "FAIL"
    assert blind or found != [expected for _, expected in SCENES]
