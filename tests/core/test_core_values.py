"""Time, hashes, identifiers and errors: what everything else is built from."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutwater.core.clock import iso, parse_iso, utc_now
from cutwater.core.errors import BadInput, CutwaterError, Exit, Inconclusive, LeaseHeld, Refused, Unavailable
from cutwater.core.hashing import canonical_json, sha256_file, sha256_json
from cutwater.core.ids import new_id
from cutwater.core.output import Output, glyph, print_error
from cutwater.core.tokens import TOKENS

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda n: timezone(timedelta(minutes=n)))
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=OFFSETS)  # noqa: DTZ001 - zones are drawn
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(INSTANTS)
def test_an_instant_survives_its_text(instant: datetime) -> None:
    assert parse_iso(iso(instant)) == instant
    assert iso(instant).endswith("Z")
    assert parse_iso(iso(instant)).tzinfo is UTC


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        iso(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="no offset"):
        parse_iso("2026-01-01T00:00:00")
    assert utc_now().tzinfo is UTC


@given(JSON)
def test_canonical_json_is_json_and_forgets_the_order_of_keys(value: object) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
    assert sha256_json(value) == sha256_json(json.loads(text))


def test_canonical_json_takes_no_float() -> None:
    with pytest.raises(TypeError, match="float"):
        canonical_json({"amount": 1.5})
    values = {"d": Decimal("1.10"), "t": datetime(2026, 1, 1, tzinfo=UTC), "day": date(2026, 1, 1), "s": {"b", "a"}}
    assert canonical_json(values) == ('{"d":"1.10","day":"2026-01-01","s":["a","b"],"t":"2026-01-01T00:00:00.000000Z"}')


def test_a_file_hashes_as_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256_file(tmp_path / "f").startswith("ba7816bf")


@given(st.integers(0, 2**40), st.integers(1, 10**6))
def test_identifiers_sort_by_time(milliseconds: int, later: int) -> None:
    def at(number: int) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number)

    one, other = new_id("R-", lambda: at(milliseconds)), new_id("R-", lambda: at(milliseconds + later + 1))
    assert one < other
    assert len(one) == len(other) == 16


def test_each_branch_of_the_tree_has_its_exit_code() -> None:
    codes = {kind: kind.exit_code for kind in (CutwaterError, Refused, BadInput, Unavailable, LeaseHeld, Inconclusive)}
    assert list(map(int, codes.values())) == [1, 3, 4, 5, 6, 7]
    assert (int(Exit.DONE), int(Exit.USAGE), int(Exit.INTERRUPTED)) == (0, 2, 130)


def error() -> Refused:
    return Refused(
        "CW3107",
        "backfill stopped",
        cause="postgresql://o:hidden@h/d closed",
        state="source unchanged",
        money="nothing switched",
        next="cutwater wave resume W01",
        undo="cutwater wave abandon W01",
    )


def test_an_error_prints_cause_state_money_next_and_undo_in_that_order(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(error())
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split()[0] for line in err.splitlines()[1:]] == ["cause", "state", "money", "next", "undo", "more"]
    assert "hidden" not in err
    assert err.splitlines()[-1].endswith("exit 3")


def test_an_error_as_json_goes_to_standard_error_with_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(error(), "json")
    out, err = capsys.readouterr()
    body = json.loads(err)
    assert out == ""
    assert body["schema"] == "cutwater.error/1"
    assert body["exit"] == 3
    assert "hidden" not in err


def test_json_goes_to_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Output("json").json("cutwater.test.show/1", {"sum": Decimal("1.10")})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"schema": "cutwater.test.show/1", "sum": "1.10"}
    assert err == ""


def test_tables_print_brackets_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(("NAME", "N"), [("[payments_out]", 12)], right=("N",))
    Output().line("[bold]not markup[/bold]")
    out = capsys.readouterr().out
    assert "[payments_out]" in out
    assert "[bold]not markup[/bold]" in out


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "nonsense"])
def test_states_have_words_where_glyphs_cannot_be_printed(encoding: str) -> None:
    for word, token in TOKENS.items():
        text = glyph(word, encoding)
        assert token.word in text
        if encoding != "nonsense":
            text.encode(encoding)
