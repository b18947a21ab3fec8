"""The wire formats: valid against the official schemas where those are at hand, totals that tie, sequences without gaps."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from payments.model import EventKind, PaymentEvent
from payments.registry import parse
from sandbox.estate.archive import File, Sequences, seed_archive
from sandbox.estate.generator import Estate, build
from sandbox.estate.model import TOPIC_INITIATED, TOPIC_STATUS
from sandbox.estate.writers import avro, bacs

XSD = Path(os.environ.get("CUTWATER_XSD_DIR") or Path(__file__).resolve().parents[3] / "shared" / "iso20022" / "xsd")
NS = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}


@pytest.fixture(scope="module")
def estate() -> Estate:
    return build(seed=5, payments=4_000, days=4)


@pytest.fixture(scope="module")
def files(estate: Estate) -> list[File]:
    return list(seed_archive(estate.payments, estate.statements, Sequences(), estate.days))


@cache
def schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(XSD / f"{name}.xsd"))


def validate(element: etree._Element) -> None:
    name = etree.QName(element).namespace.rsplit(":", 1)[-1]
    alone = etree.fromstring(etree.tostring(element))
    assert schema(name).validate(alone), f"{name}: {schema(name).error_log.last_error}"


@pytest.mark.skipif(not XSD.is_dir(), reason="the official schemas are not at hand (CUTWATER_XSD_DIR)")
def test_xml_is_valid(estate: Estate, files: list[File]) -> None:
    for batch in estate.batches:
        if batch.feed == "pain001":
            validate(etree.fromstring(batch.content))
    kinds = set()
    for file in files:
        if file.path.endswith(".xml"):
            header, document = etree.fromstring(file.content)
            validate(header)
            validate(document)
            kinds.add(file.kind)
    assert kinds == {"pacs.008", "pacs.002", "camt.053", "camt.054"}


def test_pain_totals(estate: Estate) -> None:
    for batch in (item for item in estate.batches if item.feed == "pain001"):
        root = etree.fromstring(batch.content)
        for block in (root.find(".//p:CstmrCdtTrfInitn", NS), *root.iterfind(".//p:PmtInf", NS)):
            assert block is not None
            head = block.find("p:GrpHdr", NS) if block.tag.endswith("Initn") else block
            amounts = [Decimal(item.text or "") for item in block.iterfind(".//p:InstdAmt", NS)]
            assert int(head.findtext("p:NbOfTxs", "", NS)) == len(amounts)
            assert Decimal(head.findtext("p:CtrlSum", "", NS)) == sum(amounts)


def test_bacs_layout_and_totals(estate: Estate) -> None:
    lengths = set()
    for batch in (item for item in estate.batches if item.feed == "bacs"):
        lines = batch.content.decode("ascii").splitlines()
        assert [line[:4] for line in lines[:4]] == ["VOL1", "HDR1", "HDR2", "UHL1"]
        assert [line[:4] for line in lines[-3:]] == ["EOF1", "EOF2", "UTL1"]
        assert {len(line) for line in lines[:4] + lines[-3:]} == {80}
        data = lines[4:-3]
        lengths |= {len(line) for line in data}
        assert len({len(line) for line in data}) == 1
        credits = [line for line in data if line[15:17] == bacs.CREDIT]
        total = sum(int(line[35:46]) for line in credits)
        contra = [line for line in data if line[15:17] == bacs.CONTRA]
        assert [int(line[35:46]) for line in contra] == [total]
        totals = lines[-1]
        assert (int(totals[4:17]), int(totals[17:30])) == (total, total)
        assert (int(totals[30:37]), int(totals[37:44])) == (1, len(credits))
        assert {line[64:82].strip() for line in credits} == {item.instruction_id for item in batch.payments}
        assert Decimal(total).scaleb(-2) == batch.control_sum
    assert lengths == {100, 106}


def test_a_missing_record_leaves_the_totals(estate: Estate) -> None:
    batch = next(item for item in estate.batches if item.feed == "bacs")
    gone = batch.payments[3]
    short = bacs.write(batch, {gone.payment_id}).decode().splitlines()
    whole = batch.content.decode().splitlines()
    assert set(whole) - set(short) == {line for line in whole if gone.instruction_id in line}
    assert short[-1] == whole[-1]


def test_sequences_have_no_gap(files: list[File]) -> None:
    seen: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for file in files:
        if file.path.endswith(".ack"):
            continue
        terminal, session, number = Path(file.path).stem.split("_")
        assert file.path.startswith(file.feed.split("-")[1] + "/")
        seen[file.feed, terminal, session].append(int(number))
        if file.path.endswith(".fin"):
            block = re.match(rb"\{1:F01(.{12})(\d{4})(\d{6})\}", file.content)
            assert block is not None
            assert block.groups() == (terminal.encode(), session.encode(), number.encode())
    assert {feed for feed, _, _ in seen} == {"fin-in", "fin-out", "mx-in", "mx-out"}
    for numbers in seen.values():
        assert numbers == list(range(1, len(numbers) + 1))


def test_fin_keeps_its_character_set_and_size(files: list[File]) -> None:
    for file in files:
        if not file.path.endswith(".fin"):
            continue
        text = file.content.split(b"{4:\r\n", 1)[1].split(b"\r\n-}", 1)[0].decode("ascii")
        assert re.fullmatch(r"[A-Za-z0-9/\-?:().,'+ \r\n]*", text), file.path
        assert len(file.content) < 2_000
        limit = 80 if file.kind == "MT940" else 66
        assert max(map(len, text.split("\r\n"))) <= limit
        assert not any(line.startswith("-") for line in text.split("\r\n"))


def test_trailers_of_messages_that_may_come_twice(files: list[File]) -> None:
    again = [file for file in files if b"{PDM:}" in file.content]
    assert again
    assert all(file.feed == "fin-in" for file in again)
    assert any(b"{PDE:" in file.content for file in files if file.feed == "fin-out")
    mirs = [file.content[40:68] for file in files if file.kind == "MT103" and file.feed == "fin-in"]
    assert len(mirs) - len(set(mirs)) == len(again), "a redelivery has the MIR of the first delivery"


def test_every_sent_message_is_answered(files: list[File]) -> None:
    sent = {Path(file.path).stem for file in files if file.feed == "fin-out"}
    answered = {Path(file.path).stem for file in files if file.path.endswith(".ack")}
    assert sent == answered


def test_the_products_parsers_read_all_of_it(estate: Estate, files: list[File]) -> None:
    """Every message is accepted without a finding (a NAK's own warning apart), and tells the payment's own facts."""
    by_uetr = {item.uetr: item for item in estate.payments}
    events: list[tuple[str, PaymentEvent]] = []
    for kind, content, hint in [
        *((file.kind, file.content, f"swift:{file.feed}") for file in files),
        *((batch.feed, batch.content, f"file:{batch.feed}") for batch in estate.batches),
    ]:
        found = parse(content, hint)
        assert kind == "NAK" or not found.findings, (kind, found.findings)
        events.extend((kind, item) for item in found.events)
    contents: dict[str, set[str]] = defaultdict(set)
    for _, event in events:
        contents[event.event_key].add(event.content_hash)
    assert len(contents) > len(estate.payments) // 4
    assert len(contents) < len(events), "messages that were delivered twice (PDM) prove themselves duplicates"
    assert {len(found) for found in contents.values()} == {1}
    for kind, event in events:
        payment = by_uetr.get(event.uetr or "")
        if payment is None:
            assert kind in ("MT940", "bacs", "camt.053"), kind
            continue
        assert event.amount is None or event.amount.amount == payment.amount
        assert event.amount is None or event.amount.currency == payment.currency
        if event.kind is EventKind.INITIATED:
            assert event.value_date == payment.value_date
            accounts = (payment.debtor.iban, payment.creditor.iban)
            # A cover is between banks: the customers' accounts are those of the transfer beneath it.
            expected = (None, None) if event.underlying else accounts
            assert (event.debtor_account, event.creditor_account) == expected


def test_avro_carries_what_the_payment_says(estate: Estate) -> None:
    import io
    import json

    import fastavro

    payment = next(item for item in estate.payments if item.currency == "KWD")
    for topic, event in (
        (TOPIC_INITIATED, avro.initiated(payment)),
        (TOPIC_STATUS, avro.status_changed(payment, payment.statuses[-1])),
    ):
        value = avro.encode(topic, 513, event)
        assert value[:5] == b"\x00\x00\x00\x02\x01"
        read = fastavro.schemaless_reader(io.BytesIO(value[5:]), avro._parsed(topic), None)
        assert read == event
        assert avro.from_json(topic, json.loads(avro.to_json(event))) == event
