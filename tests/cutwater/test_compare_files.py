"""`cutwater reconcile compare` between files: by value, counted exactly, and never PASS where something was not seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cutwater.cli.main import main
from cutwater.core.errors import Unavailable

Run = Callable[..., tuple[int, dict[str, Any]]]
BASE = "SELECT i::BIGINT AS id, 'p' || i AS name, (i * 1.25)::DECIMAL(12, 2) AS amount, i % 2 = 0 AS ok FROM range(200) t(i)"


@pytest.fixture
def compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(left: str, right: str, *words: str) -> tuple[int, dict[str, Any]]:
        """left, right: SQL that is written to a Parquet file, or a URL."""
        sides = []
        for name, text in (("left", left), ("right", right)):
            if "SELECT" not in text:
                sides.append(text)
                continue
            with duckdb.connect() as db:
                db.execute(f"COPY ({text}) TO '{tmp_path / name}.parquet'")
            sides.append(f"parquet://{tmp_path / name}.parquet")
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main(["reconcile", "compare", *sides, *words, "--output", "json"])
        out, err = capsys.readouterr()
        code = int(stopped.value.code or 0)
        return code, json.loads(out) if out.strip() else json.loads(err)

    return run


def test_equal_by_value_whatever_the_widths_and_the_order(compare: Run) -> None:
    other = f"SELECT ok, amount::DECIMAL(18, 4) AS amount, name, id::INT AS id FROM ({BASE}) ORDER BY hash(id)"
    code, body = compare(BASE, other, "--key", "id")
    assert (code, body["verdict"], body["reasons"], body["schema"]) == (0, "PASS", [], "cutwater.reconcile.compare/1")
    assert body["rows"] == {
        "source": 200, "target": 200, "matched": 200, "differing": 0, "missing_in_target": 0, "missing_in_source": 0,
        "duplicate_in_source": 0, "duplicate_in_target": 0,
    }  # fmt: skip
    assert body["planted"]["n"] == body["planted"]["found"] > 20
    assert [note.split(":")[0] for note in body["notes"]] == ["id", "amount"]


def test_every_difference_is_counted_and_named(compare: Run) -> None:
    other = (
        f"SELECT id, CASE WHEN id = 7 THEN name || ' ' ELSE name END AS name, CASE WHEN id = 77 THEN amount + 0.01 ELSE amount END AS amount, ok "
        f"FROM ({BASE}) WHERE id <> 50 UNION ALL SELECT * FROM ({BASE}) WHERE id = 9 UNION ALL SELECT 900, 'new', 1, true"
    )
    code, body = compare(BASE, other, "--key", "id", "--limit", "3")
    assert (code, body["verdict"]) == (3, "FAIL")
    assert body["rows"] == {
        "source": 200, "target": 201, "matched": 197, "differing": 2, "missing_in_target": 1, "missing_in_source": 1,
        "duplicate_in_source": 0, "duplicate_in_target": 1,
    }  # fmt: skip
    assert body["fields"] == {"amount": {"differing": 1}, "name": {"differing": 1}}
    assert len(body["breaks"]) == 3
    _, body = compare(BASE, other, "--key", "id")
    found = {item["key"]["id"]: item for item in body["breaks"]}
    assert found["77"]["class"] == "AMOUNT_MISMATCH"
    assert found["77"]["fields"] == {"amount": {"source": "96.25", "target": "96.26"}}
    assert found["7"]["fields"] == {"name": {"source": "p7", "target": "p7 "}}
    assert body["causes"] == {"name": {"blanks at an end": 1}}


@pytest.mark.parametrize(
    ("left", "right", "verdict", "word"),
    [
        ("SELECT 1 AS id, NULL::VARCHAR AS v", "SELECT 1 AS id, '' AS v", "FAIL", ""),
        ("SELECT 1 AS id, 'é' AS v", "SELECT 1 AS id, 'e\u0301' AS v", "FAIL", ""),
        ("SELECT 1 AS id, 1.50 AS v", "SELECT 1 AS id, 1.5 AS v", "PASS", ""),
        ("SELECT 1 AS id, 'NaN'::DOUBLE AS v", "SELECT 1 AS id, 'nan'::DOUBLE AS v", "PASS", ""),
        ("SELECT 1 AS id, -0.0::DOUBLE AS v", "SELECT 1 AS id, 0.0::DOUBLE AS v", "PASS", ""),
        ("SELECT 1 AS id, 0.1::DOUBLE AS v", "SELECT 1 AS id, 0.1::DOUBLE + 1e-18 AS v", "PASS", ""),
        ("SELECT 1 AS id, 0.1::DOUBLE AS v", "SELECT 1 AS id, 0.1::DOUBLE + 1e-16 AS v", "FAIL", ""),
        ("SELECT 1 AS id, 12345678901234567890123456789012::DECIMAL(38, 0) AS v", "SELECT 1 AS id, 12345678901234567890123456789012::DECIMAL(38, 6) AS v", "PASS", ""),
        ("SELECT 1 AS id, 'x' AS v", "SELECT 1 AS id, 5 AS v", "INCONCLUSIVE", "no common form"),
        ("SELECT 1 AS id, '{\"a\": 1, \"b\": 2}'::JSON AS v", "SELECT 1 AS id, '{\"b\":2.0,\"a\":1}'::JSON AS v", "PASS", ""),
        ("SELECT 1 AS id, '[1, 2]'::JSON AS v", "SELECT 1 AS id, '[2, 1]'::JSON AS v", "FAIL", ""),
        ("SELECT 1 AS id, [1, 2] AS v", "SELECT 1 AS id, [1, 2]::BIGINT[] AS v", "PASS", ""),
        ("SELECT 1 AS id, [1.10::DECIMAL(38, 2)] AS v", "SELECT 1 AS id, [1.1::DECIMAL(5, 1)] AS v", "PASS", ""),
        ("SELECT 1 AS id, [1, NULL] AS v", "SELECT 1 AS id, [1] AS v", "FAIL", ""),
        ("SELECT 1 AS id, ['a'] AS v", "SELECT 1 AS id, [1] AS v", "INCONCLUSIVE", "no common form"),
        ("SELECT 1 AS id, INTERVAL '1 month' AS v", "SELECT 1 AS id, INTERVAL '30 days' AS v", "FAIL", ""),
        ("SELECT 1 AS id, INTERVAL '14 months 3 days 04:05:06.5' AS v", "SELECT 1 AS id, 'P1Y2M3DT4H5M6.5S' AS v", "PASS", ""),
        ("SELECT 1 AS id, '2026-01-01 00:00:00.000001'::TIMESTAMP AS v", "SELECT 1 AS id, '2026-01-01 00:00:00.000001001'::TIMESTAMP_NS AS v", "FAIL", ""),
        ("SELECT 1 AS id, '2026-01-01'::TIMESTAMP AS v", "SELECT 1 AS id, '2026-01-01'::TIMESTAMPTZ AS v", "INCONCLUSIVE", "no common form"),
        ("SELECT 1 AS id, 2 AS v", "SELECT 1 AS id", "FAIL", "the target has no column v"),
        ("SELECT 1 AS id WHERE false", "SELECT 1 AS id WHERE false", "INCONCLUSIVE", "no row was checked"),
        ("SELECT 1 AS id, 2 AS v UNION ALL SELECT 1, 2", "SELECT 1 AS id, 2 AS v UNION ALL SELECT 1, 2", "FAIL", "more than once"),
        ("SELECT repeat('x', 1000000) AS v, 1 AS id", "SELECT repeat('x', 999999) || 'y' AS v, 1 AS id", "FAIL", ""),
    ],
)  # fmt: skip
def test_what_is_equal_and_what_is_not(compare: Run, left: str, right: str, verdict: str, word: str) -> None:
    rest = (
        " UNION ALL SELECT * REPLACE (id + 100 AS id) FROM ({})"
        if "WHERE" not in left and "UNION" not in left
        else "{}"
    )
    sides = [text + rest.format(text) if rest != "{}" else text for text in (left, right)]
    _, body = compare(*sides, "--key", "id")
    assert body["verdict"] == verdict, body["reasons"]
    assert word in "; ".join(body["reasons"])


def test_an_extra_column_is_named_and_a_hostile_name_is_a_name(compare: Run) -> None:
    name = 'a"b;DROP TABLE x--é'.replace('"', '""')
    left = f'SELECT i AS "select", i * 2 AS "{name}" FROM range(50) t(i)'
    code, body = compare(left, f"SELECT *, 1 AS more FROM ({left})", "--key", "select")
    assert (code, body["notes"]) == (0, ["the target's column more is not in the source: it was not compared"])


def test_a_csv_is_read_by_value_and_never_repaired(compare: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with duckdb.connect() as db:
        db.execute(f"COPY ({BASE}) TO '{path}' (HEADER)")
    assert compare(BASE, f"csv://{path}", "--key", "id")[0] == 0
    text = path.read_text("utf-8")
    path.write_text(text.replace(",p3,3.75,", ",p3,3.76,"), "utf-8")
    code, body = compare(BASE, f"csv://{path}", "--key", "id")
    assert (code, body["rows"]["differing"]) == (3, 1)
    for broken in (text + "1,2\n", text + '5,"x', text.replace(",p3,", ",p3,oops,")):
        path.write_text(broken, "utf-8")
        code, body = compare(BASE, f"csv://{path}", "--key", "id")
        assert code in (5, 7), broken[-20:]
    path.write_bytes(text.encode().replace(b"p3", b"p\xff"))
    assert compare(BASE, f"csv://{path}", "--key", "id")[0] in (4, 5, 7)
    path.write_text("id,id\n1,2\n", "utf-8")
    assert compare(BASE, f"csv://{path}")[0] == 4


def test_a_file_that_is_cut_or_changed_never_passes(
    compare: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(BASE, BASE)
    path = tmp_path / "right.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert compare(BASE, f"parquet://{path}")[0] == 5
    path.write_bytes(whole)

    from reconciliation import adhoc

    real = adhoc.check_table

    def later(*args: Any) -> None:
        path.write_bytes(whole + b" ")
        real(*args)

    monkeypatch.setattr(adhoc, "check_table", later)
    code, body = compare(BASE, f"parquet://{path}")
    assert code != 0
    assert "changed" in json.dumps(body) or body.get("code") == "CW4033"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("nowhere", "CW4030"),
        ("ftp://x/y", "CW4030"),
        ("parquet://relative/path", "CW4030"),
        ("parquet:///", "CW4030"),
        ("postgresql://u:secret@h/db#s.t", "CW4030"),
        ("postgresql://u@h:99999/db#s.t", "CW4030"),
        ("postgresql://u@h/db", "CW4030"),
        ("postgresql://u@h/db#a.b.c", "CW4030"),
        ("postgresql://u@h/db#a..c", "CW4030"),
        ("duckdb:///x.db", "CW4030"),
        ("iceberg://cat/t", "CW4030"),
        ("iceberg://cat/db.t@newest", "CW4030"),
        ("parquet:///no/such/file", "CW4032"),
        ("csv:///no/such/file", "CW4032"),
        ("postgresql://nobody@127.0.0.1:1/db#a.b", "CW4031"),
    ],
)
def test_a_place_that_cannot_be_read_says_why(compare: Run, url: str, code: str) -> None:
    exit_code, body = compare(BASE, url)
    assert (body["code"], exit_code) == (code, 5 if code == "CW4031" else 4)
    assert "secret" not in json.dumps(body)


@pytest.mark.parametrize(
    "words",
    [["--key", "nope"], ["--class", "amount"], ["--class", "amount=near"], ["--where", "nope = 1"], ["--limit", "-1"]],
)
def test_an_option_that_means_nothing_is_refused(compare: Run, words: list[str]) -> None:
    code, _ = compare(BASE, BASE, *words)
    assert code in (4, 5, 7)


def test_where_and_ignored_columns_are_stated(compare: Run) -> None:
    other = f"SELECT * REPLACE (name || '!' AS name) FROM ({BASE}) WHERE id < 100"
    code, body = compare(BASE, other, "--key", "id", "--where", "id < 100", "--class", "name=ignored")
    assert (code, body["rows"]["source"], body["grade"]) == (0, 100, "exact without name")


LANES = pytest.mark.parametrize("drilled", [256, -1], ids=["drill", "join"])


@LANES
@pytest.mark.parametrize(
    ("source", "target", "rule", "equal"),
    [
        ("'  a  b '", "'A B'", "normalised:trim+collapse+upper", True),
        ("'a'", "'b'", "normalised:trim", False),
        ("'01.50'", "1.5", "normalised:number", True),
        ("10.00", "10.02", "tolerance:2", True),
        ("10.00", "10.03", "tolerance:2", False),
        ("NULL::DECIMAL(9, 2)", "0.00", "tolerance:2", False),
        ("'abcdef'", "'abcd'", "truncated:4", True),
        ("'abcdef'", "'abc'", "truncated:4", False),
        ("'abcdef'", "'abcdef'", "truncated:4", True),
        ("NULL::VARCHAR", "'x'", "enriched", True),
        ("'x'", "NULL::VARCHAR", "enriched", False),
        ("'x'", "'x1'", "derived:v || id", True),
        ("'x'", "'x2'", "derived:v || id", False),
    ],
)
def test_declared_classes(
    compare: Run, monkeypatch: pytest.MonkeyPatch, drilled: int, source: str, target: str, rule: str, equal: bool
) -> None:
    monkeypatch.setattr("reconciliation.adhoc.DRILLED", drilled)
    rest = " UNION ALL SELECT 100 + i, {0}, 'x' FROM range(60) t(i)"
    sides = [f"SELECT 1 AS id, {text} AS v, 'x' AS w" for text in (source, target)]
    same = [
        side + rest.format(text) if "derived" not in rule else side
        for side, text in zip(sides, ("NULL", "NULL"), strict=True)
    ]
    _, body = compare(*same, "--key", "id", "--class", f"v={rule}")
    assert body["verdict"] == ("PASS" if equal else "FAIL"), body["reasons"]
    assert body["grade"] == f"exact but for v {rule}"
    assert body["rows"]["differing"] == (not equal)


@LANES
def test_a_status_is_a_class_of_its_own_and_is_planted(
    compare: Run, monkeypatch: pytest.MonkeyPatch, drilled: int
) -> None:
    monkeypatch.setattr("reconciliation.adhoc.DRILLED", drilled)
    base = "SELECT i AS id, 'ACSC' AS status FROM range(200) t(i)"
    code, body = compare(base, base, "--key", "id")
    assert (code, body["reasons"]) == (0, [])
    code, body = compare(
        base, f"SELECT id, CASE WHEN id = 5 THEN 'RJCT' ELSE status END AS status FROM ({base})", "--key", "id"
    )
    assert (code, [item["class"] for item in body["breaks"]]) == (3, ["STATUS_MISMATCH"])


@pytest.mark.parametrize("drilled", [256, -1], ids=["drill", "join"])
def test_what_broke_off_claims_no_match(compare: Run, monkeypatch: pytest.MonkeyPatch, drilled: int) -> None:
    monkeypatch.setattr("reconciliation.adhoc.DRILLED", drilled)
    gone = Unavailable("CW4033", "gone")

    def broken(*args: Any) -> Any:
        raise gone

    monkeypatch.setattr("adapters.duckdb.located_side.LocatedFiles.rows", broken)
    monkeypatch.setattr("adapters.duckdb.located_side.LocatedFiles.texts", broken)
    code, body = compare(BASE, f"SELECT * REPLACE ('x' AS name) FROM ({BASE})", "--key", "id")
    assert (code, body["rows"]["source"], body["rows"]["matched"]) == (7, 200, 0)


@pytest.mark.parametrize("drilled", [256, -1], ids=["drill", "join"])
def test_ctrl_c_in_a_query_is_an_interruption_and_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drilled: int
) -> None:
    monkeypatch.setattr("reconciliation.adhoc.DRILLED", drilled)
    for name, text in (("l", BASE), ("r", f"SELECT * REPLACE ('x' AS name) FROM ({BASE})")):
        with duckdb.connect() as db:
            db.execute(f"COPY ({text}) TO '{tmp_path / name}.parquet'")

    def pressed(*args: Any) -> Any:
        raise RuntimeError("Query interrupted")  # what DuckDB makes of it

    place = "adapters.duckdb.files.Files._rows" if drilled > 0 else "adapters.duckdb.joined.JoinedTables.join"
    monkeypatch.setattr(place, pressed)
    with pytest.raises(SystemExit) as stopped:
        main(
            [
                "reconcile",
                "compare",
                f"parquet://{tmp_path}/l.parquet",
                f"parquet://{tmp_path}/r.parquet",
                "--key",
                "id",
            ]
        )
    assert stopped.value.code == 130


def test_a_rule_that_cannot_hold_is_said_before_anything_is_scanned(compare: Run) -> None:
    for rule, words in (
        ("name=tolerance:1", "exact numbers"),
        ("amount=truncated:3", "for texts"),
        ("id=normalised:trim", "of the key"),
    ):
        code, body = compare(BASE, BASE, "--key", "id", "--class", rule)
        assert (code, body["rows"]["source"]) == (7, 0)
        assert words in body["reasons"][0]
    assert compare(BASE, BASE, "--key", "id", "--class", "name=derived:nope(1)")[0] == 4
    assert compare(BASE, BASE, "--class", "amount=tolerance:1")[0] == 7


def test_many_differences_are_counted_to_the_last_and_listed_up_to_the_limit(compare: Run) -> None:
    big = "SELECT i::BIGINT AS id, 'p' || i AS name, i % 7 AS n FROM range(60000) t(i)"
    code, body = compare(big, f"SELECT id + 5 AS id, name, n FROM ({big})", "--key", "id")
    assert (code, body["lane"], len(body["breaks"])) == (3, "join", 500)
    assert body["rows"]["differing"] == 59_995
    assert body["rows"]["missing_in_target"] == body["rows"]["missing_in_source"] == 5
    assert body["fields"] == {"n": {"differing": 59_995}, "name": {"differing": 59_995}}


@LANES
@pytest.mark.parametrize("width", [600, pytest.param(1600, marks=pytest.mark.long)])
def test_very_many_columns(compare: Run, monkeypatch: pytest.MonkeyPatch, drilled: int, width: int) -> None:
    monkeypatch.setattr("reconciliation.adhoc.DRILLED", drilled)
    wide = f"SELECT i AS id, {', '.join(f'i + {n} AS c{n}' for n in range(width - 1))} FROM range(20) t(i)"
    other = f"SELECT * REPLACE (CASE WHEN id = 7 THEN 0 ELSE c{width - 2} END AS c{width - 2}) FROM ({wide})"
    code, body = compare(wide, other, "--key", "id")
    assert (code, body["fields"], body["planted"]["found"]) == (
        3,
        {f"c{width - 2}": {"differing": 1}},
        body["planted"]["n"],
    )


@pytest.mark.parametrize(
    "end", ["1) AS t; CREATE TABLE x (i INT); --", "true) TO '{0}'; COPY (SELECT 1", "id > 5 --", "id >"]
)
def test_a_condition_is_an_expression_and_nothing_else(compare: Run, tmp_path: Path, end: str) -> None:
    code, body = compare(BASE, BASE, "--key", "id", "--where", end.format(tmp_path / "written"))
    if end == "id > 5 --":
        assert (code, body["rows"]["source"]) == (0, 194)
    else:
        assert code in (4, 7)
    assert not (tmp_path / "written").exists()


def test_the_report_holds_everything_and_nothing_of_it_is_markup(compare: Run, tmp_path: Path) -> None:
    other = f"SELECT * REPLACE ('<script>' || name AS name) FROM ({BASE})"
    code, body = compare(BASE, other, "--key", "id", "--limit", "5", "--report", str(tmp_path / "out" / "deep"))
    folder = tmp_path / "out" / "deep"
    assert (code, len(body["breaks"])) == (3, 5)
    assert len((folder / "breaks.csv").read_text("utf-8").splitlines()) == 201
    page = (folder / "compare.html").read_text("utf-8")
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert json.loads((folder / "compare.json").read_text("utf-8")) == body
    assert 'failures="1"' in (folder / "junit.xml").read_text("utf-8")
    assert compare(BASE, BASE, "--report", str(folder / "breaks.csv"))[0] == 4
