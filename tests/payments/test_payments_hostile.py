"""Bad and hostile input: findings, never an exception."""

from __future__ import annotations

import csv
import os
from io import BytesIO
from pathlib import Path

import payments_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.formats import base
from payments.iso20022 import parse_stream
from payments.registry import merged, parse

CORPUS = Path(os.environ.get("CUTWATER_CORPUS", Path(__file__).resolve().parents[3] / "shared" / "corpus"))
WHOLE = [
    samples.pacs008(),
    samples.pacs002(),
    samples.pain001(),
    samples.camt053(samples.entry(reference="R") + samples.entry()),
    samples.mt103(),
    samples.MT940,
    samples.NAK,
    samples.bacs(),
]


def rules(payload: bytes, hint: str = "") -> list[str]:
    return [item.code for item in parse(payload, hint).findings]


@given(st.binary(max_size=300), st.sampled_from(["", "file:bacs", "swift:fin-in"]))
def test_any_bytes(payload: bytes, hint: str) -> None:
    parsed = parse(payload, hint)
    assert parsed.findings


@settings(max_examples=400)
@given(st.sampled_from(WHOLE), st.data())
def test_broken_messages(whole: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 60)))
    parsed = parse(whole[:start] + data.draw(st.binary(max_size=40)) + whole[end:])
    assert all(item.severity in ("error", "warn") for item in parsed.findings)
    assert len({item.event_key for item in parsed.events}) == len(parsed.events) or not parsed.accepted


@given(st.text(alphabet="0123456789.,+-eE_ \u0663NaInf", max_size=30))
def test_any_text_as_an_amount_is_exact_or_refused(text: str) -> None:
    parsed = parse(samples.pacs008(amount=text))
    for event in parsed.events:
        assert (event.amount is None) == ("amount" in [item.code for item in parsed.findings])
        assert event.amount is None or set(text.strip()) <= set("0123456789.+")


@pytest.mark.parametrize(
    "payload",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'.encode("utf-16"),
    ],
)
def test_document_types_are_refused_before_anything_is_expanded(payload: bytes) -> None:
    assert rules(payload) == ["dtd"]


@pytest.mark.parametrize(
    ("payload", "rule"),
    [
        (b"", "empty"),
        (b"\x00\x01", "empty"),
        (b"hello", "unknown_format"),
        (b"<a>", "xml"),
        (b"<a/>", "no_document"),
        (b'<Document xmlns="urn:other"><a/></Document>', "namespace"),
        (b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"/>', "empty_document"),
        (b'<?xml version="1.0" encoding="UTF-8"?><a>\xff</a>', "encoding"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "encoding"),
        (b"<a>" * 1000 + b"</a>" * 1000, "xml"),
        (b"{1:F01BANK", "fin_blocks"),
        (b"{1:F01BANKGB2LAXXX0001000042}{4:{451:7}}", "fin_header"),
    ],
)
def test_named_faults(payload: bytes, rule: str) -> None:
    assert rules(payload)[0] == rule
    assert not parse(payload).accepted


def test_attributes_by_the_thousand_are_refused_in_trees_and_in_streams() -> None:
    """lxml looks through all of an element's attributes for each of them: 8 MiB of them would take an hour."""
    many = " ".join(f'a{number}="1"' for number in range(20_000))
    payload = samples.pacs008(extra=f"<Purp {many}><Cd>SALA</Cd></Purp>")
    parsed = parse(payload)
    assert [(item.severity, item.code) for item in parsed.findings] == [("error", "too_large")]
    whole = merged(parse_stream(BytesIO(payload), 100))
    assert [(item.severity, item.code) for item in whole.findings] == [("error", "too_large")]
    assert parse(samples.pacs008(extra="<Purp><Cd>" + "=" * 900 + "</Cd></Purp>")).status == "ok"


def test_more_than_the_limit_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MAX_BYTES", 10)
    assert rules(samples.pacs008()) == ["too_large"]


def test_findings_are_capped_but_an_error_never_slips_through() -> None:
    parsed = parse(samples.camt053("".join(samples.entry(amount="x") for _ in range(500))))
    assert len(parsed.findings) == 201
    assert not parsed.accepted
    late = "".join(samples.entry(amount="1.005") for _ in range(300)) + samples.entry(amount="x")
    assert not parse(samples.camt053(late)).accepted
    warned = parse(samples.camt053("".join(samples.entry(amount="1.005") for _ in range(300))))
    assert (len(warned.findings), warned.status) == (201, "findings")


@pytest.mark.parametrize(
    ("amount", "rule"), [("1e3", "amount"), ("-5", "amount"), ("1.234567", "amount"), ("1.005", "minor_units")]
)
def test_amounts_are_taken_exactly_or_not_at_all(amount: str, rule: str) -> None:
    assert rules(samples.pacs008(amount=amount)) == [rule]


def test_eighteen_integer_digits_are_legal() -> None:
    (event,) = parse(samples.pacs008(amount="999999999999999999.99999", currency="CLF")).events
    assert event.amount is not None
    assert str(event.amount.amount) == "999999999999999999.99999"


def test_utf16_and_any_wrapper() -> None:
    text = samples.pacs008().decode().replace("UTF-8", "UTF-16")
    assert parse(text.encode("utf-16")).events[0].event_key == parse(samples.pacs008()).events[0].event_key


def test_whatever_the_message_says_changes_its_hash() -> None:
    plain = parse(samples.pacs008()).events[0]
    same = parse(samples.pacs008(amount="100.5")).events[0]
    other = parse(samples.pacs008(extra="<RmtInf><Ustrd>rent</Ustrd></RmtInf>")).events[0]
    assert plain.content_hash == same.content_hash
    assert plain.event_key == other.event_key
    assert plain.content_hash != other.content_hash


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public sample corpus is not beside this checkout")
def test_the_public_corpus_is_read_without_an_exception() -> None:
    with (CORPUS / "MANIFEST.tsv").open(encoding="utf-8") as source:
        rows = list(csv.DictReader(source, delimiter="\t", quoting=csv.QUOTE_NONE))
    booked = dict.fromkeys(("pacs.008", "pacs.002", "camt.053", "camt.054", "pain.001", "MT103"), 0)
    for row in rows:
        parsed = parse((CORPUS / row["path"]).read_bytes())
        assert parsed.events or parsed.findings or parsed.control, row["path"]
        if row["type"] in booked and row["xsd_check"] == "valid" and row["type"] != "camt.053":
            assert parsed.events, row["path"]
        if row["type"] in booked:
            booked[row["type"]] += bool(parsed.events)
    assert len(rows) == 672
    assert all(booked.values())


@pytest.mark.parametrize("behind", ["", "Z", "+01:00", "T23:59:59", "T23:59:59.123-05:00", "T24:00:00Z"])
def test_a_day_with_a_zone_or_a_time_is_that_day(behind: str) -> None:
    payload = samples.pacs008().replace(b"<IntrBkSttlmDt>2026-11-24<", f"<IntrBkSttlmDt>2026-11-24{behind}<".encode())
    parsed = parse(payload)
    assert parsed.status == "ok"
    assert str(parsed.events[0].settlement_date) == "2026-11-24"


@pytest.mark.parametrize("behind", ["0", "and so on", "T25:99:00", "T", "24/11"])
def test_a_day_with_anything_else_behind_it_is_no_date(behind: str) -> None:
    payload = samples.pacs008().replace(b"<IntrBkSttlmDt>2026-11-24<", f"<IntrBkSttlmDt>2026-11-24{behind}<".encode())
    assert [(item.severity, item.code) for item in parse(payload).findings] == [("error", "date")]
