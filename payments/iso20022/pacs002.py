"""pacs.002 payment status report: one STATUS event a transaction, or one for the group where it names none."""

from __future__ import annotations

from datetime import datetime

from payments.identity import bic11, join_key, make_event, payment_key
from payments.iso20022.context import Message
from payments.iso20022.xml import Element, agent, children, leaves, look, take
from payments.model import EventKind, PaymentEvent
from payments.values import iso_date, iso_time, money

_REASONS = ("StsRsnInf/Rsn/Cd", "StsRsnInf/Rsn/Prtry", "StsRsnInf/StsRsn/Cd", "StsRsnInf/StsRsn/Prtry")


def events(message: Message) -> list[PaymentEvent]:
    """Unknown status codes are kept: TxSts is an external code from version .08 on."""
    elements = children(message.body, "TxInfAndSts")
    if elements:
        return [_event(message, item, number) for number, item in enumerate(elements, 1)]
    group = {
        name.removeprefix("OrgnlGrpInfAndSts/"): value
        for name, value in message.group.items()
        if name.startswith("OrgnlGrpInfAndSts/")
    }
    status = take(group, "GrpSts")
    if not status:
        message.findings.error("missing_status", "OrgnlGrpInfAndSts/GrpSts", "neither a transaction nor a group status")
        return []
    original = look(group, "OrgnlMsgId") or ""
    return [
        make_event(
            family="pacs.002",
            kind=EventKind.STATUS,
            sender=_reporter(message, {}),
            message_id=message.message_id,
            ordinal="group",
            fallback=join_key("message", message.header.receiver, look(group, "OrgnlMsgNmId") or "", original),
            status=status,
            reason=take(group, *_REASONS),
            reporter=_reporter(message, {}) or None,
            event_time=_time(message),
            extra=group,
        )
    ]


def _event(message: Message, element: Element, number: int) -> PaymentEvent:
    place = f"TxInfAndSts[{number}]"
    values = leaves(element)
    status = take(values, "TxSts") or message.group.get("OrgnlGrpInfAndSts/GrpSts")
    if not status:
        message.findings.error("missing_status", f"{place}/TxSts", "no status")
    reference = "OrgnlTxRef/IntrBkSttlmAmt"
    amount = (
        money(values[reference], values.get(f"{reference}@Ccy"), f"{place}/{reference}", message.findings)
        if values.get(reference)
        else None
    )
    day = iso_date(values.get("OrgnlTxRef/IntrBkSttlmDt"), f"{place}/OrgnlTxRef/IntrBkSttlmDt", message.findings)
    instruction = take(values, "OrgnlInstrId")
    uetr = take(values, "OrgnlUETR")
    reporter = _reporter(message, values)
    # The report goes back to the one who instructed: the original's sender is this message's receiver.
    last = join_key("event", "pacs.002", reporter, message.message_id, str(number))
    return make_event(
        family="pacs.002",
        kind=EventKind.STATUS,
        sender=reporter,
        message_id=message.message_id,
        ordinal=str(number),
        fallback=payment_key(uetr, message.header.receiver, instruction, day, amount, last),
        uetr=uetr,
        end_to_end_id=take(values, "OrgnlEndToEndId"),
        instruction_id=instruction,
        amount=amount,
        value_date=day,
        status=status,
        reason=take(values, *_REASONS),
        reporter=reporter or None,
        event_time=_time(message),
        batch_id=look(values, "OrgnlGrpInf/OrgnlMsgId") or message.group.get("OrgnlGrpInfAndSts/OrgnlMsgId"),
        extra=values,
    )


def _reporter(message: Message, values: dict[str, str]) -> str:
    return message.header.sender or bic11(agent(message.group, "GrpHdr/InstgAgt") or agent(values, "InstgAgt") or "")


def _time(message: Message) -> datetime | None:
    return iso_time(message.group.get("GrpHdr/CreDtTm"), "GrpHdr/CreDtTm", message.findings)
