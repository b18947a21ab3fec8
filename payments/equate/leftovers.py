"""What stands on one side alone: why that is no difference, as data; what no rule names is unexplained."""

from __future__ import annotations

import re

from payments.equate.compare import Match

PLACEHOLDERS = frozenset({"NOTPROVIDED", "NOTAVAILABLE", "NONREF", "NOREF"})
# Structure that MX demands and MT has no word for: ends or whole segments of short paths.
ENRICHED_ENDS = (
    "H/BizSvc", "H/CreDt", "H/PssblDplct", "H/CpyDplct", "H/Prty", "H/MktPrctc/Regy", "H/MktPrctc/Id", "CreDtTm", "NbOfTxs",
    "BtchBookg", "PmtMtd", "LastPgInd", "PgNb", "OrgnlMsgNmId", "OrgnlCreDtTm", "MsgNmId", "NbOfChrgsBrkdwnItms",
    "NbOfChqs", "CdtDbtInd", "RvslInd", "Sts/Cd", "OrgnlNbOfTxs", "SchmeNm/Cd", "SchmeNm/Prtry", "Acct/Ccy",
    "Acct/Tp/Cd", "DbtrAcct/Ccy", "CdtrAcct/Ccy", "BkTxCd/Prtry/Issr", "InstrPrty", "ChrgBr", "NtryRef",
)  # fmt: skip
ENRICHED_PARTS = frozenset({"SttlmInf", "BkTxCd", "Rltd", "FrToDt", "CpyDplctInd", "TxsSummry", "SchmeNm"})
# Content for which MT has no field, or none that is always there.
LOST_ENDS = (
    "BizMsgIdr", "MsgId", "Assgnmt/Id", "RtrId", "TxId", "EndToEndId", "OrgnlEndToEndId", "OrgnlTxId", "OrgnlMsgId",
    "ClrSysRef", "Ntry/AcctSvcrRef", "Refs/AcctSvcrRef", "Refs/InstrId", "Refs/UETR", "InstrId", "PmtInfId", "Case/Id",
    "OrgnlInstrId", "OrgnlUETR", "PmtId/UETR", "LEI", "CtryOfRes", "AddtlInf", "AddtlNtryInf", "AddtlTxInf",
    "AddtlStmtInf", "AddtlRptInf", "ElctrncSeqNb", "LglSeqNb", "Ntfctn/Id", "StsId", "CxlId", "CxlStsId", "AccptncDtTm",
    "Acct/Nm", "ClrSysId/Cd", "ClrSysMmbId/MmbId", "BrnchId/Id", "DbtrAcct/Nm", "CdtrAcct/Nm", "UndrlygTx/MsgId",
    "BookgDt/Dt", "BookgDt/DtTm", "ChrgsId", "InstgAgt/BICFI", "InstdAgt/BICFI", "Proxy/Id", "DbtrAcct/Tp/Cd",
    "CdtrAcct/Tp/Cd", "Ntry/Btch/NbOfTxs", "TrckrData", "UndrlygTx/UETR", "UndrlygTx/InstrId", "Refs/ChqNb",
)  # fmt: skip
LOST_PARTS = frozenset(
    {
        "PstlAdr", "UltmtDbtr", "UltmtCdtr", "CtctDtls", "Purp", "PmtTpInf", "RgltryRptg", "Tax", "Strd", "RltdRmtInf",
        "Orgtr", "AmtDtls", "Avlbty", "SplmtryData", "ChrgsInf", "Chrgs", "PrvtId", "OrgId", "SttlmTmIndctn",
        "SttlmTmReq", "PoolgAdjstmntDt", "OrgnlTxRef", "RltdDts", "RltdPties", "RltdAgts", "Ownr", "Svcr", "Cretr",
        "PrvsInstgAgt1", "PrvsInstgAgt2", "PrvsInstgAgt3", "InstrForNxtAgt", "InstrForCdtrAgt", "CdtLine", "Proxy",
        "InstgRmbrsmntAgtAcct", "SpclInstrs", "GrpRtrInf", "Ntry/Chrgs", "Intrst", "CardTx", "Btch", "MndtRltdInf",
    }
)  # fmt: skip
# MT atoms that say nothing of the payment, or say it by default. A value of None: whatever the value.
DEFAULTS: dict[str, frozenset[str] | None] = {
    "priority": None,
    "sent": None,
    "session": None,
    "number": None,
    "103": None,
    "108": None,
    "111": None,
    "113": None,
    "119": frozenset({"COV", "STP", "REMIT", "RFDD"}),
    "23B.code": frozenset({"CRED"}),
    "28D.index": frozenset({"1", "00001"}),
    "28D.total": frozenset({"1", "00001"}),
    "34F.amount": frozenset({"0,", "0,00"}),
    "34F.currency": None,
    "34F.mark": None,
    "61.code": None,  # a type of transaction by SWIFT's list; MX has BkTxCd
    "61.funds": None,  # the currency's third letter
    "72.RETN": frozenset({"99"}),
    "79.REJT": frozenset({"99"}),
    "79.RETN": frozenset({"99"}),
    "28C.page": frozenset({"1", "01", "001", "00001"}),
    "11S.date": None,
    "11R.date": None,
    "11S.mt": None,
    "11R.mt": None,
}


_REASON = re.compile(r"7[29]\.[A-Z]{2}[0-9]{2}")
# MT content that MX has no element for, or none that is used.
MT_ALONE = {
    "21F.reference": "the deal behind the exchange rate",
    "21.reference": "the reference of the request that a report answers",
}
_BALANCES = {
    "OPBD": ("60F", "60M"),
    "PRCD": ("60F",),
    "ITBD": ("60M", "62M"),
    "CLBD": ("62F", "62M"),
    "CLAV": ("64",),
    "FWAV": ("65",),
}


def of_balance(code: str, end: str, tags: frozenset[str]) -> tuple[Match, str]:
    """A balance of MX: its type where MT has the same one; lost where MT has none."""
    if not tags.intersection(_BALANCES.get(code, ())):
        return Match.LOST, "the MT message has no such balance"
    return (Match.DERIVED, "the tag says so") if end.startswith("Tp/") else (Match.UNEXPLAINED, "in MX alone")


def of_leaf(path: str, value: str) -> tuple[Match, str]:
    """The class of an MX leaf that no MT field told."""
    parts = path.partition("@")[0].split("/")
    if value in PLACEHOLDERS:
        return Match.DERIVED, "a placeholder"
    name = "/".join(parts)
    if any(name == end or name.endswith("/" + end) for end in ENRICHED_ENDS) or ENRICHED_PARTS.intersection(parts):
        return Match.ENRICHED, "structure that MX has and MT has not"
    if LOST_PARTS.intersection(parts) or any(name == end or name.endswith("/" + end) for end in LOST_ENDS):
        return Match.LOST, "MT has no field for it"
    return Match.UNEXPLAINED, "in MX alone"


def of_atom(name: str, value: str) -> tuple[Match, str]:
    """The class of an MT atom that no MX leaf told."""
    if value.strip() in PLACEHOLDERS:
        return Match.DERIVED, "a placeholder"
    if name.startswith("5."):
        return Match.DERIVED, "a trailer of the network"
    if name in DEFAULTS:
        allowed = DEFAULTS[name]
        if allowed is None or value.strip() in allowed:
            return Match.DERIVED, "a default, or a number of the network"
    if _REASON.fullmatch(name):
        return Match.LOST, "a further reason: MX takes one"
    if name in MT_ALONE:
        return Match.LOST, MT_ALONE[name]
    return Match.UNEXPLAINED, "in MT alone"
