"""`reconcile compare` against an oracle of plain dictionaries: random schemas, rows and mutations, in every lane."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cutwater.cli.main import main
from reconciliation import adhoc

# type on the left, on the right, and values: what a value is, and the texts that mean it
Values = list[tuple[object, tuple[str, ...]]]
TYPES: list[tuple[str, str, Values]] = [
    ("BIGINT", "INTEGER", [(0, ("0",)), (1, ("1",)), (-7, ("-7",))]),
    ("DECIMAL(12, 2)", "DECIMAL(20, 5)", [("0", ("0", "0.00")), ("1.5", ("1.5", "1.50")), ("-0.01", ("-0.01",))]),
    (
        "VARCHAR",
        "VARCHAR",
        [(w, (w,)) for w in ("", " ", "a", "a ", "A", "\u00e4", "a\u0308", "NULL", "'", '"', "x" * 300, "x" * 299 + "y", "0", "\n", "\\N")],
    ),
    ("DOUBLE", "DOUBLE", [("nan", ("nan",)), ("0", ("0.0", "-0.0")), ("0.1", ("0.1",)), ("0.1+", ("0.10000000000000002",)), ("inf", ("inf",))]),
    ("BOOLEAN", "BOOLEAN", [(True, ("true",)), (False, ("false",))]),
    ("DATE", "DATE", [(d, (d,)) for d in ("1970-01-01", "0001-01-01", "9999-12-31", "infinity")]),
    ("TIMESTAMP", "TIMESTAMP", [(d, (d,)) for d in ("1970-01-01 00:00:00", "2026-01-01 00:00:00.000001", "2026-01-01 00:00:00")]),
    ("TIMESTAMPTZ", "TIMESTAMPTZ", [("x", ("2026-07-01 12:00:00+00", "2026-07-01 13:00:00+01")), ("y", ("2026-07-01 12:00:00+01",))]),
    ("BLOB", "BLOB", [(d, (d,)) for d in ("", "a", "\\x00", "\\x00\\x00")]),
    ("UUID", "VARCHAR", [(d, (d,)) for d in ("00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b")]),
    ("JSON", "JSON", [("o", ('{"a":1,"b":[2]}', '{"b": [2.0], "a":1e0}')), ("n", ("null",)), ("s", ('"1"',)), ("1", ("1", "1.0"))]),
    ("INTEGER[]", "BIGINT[]", [("e", ("[]",)), ("1", ("[1, NULL]",)), ("2", ("[NULL, 1]",))]),
    ("STRUCT(a INTEGER, b VARCHAR)", "STRUCT(a INTEGER, b VARCHAR)", [(d, (d,)) for d in ("{'a': 1, 'b': 'x'}", "{'a': 1, 'b': 'y'}", "{'a': 1, 'b': NULL}")]),
    ("INTERVAL", "INTERVAL", [("m", ("1 month",)), ("d", ("30 days",)), ("h", ("24 hours", "1440 minutes")), ("z", ("0 days",))]),
    ("TIME", "TIME", [("a", ("12:00:00", "12:00:00.000000")), ("b", ("12:00:00.000001",))]),
]  # fmt: skip
KEYS = [0, 2]  # what a key's column may be


@dataclass
class Case:
    """Two tables: what their values are (rows of the oracle), and by which columns they are paired."""

    types: list[tuple[str, str, Values]]
    left: list[tuple[Any, ...]]
    right: list[tuple[Any, ...]]
    key: int  # number of columns in the key


def case(dice: random.Random) -> Case:
    key = dice.choice([0, 1, 1, 1, 2])
    types = [TYPES[dice.choice(KEYS)] for _ in range(key)] + dice.choices(TYPES, k=dice.randrange(1, 6))
    types = [("BIGINT", "INTEGER", [(n, (str(n),)) for n in range(400)]), *types] if key else types
    rows = [tuple(_value(values, dice) for _, _, values in types) for _ in range(dice.randrange(1, 250))]
    return Case(types, rows, _mutated(rows, types, dice), key + 1 if key else 0)


def _value(values: Values, dice: random.Random) -> Any:
    return None if dice.random() < 0.08 else dice.choice(values)[0]


def _mutated(rows: Sequence[tuple[Any, ...]], types: Sequence[Any], dice: random.Random) -> list[tuple[Any, ...]]:
    rate = dice.choice([0.0, 0.02, 0.3, 1.0])
    found = []
    for row in dice.sample(list(rows), len(rows)):
        if dice.random() >= rate:
            found.append(row)
            continue
        what, at = dice.random(), dice.randrange(len(row))
        if what < 0.6:
            found.append((*row[:at], _value(types[at][2], dice), *row[at + 1 :]))
        elif what < 0.8:
            found += [row] * dice.randrange(2, 4)
    return found


def expected(it: Case) -> tuple[dict[str, int], dict[str, int]]:
    """Counts of rows, and of differing values per column: by dictionaries."""
    rows = Counter({"source": len(it.left), "target": len(it.right)})
    fields: Counter[str] = Counter()
    if not it.key:
        mine, theirs = Counter(it.left), Counter(it.right)
        for row in mine.keys() | theirs.keys():
            more = mine[row] - theirs[row]
            name = "missing_in_target" if more > 0 else "duplicate_in_target" if mine[row] else "missing_in_source"
            rows[name] += abs(more)
        rows["matched"] = len(it.left) - rows["missing_in_target"]
        return dict(rows), {}
    sides: list[dict[Any, list[Any]]] = [{}, {}]
    for side, content in zip(sides, (it.left, it.right), strict=True):
        for row in content:
            side.setdefault(row[: it.key], []).append(row)
    for key in sides[0].keys() | sides[1].keys():
        mine_, theirs_ = sides[0].get(key, []), sides[1].get(key, [])
        rows["missing_in_target"] += not theirs_
        rows["missing_in_source"] += not mine_
        rows["duplicate_in_source"] += max(0, len(mine_) - 1)
        rows["duplicate_in_target"] += max(0, len(theirs_) - 1)
        if mine_ and theirs_:
            rows["differing"] += set(mine_) != set(theirs_)
            rows["matched"] += set(mine_) == set(theirs_)
            if len(mine_) == len(theirs_) == 1:
                fields.update(
                    f"c{at}" for at, pair in enumerate(zip(mine_[0], theirs_[0], strict=True)) if pair[0] != pair[1]
                )
    return dict(rows), dict(fields)


# A Parquet file has no json, and DuckDB writes an interval of 24 hours to it as one of a day.
def written(it: Case, folder: Path, dice: random.Random) -> list[str]:
    """Both tables as files; a value as any of its texts."""
    urls = []
    for name, rows, side in (("l", it.left, 0), ("r", it.right, 1)):
        path = folder / f"{name}.db"
        texts = [dict(values) for _, _, values in it.types]
        with duckdb.connect(str(path)) as db:
            db.execute("SET TimeZone = 'UTC'")
            db.execute(f"CREATE TABLE t ({', '.join(f'c{at} {item[side]}' for at, item in enumerate(it.types))})")
            marks = ", ".join(f"?::VARCHAR::{item[side]}" for item in it.types)
            given = [[None if v is None else dice.choice(texts[at][v]) for at, v in enumerate(row)] for row in rows]
            if given:
                db.executemany(f"INSERT INTO t VALUES ({marks})", given)
            if any(item[side] in ("JSON", "INTERVAL") for item in it.types) or dice.random() < 0.5:
                urls.append(f"duckdb://{path}#t")
            else:
                db.execute(f"COPY t TO '{folder / name}.parquet'")
                urls.append(f"parquet://{folder / name}.parquet")
    return urls


@pytest.mark.parametrize("seed", [*range(24), *(pytest.param(n, marks=pytest.mark.long) for n in range(24, 1500))])
def test_against_the_oracle(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    it = case(dice)
    if seed % 2:  # the lane for many differences
        monkeypatch.setattr(adhoc, "DRILLED", -1)
    words = ["--key", ",".join(f"c{at}" for at in range(it.key))] if it.key else []
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(["reconcile", "compare", *written(it, tmp_path, dice), *words, "--output", "json"])
    out, err = capsys.readouterr()
    assert out, err
    body = json.loads(out)
    rows, fields = expected(it)
    assert body["rows"] == {**dict.fromkeys(body["rows"], 0), **rows}
    assert {name: item["differing"] for name, item in body["fields"].items()} == fields
    bad = any(n for name, n in rows.items() if name not in ("source", "target", "matched"))
    assert body["verdict"] == ("FAIL" if bad else "PASS"), body["reasons"]
    assert int(stopped.value.code or 0) == (3 if bad else 0)
    listed = Counter()
    for item in body["breaks"]:
        listed[item["class"]] += item["rows"]
    assert listed["MISSING_IN_TARGET"] == rows.get("missing_in_target", 0)
    assert listed["MISSING_IN_SOURCE"] == rows.get("missing_in_source", 0)
    assert body["planted"]["n"] == body["planted"]["found"]
