"""Passwords and account numbers do not pass; the rest of a text does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutwater.core.redaction import mask, plain, redact

SECRET = st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEF0123456789!$%^&*()-_+=", min_size=8, max_size=30)
IBAN = st.from_regex(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{7,26}[0-9]{4}", fullmatch=True)


@given(SECRET)
def test_the_password_of_a_url_does_not_pass(secret: str) -> None:
    text = redact(f"postgresql://owner:{secret}@db.example:5432/payhub is down")
    assert secret not in text
    assert text == "postgresql://owner:***@db.example:5432/payhub is down"


@given(st.sampled_from(["password", "PASSWORD", "secret", "token", "aws_secret_access_key"]), SECRET)
def test_a_named_secret_does_not_pass(name: str, secret: str) -> None:
    assert secret not in redact(f"{name}={secret}").replace(name, "")


@given(IBAN)
def test_of_an_iban_country_check_digits_and_last_four_remain(iban: str) -> None:
    text = redact(f"from {iban} to nobody")
    assert iban not in text
    shown = re.search(r"from (\S+) to", text)
    assert shown is not None
    assert shown[1][:4] == iban[:4]
    assert shown[1][-4:] == iban[-4:]
    assert set(shown[1][4:-4]) == {"*"}
    assert len(shown[1]) == len(iban)


@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "slot cutwater_w01 at 5D/2A91F0",
        "2f1a6a0e-6f2b-4b8e-9a33-0f7cf0a2e0b1",
        "cutwater wave resume W01",
        "R-0417.html",
    ],
)
def test_identifiers_that_one_needs_stay(text: str) -> None:
    assert redact(text) == text


def test_masking_keeps_the_end_and_hides_short_values_whole() -> None:
    assert mask("31926819") == "****6819"
    assert mask("819") == "***"
    assert mask("") == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\x9b31m\x07", "a\\x9b31m\\x07"),
        ("over\rwritten", "over\\rwritten"),
        ("gpj\u202efdp.exe", "gpj\\u202efdp.exe"),
        ("bad\udcff.xml", "bad\\udcff.xml"),  # a file's name that is not UTF-8, as Python reads it
        ("two\nlines\tand [bold]words[/bold], ✓ é", "two\nlines\tand [bold]words[/bold], ✓ é"),
    ],
)
def test_what_would_steer_a_terminal_is_shown_not_obeyed(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert plain(text).encode("utf-8")
