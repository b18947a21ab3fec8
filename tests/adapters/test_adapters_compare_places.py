"""`cutwater reconcile compare` with PostgreSQL on one side or both: one snapshot, by value, whatever the session says."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from cutwater.cli.main import main
from cutwater.core.config import Project

pytestmark = pytest.mark.real
Run = Callable[..., tuple[int, dict[str, Any]]]
TABLE = """
CREATE TYPE {0}.kind AS ENUM ('a', 'b');
CREATE DOMAIN {0}.money2 AS numeric(18, 2);
CREATE TABLE {0}.one (id bigint PRIMARY KEY, ref uuid, name text, code char(4), amount numeric(18, 5), rate numeric, f float8, d date,
  at timestamptz, seen timestamp, ok boolean, raw bytea, k {0}.kind, m {0}.money2, t time);
INSERT INTO {0}.one SELECT i, md5(i::text)::uuid, 'näme ' || i, 'ab', i * 1.5, i / 3.0, i / 7.0, date '2026-01-01' + i, now() + i * interval '1 us',
  timestamp '2026-01-01' + i * interval '1 hour', i % 2 = 0, decode(md5(i::text), 'hex'), 'a', i, time '12:00' + i * interval '1 s' FROM generate_series(1, 300) i;
INSERT INTO {0}.one (id, amount, rate, f, d, at, name) VALUES (0, 'NaN', 'NaN', '-0', 'infinity', '-infinity', '');
CREATE TABLE {0}.two AS SELECT * FROM {0}.one;
ALTER TABLE {0}.two ADD PRIMARY KEY (id);
CREATE VIEW {0}.seen AS SELECT * FROM {0}.two;
CREATE TYPE {0}.pair AS (x int, y text);
CREATE TYPE {0}.span AS RANGE (subtype = float8);
CREATE DOMAIN {0}.deep AS {0}.money2 CHECK (VALUE > 0);
CREATE TABLE {0}.odd (id int PRIMARY KEY, j json, jb jsonb, iv interval, arr int[], words text[][], reals real[], nr numrange, span {0}.span, tz timetz,
  comp {0}.pair, dom {0}.deep, doms {0}.deep[], kinds {0}.kind[], ip inet, bits bit varying(9), many int4multirange, huge numeric, ats timestamptz[]);
INSERT INTO {0}.odd SELECT i, '{{"b":1, "a": [1.50, "x"]}}', '{{"b":1, "a": [1.50, "x"]}}', interval '14 months -3 days 04:05:06.5' * i, ARRAY[i, NULL],
  ARRAY[ARRAY['a', '"'], ARRAY[',', NULL]], ARRAY[0.1, 'NaN']::real[], numrange(i, i + 1.50), {0}.span(0, i), timetz '12:00:00.5+02', ROW(i, 'x y'::text)::{0}.pair, i, ARRAY[i, 2],
  ARRAY['a']::{0}.kind[], '10.0.0.1/8', B'0101', '{{[1,2),[5,7)}}', 10::numeric ^ 45 + i, ARRAY[timestamptz '2026-01-01 00:00:00.000001+00'] FROM generate_series(1, 200) i;
CREATE TABLE {0}.odd2 AS SELECT * FROM {0}.odd;
ALTER TABLE {0}.odd2 ADD PRIMARY KEY (id);
"""


@pytest.fixture
def schema(sandbox_project: Project) -> Iterator[tuple[str, str]]:
    """(dsn, schema)"""
    dsn, name = sandbox_project.endpoints().postgres_dsn, f"cmp_{secrets.token_hex(3)}"
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(f"CREATE SCHEMA {name};{TABLE.format(name)}".encode())
        yield dsn, name
        db.execute(f'DROP SCHEMA "{name}" CASCADE'.encode())


@pytest.fixture
def compare(schema: tuple[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    info = psycopg.conninfo.conninfo_to_dict(schema[0])
    monkeypatch.setenv("PGPASSWORD", str(info.get("password", "")))
    base = f"postgresql://{info['user']}@{info['host']}:{info['port']}/{info['dbname']}#{schema[1]}."

    def run(left: str, right: str, *words: str) -> tuple[int, dict[str, Any]]:
        sides = [text if "://" in text else base + text for text in (left, right)]
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main(["reconcile", "compare", *sides, *words, "--output", "json"])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), json.loads(out) if out.strip() else json.loads(err)

    return run


def did(schema: tuple[str, str], statement: str) -> None:
    with psycopg.connect(schema[0], autocommit=True) as db:
        db.execute(statement.format(schema[1]).encode())


def test_a_table_and_its_copy_by_their_key_and_a_view_without_one(compare: Run) -> None:
    code, body = compare("one", "two")
    assert (code, body["reasons"], body["key"], body["rows"]["matched"]) == (0, [], ["id"], 301)
    assert "LSN" in body["pins"]["source"]
    assert compare("one", "seen")[1]["key"] == []
    assert compare("one", "seen", "--key", "id")[0] == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("amount = amount + 0.00001", "amount"),
        ("rate = rate + 1e-20", "rate"),
        ("name = name || ' '", "name"),
        ("name = NULL", "name"),
        ("at = at + interval '1 us'", "at"),
        ("seen = seen + interval '1 us'", "seen"),
        ("f = f * (1 + 2.3e-16)", "f"),
        ("raw = raw || '\\x00'", "raw"),
        ("k = 'b'", "k"),
        ("t = t + interval '1 us'", "t"),
        ("code = 'ab1'", "code"),
    ],
)
def test_the_smallest_change_is_found(compare: Run, schema: tuple[str, str], change: str, field: str) -> None:
    did(schema, "UPDATE {0}.two SET " + change + " WHERE id = 150")
    code, body = compare("one", "two")
    assert (code, body["rows"]["differing"], body["fields"]) == (3, 1, {field: {"differing": 1}})


@pytest.mark.parametrize("drilled", [256, -1], ids=["drill", "join"])
def test_types_of_every_kind(
    compare: Run, schema: tuple[str, str], monkeypatch: pytest.MonkeyPatch, drilled: int
) -> None:
    monkeypatch.setattr("reconciliation.adhoc.DRILLED", drilled)
    code, body = compare("odd", "odd2")
    assert (code, body["reasons"], body["rows"]["matched"]) == (0, [], 200)
    did(
        schema,
        """UPDATE {0}.odd2 SET j = '{{"a":[1.5,"x"],"b":1.0}}', nr = numrange(id, id + 1.5); ALTER TABLE {0}.odd2 ALTER jb TYPE json, ALTER arr TYPE bigint[]""",
    )
    code, body = compare("odd", "odd2")
    assert (code, body["reasons"], body["rows"]["matched"]) == (0, [], 200)
    changes = {
        "j": "'[]'", "iv": "iv + interval '1 us'", "arr": "ARRAY[NULL, id]", "words": "words || ARRAY[ARRAY['a', 'b']]", "reals": "ARRAY[0.1::real, 0]",
        "nr": "numrange(id, id + 1.5, '[]')", "span": "NULL", "tz": "tz + interval '1 us'", "comp": "ROW(id, 'x  y'::text)::{0}.pair", "doms": "doms || 3::{0}.deep",
        "kinds": "ARRAY['b']::{0}.kind[]", "ip": "'10.0.0.1/9'", "bits": "B'01010'", "many": "'{{[1,2),[5,8)}}'", "huge": "huge + 1e-9",
        "ats": "ARRAY[timestamptz '2026-01-01 00:00:00.000002+00']",
    }  # fmt: skip
    for number, (column, value) in enumerate(changes.items(), 1):
        did(schema, f"UPDATE {{0}}.odd2 SET {column} = {value} WHERE id = {number}")
    code, body = compare("odd", "odd2")
    assert (code, body["fields"]) == (3, {name: {"differing": 1} for name in sorted(changes)})
    assert {int(item["key"]["id"]): list(item["fields"]) for item in body["breaks"]} == {
        number: [column] for number, column in enumerate(changes, 1)
    }


@pytest.mark.parametrize("drilled", [256, -1], ids=["drill", "join"])
def test_nested_and_json_against_a_duckdb_file(
    compare: Run, schema: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drilled: int
) -> None:
    monkeypatch.setattr("reconciliation.adhoc.DRILLED", drilled)
    with duckdb.connect(str(tmp_path / "d.db")) as duck:
        duck.execute("SET TimeZone = 'UTC'")
        duck.execute(
            """CREATE TABLE t AS SELECT i::BIGINT AS id, '{"a":[1.5,"x"],"b":1}'::JSON AS j, to_years((14 * i // 12)::INT) + to_months((14 * i % 12)::INT) + to_days((-3 * i)::INT)
            + to_microseconds(14706500000 * i) AS iv, [i, NULL] AS arr, [['a', '"'], [',', NULL]] AS words, [0.1::FLOAT, 'NaN'::FLOAT] AS reals, '12:00:00.5+02'::TIMETZ AS tz,
            {'x': i, 'y': 'x y'} AS comp, [i, 2]::DECIMAL(9, 3)[] AS doms, ['2026-01-01 00:00:00.000001+00'::TIMESTAMPTZ] AS ats, '10.0.0.1/8' AS ip FROM range(1, 201) r(i)"""
        )
    words = ["--key", "id", "--columns", "id,j,iv,arr,words,reals,tz,comp,doms,ats,ip"]
    code, body = compare("odd", f"duckdb://{tmp_path}/d.db#t", *words)
    assert (code, body["reasons"], body["breaks"][:2], body["rows"]["matched"]) == (0, [], [], 200)
    with duckdb.connect(str(tmp_path / "d.db")) as duck:
        duck.execute(
            "UPDATE t SET arr = [NULL, id] WHERE id = 7; UPDATE t SET comp = {'x': id, 'y': NULL} WHERE id = 8"
        )
    code, body = compare("odd", f"duckdb://{tmp_path}/d.db#t", *words)
    assert (code, body["fields"]) == (3, {"arr": {"differing": 1}, "comp": {"differing": 1}})


def test_a_column_that_follows_from_others(compare: Run, schema: tuple[str, str]) -> None:
    did(schema, "ALTER TABLE {0}.two ADD joint text; UPDATE {0}.two SET joint = name || '/' || id")
    code, body = compare("one", "two", "--class", "joint=derived:name || '/' || id", "--columns", "id,name,joint")
    assert (code, body["reasons"], body["grade"]) == (0, [], "exact but for joint derived:name || '/' || id")
    did(schema, "UPDATE {0}.two SET joint = 'x' WHERE id = 3")
    assert compare("one", "two", "--class", "joint=derived:name || '/' || id")[1]["fields"] == {
        "joint": {"differing": 1}
    }
    end = f"name); DROP TABLE {schema[1]}.two CASCADE; SELECT (1"
    assert compare("one", "two", "--class", f"name=derived:{end}")[0] == 4
    assert compare("one", "two", "--columns", "id,name")[0] == 0


def test_what_is_the_same_value_is_no_difference(compare: Run, schema: tuple[str, str]) -> None:
    did(
        schema,
        "DROP VIEW {0}.seen; ALTER TABLE {0}.two ALTER amount TYPE numeric(30, 8), ALTER id TYPE numeric(12), ALTER code TYPE char(9), ALTER rate TYPE numeric USING rate * 1.000",
    )
    did(schema, "UPDATE {0}.two SET f = 0 WHERE id = 0")
    code, body = compare("one", "two", "--key", "id")
    assert (code, body["reasons"]) == (0, [])
    assert {note.split(":")[0] for note in body["notes"]} == {"amount", "id", "code"}


@pytest.mark.parametrize(
    "setting",
    ["TimeZone = 'Asia/Kolkata'", "DateStyle = 'German'", "extra_float_digits = 0", "bytea_output = 'escape'"],
)
def test_settings_change_nothing(
    compare: Run, schema: tuple[str, str], monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    name, value = setting.split(" = ")
    monkeypatch.setenv("PGOPTIONS", f"-c {name}={value.strip(chr(39))}")
    assert compare("one", "two")[0] == 0


def test_against_a_parquet_file(compare: Run, schema: tuple[str, str], tmp_path: Path) -> None:
    columns = "id, ref::text AS ref, name, d, at, seen, ok, raw, m, k::text AS k"
    with psycopg.connect(schema[0]) as db, duckdb.connect() as duck:
        db.execute("SET TimeZone = 'UTC'")
        rows = db.execute(f"SELECT {columns} FROM {schema[1]}.one WHERE id > 0".encode()).fetchall()
        duck.execute(
            'CREATE TABLE t (id INT, ref VARCHAR, name VARCHAR, d DATE, "at" TIMESTAMPTZ, seen TIMESTAMP, ok BOOLEAN, raw BLOB, m DECIMAL(20, 4), k VARCHAR)'
        )
        duck.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        duck.execute(f"COPY t TO '{tmp_path}/t.parquet'")
        duck.execute(f"COPY t TO '{tmp_path}/t.csv' (HEADER)")
    words = ["--key", "id", "--where", "id::int > 0", "--columns", "id,ref,name,d,at,seen,ok,raw,m,k"]
    code, body = compare("one", f"parquet://{tmp_path}/t.parquet", *words)
    assert (code, body["reasons"], body["rows"]["matched"]) == (0, [], 300)
    words[-1] = "id,ref,name,d,at,seen,ok,m,k"
    code, body = compare("one", f"csv://{tmp_path}/t.csv", *words)
    assert (code, body["reasons"], body["breaks"][:2]) == (0, [], [])


def test_what_cannot_be_compared_or_read_never_passes(compare: Run, schema: tuple[str, str]) -> None:
    did(schema, "DROP VIEW {0}.seen; ALTER TABLE {0}.two ALTER d TYPE text")
    code, body = compare("one", "two")
    assert code == 7
    assert "no common form" in body["reasons"][0]
    did(schema, "DROP TABLE {0}.two CASCADE")
    assert compare("one", "two")[1]["code"] == "CW4032"
    did(schema, "CREATE VIEW {0}.bad AS SELECT id, 1 / (id - 5) AS x FROM {0}.one")
    code, body = compare("bad", "bad", "--key", "id")
    assert code == 7
    assert "division by zero" in body["reasons"][0]


def test_a_hostile_name_is_a_name(compare: Run, schema: tuple[str, str]) -> None:
    did(schema, 'CREATE TABLE {0}."a.b""; DROP --é" ("select" int PRIMARY KEY, "%s" text, "x{{}}" text); ')
    did(schema, """INSERT INTO {0}."a.b""; DROP --é" SELECT i, '%', '{{}}' FROM generate_series(1, 50) i""")
    name = "a%2Eb%22%3B%20DROP%20--é"
    code, body = compare(name, name)
    assert (code, body["key"], body["rows"]["matched"]) == (0, ["select"], 50)


def test_a_condition_cannot_leave_the_read_only_transaction(compare: Run, schema: tuple[str, str]) -> None:
    end = f"true) AS t; COMMIT; DROP TABLE {schema[1]}.two CASCADE; SELECT (1"
    assert compare("one", "two", "--where", end)[0] == 7
    assert compare("one", "two")[0] == 0


def test_one_scan_sees_one_point_whatever_is_written_meanwhile(
    compare: Run, schema: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciliation import adhoc

    real = adhoc.both

    def later(*args: Any) -> Any:
        did(schema, "UPDATE {0}.one SET name = name || '!'; UPDATE {0}.two SET name = name || '!'")
        return real(*args)

    monkeypatch.setattr(adhoc, "both", later)
    assert compare("one", "two")[0] == 0


def test_in_ranges_every_row_is_read_once(
    compare: Run, schema: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.postgres.ranges.SMALLEST_BLOCKS", 1)
    did(
        schema,
        "UPDATE {0}.one SET name = name; DELETE FROM {0}.two WHERE id = 17; UPDATE {0}.two SET amount = amount + 1 WHERE id = 100",
    )
    code, body = compare("one", "two")
    assert (code, body["rows"]["source"], body["rows"]["missing_in_target"], body["fields"]) == (
        3,
        301,
        1,
        {"amount": {"differing": 1}},
    )
    monkeypatch.setattr("reconciliation.adhoc.DRILLED", -1)
    assert compare("one", "two")[1]["rows"] == body["rows"]
    did(
        schema,
        "CREATE VIEW {0}.worse AS SELECT * FROM {0}.one; CREATE TABLE {0}.zero AS SELECT id, 1 / (id - 250) AS x FROM {0}.one WHERE id <> 250",
    )
    code, body = compare("one", "one", "--where", "1 / (id - 250) < 5")
    assert code == 7
    assert "division by zero" in body["reasons"][0]


def test_nobody_alters_what_is_being_compared(
    compare: Run, schema: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciliation import adhoc

    real, refused = adhoc.both, []

    def later(*args: Any) -> Any:
        for statement in (
            "TRUNCATE {0}.one",
            "DROP TABLE {0}.two CASCADE",
            "ALTER TABLE {0}.one ALTER id TYPE numeric",
        ):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                did(schema, "SET lock_timeout = '100ms'; " + statement)
            refused.append(statement)
        did(schema, "UPDATE {0}.one SET name = 'x'")  # writers go on
        return real(*args)

    monkeypatch.setattr(adhoc, "both", later)
    assert compare("one", "two")[0] == 0
    assert refused


def test_who_may_read_some_columns_only_compares_these(
    compare: Run, schema: tuple[str, str], sandbox_project: Project
) -> None:
    dsn, name = schema
    info, role = psycopg.conninfo.conninfo_to_dict(dsn), f"clerk_{name}"
    ends = json.loads(sandbox_project.endpoints_file.read_text("utf-8"))
    admin = psycopg.conninfo.make_conninfo(ends["private"]["admin_dsn"], dbname=str(info["dbname"]))
    with psycopg.connect(admin, autocommit=True) as db:
        words = psycopg.sql.Literal(str(info["password"])).as_string(db)
        db.execute(f"CREATE ROLE {role} LOGIN PASSWORD {words}; GRANT USAGE ON SCHEMA {name} TO {role}".encode())
        db.execute(f"GRANT SELECT (id, name) ON {name}.one TO {role}".encode())
        try:
            place = f"postgresql://{role}@{info['host']}:{info['port']}/{info['dbname']}#{name}.one"
            code, body = compare(place, "two", "--columns", "id,name")
            assert (code, body["rows"]["matched"]) == (0, 301), body
            code, body = compare(place, "two")
            assert code == 7
            assert "permission denied" in body["reasons"][0]
        finally:
            db.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_the_quick_form_of_an_instant_has_the_same_digits_as_the_exact_one(schema: tuple[str, str]) -> None:
    """Random microseconds, and those around the ends of the years in which the quick one is used."""
    query = """
    SELECT count(*), count(*) FILTER (WHERE (date_part('epoch', x) * 1000000)::int8 IS DISTINCT FROM (extract(epoch FROM x) * 1000000)::int8)
    FROM (SELECT timestamptz '1900-01-01 00:00+00' + random() * interval '73049 days' + floor(random() * 1000000) * interval '1 us' AS x
          FROM generate_series(1, 300000)
          UNION ALL SELECT edge + i * interval '1 us' FROM generate_series(-50000, 50000) i,
            unnest(ARRAY['1900-01-01 00:00+00', '1970-01-01 00:00+00', '2038-01-19 03:14:08+00', '2100-01-01 00:00+00']::timestamptz[]) edge) AS t
    """
    with psycopg.connect(schema[0]) as db:
        assert db.execute(query.encode()).fetchone() == (700_004, 0)


def test_a_table_of_more_columns_than_a_function_takes_arguments(compare: Run, schema: tuple[str, str]) -> None:
    """PostgreSQL takes a hundred in one call."""
    columns = ", ".join(f"c{at} text DEFAULT 'v{at}'" for at in range(250))
    with psycopg.connect(schema[0], autocommit=True) as db:
        for name in ("wide", "wide2"):
            db.execute(f"CREATE TABLE {schema[1]}.{name} (id int PRIMARY KEY, {columns})".encode())
            db.execute(f"INSERT INTO {schema[1]}.{name} SELECT i FROM generate_series(1, 90) i".encode())
        code, found = compare("wide", "wide2")
        assert (code, found["verdict"]) == (0, "PASS"), found["reasons"]
        db.execute(f"UPDATE {schema[1]}.wide2 SET c249 = NULL WHERE id = 7".encode())
    assert compare("wide", "wide2")[1]["fields"] == {"c249": {"differing": 1}}


def test_a_key_that_a_rule_makes_repeat_is_not_taken_for_unique(compare: Run, schema: tuple[str, str]) -> None:
    """The constraint holds for the column, not for what is made of it."""
    with psycopg.connect(schema[0], autocommit=True) as db:
        db.execute(
            f"CREATE TABLE {schema[1]}.fine (id int PRIMARY KEY); INSERT INTO {schema[1]}.fine VALUES (10), (11)".encode()
        )
        db.execute(f"CREATE TABLE {schema[1]}.coarse (id int); INSERT INTO {schema[1]}.coarse VALUES (1), (1)".encode())
    code, found = compare("fine", "coarse", "--key", "id", "--class", "id=derived:id / 10")
    assert code == 3, found["reasons"]
    assert (found["rows"]["duplicate_in_source"], found["rows"]["duplicate_in_target"]) == (1, 1)
