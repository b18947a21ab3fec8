"""Where each family says what: one map a family, version differences as alternatives side by side. No code, only data."""

from __future__ import annotations

from payments.iso20022.fields import Map


def agent(role: str) -> tuple[str, ...]:
    """BIC became BICFI; a bank without one is known by its clearing member id, its LEI, its name."""
    ends = (
        "BICFI", "BIC", "CmbndId/BIC", "ClrSysMmbId/MmbId", "ClrSysMmbId/Id", "CmbndId/ClrSysMmbId/Id", "LEI",
        "Othr/Id", "PrtryId/Id", "CmbndId/PrtryId/Id", "Nm", "NmAndAdr/Nm", "CmbndId/Nm",
    )  # fmt: skip
    return tuple(f"{role}/FinInstnId/{end}" for end in ends)


def account(role: str) -> tuple[str, ...]:
    ends = ("Id/IBAN", "Id/Othr/Id", "Id/BBAN", "Id/PrtryAcct/Id", "Id/UPIC", "Prxy/Id")
    return tuple(f"{role}/{end}" for end in ends)


def party(field: str, role: str) -> Map:
    """A party, behind the choice of party and agent from some version on; or a bank, as in pacs.009."""
    ids = (
        "Id/OrgId/AnyBIC", "Id/OrgId/BICOrBEI", "Id/OrgId/BIC", "Id/OrgId/BEI", "Id/OrgId/LEI", "Id/OrgId/Othr/Id",
        "Id/OrgId/PrtryId/Id", "Id/PrvtId/Othr/Id", "Id/PrvtId/OthrId/Id",
    )  # fmt: skip
    return {
        f"{field}_name": (
            f"{role}/Nm", f"{role}/Pty/Nm", f"{role}/FinInstnId/Nm", f"{role}/FinInstnId/NmAndAdr/Nm",
            f"{role}/FinInstnId/CmbndId/Nm", f"{role}/Agt/FinInstnId/Nm",
        ),
        f"{field}_id": (
            f"{role}/FinInstnId/BICFI", f"{role}/FinInstnId/BIC", f"{role}/FinInstnId/CmbndId/BIC",
            f"{role}/Agt/FinInstnId/BICFI", f"{role}/Agt/FinInstnId/BIC",
            f"{role}/FinInstnId/ClrSysMmbId/MmbId",
            *(f"{role}/{item}" for item in ids), *(f"{role}/Pty/{item}" for item in ids),
        ),
    }  # fmt: skip


def sides(before: str = "", agents: str = "") -> Map:
    """Debtor and creditor with their accounts and banks beneath a path."""
    return {
        **party("debtor", f"{before}Dbtr"),
        **party("creditor", f"{before}Cdtr"),
        "debtor_account": account(f"{before}DbtrAcct"),
        "creditor_account": account(f"{before}CdtrAcct"),
        "debtor_agent": agent(f"{agents or before}DbtrAgt"),
        "creditor_agent": agent(f"{agents or before}CdtrAgt"),
        "ultimate_debtor_name": (f"{before}UltmtDbtr/Nm", f"{before}UltmtDbtr/Pty/Nm"),
        "ultimate_creditor_name": (f"{before}UltmtCdtr/Nm", f"{before}UltmtCdtr/Pty/Nm"),
    }


def remittance(before: str = "") -> Map:
    strd = f"{before}RmtInf/Strd/"
    return {
        "remittance": (
            f"{before}RmtInf/Ustrd", f"{strd}CdtrRefInf/Ref", f"{strd}CdtrRefInf/CdtrRef", f"{strd}AddtlRmtInf",
            f"{strd}RfrdDocInf/Nb", f"{strd}RfrdDocInf/RfrdDocNb",
        )
    }  # fmt: skip


def kinds(before: str = "") -> Map:
    """What sort of payment it is."""
    info = f"{before}PmtTpInf/"
    return {
        "service_level": (f"{info}SvcLvl/Cd", f"{info}SvcLvl/Prtry"),
        "local_instrument": (f"{info}LclInstrm/Cd", f"{info}LclInstrm/Prtry"),
        "category_purpose": (f"{info}CtgyPurp/Cd", f"{info}CtgyPurp/Prtry", f"{info}CtgyPurp"),
    }


PAYMENT_ID: Map = {
    "instruction_id": ("PmtId/InstrId",),
    "end_to_end_id": ("PmtId/EndToEndId",),
    "transaction_id": ("PmtId/TxId",),
    "uetr": ("PmtId/UETR",),
    "clearing_reference": ("PmtId/ClrSysRef",),
}
COMMON: Map = {
    **remittance(),
    **kinds(),
    "charges_bearer": ("ChrgBr",),
    "purpose": ("Purp/Cd", "Purp/Prtry"),
    "exchange_rate": ("XchgRate", "XchgRateInf/XchgRate"),
    "instructing_agent": agent("InstgAgt"),
    "instructed_agent": agent("InstdAgt"),
}
GROUP: Map = {
    "event_time": ("GrpHdr/CreDtTm", "Assgnmt/CreDtTm", "CreDtTm"),
    "settlement_date": ("GrpHdr/IntrBkSttlmDt",),
    "instructing_agent": agent("GrpHdr/InstgAgt"),
    "instructed_agent": agent("GrpHdr/InstdAgt"),
    **kinds("GrpHdr/"),
}
INITIATION: Map = {
    **PAYMENT_ID,
    **COMMON,
    **sides(),
    "amount": ("Amt/InstdAmt", "Amt/EqvtAmt/Amt"),
    "exchange_rate": ("XchgRateInf/XchgRate",),
}
BATCH: Map = {
    **sides(),
    **kinds(),
    "charges_bearer": ("ChrgBr",),
    "requested_date": ("ReqdExctnDt", "ReqdExctnDt/Dt", "ReqdExctnDt/DtTm", "ReqdColltnDt"),
    "batch_id": ("PmtInfId",),
}
DEBIT_INITIATION: Map = {
    **INITIATION,
    "amount": ("InstdAmt",),
    "mandate_id": ("DrctDbtTx/MndtRltdInf/MndtId",),
}
INTERBANK: Map = {
    **PAYMENT_ID,
    **COMMON,
    **sides(),
    "amount": ("IntrBkSttlmAmt",),
    "settlement_date": ("IntrBkSttlmDt",),
    "instructed_amount": ("InstdAmt",),
}
COLLECTION: Map = {
    **INTERBANK,
    "requested_date": ("ReqdColltnDt",),
    "mandate_id": ("DrctDbtTx/MndtRltdInf/MndtId",),
}
CREDIT_INSTRUCTION: Map = {
    **party("creditor", "Cdtr"),
    "creditor_account": account("CdtrAcct"),
    "creditor_agent": agent("CdtrAgt"),
    "instructing_agent": agent("InstgAgt"),
    "instructed_agent": agent("InstdAgt"),
    "settlement_date": ("IntrBkSttlmDt",),
    "batch_id": ("CdtId",),
    **kinds(),
}
# What a message tells of another payment: its ids, and what it quotes of it.
ORIGINAL: Map = {
    "original_instruction_id": ("OrgnlInstrId",),
    "original_end_to_end_id": ("OrgnlEndToEndId",),
    "original_transaction_id": ("OrgnlTxId",),
    "uetr": ("OrgnlUETR",),
    "clearing_reference": ("ClrSysRef", "OrgnlClrSysRef"),
    "servicer_reference": ("AcctSvcrRef",),
    "original_message_id": ("OrgnlGrpInf/OrgnlMsgId",),
    "original_message_type": ("OrgnlGrpInf/OrgnlMsgNmId",),
    "original_batch_id": ("OrgnlPmtInfId",),
    "original_amount": (
        "OrgnlIntrBkSttlmAmt", "OrgnlInstdAmt", "OrgnlTxRef/IntrBkSttlmAmt", "OrgnlTxRef/Amt/InstdAmt",
        "OrgnlTxRef/Amt/EqvtAmt/Amt",
    ),
    "original_settlement_date": ("OrgnlIntrBkSttlmDt", "OrgnlTxRef/IntrBkSttlmDt"),
    "requested_date": (
        "OrgnlReqdExctnDt", "OrgnlReqdExctnDt/Dt", "OrgnlReqdColltnDt", "OrgnlTxRef/ReqdExctnDt",
        "OrgnlTxRef/ReqdExctnDt/Dt", "OrgnlTxRef/ReqdColltnDt",
    ),
    "mandate_id": ("OrgnlTxRef/MndtRltdInf/MndtId", "OrgnlTxRef/MndtRltdInf/DrctDbtMndt/MndtId"),
    "instructing_agent": agent("InstgAgt"),
    "instructed_agent": agent("InstdAgt"),
    **sides("OrgnlTxRef/"),
    **remittance("OrgnlTxRef/"),
    **kinds("OrgnlTxRef/"),
}  # fmt: skip


def reasons(info: str) -> tuple[str, ...]:
    """The reason's code; `StsRsn` is what the early versions call it."""
    names = ("Rsn", info.removesuffix("Inf"))
    return tuple(f"{info}/{name}/{end}" for name in names for end in ("Cd", "Prtry"))


ORIGINAL_GROUP: Map = {
    **GROUP,
    "original_message_id": (
        "OrgnlGrpInfAndSts/OrgnlMsgId", "OrgnlGrpInf/OrgnlMsgId", "CxlDtls/OrgnlGrpInfAndSts/OrgnlMsgId",
    ),
    "original_message_type": (
        "OrgnlGrpInfAndSts/OrgnlMsgNmId", "OrgnlGrpInf/OrgnlMsgNmId", "CxlDtls/OrgnlGrpInfAndSts/OrgnlMsgNmId",
    ),
    "reason": reasons("OrgnlGrpInf/RtrRsnInf") + reasons("OrgnlGrpInf/RvslRsnInf"),
}  # fmt: skip


STATUS: Map = {
    **ORIGINAL,
    "own_id": ("StsId",),
    "status": ("TxSts",),
    "reason": reasons("StsRsnInf"),
    "settlement_date": ("FctvIntrBkSttlmDt/Dt", "FctvIntrBkSttlmDt/DtTm"),
}
RETURN: Map = {
    **ORIGINAL,
    "own_id": ("RtrId", "RvslId"),
    "amount": ("RtrdIntrBkSttlmAmt", "RvsdIntrBkSttlmAmt"),
    "instructed_amount": ("RtrdInstdAmt", "RvsdInstdAmt"),
    "settlement_date": ("IntrBkSttlmDt",),
    "reason": reasons("RtrRsnInf") + reasons("RvslRsnInf"),
    "charges_bearer": ("ChrgBr",),
    "exchange_rate": ("XchgRate",),
}
CUSTOMER_REVERSAL: Map = {**RETURN, "amount": ("RvsdInstdAmt",), "instructed_amount": ()}
# pacs.004 and pacs.007 from .09 on quote who pays the return; the original's parties rank first.
CHAINS: tuple[Map, Map] = (sides("RtrChain/"), sides("RvslChain/"))
RECALL: Map = {
    **ORIGINAL,
    "own_id": ("CxlId",),
    "reason": reasons("CxlRsnInf"),
}
ANSWER: Map = {
    **ORIGINAL,
    "own_id": ("CxlStsId",),
    "status": ("TxCxlSts",),
    "reason": reasons("CxlStsRsnInf"),
}
QUERY: Map = {**ORIGINAL, "own_id": ("StsReqId",)}
EXPECTED: Map = {
    **remittance(),
    **sides(),
    "own_id": ("Id",),
    "end_to_end_id": ("EndToEndId",),
    "uetr": ("UETR",),
    "amount": ("Amt",),
    "value_date": ("XpctdValDt",),
    "creditor_account": account("Acct"),
    "purpose": ("Purp/Cd", "Purp/Prtry"),
}
EXPECTED_BATCH: Map = {
    **sides(),
    "batch_id": ("Id",),
    "value_date": ("XpctdValDt",),
    "creditor_account": account("Acct"),
    "creditor_name": ("AcctOwnr/Pty/Nm", "AcctOwnr/Nm", "Acct/Ownr/Nm"),
    "creditor_agent": agent("AcctSvcr"),
}
REQUEST: Map = {
    "own_id": ("Id",),
    "original_message_type": ("ReqdMsgNmId",),
    "creditor_account": account("Acct"),
    "creditor_name": ("AcctOwnr/Pty/Nm", "AcctOwnr/Nm"),
    "creditor_agent": agent("AcctSvcr"),
}


def details(before: str) -> Map:
    """One transaction's details within a statement entry."""
    refs, amounts = f"{before}Refs/", f"{before}AmtDtls/"
    return {
        **sides(f"{before}RltdPties/", f"{before}RltdAgts/"),
        **remittance(before),
        "end_to_end_id": (f"{refs}EndToEndId",),
        "instruction_id": (f"{refs}InstrId",),
        "transaction_id": (f"{refs}TxId",),
        "uetr": (f"{refs}UETR",),
        "clearing_reference": (f"{refs}ClrSysRef",),
        "mandate_id": (f"{refs}MndtId",),
        "original_message_id": (f"{refs}MsgId",),
        "original_batch_id": (f"{refs}PmtInfId",),
        "instructed_amount": (f"{amounts}InstdAmt/Amt",),
        "exchange_rate": (f"{amounts}InstdAmt/CcyXchg/XchgRate", f"{amounts}TxAmt/CcyXchg/XchgRate"),
        "purpose": (f"{before}Purp/Cd", f"{before}Purp/Prtry"),
        "local_instrument": (f"{before}LclInstrm/Cd", f"{before}LclInstrm/Prtry"),
        "reason": (f"{before}RtrInf/Rsn/Cd", f"{before}RtrInf/Rsn/Prtry"),
        "servicer_reference": (f"{refs}AcctSvcrRef",),
    }


ENTRY: Map = {
    "amount": ("Amt",),
    "direction": ("CdtDbtInd",),
    "reversal": ("RvslInd",),
    "status": ("Sts", "Sts/Cd", "Sts/Prtry"),
    "booking_date": ("BookgDt/Dt", "BookgDt/DtTm"),
    "value_date": ("ValDt/Dt", "ValDt/DtTm"),
    "servicer_reference": ("AcctSvcrRef",),
    "instructed_amount": ("AmtDtls/InstdAmt/Amt",),
}
