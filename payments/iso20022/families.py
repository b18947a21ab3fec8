"""The families that are read: which elements are transactions, what holds them, and by which map each is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from payments.iso20022 import maps
from payments.iso20022.fields import Index, Map, index
from payments.iso20022.maps import account, agent
from payments.model import EventKind


@dataclass(frozen=True)
class Family:
    """transactions, containers: paths beneath the body; a container holds transactions and has fields of its own.

    original: the transaction speaks of another payment, whose ids become the event's. required: (field, path) that must
    say something. sums: (stated path, what is summed) of the group. levels: container -> (status, reason) where a container
    without a transaction tells an event of its own; "" is the group. sender: group paths, then `*` for the transaction's.
    """

    name: str
    kind: EventKind
    transactions: tuple[str, ...]
    containers: tuple[str, ...] = ()
    fields: Index = field(default_factory=dict)
    container_fields: Index = field(default_factory=dict)
    group_fields: Index = field(default_factory=dict)
    sender: tuple[str, ...] = ()
    original: bool = False
    required: tuple[tuple[str, str], ...] = ()
    totals: tuple[str, ...] = ()
    levels: tuple[tuple[str, str, Index], ...] = ()
    statement: bool = False
    named: bool = False  # the ordinal is the TxId where all transactions have one
    cover: str = ""  # what beneath a transaction makes it a cover payment


_INSTRUCTING = agent("GrpHdr/InstgAgt")
_INITIATING = (
    "GrpHdr/InitgPty/Id/OrgId/AnyBIC", "GrpHdr/InitgPty/Id/OrgId/BICOrBEI", "GrpHdr/InitgPty/Id/OrgId/BIC",
    "GrpHdr/InitgPty/Id/OrgId/Othr/Id", "GrpHdr/InitgPty/Id/PrvtId/Othr/Id", "GrpHdr/InitgPty/Id/OrgId/LEI",
    "GrpHdr/InitgPty/Id/OrgId/PrtryId/Id", "GrpHdr/InitgPty/Nm",
)  # fmt: skip
_ASSIGNER = (*agent("Assgnmt/Assgnr/Agt"), "Assgnmt/Assgnr/Pty/Id/OrgId/AnyBIC",
             "Assgnmt/Assgnr/Pty/Id/OrgId/BICOrBEI", "Assgnmt/Assgnr/Pty/Id/OrgId/Othr/Id", "Assgnmt/Assgnr/Pty/Nm",
             "Assgnmt/Assgnr")  # fmt: skip
_GROUP = index(maps.GROUP)
_ORIGINAL_GROUP = index(maps.ORIGINAL_GROUP)
_SETTLED = (("amount", "IntrBkSttlmAmt"),)


def _status(prefix: str, status: str, info: str) -> Index:
    """A level's own status, with what it speaks of."""
    told: Map = {
        "status": (f"{prefix}{status}",),
        "reason": tuple(f"{prefix}{path}" for path in maps.reasons(info)),
        "original_batch_id": (f"{prefix}OrgnlPmtInfId",),
        "own_id": (f"{prefix}GrpCxlId", f"{prefix}PmtCxlId", f"{prefix}OrgnlPmtInfCxlId", f"{prefix}OrgnlGrpCxlId"),
        "original_message_id": (f"{prefix}OrgnlMsgId", f"{prefix}OrgnlGrpInf/OrgnlMsgId"),
        "original_message_type": (f"{prefix}OrgnlMsgNmId", f"{prefix}OrgnlGrpInf/OrgnlMsgNmId"),
    }
    return index(told)


def _level(info: str, *more: Map) -> Index:
    base: Map = {
        "original_batch_id": ("OrgnlPmtInfId",),
        "original_message_id": ("OrgnlGrpInf/OrgnlMsgId", "OrgnlGrpInfAndCxl/OrgnlMsgId", "OrgnlGrpInfAndSts/OrgnlMsgId"),
        "original_message_type": (
            "OrgnlGrpInf/OrgnlMsgNmId", "OrgnlGrpInfAndCxl/OrgnlMsgNmId", "OrgnlGrpInfAndSts/OrgnlMsgNmId",
        ),
    }  # fmt: skip
    return index(base, *more)


_STATUSES = _status("OrgnlGrpInfAndSts/", "GrpSts", "StsRsnInf")
_ALL = (
    Family(
        "pain.001", EventKind.INITIATED, ("PmtInf/CdtTrfTxInf",), ("PmtInf",), index(maps.INITIATION), index(maps.BATCH),
        _GROUP, _INITIATING, required=(("amount", "Amt/InstdAmt"),), totals=("NbOfTxs", "CtrlSum"),
    ),
    Family(
        "pain.008", EventKind.INITIATED, ("PmtInf/DrctDbtTxInf",), ("PmtInf",), index(maps.DEBIT_INITIATION),
        index(maps.BATCH), _GROUP, _INITIATING, required=(("amount", "InstdAmt"),), totals=("NbOfTxs", "CtrlSum"),
    ),
    Family(
        "pacs.008", EventKind.INITIATED, ("CdtTrfTxInf",), (), index(maps.INTERBANK), {}, _GROUP, _INSTRUCTING,
        required=_SETTLED, totals=("NbOfTxs", "CtrlSum", "TtlIntrBkSttlmAmt"), named=True,
    ),
    Family(
        "pacs.009", EventKind.INITIATED, ("CdtTrfTxInf",), (), index(maps.INTERBANK), {}, _GROUP, _INSTRUCTING,
        required=_SETTLED, totals=("NbOfTxs", "CtrlSum", "TtlIntrBkSttlmAmt"), named=True, cover="UndrlygCstmrCdtTrf/",
    ),
    Family(
        "pacs.003", EventKind.INITIATED, ("DrctDbtTxInf",), (), index(maps.COLLECTION), {}, _GROUP, _INSTRUCTING,
        required=_SETTLED, totals=("NbOfTxs", "CtrlSum", "TtlIntrBkSttlmAmt"), named=True,
    ),
    Family(
        "pacs.010", EventKind.INITIATED, ("CdtInstr/DrctDbtTxInf", "DrctDbtTxInf", "CdtTrfTxInf"), ("CdtInstr",), index(maps.COLLECTION),
        index(maps.CREDIT_INSTRUCTION), _GROUP, _INSTRUCTING, required=_SETTLED,
        totals=("NbOfTxs", "CtrlSum"), named=True,
    ),
    Family(
        "pacs.002", EventKind.STATUS, ("TxInfAndSts",), (), index(maps.STATUS), {}, _ORIGINAL_GROUP, _INSTRUCTING,
        original=True, levels=(("", "OrgnlGrpInfAndSts/GrpSts", _STATUSES),),
    ),
    Family(
        "pain.002", EventKind.STATUS, ("OrgnlPmtInfAndSts/TxInfAndSts", "TxInfAndSts"), ("OrgnlPmtInfAndSts",),
        index(maps.STATUS), _level("StsRsnInf"), _ORIGINAL_GROUP, (*agent("GrpHdr/DbtrAgt"), *agent("GrpHdr/CdtrAgt"),
        *agent("GrpHdr/InstgAgt"), *_INITIATING), original=True,
        levels=(
            ("OrgnlPmtInfAndSts", "PmtInfSts", _status("", "PmtInfSts", "StsRsnInf")),
            ("", "OrgnlGrpInfAndSts/GrpSts", _STATUSES),
        ),
    ),
    Family(
        "pacs.004", EventKind.RETURNED, ("TxInf",), (), index(maps.RETURN, *maps.CHAINS), {}, _ORIGINAL_GROUP,
        _INSTRUCTING, original=True, required=(("amount", "RtrdIntrBkSttlmAmt"),),
        totals=("NbOfTxs", "CtrlSum", "TtlRtrdIntrBkSttlmAmt"), levels=(("", "OrgnlGrpInf/OrgnlMsgId", _ORIGINAL_GROUP),),
    ),
    Family(
        "pacs.007", EventKind.REVERSED, ("TxInf",), (), index(maps.RETURN, *maps.CHAINS), {}, _ORIGINAL_GROUP,
        _INSTRUCTING, original=True, totals=("NbOfTxs", "CtrlSum", "TtlRvsdIntrBkSttlmAmt"),
        levels=(("", "OrgnlGrpInf/OrgnlMsgId", _ORIGINAL_GROUP),),
    ),
    Family(
        "pain.007", EventKind.REVERSED, ("OrgnlPmtInfAndRvsl/TxInf", "TxInf"), ("OrgnlPmtInfAndRvsl",),
        index(maps.CUSTOMER_REVERSAL), _level("RvslRsnInf"), _ORIGINAL_GROUP, _INITIATING, original=True,
        totals=("NbOfTxs", "CtrlSum"),
        levels=(
            ("OrgnlPmtInfAndRvsl", "OrgnlPmtInfId", _status("", "PmtInfSts", "RvslRsnInf")),
            ("", "OrgnlGrpInf/OrgnlMsgId", _ORIGINAL_GROUP),
        ),
    ),
    Family(
        "pacs.028", EventKind.QUERIED, ("TxInf",), (), index(maps.QUERY), {}, _ORIGINAL_GROUP, _INSTRUCTING,
        original=True, levels=(("", "OrgnlGrpInf/OrgnlMsgId", _ORIGINAL_GROUP),),
    ),
    Family(
        "camt.056", EventKind.RECALLED, ("Undrlyg/TxInf",), ("Undrlyg",), index(maps.RECALL), _level("CxlRsnInf"),
        _ORIGINAL_GROUP, _ASSIGNER, original=True,
        levels=(("Undrlyg", "OrgnlGrpInfAndCxl/OrgnlMsgId", _status("OrgnlGrpInfAndCxl/", "GrpSts", "CxlRsnInf")),),
    ),
    Family(
        "camt.055", EventKind.RECALLED, ("Undrlyg/OrgnlPmtInfAndCxl/TxInf", "Undrlyg/TxInf"),
        ("Undrlyg", "Undrlyg/OrgnlPmtInfAndCxl"), index(maps.RECALL), _level("CxlRsnInf"), _ORIGINAL_GROUP, _ASSIGNER,
        original=True,
        levels=(
            ("Undrlyg/OrgnlPmtInfAndCxl", "OrgnlPmtInfId", _status("", "PmtInfSts", "CxlRsnInf")),
            ("Undrlyg", "OrgnlGrpInfAndCxl/OrgnlMsgId", _status("OrgnlGrpInfAndCxl/", "GrpSts", "CxlRsnInf")),
        ),
    ),
    Family(
        "camt.029", EventKind.ANSWERED, ("CxlDtls/TxInfAndSts", "CxlDtls/OrgnlPmtInfAndSts/TxInfAndSts"),
        ("CxlDtls", "CxlDtls/OrgnlPmtInfAndSts"), index(maps.ANSWER), _level("CxlStsRsnInf"),
        index({**maps.ORIGINAL_GROUP, "status": ("Sts/Conf", "Sts/AssgnmtCxlConf")}), _ASSIGNER, original=True,
        levels=(
            ("CxlDtls/OrgnlPmtInfAndSts", "OrgnlPmtInfId", _status("", "PmtInfCxlSts", "CxlStsRsnInf")),
            ("CxlDtls", "OrgnlGrpInfAndSts/OrgnlMsgId", _status("OrgnlGrpInfAndSts/", "GrpCxlSts", "CxlStsRsnInf")),
            ("", "Sts/Conf", index({"status": ("Sts/Conf",)})),
            ("", "Assgnmt/Id", {}),
        ),
    ),
    Family("camt.052", EventKind.BOOKED, ("Rpt/Ntry",), ("Rpt",), group_fields=_GROUP, statement=True),
    Family("camt.053", EventKind.BOOKED, ("Stmt/Ntry",), ("Stmt",), group_fields=_GROUP, statement=True),
    Family("camt.054", EventKind.BOOKED, ("Ntfctn/Ntry",), ("Ntfctn",), group_fields=_GROUP, statement=True),
    Family(
        "camt.057", EventKind.NOTIFIED, ("Ntfctn/Itm", "NtfctnItm", "Itm"), ("Ntfctn",), index(maps.EXPECTED),
        index(maps.EXPECTED_BATCH), _GROUP, (*agent("GrpHdr/MsgSndr/Agt"), "GrpHdr/MsgSndr/Pty/Nm"),
    ),
    Family(
        "camt.060", EventKind.QUERIED, ("RptgReq",), (), index(maps.REQUEST), {}, _GROUP,
        (*agent("GrpHdr/MsgSndr/Agt"), "GrpHdr/MsgSndr/Pty/Id/OrgId/AnyBIC", "GrpHdr/MsgSndr/Pty/Nm"),
    ),
)  # fmt: skip
FAMILIES = {item.name: item for item in _ALL}
# camt.060's message id and sender stand elsewhere in some versions.
MESSAGE_ID = ("GrpHdr/MsgId", "Assgnmt/Id", "MsgHdr/MsgId", "MsgId/Id", "GrpHdr/GrpId", "MsgId", "Id")
STATEMENT_ACCOUNT = account("Acct")
# Every name that opens or closes something of a family: what the streaming reader listens to.
NAMES = tuple(sorted({path.rpartition("/")[2] for item in _ALL for path in item.transactions + item.containers}))
