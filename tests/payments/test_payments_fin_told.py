"""What FIN messages by the handbook say, and what those lack that leave a field out."""

from __future__ import annotations

import pytest

from payments.fin.fields import tag_values
from payments.model import Parsed, PaymentEvent
from payments.registry import parse

UETR = "eb6305c9-1f7f-49de-aed0-16487c27b42d"


def fin(mt: str, text: str, user: str = "") -> bytes:
    body = text.strip("\n").replace("\n", "\r\n")
    return f"{{1:F01BANKGB2LAXXX0001000001}}{{2:I{mt}BANKDEFFXXXXN}}{user}{{4:\r\n{body}\r\n-}}".encode()


def one(payload: bytes) -> Parsed:
    return parse(payload)


def event(payload: bytes) -> PaymentEvent:
    (found,) = one(payload).events
    return found


@pytest.mark.parametrize(
    ("mt", "text", "place"),
    [
        ("103", ":20:R\n:23B:CRED\n:50K:A\n:59:/1\nB\n:71A:SHA", ":32A:"),
        ("202", ":20:R\n:21:E\n:58A:BANKDEFF", ":32A:"),
        ("101", ":20:R\n:28D:1/1\n:30:240304\n:21:T\n:59:/1\nB\n:71A:SHA", ":32B:"),
        ("210", ":20:R\n:25:55\n:30:240304\n:21:T\n:52A:BANKGB2L", ":32B:"),
        ("900", ":20:R\n:21:E\n:25:55\n:52A:BANKGB2L", ":32A:"),
    ],
)
def test_a_payment_without_an_amount_is_refused(mt: str, text: str, place: str) -> None:
    parsed = one(fin(mt, text))
    assert parsed.status == "rejected"
    assert [(item.code, item.path) for item in parsed.findings] == [("missing_field", place)]


def test_who_gives_an_mt101_for_another_is_not_the_debtor() -> None:
    text = """
:20:BATCH
:28D:1/1
:50L:GROUP TREASURY
:50H:/GB82WEST12345698765432
ACME LTD
:30:240304
:21:T1
:32B:EUR10,
:59:/1
B
:71A:SHA
"""
    found = event(fin("101", text))
    assert (found.debtor_name, found.debtor_account) == ("ACME LTD", "GB82WEST12345698765432")
    assert found.extra[":50L:"] == "GROUP TREASURY"


def test_the_account_of_a_notice_to_receive_is_the_creditors() -> None:
    found = event(fin("210", ":20:R\n:25:/55 66\n:30:240304\n:21:T\n:32B:USD1,\n:50F:/9\n1/DORA\n:52A:BANKGB2L"))
    assert (found.creditor_account, found.debtor_account, found.debtor_name) == ("5566", "9", "DORA")


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("/RJCR/CUST", "RJCR", "CUST"),
        ("/RJCR/NOT POSSIBLE", "RJCR", None),
        (f"/CNCL/\n{UETR}", "CNCL", None),
        ("/PDCR/", "PDCR", None),
    ],
)
def test_an_answer_has_its_reason(text: str, status: str, reason: str | None) -> None:
    found = event(fin("196", f":20:A\n:21:C\n:76:{text}", f"{{3:{{121:{UETR}}}}}"))
    assert (found.status, found.reason, found.uetr) == (status, reason, UETR)


def test_a_tag_that_repeats_without_end_costs_time_in_its_length_alone() -> None:
    """The numbers of 100,000 repeats: a search from 2 for each would take minutes."""
    many = [("72", str(number)) for number in range(100_000)]
    assert list(tag_values(many))[-1] == "72[100000]"
    found = one(fin("103", ":20:R\n:32A:240304USD1,\n" + "\n".join(f":26T:{number}" for number in range(100_000))))
    assert found.events[0].extra[":26T:[100000]"] == "99999"


def test_what_is_common_to_all_transactions_is_bounded() -> None:
    text = ":20:R\n" + ":72:X\n" * 1000 + ":21:T\n:32B:EUR1,\n:59:/1\nB\n" * 1000
    parsed = one(fin("101", text))
    assert parsed.status == "rejected"
    assert parsed.findings[0].code == "fin_fields"


def test_numbered_subfields_without_a_transaction_code_are_read_as_such() -> None:
    text = ":20:S\n:25:55\n:28C:1/1\n:60F:C240303EUR0,\n:61:240304C5,NTRFX\n:86:?00CREDIT?20EREF+E8?21SVWZ+RENT?32DORA?31DE12\n:62F:C240304EUR5,"
    found = event(fin("940", text))
    assert (found.end_to_end_id, found.remittance) == ("E8", "RENT")
    assert (found.debtor_name, found.debtor_account) == ("DORA", "DE12")
