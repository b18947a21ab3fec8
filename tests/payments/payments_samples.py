"""Small messages of our own for these tests. Account numbers are the standards' own examples."""

from __future__ import annotations

URN = "urn:iso:std:iso:20022:tech:xsd:"
UETR = "6d8a3f0e-1c57-4b62-9a53-0f6b6f1f3a11"


def envelope(
    definition: str, body: str, message_id: str = "BIZ1", sender: str = "BANKGB2LXXX", wrapper: str = "Envelope"
) -> bytes:
    header = (
        f'<AppHdr xmlns="{URN}head.001.001.02"><Fr><FIId><FinInstnId><BICFI>{sender}</BICFI></FinInstnId></FIId></Fr>'
        f"<To><FIId><FinInstnId><BICFI>BANKDEFFXXX</BICFI></FinInstnId></FIId></To><BizMsgIdr>{message_id}</BizMsgIdr>"
        f"<MsgDefIdr>{definition}</MsgDefIdr><CreDt>2026-11-23T10:00:00Z</CreDt></AppHdr>"
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><{wrapper}>{header}<Document xmlns="{URN}{definition}">{body}</Document></{wrapper}>'.encode()


def pacs008(
    amount: str = "100.50", currency: str = "EUR", uetr: str = UETR, version: str = "08", extra: str = ""
) -> bytes:
    ident = f"<UETR>{uetr}</UETR>" if uetr else ""
    return envelope(
        f"pacs.008.001.{version}",
        "<FIToFICstmrCdtTrf><GrpHdr><MsgId>MSG1</MsgId><CreDtTm>2026-11-23T10:00:00.5+01:00</CreDtTm><NbOfTxs>1</NbOfTxs></GrpHdr>"
        f"<CdtTrfTxInf><PmtId><InstrId>INSTR1</InstrId><EndToEndId>E2E1</EndToEndId>{ident}</PmtId>"
        f'<IntrBkSttlmAmt Ccy="{currency}">{amount}</IntrBkSttlmAmt><IntrBkSttlmDt>2026-11-24</IntrBkSttlmDt>'
        "<DbtrAcct><Id><IBAN>GB82 WEST 1234 5698 7654 32</IBAN></Id></DbtrAcct>"
        f"<CdtrAcct><Id><Othr><Id>98756925</Id></Othr></Id></CdtrAcct>{extra}</CdtTrfTxInf></FIToFICstmrCdtTrf>",
    )


def pacs002(status: str = "RJCT") -> bytes:
    return envelope(
        "pacs.002.001.10",
        "<FIToFIPmtStsRpt><GrpHdr><MsgId>S1</MsgId><CreDtTm>2026-11-23T11:00:00Z</CreDtTm></GrpHdr><TxInfAndSts>"
        f"<OrgnlInstrId>INSTR1</OrgnlInstrId><OrgnlUETR>{UETR.upper()}</OrgnlUETR><TxSts>{status}</TxSts>"
        "<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf></TxInfAndSts></FIToFIPmtStsRpt>",
        message_id="S1",
        sender="BANKDEFF",
    )


def pain001(stated: str = "3", total: str = "30.00", group: str = "2") -> bytes:
    def payment(number: int, amount: str, currency: str = "GBP") -> str:
        return (
            f"<CdtTrfTxInf><PmtId><InstrId>I{number}</InstrId><EndToEndId>E{number}</EndToEndId></PmtId><Amt>"
            f'<InstdAmt Ccy="{currency}">{amount}</InstdAmt></Amt></CdtTrfTxInf>'
        )

    first = payment(1, "10.00") + payment(2, "15.00")
    return (
        f'<Document xmlns="{URN}pain.001.001.09"><CstmrCdtTrfInitn><GrpHdr><MsgId>P1</MsgId><CreDtTm>2026-11-23T10:00:00Z</CreDtTm>'
        f"<NbOfTxs>{stated}</NbOfTxs><CtrlSum>{total}</CtrlSum><InitgPty><Nm>Harbour Works</Nm></InitgPty></GrpHdr>"
        f"<PmtInf><PmtInfId>B1</PmtInfId><NbOfTxs>{group}</NbOfTxs><CtrlSum>25</CtrlSum><ReqdExctnDt><Dt>2026-11-25</Dt></ReqdExctnDt>"
        f"<DbtrAcct><Id><IBAN>GB82WEST12345698765432</IBAN></Id></DbtrAcct>{first}</PmtInf>"
        f"<PmtInf><PmtInfId>B2</PmtInfId><ReqdExctnDt>2026-11-26</ReqdExctnDt>{payment(3, '5', 'EUR')}</PmtInf>"
        "</CstmrCdtTrfInitn></Document>"
    ).encode()


def camt053(entries: str, version: str = "08", closing: str = "130.00", page: str = "1") -> bytes:
    def balance(code: str, amount: str) -> str:
        return f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>'

    return envelope(
        f"camt.053.001.{version}",
        f"<BkToCstmrStmt><GrpHdr><MsgId>C1</MsgId></GrpHdr><Stmt><Id>ST1</Id><StmtPgntn><PgNb>{page}</PgNb></StmtPgntn><LglSeqNb>12</LglSeqNb>"
        "<Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>"
        f"{balance('OPBD', '100.00')}{balance('CLBD', closing)}{entries}</Stmt></BkToCstmrStmt>",
    )


def entry(
    amount: str = "15.00",
    reference: str = "",
    status: str = "<Cd>BOOK</Cd>",
    direction: str = "CRDT",
    details: str = "",
) -> str:
    ref = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    return (
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd><Sts>{status}</Sts>'
        f"<BookgDt><Dt>2026-11-23</Dt></BookgDt><ValDt><Dt>2026-11-23</Dt></ValDt>{ref}{details}</Ntry>"
    )


def fin(block2: str, text: str, block3: str = "", block5: str = "{5:{CHK:0}}") -> bytes:
    body = text.replace("\n", "\r\n")
    return f"{{1:F01BANKGB2LAXXX0001000042}}{{2:{block2}}}{block3}{{4:\r\n{body}\r\n-}}{block5}".encode()


def mt103(reference: str = "REF1", amount: str = "1234,5", uetr: str = UETR, block5: str = "{5:{CHK:0}}") -> bytes:
    text = (
        f":20:{reference}\n:23B:CRED\n:32A:261124EUR{amount}\n:50K:/GB82WEST12345698765432\nHARBOUR WORKS\n:59:/DE89370400440532013000\nM MUSTER\n"
        ":70:/ROC/END-TO-END-REFERENCE-THAT-IS-L\nONG//RENT\n:71A:SHA"
    )
    return fin("I103BANKDEFFXXXXN", text, f"{{3:{{121:{uetr}}}}}" if uetr else "", block5)


MT940 = fin(
    "O9401200261123BANKDEFFAXXX00010000072611231201N",
    ":20:ST1\n:25:GB82WEST12345698765432\n:28C:00012/00002\n:60M:C261123EUR100,\n"
    ":61:2611231123C20,50NTRFREF1//SVC1\n:86:/ROC/E2E1\n:61:2611231123D5,NCHGNONREF\n:61:2611231123D5,NCHGNONREF\n"
    ":61:2612310101RD2,NTRFREF9//SVC2\nreversal of a debit\n:62M:C261123EUR112,50",
)

ACK = b"{1:F21BANKGB2LAXXX0001000042}{4:{177:2611231200}{451:0}}"
NAK = b"{1:F21BANKGB2LAXXX0001000043}{4:{177:2611231200}{451:1}{405:H50}}"


def bacs(records: int = 2, stated: int = 2, multi: bool = False) -> bytes:
    day = " 26328" if multi else ""
    data = [
        f"{'200000'}{'55779911'}099{'300000'}{'12345678'}    {1000 + number:011d}{'HARBOUR WORKS':<18}{f'BS{number:010d}':<18}{'M MUSTER':<18}{day}"
        for number in range(records)
    ]
    total = sum(1000 + number for number in range(stated))
    contra = f"30000012345678017{'300000'}{'12345678'}    {total:011d}{'BACS CREDITS':<18}{'CONTRA':<18}{'HARBOUR WORKS':<18}{day}"
    label = f"A990042S  1990042{'000123'}00010001{'':6} 26327 26327 000000{'':20}"
    lines = [
        f"VOL1000123{'':35}990042{'':28}1",
        f"HDR1{label}",
        f"HDR2F{2000:05d}{100:05d}{'':35}00{'':28}",
        f"UHL1 26328999999    00000000{'4 MULTI  ' if multi else '1 DAILY  '}001{'':40}",
        *data,
        contra,
        f"EOF1{label}",
        f"EOF2F{2000:05d}{100:05d}{'':35}00{'':28}",
        f"UTL1{total:013d}{total:013d}{1:07d}{stated:07d}{'':36}",
    ]
    return "".join(f"{line}\n" for line in lines).encode()
