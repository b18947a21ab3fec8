"""File and SWIFT feeds on real folders; Avro by a registry that is a dictionary."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.files.feed_source import FolderSource, file_sources
from adapters.kafka.avro import AvroParser, Registry
from adapters.swift.feed_source import envelope, swift_sources
from cutwater.core.errors import Unavailable
from lakehouse.ports import Delivery, Position

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def feed(tmp_path: Path, clock: Hands) -> FolderSource:
    return FolderSource("file:t", tmp_path, (".txt",), settle=2.0, clock=clock)


def put(path: Path, content: bytes, seconds_ago: float = 60) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    stamp = NOW.timestamp() - seconds_ago
    os.utime(path, (stamp, stamp))


def take(feed: FolderSource, after: Position, limit: int = 100) -> tuple[list[Delivery], Position]:
    feed.end()
    fetched = feed.fetch(after, limit)
    return list(fetched.deliveries), fetched.position


def test_complete_files_once_in_order_of_names(feed: FolderSource, tmp_path: Path) -> None:
    put(tmp_path / "b.txt", b"2")
    put(tmp_path / "a.txt", b"1")
    put(tmp_path / "c.txt.part", b"3")
    put(tmp_path / ".hidden.txt", b"4")
    put(tmp_path / "other.csv", b"5")
    (tmp_path / "link.txt").symlink_to(tmp_path / "other.csv")
    found, position = take(feed, {})
    assert [(item.position, item.payload, item.file_name) for item in found] == [
        ("a.txt", b"1", "a.txt"),
        ("b.txt", b"2", "b.txt"),
    ]
    assert found[0].received_at == NOW - timedelta(seconds=60)
    assert take(feed, position)[0] == []
    assert feed.behind(position, feed.end()) == 0


def test_a_young_file_waits_until_it_has_settled(feed: FolderSource, tmp_path: Path, clock: Hands) -> None:
    put(tmp_path / "a.txt", b"1", seconds_ago=1)
    assert take(feed, {})[0] == []
    clock.now += timedelta(seconds=2)
    assert len(take(feed, {})[0]) == 1


def test_a_time_in_the_future_settles_by_standing_still(feed: FolderSource, tmp_path: Path, clock: Hands) -> None:
    put(tmp_path / "a.txt", b"1", seconds_ago=-3600)
    assert take(feed, {})[0] == []
    clock.now += timedelta(seconds=1)
    assert take(feed, {})[0] == []
    clock.now += timedelta(seconds=1)
    assert len(take(feed, {})[0]) == 1


def test_the_same_name_with_other_content_is_a_new_delivery(feed: FolderSource, tmp_path: Path) -> None:
    put(tmp_path / "a.txt", b"1")
    (first,), position = take(feed, {})
    put(tmp_path / "a.txt", b"one", seconds_ago=30)
    assert feed.behind(position, feed.end()) == 1
    (second,), position = take(feed, position)
    assert second.position.startswith("a.txt@")
    assert second.headers["supersedes"] == position["names"]["a.txt"][0]
    assert first.headers == {}
    put(tmp_path / "a.txt", b"one", seconds_ago=10)  # touched, not changed
    assert take(feed, position)[0] == []
    assert feed.behind(position, feed.end()) == 0


def test_changed_while_nobody_looked(feed: FolderSource, tmp_path: Path, clock: Hands) -> None:
    put(tmp_path / "a.txt", b"1")
    _, position = take(feed, {})
    put(tmp_path / "a.txt", b"2")
    again = FolderSource(
        "file:t", tmp_path, (".txt",), clock=clock
    )  # another process: its memory is the position alone
    assert [item.payload for item in take(again, position)[0]] == [b"2"]


def test_the_limit_holds_and_what_is_behind_is_counted(feed: FolderSource, tmp_path: Path) -> None:
    for number in range(5):
        put(tmp_path / f"{number}.txt", b"%d" % number)
    end = feed.end()
    fetched = feed.fetch({}, 2)
    assert len(fetched.deliveries) == 2
    assert feed.behind(fetched.position, end) == 3


def test_a_missing_folder_is_unavailable_and_names_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="CW3302"):
        FolderSource("file:t", tmp_path / "gone").end()


def test_the_swift_archive_is_four_feeds(tmp_path: Path, clock: Hands) -> None:
    day = tmp_path / "in" / "20261123"
    put(day / "BANKGB2LAXXX_0001_000007.fin", b"f")
    put(day / "BANKGB2LAXXX_0001_000003.ack", b"a")
    put(day / "BANKGB2LMXXX_0001_000001.xml", b"x")
    put(tmp_path / "out" / "20261123" / "BANKGB2LAXXX_0001_000003.fin", b"o")
    found = {feed.stream: take(feed, {})[0] for feed in swift_sources(tmp_path, clock=clock)}
    assert {name: len(items) for name, items in found.items()} == {
        "swift:fin-in": 2,
        "swift:fin-out": 1,
        "swift:mx-in": 1,
        "swift:mx-out": 0,
    }
    ack, message = found["swift:fin-in"]
    assert (message.lt, message.session, message.sequence) == ("BANKGB2LAXXX", "0001", 7)
    assert message.file_name == "20261123/BANKGB2LAXXX_0001_000007.fin"
    assert (ack.sequence, ack.headers) == (None, {"answers": "BANKGB2LAXXX_0001_000003"})
    assert envelope("20261123/readme.fin") == {}


def test_the_drop_has_two_feeds(tmp_path: Path, clock: Hands) -> None:
    put(tmp_path / "pain001" / "PAIN001_20261123_1.xml", b"x")
    put(tmp_path / "bacs" / "BACS_STD18_20261123_2.txt", b"x")
    assert [len(take(feed, {})[0]) for feed in file_sources(tmp_path, clock=clock)] == [1, 1]


STATUS = {
    "type": "record",
    "name": "PaymentStatusChanged",
    "namespace": "payhub.events",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "uetr", "type": "string"},
        {"name": "payment_id", "type": "long"},
        {"name": "seq", "type": "int"},
        {"name": "status", "type": "string"},
        {"name": "reason_code", "type": ["null", "string"]},
        {"name": "reported_by", "type": "string"},
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}
RECORD: dict[str, Any] = {
    "event_id": "e1",
    "uetr": "6d8a3f0e-1c57-4b62-9a53-0f6b6f1f3a11",
    "payment_id": 1,
    "seq": 1,
    "status": "RCVD",
    "reason_code": None,
    "reported_by": "PAYHUB",
    "occurred_at": NOW,
}


def registry(asked: list[str] | None = None) -> Registry:
    def get(url: str) -> tuple[int, str]:
        if asked is not None:
            asked.append(url)
        known = {"http://r/schemas/ids/7": STATUS, "http://r/schemas/ids/8": {"type": "string"}}
        if url not in known:
            return (503, "") if url.endswith("/503") else (404, "{}")
        return 200, json.dumps({"schema": json.dumps(known[url])})

    return Registry("http://r/", get)


def wire(ident: int, record: dict[str, Any]) -> bytes:
    out = io.BytesIO(b"\x00" + ident.to_bytes(4, "big"))
    out.seek(5)
    fastavro.schemaless_writer(out, fastavro.parse_schema(STATUS), record)
    return out.getvalue()


def parsed_rules(payload: bytes) -> list[str]:
    message = AvroParser(registry()).parse(Delivery("kafka:t", "0:0", payload, NOW))
    return [item.code for item in message.findings]


def test_avro_by_the_writers_schema_asked_for_once() -> None:
    asked: list[str] = []
    parser = AvroParser(registry(asked))
    for _ in range(3):
        (event,) = parser.parse(Delivery("kafka:t", "0:0", wire(7, RECORD), NOW)).events
    assert (event.family, event.status, event.event_time) == ("payhub.status", "RCVD", NOW)
    assert asked == ["http://r/schemas/ids/7"]


def test_golden_bytes() -> None:
    assert wire(7, RECORD)[:9].hex() == "0000000007046531" + "48"


@pytest.mark.parametrize(
    ("payload", "rule"),
    [
        (b"", "empty"),
        (b"{}", "wire_format"),
        (b"\x03\x00aaaaaaaaaaaaaaaa", "wire_format"),
        (wire(9, RECORD), "unknown_schema"),
        (wire(7, RECORD) + b"x", "trailing_bytes"),
        (wire(7, RECORD)[:-3], "avro"),
        (b"\x00\x00\x00\x00\x08\x02a", "unknown_schema"),  # no record
    ],
)
def test_what_cannot_be_read_goes_to_quarantine(payload: bytes, rule: str) -> None:
    assert parsed_rules(payload) == [rule]


def test_a_registry_that_is_away_is_no_reason_for_quarantine() -> None:
    with pytest.raises(Unavailable, match="CW3303"):
        AvroParser(registry()).parse(Delivery("kafka:t", "0:0", wire(503, RECORD), NOW))


@given(st.binary(max_size=80))
def test_any_body(body: bytes) -> None:
    message = AvroParser(registry()).parse(Delivery("kafka:t", "0:0", b"\x00\x00\x00\x00\x07" + body, NOW))
    assert bool(message.events) != bool(message.findings)


def test_decimals_and_dates_arrive_exact() -> None:
    schema = {
        "type": "record",
        "name": "PaymentInitiated",
        "fields": [
            *(
                {"name": name, "type": "string"}
                for name in ("event_id", "uetr", "end_to_end_id", "instruction_id", "channel")
            ),
            *({"name": name, "type": "string"} for name in ("debtor_iban", "creditor_iban", "currency")),
            {"name": "payment_id", "type": "long"},
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 23, "scale": 5}},
            {"name": "value_date", "type": {"type": "int", "logicalType": "date"}},
            {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        ],
    }
    record = {item["name"]: "x" for item in schema["fields"][:8]}  # type: ignore[index]
    record |= {
        "payment_id": 1,
        "amount": Decimal("123456789012345678.12345"),
        "currency": "GBP",
        "value_date": date(2026, 11, 23),
    }
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), {**record, "occurred_at": NOW})
    own = Registry("http://r", lambda _: (200, json.dumps({"schema": json.dumps(schema)})))
    payload = b"\x00\x00\x00\x00\x01" + out.getvalue()
    (event,) = AvroParser(own).parse(Delivery("kafka:t", "0:0", payload, NOW)).events
    assert event.amount is not None
    assert (event.amount.amount, event.value_date) == (Decimal("123456789012345678.12345"), date(2026, 11, 23))


def test_new_content_under_a_known_name_that_the_lake_did_not_take_comes_again(tmp_path: Path) -> None:
    source = FolderSource("file:pain001", tmp_path, settle=0.0)
    (tmp_path / "a.xml").write_bytes(b"first")
    taken = source.fetch({}, 10).position
    (tmp_path / "a.xml").write_bytes(b"second, longer")
    assert len(source.fetch(taken, 10).deliveries) == 1  # and then the lake was away: the position stays
    assert source.behind(taken, source.end()) == 1
    assert [item.payload for item in source.fetch(taken, 10).deliveries] == [b"second, longer"]


def test_a_name_that_is_not_utf8_is_escaped_and_a_link_is_no_delivery(tmp_path: Path) -> None:
    import os

    from adapters.files.listing import FileListing

    folder = tmp_path / "drop" / "bacs"
    folder.mkdir(parents=True)
    with open(os.fsencode(folder) + b"/caf\xe9.txt", "wb") as out:
        out.write(b"x")
    (folder / "link.txt").symlink_to("/etc/hostname")
    source = FolderSource("file:bacs", folder, settle=0)
    assert list(source.end()["names"]) == ["caf\\xe9.txt"]
    assert [item.file_name for item in source.fetch({}, 10).deliveries] == ["caf\\xe9.txt"]
    assert [item.name for item in FileListing(tmp_path / "drop", tmp_path).files("file:bacs")] == ["caf\\xe9.txt"]
