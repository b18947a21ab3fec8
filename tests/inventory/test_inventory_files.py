"""What names and first bytes of files tell, and the drop's discoverer over a real folder."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.files.discovery import FileDropDiscoverer
from cutwater.core.errors import Unavailable
from inventory.files import FileSeen, days, interval_seconds, pattern, patterns, sniff

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("PAIN001_20261109_500001.xml", "PAIN001_{yyyymmdd}_{n:6}.xml"),
        ("BACS_STD18_20261109_7.txt", "BACS_STD18_{yyyymmdd}_{n:1}.txt"),
        ("a-20269999.csv", "a-{n:8}.csv"),
        ("x_123e4567-e89b-12d3-a456-426614174000.json", "x_{uuid}.json"),
        ("statement.pdf", "statement.pdf"),
    ],
)
def test_patterns_of_names(name: str, told: str) -> None:
    assert pattern(name) == told


def test_counters_of_several_widths_are_one_pattern() -> None:
    assert patterns(["F_9.txt", "F_10.txt", "G.txt"]) == [
        {"name": "F_{n}.txt", "count": 2},
        {"name": "G.txt", "count": 1},
    ]


def test_days_and_intervals() -> None:
    assert [str(day) for day in days(["a_20261110", "b_20261109", "c_20261109", "d_99999999"])] == [
        "2026-11-09",
        "2026-11-10",
    ]
    files = [FileSeen(str(n), 1, NOW + timedelta(minutes=n * n)) for n in range(4)]
    assert interval_seconds(files) == 180
    assert interval_seconds(files[:2]) is None


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (
            b'<?xml version="1.0"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">',
            "pain.001.001.09",
        ),
        (
            b'<Envlp><AppHdr xmlns="urn:iso:std:iso:20022:tech:xsd:head.001.001.02"/>'
            b'<d:Document xmlns:d="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08">',
            "pacs.008.001.08",
        ),
        (b"<orders><o/></orders>", "xml:orders"),
        (b"VOL1123456 ...\nHDR1A...\n", "bacs-std18"),
        (b"{1:F01BANKGB2LAXXX0001000001}{2:I103", "swift-fin"),
        (b'{"a": 1}', "json"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "csv"),
        (b"a|b\n1|2\n", "psv"),
        (b"AAAA\nBBBB\nCCCC\nDD", "fixed-width-4"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"", "unknown"),
        (b"\x00\x01", "unknown"),
        (b"hello", "text"),
    ],
)
def test_formats_by_first_bytes(head: bytes, told: str) -> None:
    assert sniff(head) == told


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    feed = tmp_path / "pain001"
    feed.mkdir()
    for number in range(25):
        path = feed / f"PAIN001_202611{number % 9 + 10}_{number:06d}.xml"
        path.write_bytes(b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"/>')
        os.utime(path, (NOW.timestamp() - 600 * number,) * 2)
    (feed / "PAIN001_20261123_000099.xml.part").write_bytes(b"<Doc")
    os.utime(feed / "PAIN001_20261123_000099.xml.part", (NOW.timestamp() - 7200,) * 2)
    (feed / ".hidden").write_bytes(b"x")
    (tmp_path / "new").mkdir()
    return tmp_path


def test_a_drops_history_tells_its_feeds(drop: Path) -> None:
    found = FileDropDiscoverer(drop).discover(NOW)
    new, pain = found.assets
    assert (pain.id, pain.structure["patterns"], pain.structure["formats"]) == (
        "file:pain001",
        ["PAIN001_{yyyymmdd}_{n:6}.xml"],
        ["pain.001.001.09"],
    )
    assert (pain.measures["volume"], pain.measures["unfinished"], pain.measures["interval_seconds"]) == (25, 1, 600)
    assert pain.last_seen == NOW
    assert [item.text for item in found.findings if item.asset == pain.id] == ["1 unfinished files older than an hour"]
    assert [item.text for item in found.findings if item.asset == new.id] == ["no file was ever seen"]


def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="CW2106"):
        FileDropDiscoverer(tmp_path / "none").discover(NOW)
