"""Encoding v1: golden vectors, unambiguity, and the same bytes in Python, DuckDB and PostgreSQL."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.duckdb.compare_side import _definition
from cutwater.core.errors import BadInput
from inventory.model import ColumnMapping, TableMapping
from reconciliation.dialect_duckdb import DuckDialect
from reconciliation.dialect_postgres import PostgresDialect
from reconciliation.digests import bucket_of, combine, digests_of, lanes
from reconciliation.encoding import Field, compared, decode_row, encode_row, field_of, key_fields, text_of
from reconciliation.readings import digests_from

COLUMNS = (
    ColumnMapping("id", "bigint", "long", nullable=False),
    ColumnMapping("n", "integer", "int"),
    ColumnMapping("amount", "numeric(23,5)", "decimal(23, 5)"),
    ColumnMapping("wide", "numeric(10,2)", "decimal(18,4)"),
    ColumnMapping("name", "text", "string"),
    ColumnMapping("code", "character(3)", "string"),
    ColumnMapping("day", "date", "date"),
    ColumnMapping("at", "timestamp with time zone", "timestamptz"),
    ColumnMapping("local", "timestamp without time zone", "timestamp"),
    ColumnMapping("flag", "boolean", "boolean"),
    ColumnMapping("data", "bytea", "binary"),
)
MAPPING = TableMapping("payhub", "sample", "legacy.sample", ("id",), COLUMNS)
KEYLESS = TableMapping("payhub", "sample", "legacy.sample", (), COLUMNS)

_text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
_instant = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))  # noqa: DTZ001
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(-(2**63), 2**63 - 1),
            "n": st.none() | st.integers(-(2**31), 2**31 - 1),
            "amount": st.none() | st.decimals(-(10**17), 10**17, places=5),
            "wide": st.none() | st.decimals(-(10**7), 10**7, places=2),
            "name": st.none() | _text | st.sampled_from(["", "!", "s0:", ";", "i1;"]),
            "code": st.none() | st.text(st.sampled_from("ABCÉ "), max_size=3).map(lambda t: t.rstrip(" ")),
            "day": st.none() | st.dates(date(1, 1, 2)),
            "at": st.none() | _instant.map(lambda t: t.replace(tzinfo=UTC)),
            "local": st.none() | _instant,
            "flag": st.none() | st.booleans(),
            "data": st.none() | st.binary(max_size=8),
        }
    ),
    min_size=1,
    max_size=20,
)

GOLDEN = [
    ({"id": 1}, b"i1;i!n!n!s!s!d!t!l!b!x!"),
    (
        {
            "id": -7,
            "n": 0,
            "amount": Decimal("12.5"),
            "wide": Decimal("-0.10"),
            "name": "né",
            "code": "GBP",
            "day": date(1970, 1, 2),
            "at": datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
            "local": datetime(1969, 12, 31, 23, 59, 59),  # noqa: DTZ001
            "flag": True,
            "data": b"\x00\xff",
        },
        b"i-7;i0;n12.50000;n-0.1000;s3:n\xc3\xa9s3:GBPd1;t1;l-1000000;b1;x4:00ff",
    ),
    ({"id": 2, "name": "", "data": b""}, b"i2;i!n!n!s0:s!d!t!l!b!x0:"),
]


def _full(row: dict[str, Any]) -> dict[str, Any]:
    return {item.name: row.get(item.name) for item in COLUMNS}


@pytest.mark.parametrize(("row", "expected"), GOLDEN)
def test_golden_vectors(row: dict[str, Any], expected: bytes) -> None:
    assert encode_row(compared(MAPPING), _full(row)) == expected


@given(ROWS)
def test_an_encoding_can_be_decoded(rows: list[dict[str, Any]]) -> None:
    fields = compared(MAPPING)
    for row in rows:
        assert decode_row(fields, encode_row(fields, row)) == row


@given(ROWS, st.sampled_from([1, 64, 1024]))
@settings(deadline=None, max_examples=40)
def test_duckdb_yields_the_same_bytes_and_sums(rows: list[dict[str, Any]], buckets: int) -> None:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE TABLE sample ({_definition(MAPPING)})")
    places = ", ".join("?" for _ in COLUMNS)
    connection.executemany(
        f"INSERT INTO sample VALUES ({places})", [[row[item.name] for item in COLUMNS] for row in rows]
    )
    _same(rows, buckets, DuckDialect(), lambda query: connection.execute(query).fetchall())
    connection.close()


def _same(rows: list[dict[str, Any]], buckets: int, dialect: Any, run: Any) -> None:
    found = sorted(bytes(text, "utf-8") for (text,) in run(dialect.encodings("sample", MAPPING)))
    assert found == sorted(encode_row(compared(MAPPING), row) for row in rows)
    for mapping in (MAPPING, KEYLESS):
        assert digests_from(run(dialect.digests("sample", mapping, buckets))) == digests_of(mapping, rows, buckets)


@pytest.fixture(scope="module")
def postgres(request: pytest.FixtureRequest) -> Any:
    import psycopg

    dsn = os.environ.get("CUTWATER_TEST_DSN") or request.getfixturevalue("sandbox_project").endpoints().postgres_dsn
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        kinds = ", ".join(f'"{item.name}" {item.pg_type}' for item in COLUMNS)
        connection.execute(f"CREATE TEMP TABLE sample ({kinds})")
        yield connection


@pytest.mark.real
@given(ROWS, st.sampled_from([1, 64, 1024]), st.sampled_from([140000, 160000]))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_postgresql_yields_the_same_bytes_and_sums(
    postgres: Any, rows: list[dict[str, Any]], buckets: int, server: int
) -> None:
    places = ", ".join("%s" for _ in COLUMNS)
    postgres.execute("TRUNCATE sample")
    with postgres.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO sample VALUES ({places})", [[row[item.name] for item in COLUMNS] for row in rows]
        )
    _same(rows, buckets, PostgresDialect(server), lambda query: postgres.execute(query).fetchall())


@pytest.mark.real
def test_postgresql_far_instants_are_exact(postgres: Any) -> None:
    """A double would lose the last microsecond from about the year 2255 on."""
    at = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    dialect, field = PostgresDialect(), field_of(COLUMNS[7])
    found = postgres.execute(f"SELECT {dialect.text(field)} FROM (SELECT %s::timestamptz AS at) t", (at,)).fetchone()
    assert found == (text_of(field, at),)
    for word in ("infinity", "-infinity"):
        found = postgres.execute(
            f"SELECT {dialect.text(field)} FROM (SELECT %s::timestamptz AS at) t", (word,)
        ).fetchone()
        assert found == (word,)


@pytest.mark.real
@pytest.mark.parametrize("value", ["1.5", "1.23456", "0.000009", "NaN", "100", "-2.50"])
def test_postgresql_shows_digits_that_do_not_fit(postgres: Any, value: str) -> None:
    field = field_of(ColumnMapping("v", "numeric", "decimal(18,4)"))
    query = f"SELECT {PostgresDialect().text(field)} FROM (SELECT %s::numeric AS v) t"
    assert postgres.execute(query, (value,)).fetchone() == (text_of(field, Decimal(value)),)


def test_null_and_empty_differ_and_lengths_separate() -> None:
    fields = (Field("a", field_of(COLUMNS[4]).kind), Field("b", field_of(COLUMNS[4]).kind))
    encodings = {
        encode_row(fields, {"a": a, "b": b}) for a, b in [(None, ""), ("", None), ("", ""), ("ab", "c"), ("a", "bc")]
    }
    assert len(encodings) == 5


def test_a_sum_is_no_xor() -> None:
    """A row doubled twice cancels out under XOR; here the count and the sum both move."""
    row = _full({"id": 1, "name": "x"})
    once, thrice = digests_of(MAPPING, [row], 64), digests_of(MAPPING, [row] * 3, 64)
    (bucket,) = once
    assert thrice[bucket].count == 3
    assert thrice[bucket].total == 3 * combine(*lanes(encode_row(compared(MAPPING), row))) % (1 << 120)


def test_buckets_are_half_open_and_nested() -> None:
    key = key_fields(MAPPING)
    for number in range(200):
        encoded = encode_row(key, {"id": number})
        assert bucket_of(encoded, 64) == bucket_of(encoded, 256) >> 2
    with pytest.raises(ValueError, match="power of two"):
        bucket_of(b"", 3)


def test_a_float_is_no_decimal_and_an_unknown_type_is_refused() -> None:
    with pytest.raises(BadInput, match="CW4002"):
        text_of(field_of(COLUMNS[2]), 1.5)
    with pytest.raises(BadInput, match="CW4001"):
        field_of(ColumnMapping("place", "point", "struct"))


FLOATS = TableMapping(
    "s",
    "sample",
    "legacy.sample",
    (),
    (ColumnMapping("wide", "double precision", "double"), ColumnMapping("narrow", "real", "float")),
)
_FLOAT_ROWS = st.lists(
    st.fixed_dictionaries({"wide": st.none() | st.floats(), "narrow": st.none() | st.floats(width=32)}), min_size=1
)


def _bits(rows: list[dict[str, Any]], texts: list[tuple[str]]) -> None:
    fields = compared(FLOATS)
    encoded = sorted(encode_row(fields, row) for row in rows)
    assert sorted(text.encode() for (text,) in texts) == encoded
    for row in rows:
        again = decode_row(fields, encode_row(fields, row))
        assert {name: repr(value) for name, value in again.items()} == {
            n: repr(v).replace("-nan", "nan") for n, v in row.items()
        }


@given(_FLOAT_ROWS)
@settings(deadline=None, max_examples=60)
def test_floats_are_compared_bit_by_bit(rows: list[dict[str, Any]]) -> None:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("CREATE TABLE sample (wide DOUBLE, narrow FLOAT)")
    connection.executemany("INSERT INTO sample VALUES (?, ?)", [[row["wide"], row["narrow"]] for row in rows])
    _bits(rows, connection.execute(DuckDialect().encodings("sample", FLOATS)).fetchall())
    connection.close()


@pytest.mark.real
@given(_FLOAT_ROWS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_postgresql_tells_a_float_by_the_same_bits(postgres: Any, rows: list[dict[str, Any]]) -> None:
    postgres.execute("CREATE TEMP TABLE IF NOT EXISTS floats (wide float8, narrow float4)")
    postgres.execute("TRUNCATE floats")
    with postgres.cursor() as cursor:
        cursor.executemany("INSERT INTO floats VALUES (%s, %s)", [[row["wide"], row["narrow"]] for row in rows])
    _bits(rows, postgres.execute(PostgresDialect().encodings("floats", FLOATS)).fetchall())


def test_char_padding_is_no_part_of_the_value() -> None:
    field = field_of(COLUMNS[5])
    assert text_of(field, "GB ") == text_of(field, "GB") == "GB"
    assert text_of(field, "GB\t") == "GB\t"


def test_a_difference_of_one_microsecond_is_seen() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    field = field_of(COLUMNS[7])
    assert text_of(field, at) != text_of(field, at + timedelta(microseconds=1))
