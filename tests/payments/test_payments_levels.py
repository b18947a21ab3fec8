"""What speaks of a whole message or batch, and returns that quote who pays them."""

from __future__ import annotations

import payments_samples as samples

from payments.model import EventKind
from payments.registry import parse

AGENT = "<Agt><FinInstnId><BICFI>DEUTDEFF</BICFI></FinInstnId></Agt>"


def document(kind: str, body: str) -> bytes:
    return f'<Document xmlns="{samples.URN}{kind}">{body}</Document>'.encode()


def test_a_batch_status_and_a_transaction_status() -> None:
    group = (
        "<GrpHdr><MsgId>S1</MsgId><CreDtTm>2026-01-01T00:00:00Z</CreDtTm></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>M1</OrgnlMsgId>"
        "<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>"
    )
    first = "<OrgnlPmtInfAndSts><OrgnlPmtInfId>B1</OrgnlPmtInfId><PmtInfSts>ACSP</PmtInfSts></OrgnlPmtInfAndSts>"
    second = (
        "<OrgnlPmtInfAndSts><OrgnlPmtInfId>B2</OrgnlPmtInfId><TxInfAndSts><OrgnlEndToEndId>E1</OrgnlEndToEndId><TxSts>RJCT</TxSts>"
        "<StsRsnInf><Rsn><Prtry>X9</Prtry></Rsn></StsRsnInf></TxInfAndSts></OrgnlPmtInfAndSts>"
    )
    batch, one = parse(document("pain.002.001.10", f"<CstmrPmtStsRpt>{group}{first}{second}</CstmrPmtStsRpt>")).events
    assert (batch.status, batch.original_batch_id, batch.original_message_id) == ("ACSP", "B1", "M1")
    assert (batch.message_id, batch.original_message_type) == ("S1", "pain.001.001.09")
    assert (one.status, one.reason, one.end_to_end_id, one.original_batch_id) == ("RJCT", "X9", "E1", "B2")


def test_a_group_status_alone() -> None:
    group = (
        "<GrpHdr><MsgId>S1</MsgId></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>M1</OrgnlMsgId><OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId>"
        "<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>FF01</Cd></Rsn></StsRsnInf></OrgnlGrpInfAndSts>"
    )
    (event,) = parse(document("pacs.002.001.10", f"<FIToFIPmtStsRpt>{group}</FIToFIPmtStsRpt>")).events
    assert (event.kind, event.status, event.reason, event.original_message_id) == (
        EventKind.STATUS,
        "RJCT",
        "FF01",
        "M1",
    )


def test_a_recall_of_a_whole_message() -> None:
    body = (
        f"<FIToFIPmtCxlReq><Assgnmt><Id>A1</Id><Assgnr>{AGENT}</Assgnr></Assgnmt><Undrlyg><OrgnlGrpInfAndCxl><OrgnlMsgId>M1</OrgnlMsgId>"
        "<OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId><CxlRsnInf><Rsn><Cd>DUPL</Cd></Rsn></CxlRsnInf></OrgnlGrpInfAndCxl></Undrlyg>"
        "</FIToFIPmtCxlReq>"
    )
    (event,) = parse(document("camt.056.001.08", body)).events
    assert (event.kind, event.reason, event.original_message_id) == (EventKind.RECALLED, "DUPL", "M1")
    assert (event.message_id, event.sender) == ("A1", "DEUTDEFFXXX")


def test_a_return_quotes_its_own_parties_where_the_original_s_are_not_quoted() -> None:
    body = (
        "<PmtRtr><GrpHdr><MsgId>P4</MsgId><NbOfTxs>1</NbOfTxs></GrpHdr><TxInf><OrgnlEndToEndId>E1</OrgnlEndToEndId>"
        '<OrgnlIntrBkSttlmAmt Ccy="EUR">100.00</OrgnlIntrBkSttlmAmt><RtrdIntrBkSttlmAmt Ccy="EUR">95.00</RtrdIntrBkSttlmAmt>'
        "<RtrChain><Dbtr><Pty><Nm>Bob</Nm></Pty></Dbtr><Cdtr><Pty><Nm>Alice</Nm></Pty></Cdtr></RtrChain>{}</TxInf></PmtRtr>"
    )
    original = "<OrgnlTxRef><Dbtr><Pty><Nm>Alice</Nm></Pty></Dbtr></OrgnlTxRef>"
    (event,) = parse(document("pacs.004.001.09", body.format(""))).events
    assert (event.debtor_name, event.creditor_name) == ("Bob", "Alice")
    (event,) = parse(document("pacs.004.001.09", body.format(original))).events
    assert (event.debtor_name, event.extra["RtrChain/Dbtr/Pty/Nm"]) == ("Alice", "Bob")
    assert (str(event.amount), str(event.original_amount)) == ("EUR 95.00", "EUR 100.00")


def test_a_group_that_differs_within_says_nothing_of_one_transaction() -> None:
    """PART is a group's code alone; a status of the group's that holds for all is each one's."""

    def report(status: str) -> bytes:
        group = f"<GrpHdr><MsgId>S1</MsgId></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>M1</OrgnlMsgId><GrpSts>{status}</GrpSts></OrgnlGrpInfAndSts>"
        return document(
            "pacs.002.001.03",
            f"<FIToFIPmtStsRpt>{group}<TxInfAndSts><OrgnlTxId>T1</OrgnlTxId></TxInfAndSts></FIToFIPmtStsRpt>",
        )

    parsed = parse(report("PART"))
    assert [(item.status, item.transaction_id) for item in parsed.events] == [(None, "T1")]
    assert [item.code for item in parsed.findings] == ["missing_status"]
    assert [item.status for item in parse(report("RJCT")).events] == ["RJCT"]


def test_a_reversal_of_a_whole_message_has_its_reason_and_counts_nothing() -> None:
    body = (
        "<FIToFIPmtRvsl><GrpHdr><MsgId>R1</MsgId><NbOfTxs>7</NbOfTxs><GrpRvsl>true</GrpRvsl></GrpHdr><OrgnlGrpInf><OrgnlMsgId>C1</OrgnlMsgId>"
        "<OrgnlMsgNmId>pacs.003.001.02</OrgnlMsgNmId><RvslRsnInf><Rsn><Cd>MS02</Cd></Rsn></RvslRsnInf></OrgnlGrpInf></FIToFIPmtRvsl>"
    )
    parsed = parse(document("pacs.007.001.02", body))
    (event,) = parsed.events
    assert (event.kind, event.reason, event.original_message_id) == (EventKind.REVERSED, "MS02", "C1")
    assert parsed.status == "ok"
    assert [item.code for item in parse(document("pacs.007.001.02", body.replace(">true<", ">false<"))).findings] == [
        "control_total"
    ]


def test_an_invoice_by_its_number_is_remittance() -> None:
    payload = samples.pacs008(extra="<RmtInf><Strd><RfrdDocInf><Nb>INV-1</Nb></RfrdDocInf></Strd></RmtInf>")
    assert parse(payload).events[0].remittance == "INV-1"


def test_a_report_of_several_messages_tells_the_status_of_each() -> None:
    groups = "".join(
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>M{number}</OrgnlMsgId><OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId><GrpSts>{status}</GrpSts>{reason}"
        "</OrgnlGrpInfAndSts>"
        for number, status, reason in (
            (1, "RJCT", "<StsRsnInf><Rsn><Cd>AM05</Cd></Rsn></StsRsnInf>"),
            (2, "ACSC", ""),
            (3, "RJCT", "<StsRsnInf><Rsn><Cd>FF01</Cd></Rsn></StsRsnInf>"),
        )
    )
    body = f"<FIToFIPmtStsRpt><GrpHdr><MsgId>S1</MsgId></GrpHdr>{groups}</FIToFIPmtStsRpt>"
    events = parse(document("pacs.002.001.12", body)).events
    assert [(item.original_message_id, item.status, item.reason) for item in events] == [
        ("M1", "RJCT", "AM05"),
        ("M2", "ACSC", None),
        ("M3", "RJCT", "FF01"),
    ]
    assert len({item.event_key for item in events}) == 3


def test_an_entry_in_another_currency_than_its_account_is_no_part_of_the_equation() -> None:
    entries = samples.entry(amount="30.00", reference="A") + samples.entry(amount="7.00", reference="B").replace(
        "EUR", "USD"
    )
    parsed = parse(samples.camt053(entries, closing="130.00"))
    assert [item.code for item in parsed.findings] == ["entry_currency"]
    assert "USD" in parsed.findings[0].message


def test_one_interim_balance_is_where_a_report_stands_now() -> None:
    payload = samples.camt053("", closing="5.00").replace(b"OPBD", b"XXXX").replace(b"CLBD", b"ITBD")
    (statement,) = parse(payload).statements
    assert statement.opening is None
    assert statement.closing is not None
    assert f"{statement.closing.signed}" == "5.00"
