"""Headers of SWIFT messages, ranges of their numbers, and the archive's discoverer over a real folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.swift.discovery import SwiftArchiveDiscoverer
from cutwater.core.errors import Unavailable
from inventory.swift import fin, mx, ranges

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
LT, MX_LT = "QXHBGB2LAXXX", "QXHBGB2LMXXX"
UETR = "123e4567-e89b-42d3-a456-426614174000"


def message(sequence: int, kind: str = "103", session: int = 1, received: bool = False, user: str = "") -> bytes:
    other = f"O{kind}0900261109QXMRGB2LAXXX00010000012611090901N" if received else f"I{kind}QXMRGB2LXXXXN"
    return f"{{1:F01{LT}{session:04d}{sequence:06d}}}{{2:{other}}}{{3:{user}}}{{4:\r\n:20:X\r\n-}}".encode()


def envelope(kind: str, sender: str) -> bytes:
    urn = "urn:iso:std:iso:20022:tech:xsd:"
    parties = "".join(f"<BICFI>{bic}</BICFI>" for bic in (sender, "QXHBGB2L"))
    return f'<BusMsgEnvlp><AppHdr xmlns="{urn}head.001.001.02">{parties}</AppHdr><Document xmlns="{urn}{kind}"/></BusMsgEnvlp>'.encode()


def test_a_sent_message() -> None:
    found = fin(message(7, "202", user=f"{{119:COV}}{{121:{UETR}}}"))
    assert (found.type, found.lt, found.session, found.sequence) == ("MT202COV", LT, 1, 7)
    assert (found.counterparty, found.uetr) == ("QXMRGB2L", True)


def test_a_received_message() -> None:
    found = fin(message(8, "940", received=True))
    assert (found.type, found.counterparty, found.uetr) == ("MT940", "QXMRGB2L", False)


@pytest.mark.parametrize(("flag", "told"), [("0", "ACK"), ("1", "NAK"), ("2", "")])
def test_answers(flag: str, told: str) -> None:
    assert fin(f"{{1:F21{LT}0001000001}}{{4:{{177:2611090900}}{{451:{flag}}}}}".encode()).type == told


@pytest.mark.parametrize("head", [b"", b"hello", b"{1:F01SHORT}", b"\xff\xfe{1:"])
def test_other_bytes_have_no_type(head: bytes) -> None:
    assert fin(head).type == ""
    assert mx(head, "x.xml").type == ""


def test_an_mx_message() -> None:
    found = mx(envelope("pacs.002.001.10", "QXMRGB2L"), f"{MX_LT}_0003_000012.xml")
    assert (found.type, found.application_header) == ("pacs.002.001.10", "head.001.001.02")
    assert (found.lt, found.session, found.sequence, found.counterparty) == (MX_LT, 3, 12, "QXMRGB2L")


@given(st.sets(st.integers(1, 60), min_size=1), st.lists(st.integers(1, 60), max_size=5))
def test_ranges_account_for_every_number(numbers: set[int], again: list[int]) -> None:
    doubled = [number for number in again if number in numbers]
    (found,) = ranges([(LT, 1, number) for number in [*numbers, *doubled]])
    missing = {number for first, last in found.gaps for number in range(first, last + 1)}
    assert missing | numbers == set(range(min(numbers), max(numbers) + 1))
    assert not missing & numbers
    assert set(found.doubled) == set(doubled)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for folder in ("in/20261109", "out/20261109"):
        (tmp_path / folder).mkdir(parents=True)
    for number in (1, 2, 5, 6):
        (tmp_path / f"in/20261109/{LT}_0001_{number:06d}.fin").write_bytes(message(number, received=True))
    (tmp_path / f"in/20261109/{LT}_0001_000009.fin").write_bytes(message(6, received=True))
    (tmp_path / f"in/20261109/{LT}_0001_000010.fin").write_bytes(b"rubbish")
    (tmp_path / f"in/20261109/{LT}_0001_000011.fin.part").write_bytes(b"")
    for number in (1, 2):
        (tmp_path / f"out/20261109/{LT}_0001_{number:06d}.fin").write_bytes(message(number))
    (tmp_path / f"in/20261109/{LT}_0001_000001.ack").write_bytes(b"{1:F21" + LT.encode() + b"0001000001}{4:{451:0}}")
    (tmp_path / f"in/20261109/{MX_LT}_0001_000001.xml").write_bytes(envelope("camt.054.001.08", "QXLGGB2L"))
    return tmp_path


def test_an_archives_headers_tell_its_feeds(archive: Path) -> None:
    found = SwiftArchiveDiscoverer(archive).discover(NOW)
    assert [item.id for item in found.assets] == ["swift:fin-in", "swift:fin-out", "swift:mx-in"]
    received, sent, _ = found.assets
    assert received.structure == {"types": ["MT103"], "application_headers": [], "terminals": [LT]}
    assert (received.measures["volume"], received.measures["missing"], received.measures["doubled"]) == (6, 2, 1)
    assert received.measures["gaps"] == [
        {"name": f"{LT} 0001 000003", "lt": LT, "session": "0001", "first": 3, "last": 4}
    ]
    assert sent.measures["answers"] == {"ACK": 1}
    assert sorted((item.asset, item.text) for item in found.findings) == [
        ("swift:fin-in", "1 files whose name is not their header's place"),
        ("swift:fin-in", "1 files without a readable header"),
        ("swift:fin-in", "1 sequence numbers came more than once"),
        ("swift:fin-in", f"2 sequence numbers missing; first gap: {LT} 0001, from 000003 to 000004"),
        ("swift:fin-out", "1 sent messages without ACK or NAK"),
    ]


def test_a_missing_archive_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="CW2106"):
        SwiftArchiveDiscoverer(tmp_path / "none").discover(NOW)
