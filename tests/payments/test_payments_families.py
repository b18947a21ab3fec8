"""Each family: what a message says becomes the event, its key and its payment key."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO

import payments_samples as samples
import pytest

from cutwater.core.money import Money
from payments.model import EventKind, Parsed
from payments.registry import parse, read


def rules(parsed: Parsed) -> list[str]:
    return [item.code for item in parsed.findings]


def test_pacs008_with_header() -> None:
    parsed = parse(samples.pacs008())
    (event,) = parsed.events
    assert (parsed.type, parsed.message_id, parsed.findings) == ("pacs.008.001.08", "BIZ1", ())
    assert event.event_key == "pacs.008|BANKGB2LXXX|BIZ1|1"
    assert event.payment_key == event.uetr == samples.UETR
    assert event.amount == Money("EUR", Decimal("100.5"))
    assert event.value_date == date(2026, 11, 24)
    assert event.event_time == datetime(2026, 11, 23, 9, 0, 0, 500_000, tzinfo=UTC)
    assert (event.debtor_account, event.creditor_account) == ("GB82WEST12345698765432", "98756925")
    assert parsed.control["NbOfTxs.stated"] == "1"


def test_without_uetr_the_ranked_fallback_is_the_payment_key() -> None:
    (event,) = parse(samples.pacs008(uetr="")).events
    assert event.payment_key == "ref|BANKGB2LXXX|INSTR1|2026-11-24|EUR|100.50000"


def test_pacs002_keys_by_the_original_uetr_and_keeps_unknown_codes() -> None:
    (event,) = parse(samples.pacs002("XYZZ")).events
    assert (event.kind, event.status, event.reason) == (EventKind.STATUS, "XYZZ", "AC04")
    assert event.payment_key == samples.UETR
    assert event.reporter == "BANKDEFFXXX"  # eight characters are the head office


def test_pain001_counts_through_the_message_and_compares_both_levels() -> None:
    parsed = parse(samples.pain001())
    assert [item.ordinal for item in parsed.events] == ["1", "2", "3"]
    assert [item.batch_id for item in parsed.events] == ["B1", "B1", "B2"]
    assert [item.value_date for item in parsed.events] == [date(2026, 11, 25), date(2026, 11, 25), date(2026, 11, 26)]
    assert parsed.accepted
    assert rules(parsed) == []
    assert parsed.control["sum.GBP.actual"] == "25.00"
    assert parsed.control["sum.EUR.actual"] == "5"


@pytest.mark.parametrize(
    ("payload", "place", "text"),
    [
        (samples.pain001(stated="4"), "GrpHdr/NbOfTxs", "stated 4, actual 3"),
        (samples.pain001(total="31"), "GrpHdr/CtrlSum", "stated 31, actual 30.00"),
        (samples.pain001(group="3"), "PmtInf[1]/NbOfTxs", "stated 3, actual 2"),
    ],
)
def test_a_control_total_that_disagrees_is_a_warning_and_the_records_stay(
    payload: bytes, place: str, text: str
) -> None:
    parsed = parse(payload)
    (finding,) = parsed.findings
    assert (finding.severity, finding.code, finding.path, finding.message) == ("warn", "control_total", place, text)
    assert parsed.accepted
    assert len(parsed.events) == 3


def test_camt053_keys_entries_by_account_sequence_and_reference() -> None:
    parsed = parse(samples.camt053(samples.entry(reference="R1") + samples.entry(reference="R1")))
    keys = [item.event_key for item in parsed.events]
    assert keys == ["camt.053|DE89370400440532013000|12/1|R1", "camt.053|DE89370400440532013000|12/1|R1|#2"]
    assert {item.status for item in parsed.events} == {"BOOK"}
    assert parsed.findings == ()


def test_identical_entries_without_reference_are_two_events() -> None:
    first, second = parse(samples.camt053(samples.entry() + samples.entry())).events
    assert first.content_hash == second.content_hash
    assert first.event_key != second.event_key
    assert second.event_key == f"{first.event_key}|#2"


def test_pages_of_one_statement_do_not_share_keys() -> None:
    one, two = (parse(samples.camt053(samples.entry(), page=page)).events[0].event_key for page in ("1", "2"))
    assert one != two


def test_plain_status_code_of_early_versions() -> None:
    (event, _) = parse(
        samples.camt053(samples.entry(status="BOOK") + samples.entry(status="BOOK"), version="02")
    ).events
    assert event.status == "BOOK"


def test_the_statement_equation_is_checked_over_booked_entries_only() -> None:
    booked = samples.entry() + samples.entry()
    assert rules(parse(samples.camt053(booked + samples.entry(status="<Cd>PDNG</Cd>")))) == []
    assert rules(parse(samples.camt053(booked, closing="131"))) == ["balance_equation"]


def test_a_single_detail_ties_the_entry_to_its_payment() -> None:
    details = f"<NtryDtls><TxDtls><Refs><UETR>{samples.UETR}</UETR></Refs></TxDtls></NtryDtls>"
    (event,) = parse(samples.camt053(samples.entry(amount="30", details=details))).events
    assert event.payment_key == samples.UETR
    batch = details.replace("</NtryDtls>", "<TxDtls><Refs><UETR>x</UETR></Refs></TxDtls></NtryDtls>")
    (event,) = parse(samples.camt053(samples.entry(amount="30", details=batch))).events
    assert event.uetr is None
    assert event.extra["NtryDtls/TxDtls/Refs/UETR"] == samples.UETR


def test_mt103() -> None:
    parsed = parse(samples.mt103())
    (event,) = parsed.events
    assert event.event_key == f"MT103|BANKGB2LXXX|REF1|{samples.UETR}"
    assert (event.amount, event.value_date) == (Money("EUR", Decimal("1234.5")), date(2026, 11, 24))
    assert event.end_to_end_id == "END-TO-END-REFERENCE-THAT-IS-LONG"
    assert event.debtor_account == "GB82WEST12345698765432"
    assert {name: parsed.control[name] for name in ("lt", "session", "sequence", "direction")} == {
        "lt": "BANKGB2LAXXX",
        "session": "0001",
        "sequence": "000042",
        "direction": "I",
    }


def test_cut_references_do_not_collide_where_there_is_a_uetr() -> None:
    other = "11111111-2222-4333-8444-555555555555"
    keys = {parse(samples.mt103("LONGREFERENCE00+", uetr=uetr)).events[0].event_key for uetr in (samples.UETR, other)}
    assert len(keys) == 2


def test_a_resent_message_is_the_same_event() -> None:
    first, resent = parse(samples.mt103()), parse(samples.mt103(block5="{5:{CHK:0}{PDE:}}"))
    assert first.events[0].event_key == resent.events[0].event_key
    assert first.events[0].content_hash == resent.events[0].content_hash
    assert resent.control["pde"] == "true"


def test_mt940_signs_and_pages() -> None:
    parsed = parse(samples.MT940)
    assert parsed.findings == ()
    assert [item.direction for item in parsed.events] == ["CRDT", "DBIT", "DBIT", "CRDT"]
    assert parsed.events[0].event_key == "MT940|GB82WEST12345698765432|12/2|SVC1"
    assert parsed.events[0].end_to_end_id == "E2E1"
    assert parsed.events[2].event_key == f"{parsed.events[1].event_key}|#2"
    assert parsed.events[3].booking_date == date(2027, 1, 1)  # the booking crosses the year's end
    assert parsed.events[0].sender == "BANKDEFFXXX"  # of the MIR


def test_acknowledgements_book_nothing() -> None:
    ack, nak = parse(samples.ACK), parse(samples.NAK)
    assert (ack.type, ack.events, ack.findings) == ("FIN.ACK", (), ())
    assert ack.control["answers"] == "BANKGB2LAXXX_0001_000042"
    assert (nak.type, rules(nak), nak.control["error"]) == ("FIN.NAK", ["nak"], "H50")


def test_training_messages_are_not_payments() -> None:
    parsed = parse(samples.mt103(block5="{5:{CHK:0}{TNG:}}"))
    assert (parsed.type, parsed.events) == ("FIN.TRAINING", ())


def test_unknown_types_are_kept_by_their_identity() -> None:
    parsed = parse(samples.fin("I999BANKDEFFXXXXN", ":20:FREE1\n:79:HELLO"))
    assert (parsed.type, parsed.message_id, rules(parsed), parsed.accepted) == (
        "MT999",
        "FREE1",
        ["unsupported_type"],
        True,
    )


def test_several_messages_in_one_file() -> None:
    parsed = parse(samples.mt103("A") + b"$" + samples.mt103("B"))
    assert [item.message_id for item in parsed.events] == ["A", "B"]


def test_bytes_between_messages_are_not_lost_silently() -> None:
    assert rules(parse(samples.mt103("A") + b"rest")) == ["fin_blocks"]


@pytest.mark.parametrize("multi", [False, True])
def test_bacs(multi: bool) -> None:
    parsed = parse(samples.bacs(multi=multi))
    assert parsed.findings == ()
    first = parsed.events[0]
    assert first.event_key == "bacs.std18|990042|000123-26328-001|1"
    assert first.payment_key == "bacs|300000|BS0000000000"
    assert first.instruction_id == "BS0000000000"
    assert (first.amount, first.value_date) == (Money("GBP", Decimal("10.00")), date(2026, 11, 24))
    assert (first.debtor_account, first.creditor_account) == ("30000012345678", "20000055779911")
    assert len(parsed.events) == 2  # the contra balances the file; it is no payment
    assert parsed.control["credit.count.actual"] == "2"


def test_bacs_with_a_line_missing_keeps_the_others() -> None:
    parsed = parse(samples.bacs(records=1, stated=2))
    assert parsed.accepted
    assert {(item.code, item.path, item.message) for item in parsed.findings} == {
        ("control_total", "UTL1/credit.pence", "stated 2001, actual 1000"),
        ("control_total", "UTL1/credit.count", "stated 2, actual 1"),
    }


def test_a_torn_bacs_file_is_refused() -> None:
    whole = samples.bacs()
    assert not parse(whole[: len(whole) // 2]).accepted


def test_one_bacs_file_behind_another() -> None:
    payload = samples.bacs() + samples.bacs(records=1, stated=1)
    first, second = read(BytesIO(payload))
    assert (len(first.events), len(second.events), first.findings, second.findings) == (2, 1, (), ())
    assert (second.index, second.offset) == (1, len(samples.bacs()))
