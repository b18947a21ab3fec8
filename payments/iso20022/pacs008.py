"""pacs.008 and pacs.009 credit transfers between institutions: one INITIATED event a transaction."""

from __future__ import annotations

from payments.identity import bic11, make_event
from payments.iso20022.context import Message
from payments.iso20022.xml import Element, account, agent, children, leaves, look, take
from payments.model import EventKind, PaymentEvent
from payments.values import add, iso_date, iso_time, money


def events(message: Message) -> list[PaymentEvent]:
    """One event a CdtTrfTxInf. The ordinal is the TxId where all have one and none repeats, else the position."""
    elements = children(message.body, "CdtTrfTxInf")
    ids = [look(leaves(item), "PmtId/TxId") or "" for item in elements]
    named = all(ids) and len(set(ids)) == len(ids)
    found = [
        _event(message, element, number, ids[number - 1] if named else str(number))
        for number, element in enumerate(elements, 1)
    ]
    amounts = [item.amount.amount for item in found if item.amount is not None]
    group = message.group
    message.check("NbOfTxs", group.get("GrpHdr/NbOfTxs"), len(found), "GrpHdr/NbOfTxs")
    message.check("CtrlSum", group.get("GrpHdr/CtrlSum"), add(amounts), "GrpHdr/CtrlSum")
    if total := group.get("GrpHdr/TtlIntrBkSttlmAmt"):
        message.check("TtlIntrBkSttlmAmt", total, add(amounts), "GrpHdr/TtlIntrBkSttlmAmt")
    if not found:
        message.findings.warn("no_transactions", "CdtTrfTxInf", "the message holds no transaction")
    return found


def _event(message: Message, element: Element, number: int, ordinal: str) -> PaymentEvent:
    place = f"CdtTrfTxInf[{number}]"
    values, group = leaves(element), message.group
    amount = money(
        take(values, "IntrBkSttlmAmt"), take(values, "IntrBkSttlmAmt@Ccy"), f"{place}/IntrBkSttlmAmt", message.findings
    )
    sender = message.header.sender or bic11(agent(group, "GrpHdr/InstgAgt") or agent(values, "InstgAgt") or "")
    day = iso_date(
        take(values, "IntrBkSttlmDt") or group.get("GrpHdr/IntrBkSttlmDt"), f"{place}/IntrBkSttlmDt", message.findings
    )
    if not sender:
        message.findings.warn("missing_sender", "AppHdr/Fr", "neither Fr nor InstgAgt names the sender")
    return make_event(
        family=message.family,
        kind=EventKind.INITIATED,
        sender=sender,
        message_id=message.message_id,
        ordinal=ordinal,
        uetr=take(values, "PmtId/UETR"),
        end_to_end_id=take(values, "PmtId/EndToEndId"),
        instruction_id=take(values, "PmtId/InstrId"),
        amount=amount,
        value_date=day,
        event_time=iso_time(group.get("GrpHdr/CreDtTm"), "GrpHdr/CreDtTm", message.findings),
        debtor_account=account(values, "DbtrAcct"),
        creditor_account=account(values, "CdtrAcct"),
        extra=values,
    )
