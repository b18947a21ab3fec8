"""pain.001 customer credit transfer initiation: group and PmtInf control totals, one INITIATED event a transaction."""

from __future__ import annotations

from decimal import Decimal

from cutwater.core.money import totals
from payments.identity import bic11, make_event
from payments.iso20022.context import Message
from payments.iso20022.xml import Element, account, agent, children, leaves, look, take
from payments.model import EventKind, PaymentEvent
from payments.values import add, iso_date, iso_time, money


def events(message: Message) -> list[PaymentEvent]:
    """All transactions over all PmtInf; the ordinal counts through the message."""
    found: list[PaymentEvent] = []
    sender = _sender(message)
    for number, info in enumerate(children(message.body, "PmtInf"), 1):
        values = leaves(info, frozenset({"CdtTrfTxInf"}))
        begin = len(found)
        for transaction in children(info, "CdtTrfTxInf"):
            found.append(_event(message, sender, values, transaction, len(found) + 1))
        place = f"PmtInf[{number}]"
        message.check(f"{place}.NbOfTxs", values.get("NbOfTxs"), len(found) - begin, f"{place}/NbOfTxs")
        message.check(f"{place}.CtrlSum", values.get("CtrlSum"), _sum(found[begin:]), f"{place}/CtrlSum")
    message.check("NbOfTxs", message.group.get("GrpHdr/NbOfTxs"), len(found), "GrpHdr/NbOfTxs")
    message.check("CtrlSum", message.group.get("GrpHdr/CtrlSum"), _sum(found), "GrpHdr/CtrlSum")
    # CtrlSum ignores the currency: the sums that mean something are kept beside it.
    for currency, value in totals(item.amount for item in found if item.amount is not None).items():
        message.control[f"sum.{currency}.actual"] = f"{value:f}"
    if not found:
        message.findings.warn("no_transactions", "PmtInf", "the message holds no transaction")
    return found


def _sum(found: list[PaymentEvent]) -> Decimal:
    return add([item.amount.amount for item in found if item.amount is not None])


def _sender(message: Message) -> str:
    party = "GrpHdr/InitgPty/"
    bic = look(message.group, f"{party}Id/OrgId/AnyBIC", f"{party}Id/OrgId/BICOrBEI", f"{party}Id/OrgId/BIC")
    named = look(message.group, f"{party}Id/OrgId/Othr/Id", f"{party}Id/PrvtId/Othr/Id", f"{party}Nm")
    return message.header.sender or (bic11(bic) if bic else named or "")


def _event(message: Message, sender: str, info: dict[str, str], element: Element, ordinal: int) -> PaymentEvent:
    place = f"CdtTrfTxInf[{ordinal}]"
    values = leaves(element)
    shared = dict(info)
    path = "Amt/InstdAmt" if "Amt/InstdAmt" in values else "Amt/EqvtAmt/Amt"
    amount = money(take(values, path), take(values, f"{path}@Ccy"), f"{place}/{path}", message.findings)
    day = iso_date(
        look(info, "ReqdExctnDt/Dt", "ReqdExctnDt/DtTm", "ReqdExctnDt"), "PmtInf/ReqdExctnDt", message.findings
    )
    for name in ("PmtMtd", "Dbtr/Nm", "Dbtr/Pty/Nm", "ReqdExctnDt", "ReqdExctnDt/Dt", "ReqdExctnDt/DtTm"):
        if info.get(name):
            values[f"PmtInf/{name}"] = info[name]
    if bic := agent(info, "DbtrAgt"):
        values["PmtInf/DbtrAgt"] = bic
    return make_event(
        family="pain.001",
        kind=EventKind.INITIATED,
        sender=sender,
        message_id=message.message_id,
        ordinal=str(ordinal),
        uetr=take(values, "PmtId/UETR"),
        end_to_end_id=take(values, "PmtId/EndToEndId"),
        instruction_id=take(values, "PmtId/InstrId"),
        amount=amount,
        value_date=day,
        event_time=iso_time(message.group.get("GrpHdr/CreDtTm"), "GrpHdr/CreDtTm", message.findings),
        debtor_account=account(shared, "DbtrAcct"),
        creditor_account=account(values, "CdtrAcct"),
        batch_id=look(info, "PmtInfId"),
        extra=values,
    )
