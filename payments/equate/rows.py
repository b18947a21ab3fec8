"""What corresponds to what, as data. One row: MT atoms, MX paths, how they compare, and whether a difference is one.

A strict row whose MT atom stands there and says something else is an unexplained difference. A loose row explains where
it fits and says nothing where it does not.
"""

from __future__ import annotations

from dataclasses import dataclass

from payments.equate import compare as by


@dataclass(frozen=True, slots=True)
class Row:
    """mt: atom names, a `*` at the end stands for anything. mx: ends of short paths."""

    mt: tuple[str, ...]
    mx: tuple[str, ...]
    how: by.Compare
    strict: bool = True


def _row(mt: str, mx: str, how: by.Compare, strict: bool = True) -> Row:
    return Row(tuple(mt.split()), tuple(mx.split()), how, strict)


def _party(field: str, role: str) -> tuple[Row, ...]:
    """A party or an agent: `50` and `Dbtr`. The address is compared by its words, see `engine`."""
    return (
        _row(f"{field}.bic", f"{role}/BICFI {role}/Id/OrgId/BICFI", by.bic),
        _row(f"{field}.account", f"{role}Acct/Id/IBAN {role}Acct/Id/Othr/Id", by.account),
        _row(f"{field}.account", f"{role}/Id/OrgId/Othr/Id {role}/Id/PrvtId/Othr/Id", by.account, strict=False),
        _row(f"{field}.clearing", f"{role}/ClrSysMmbId/MmbId {role}/ClrSysMmbId/ClrSysId/Cd", by.inside, strict=False),
        _row(f"{field}.name {field}.address", f"{role}/Nm", by.cut_text),
        _row(f"{field}.country", f"{role}/PstlAdr/Ctry", by.text),
        _row(f"{field}.country", f"{role}/CtryOfRes", by.text, strict=False),
        _row(f"{field}.town", f"{role}/PstlAdr/TwnNm", by.cut_text),
        _row(f"{field}.other*", f"{role}/Id/OrgId/Othr/Id {role}/Id/PrvtId/Othr/Id", by.inside, strict=False),
        _row(f"{field}.bic", f"{role}/Nm", by.text, strict=False),
    )


HEADER: tuple[Row, ...] = (
    _row("sender", "H/Fr/BICFI H/Fr/OrgId/Id/OrgId/BICFI InstgAgt/BICFI Assgnr/BICFI", by.bic),
    _row("receiver", "H/To/BICFI H/To/OrgId/Id/OrgId/BICFI InstdAgt/BICFI Assgne/BICFI", by.bic),
    _row("type", "H/MsgDefIdr", by.code("type")),
    _row("121", "PmtId/UETR Refs/UETR OrgnlUETR UndrlygTx/UETR", by.text),
    _row("sent", "H/CreDt GrpHdr/CreDtTm Assgnmt/CreDtTm", by.stamp, strict=False),
    _row("priority", "InstrPrty", by.code("priority"), strict=False),
    _row("20.reference", "H/BizMsgIdr GrpHdr/MsgId Assgnmt/Id", by.reference, strict=False),
)
# An agent that MT leaves out is the sender or the receiver; an agent that MX leaves out is read the same way.
IMPLIED: tuple[Row, ...] = (
    _row("sender", "DbtrAgt/BICFI Dbtr/BICFI InitgPty/Id/OrgId/BICFI ChrgsRqstr/BICFI AcctOwnr/BICFI", by.bic, False),
    _row("sender", "Cretr/BICFI Acct/Svcr/BICFI AcctSvcr/BICFI H/Rltd/To/BICFI Orgtr/Id/OrgId/BICFI", by.bic, False),
    _row("receiver", "CdtrAgt/BICFI Cdtr/BICFI AcctSvcr/BICFI H/Rltd/Fr/BICFI AcctOwnr/BICFI", by.bic, False),
    _row("receiver", "Cretr/BICFI DbtrAgt/BICFI Acct/Ownr/Id/OrgId/BICFI DrwrAgt/BICFI DrweeAgt/BICFI", by.bic, False),
)
_AMOUNTS: tuple[Row, ...] = (
    _row("32A.date", "CdtTrfTxInf/IntrBkSttlmDt", by.day),
    _row("32A.amount", "CdtTrfTxInf/IntrBkSttlmAmt", by.amount),
    _row("32A.currency", "CdtTrfTxInf/IntrBkSttlmAmt@Ccy", by.text),
    _row("33B.amount", "CdtTrfTxInf/InstdAmt", by.amount),
    _row("33B.currency", "CdtTrfTxInf/InstdAmt@Ccy", by.text),
    _row("32A.date", "GrpHdr/IntrBkSttlmDt", by.day, strict=False),
    _row("32A.amount", "GrpHdr/TtlIntrBkSttlmAmt GrpHdr/CtrlSum", by.amount, strict=False),
    _row("32A.currency", "GrpHdr/TtlIntrBkSttlmAmt@Ccy", by.text, strict=False),
    _row("36.rate", "XchgRate", by.amount),
)
_TO_BANKS: tuple[Row, ...] = (
    _row("72.INS", "PrvsInstgAgt1/BICFI PrvsInstgAgt/BICFI DbtrAgt/BICFI", by.bic, strict=False),
    _row("72.INS", "PrvsInstgAgt1/Nm PrvsInstgAgt2/Nm PrvsInstgAgt3/Nm PrvsInstgAgt/Nm", by.text, strict=False),
    _row("72.INS", "PrvsInstgAgt2/BICFI PrvsInstgAgt3/BICFI", by.bic, strict=False),
    _row("72 72.* 23E.*", "InstrInf InstrForCdtrAgt/Cd InstrForNxtAgt/Cd PrvsInstgAgt1/BICFI", by.inside, strict=False),
    _row("72.SVCLVL 72.LOCINS 72.CATPURP 23B.code 23E.code", "SvcLvl/Cd SvcLvl/Prtry", by.inside, strict=False),
    _row("23E.*", "CtgyPurp/Cd CtgyPurp/Prtry LclInstrm/Cd LclInstrm/Prtry Purp/Prtry", by.listed, strict=False),
    _row("72 72.*", "LclInstrm/Cd LclInstrm/Prtry CtgyPurp/Cd CtgyPurp/Prtry Purp/Cd Purp/Prtry", by.inside, False),
    _row("111", "SvcLvl/Prtry SvcLvl/Cd", by.inside, strict=False),
    _row("26T.code", "Purp/Prtry Purp/Cd", by.text, strict=False),
    _row("77B 77B.*", "RgltryRptg/Dtls/Ctry RgltryRptg/Dtls/Cd RgltryRptg/Dtls/Inf", by.inside, strict=False),
    _row("77B.BENEFRES", "Cdtr/CtryOfRes", by.inside, strict=False),
    _row("77B.ORDERRES", "Dbtr/CtryOfRes", by.inside, strict=False),
)
CUSTOMER: tuple[Row, ...] = (
    _row("20.reference", "PmtId/InstrId", by.reference),
    _row("70.ROC", "PmtId/EndToEndId", by.reference),
    _row("20.reference", "PmtId/EndToEndId PmtId/TxId PmtId/ClrSysRef", by.reference, strict=False),
    *_AMOUNTS,
    *_party("50", "Dbtr"),
    *_party("51", "InstgAgt"),
    *_party("52", "DbtrAgt"),
    *_party("53", "InstgRmbrsmntAgt"),
    *_party("54", "InstdRmbrsmntAgt"),
    *_party("55", "ThrdRmbrsmntAgt"),
    *_party("56", "IntrmyAgt1"),
    *_party("57", "CdtrAgt"),
    *_party("59", "Cdtr"),
    _row("53.account", "SttlmAcct/Id/IBAN SttlmAcct/Id/Othr/Id", by.account, strict=False),
    _row("71A.code", "ChrgBr", by.code("charges")),
    _row("71F.amount 71G.amount", "ChrgsInf/Amt", by.amount, strict=False),
    _row("71F.currency 71G.currency", "ChrgsInf/Amt@Ccy", by.text, strict=False),
    _row("13C.*", "SttlmTmReq/CLSTm SttlmTmIndctn/DbtDtTm SttlmTmIndctn/CdtDtTm", by.inside, strict=False),
    _row("70 70.*", "RmtInf/Ustrd", by.inside),
    _row("70", "PmtId/EndToEndId", by.inside, strict=False),
    _row("70 70.*", "RmtInf/Strd/CdtrRefInf/Ref Strd/RfrdDocInf/Nb", by.inside, strict=False),
    *_TO_BANKS,
)
BANKS: tuple[Row, ...] = (
    _row("20.reference", "PmtId/InstrId", by.reference),
    _row("21.reference", "PmtId/EndToEndId", by.reference),
    *_AMOUNTS,
    *(
        row
        for field, role in (("50", "Dbtr"), ("52", "DbtrAgt"), ("56", "IntrmyAgt1"), ("57", "CdtrAgt"), ("59", "Cdtr"))
        for row in _party(f"B.{field}", f"UndrlygCstmrCdtTrf/{role}")
    ),
    _row("B.70 B.70.*", "UndrlygCstmrCdtTrf/RmtInf/Ustrd", by.inside),
    _row("B.33B.amount", "UndrlygCstmrCdtTrf/InstdAmt", by.amount),
    _row("B.33B.currency", "UndrlygCstmrCdtTrf/InstdAmt@Ccy", by.text),
    *_party("52", "CdtTrfTxInf/Dbtr"),
    *_party("56", "CdtTrfTxInf/IntrmyAgt1"),
    *_party("57", "CdtTrfTxInf/CdtrAgt"),
    *_party("58", "CdtTrfTxInf/Cdtr"),
    _row("57.bic", "CdtTrfTxInf/Cdtr/BICFI", by.bic, strict=False),
    _row("57.account", "CdtTrfTxInf/CdtrAcct/Id/IBAN CdtTrfTxInf/CdtrAcct/Id/Othr/Id", by.account, strict=False),
    *_party("53", "InstgRmbrsmntAgt"),
    *_party("54", "InstdRmbrsmntAgt"),
    _row("53.account", "SttlmAcct/Id/IBAN SttlmAcct/Id/Othr/Id DbtrAcct/Id/Othr/Id", by.account, strict=False),
    _row("53.bic", "DbtrAgt/BICFI", by.bic, strict=False),
    *_TO_BANKS,
)
RETURN: tuple[Row, ...] = (
    _row("20.reference", "TxInf/RtrId", by.reference, strict=False),
    _row("72.MREF", "TxInf/OrgnlInstrId", by.reference),
    _row("72.MREF", "OrgnlMsgId H/Rltd/BizMsgIdr", by.reference, strict=False),
    _row("72.TREF 21.reference 70.ROC", "OrgnlEndToEndId", by.reference),
    _row("72.TREF 21.reference", "OrgnlTxId", by.reference, strict=False),
    _row("32A.date", "TxInf/IntrBkSttlmDt", by.day),
    _row("32A.amount", "RtrdIntrBkSttlmAmt", by.amount),
    _row("32A.currency", "RtrdIntrBkSttlmAmt@Ccy", by.text),
    _row("33B.amount", "RtrdInstdAmt", by.amount, strict=False),
    _row("33B.currency", "RtrdInstdAmt@Ccy", by.text, strict=False),
    _row("32A.amount", "OrgnlIntrBkSttlmAmt RtrdInstdAmt", by.amount, strict=False),
    _row("32A.currency", "OrgnlIntrBkSttlmAmt@Ccy RtrdInstdAmt@Ccy", by.text, strict=False),
    _row("32A.date", "OrgnlIntrBkSttlmDt", by.day, strict=False),
    *_party("52", "TxInf/Dbtr"),
    *_party("50", "TxInf/Dbtr"),
    *_party("56", "TxInf/IntrmyAgt1"),
    *_party("57", "TxInf/CdtrAgt"),
    *_party("58", "TxInf/Cdtr"),
    *_party("59", "TxInf/Cdtr"),
    _row("71A.code", "ChrgBr", by.code("charges"), strict=False),
    _row("72 72.*", "RtrRsnInf/Rsn/Cd RtrRsnInf/AddtlInf RtrRsnInf/Rsn/Prtry", by.inside, strict=False),
    _row("72", "RtrRsnInf/Rsn/Cd", by.anything("NARR"), strict=False),
    _row("72.*", "RtrRsnInf/Rsn/Cd", by.anything("NARR"), strict=False),
    _row("36.rate", "XchgRate", by.amount),
)
STATUS: tuple[Row, ...] = (
    _row("79.MREF 21.reference", "TxInfAndSts/OrgnlInstrId", by.reference),
    _row("79.MREF 21.reference", "OrgnlMsgId H/Rltd/BizMsgIdr", by.reference, strict=False),
    _row("79.TREF", "OrgnlEndToEndId", by.reference),
    _row("79.UETR 79.TEXT", "OrgnlUETR", by.inside, strict=False),
    _row("79 79.*", "StsRsnInf/Rsn/Cd StsRsnInf/Rsn/Prtry StsRsnInf/AddtlInf", by.inside, strict=False),
    _row("79.REJT 79.RETN", "TxSts", by.anything("RJCT")),
)
_RECALLED = _row("21.reference", "TxInf/OrgnlInstrId", by.reference)
RECALL: tuple[Row, ...] = (
    _row("20.reference", "Case/Id CxlStsId CxlId", by.reference, strict=False),
    _row("21.reference", "OrgnlMsgId RslvdCase/Id", by.reference, strict=False),
    _row("32A.amount 32B.amount", "OrgnlIntrBkSttlmAmt", by.amount),
    _row("32A.currency 32B.currency", "OrgnlIntrBkSttlmAmt@Ccy", by.text),
    _row("32A.date", "OrgnlIntrBkSttlmDt", by.day),
    _row("11S.mt 11R.mt", "OrgnlMsgNmId", by.code("type"), strict=False),
    _row("11S.date 11R.date", "OrgnlCreDtTm OrgnlIntrBkSttlmDt", by.day, strict=False),
    _row("79.UETR 77A.UETR", "OrgnlUETR", by.inside),
    _row("79 79.*", "CxlRsnInf/Rsn/Cd CxlRsnInf/Rsn/Prtry CxlRsnInf/AddtlInf", by.inside, strict=False),
    _row("76 76.*", "Sts/Conf", by.inside),
    _row("76 76.* 77A 77A.*", "CxlStsRsnInf/Rsn/Cd CxlStsRsnInf/AddtlInf CxlStsRsnInf/Rsn/Prtry", by.inside, False),
)
CHEQUE: tuple[Row, ...] = (
    _row("20.reference", "Chq/InstrId", by.reference),
    _row("21.reference", "Chq/ChqNb", by.reference),
    _row("30.date", "Chq/IsseDt", by.day),
    _row("32A.amount 32B.amount", "Chq/Amt", by.amount),
    _row("32A.currency 32B.currency", "Chq/Amt@Ccy", by.text),
    _row("32A.date", "Chq/IntrBkSttlmDt Chq/ValDt", by.day, strict=False),
    *_party("50", "Drwr"),
    *_party("50", "Pyer"),
    *_party("52", "DrwrAgt"),
    *_party("52", "DrweeAgt"),
    *_party("59", "Pyee"),
    _row("50.account", "DrwrAcct/Id/Othr/Id PyerAcct/Id/Othr/Id", by.account, strict=False),
    _row("75 75.*", "ChqCxlOrStopRsn/Rsn/Cd ChqCxlOrStopRsn/Cd", by.first_part("cancelled"), strict=False),
    _row("75 75.*", "ChqCxlOrStopRsn/Cd ChqCxlOrStopRsn/Prtry AddtlInf Rsn/Cd Rsn/Prtry", by.inside, strict=False),
    _row("76 76.*", "ChqCxlOrStopSts/AddtlInf Rsn/Prtry Rsn/Cd", by.inside),
    _row("76", "ChqCxlOrStopSts/Sts/Cd Sts/Cd", by.first_part("stop")),
)
CHARGES: tuple[Row, ...] = (
    _row("20.reference", "ChrgsId", by.reference, strict=False),
    _row("21.reference", "UndrlygTx/InstrId UndrlygTx/MsgId UndrlygTx/EndToEndId", by.reference, strict=False),
    _row("25.account", "ChrgsAcct/Id/IBAN ChrgsAcct/Id/Othr/Id", by.account),
    _row("32D.date 32C.date 32A.date", "ValDt/Dt", by.day),
    _row("32D.amount 32C.amount 32B.amount", "TtlChrgsPerRcrd/TtlChrgsAmt", by.amount),
    _row("32D.currency 32C.currency 32B.currency", "TtlChrgsPerRcrd/TtlChrgsAmt@Ccy", by.text),
    _row("71B.text", "ChrgsBrkdwn/Amt ChrgsBrkdwn/Amt@Ccy ChrgsBrkdwn/Tp/Cd", by.charge_part),
    _row("32D.amount 32C.amount 32B.amount", "ChrgsBrkdwn/Amt TtlChrgsAmt", by.amount, strict=False),
    _row("32D.currency 32C.currency 32B.currency", "ChrgsBrkdwn/Amt@Ccy", by.text, strict=False),
    _row("72.CHRQ", "ChrgsRqstr/BICFI", by.bic, strict=False),
)
NOTICE: tuple[Row, ...] = (
    _row("20.reference", "Ntfctn/Id", by.reference, strict=False),
    _row("21.reference", "Itm/Id Refs/InstrId", by.reference),
    _row("21.reference", "Itm/EndToEndId Refs/EndToEndId", by.reference, strict=False),
    _row("25.account 25P.account", "Acct/Id/IBAN Acct/Id/Othr/Id", by.account),
    _row("30.date", "XpctdValDt", by.day),
    _row("32B.amount", "Itm/Amt TtlAmt", by.amount),
    _row("32B.currency", "Itm/Amt@Ccy TtlAmt@Ccy", by.text),
    _row("32A.amount", "Ntry/Amt TxDtls/Amt", by.amount),
    _row("32A.currency", "Ntry/Amt@Ccy TxDtls/Amt@Ccy", by.text),
    _row("32A.currency 32B.currency", "Acct/Ccy", by.text),
    _row("32A.date", "ValDt/Dt IntrBkSttlmDt BookgDt/Dt", by.day, strict=False),
    _row("13D", "BookgDt/DtTm CreDtTm", by.stamp, strict=False),
    _row(
        "type", "CdtDbtInd", lambda mt, mx: by.Match.DERIVED if {"900": "DBIT", "910": "CRDT"}.get(mt) == mx else None
    ),
    *_party("50", "Dbtr"),
    *_party("52", "DbtrAgt"),
    *_party("56", "IntrmyAgt"),
    _row("56.bic", "IntrmyAgt1/BICFI", by.bic, strict=False),
    _row("52.bic", "Dbtr/BICFI", by.bic, strict=False),
    _row("72 72.*", "AddtlTxInf AddtlNtryInf RmtInf/Ustrd", by.inside, strict=False),
)


def _balance(field: str, *codes: str) -> tuple[Row, ...]:
    def paths(end: str) -> str:
        return " ".join(f"Bal:{item}/{end}" for item in codes)

    return (
        _row(f"{field}.amount", paths("Amt"), by.amount),
        _row(f"{field}.currency", paths("Amt@Ccy"), by.text),
        _row(f"{field}.mark", paths("CdtDbtInd"), by.code("sign")),
        _row(f"{field}.date", paths("Dt/Dt") + " " + paths("Dt/DtTm"), by.day),
    )


STATEMENT: tuple[Row, ...] = (
    _row("20.reference", "Stmt/Id Rpt/Id", by.reference),
    _row("25.account 25P.account 25", "Acct/Id/IBAN Acct/Id/Othr/Id", by.account),
    _row("28C.statement 28.statement", "LglSeqNb ElctrncSeqNb", by.number, strict=False),
    _row("28C.page 28.page", "PgNb", by.number),
    *_balance("60F", "OPBD", "PRCD"),
    *_balance("60M", "ITBD", "OPBD"),
    *_balance("62F", "CLBD"),
    *_balance("62M", "ITBD", "CLBD"),
    *_balance("64", "CLAV"),
    *_balance("65", "FWAV"),
    _row("60F.currency 62F.currency 60M.currency 34F.currency", "Acct/Ccy", by.text),
    _row("61.amount", "Ntry/Amt TxDtls/Amt", by.amount),
    _row("60F.currency 62F.currency 60M.currency 34F.currency", "Ntry/Amt@Ccy TxDtls/Amt@Ccy", by.text),
    _row("61.mark", "Ntry/CdtDbtInd TxDtls/CdtDbtInd", by.code("sign")),
    _row("61.mark", "RvslInd", by.code("reversal")),
    _row("61.mark", "Ntry/Sts/Cd Ntry/Sts", by.code("entry")),
    _row("61.date", "ValDt/Dt", by.day),
    _row("61.date", "IntrBkSttlmDt BookgDt/Dt", by.day, strict=False),
    _row("61.entry", "BookgDt/Dt", by.entry_day, strict=False),
    _row("61.code", "BkTxCd/Prtry/Cd", by.inside, strict=False),
    _row(
        "61.reference", "Refs/InstrId Refs/EndToEndId Refs/PmtInfId Refs/ChqNb Refs/MsgId", by.reference, strict=False
    ),
    _row("61.servicer", "Ntry/AcctSvcrRef", by.reference),
    _row("61.servicer", "Refs/AcctSvcrRef NtryRef Refs/TxId", by.reference, strict=False),
    _row("61.details 61.servicer", "AddtlNtryInf AddtlTxInf", by.inside, strict=False),
    _row("86 86.*", "AddtlNtryInf AddtlTxInf AddtlStmtInf AddtlRptInf RmtInf/Ustrd Refs/EndToEndId", by.inside, False),
    _row("13D", "CreDtTm", by.stamp, strict=False),
    _row("90D.currency 90C.currency", "Acct/Ccy", by.text, strict=False),
    _row("90D.count", "TtlDbtNtries/NbOfNtries", by.number),
    _row("90D.amount", "TtlDbtNtries/Sum", by.amount),
    _row("90C.count", "TtlCdtNtries/NbOfNtries", by.number),
    _row("90C.amount", "TtlCdtNtries/Sum", by.amount),
)
ORDER: tuple[Row, ...] = (
    _row("20.reference", "PmtInfId", by.reference, strict=False),
    _row("21.reference", "PmtId/EndToEndId", by.reference),
    _row("20.reference 21F.reference", "PmtId/InstrId", by.reference, strict=False),
    _row("30.date", "ReqdExctnDt/Dt ReqdExctnDt", by.day),
    _row("33B.amount", "Amt/InstdAmt", by.amount),
    _row("33B.currency", "Amt/InstdAmt@Ccy", by.text),
    _row("32B.amount", "Amt/InstdAmt EqvtAmt/Amt CtrlSum", by.amount, strict=False),
    _row("32B.currency", "Amt/InstdAmt@Ccy EqvtAmt/CcyOfTrf", by.text, strict=False),
    _row("36.rate", "XchgRate", by.amount),
    _row("28D.total", "NbOfTxs", by.number, strict=False),
    _row("25A.account", "ChrgsAcct/Id/IBAN ChrgsAcct/Id/Othr/Id", by.account),
    *_party("50", "Dbtr"),
    *_party("52", "DbtrAgt"),
    *_party("56", "IntrmyAgt1"),
    *_party("57", "CdtrAgt"),
    *_party("59", "Cdtr"),
    _row("71A.code", "ChrgBr", by.code("charges")),
    _row("70 70.*", "RmtInf/Ustrd", by.inside),
    *_TO_BANKS,
)
DEBIT: tuple[Row, ...] = (
    _row("20.reference", "PmtId/InstrId CdtId", by.reference, strict=False),
    _row("21.reference", "PmtId/EndToEndId", by.reference),
    _row("30.date", "IntrBkSttlmDt", by.day),
    _row("32B.amount", "DrctDbtTxInf/IntrBkSttlmAmt", by.amount),
    _row("32B.currency", "DrctDbtTxInf/IntrBkSttlmAmt@Ccy", by.text),
    _row("19.amount", "CtrlSum TtlIntrBkSttlmAmt", by.amount, strict=False),
    *_party("53", "DrctDbtTxInf/Dbtr"),
    *_party("57", "CdtrAgt"),
    *_party("58", "CdtInstr/Cdtr"),
    *_TO_BANKS,
)
# (MT type, MX family) -> rows; the header's come first, what is implied last.
PAIRS: dict[tuple[str, str], tuple[Row, ...]] = {
    ("101", "pain.001"): ORDER,
    ("103", "pacs.008"): CUSTOMER,
    ("103", "pacs.004"): RETURN,
    **{(mt, "camt.107"): CHEQUE for mt in ("110",)},
    ("111", "camt.108"): CHEQUE,
    ("112", "camt.109"): CHEQUE,
    **{(mt, mx): CHARGES for mt in ("190", "191", "290", "291") for mx in ("camt.105", "camt.106")},
    **{(mt, mx): (_RECALLED, *RECALL) for mt in ("192", "292") for mx in ("camt.056", "camt.055")},
    **{(mt, "camt.029"): RECALL for mt in ("196", "296")},
    **{(mt, mx): STATUS for mt in ("199", "299") for mx in ("pacs.002", "pain.002")},
    **{(mt, "pacs.009"): BANKS for mt in ("200", "202", "205")},
    **{(mt, "pacs.004"): RETURN for mt in ("202", "205")},
    ("204", "pacs.010"): DEBIT,
    ("210", "camt.057"): NOTICE,
    ("900", "camt.054"): NOTICE,
    ("910", "camt.054"): NOTICE,
    **{(mt, mx): STATEMENT for mt in ("940", "941", "942", "950") for mx in ("camt.052", "camt.053")},
}
# Fields whose words are an address: MT field -> MX roles.
ADDRESSES: dict[str, tuple[str, ...]] = {
    "50": ("Dbtr", "Drwr", "Pyer"),
    "52": ("DbtrAgt", "Dbtr", "DrwrAgt", "DrweeAgt"),
    "53": ("InstgRmbrsmntAgt",),
    "54": ("InstdRmbrsmntAgt",),
    "56": ("IntrmyAgt1", "IntrmyAgt"),
    "57": ("CdtrAgt",),
    "58": ("Cdtr",),
    "59": ("Cdtr", "Pyee"),
}
