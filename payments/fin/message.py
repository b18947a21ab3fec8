"""FIN messages to events: dispatch by type, ACK and NAK, MT103 and MT202."""

from __future__ import annotations

import re

from payments.fin.blocks import Fin, fields, headers, split, tag_values
from payments.fin.statement import statement_events
from payments.identity import make_event
from payments.model import EventKind, Parsed, PaymentEvent
from payments.values import Findings, fin_date, money

_ACK = re.compile(r"\{(177|451|405|108):([^{}]*)\}")
_UETR = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TRANSFERS = frozenset({"103", "202", "205"})
_DEBTOR = ("50A", "50F", "50K")
_CREDITOR = ("59", "59A", "59F")


def parse_fin(payload: bytes) -> Parsed:
    """All messages of one payload. format, message id and control are the first one's; never raises for bad content."""
    findings = Findings()
    text = _decode(payload, findings)
    found: list[PaymentEvent] = []
    first: tuple[str, str] | None = None
    control: dict[str, str] = {}
    for blocks in split(text, findings):
        fin = headers(blocks, findings)
        told: dict[str, str] = {}
        form, message_id, events = _message(fin, told, findings)
        found.extend(events)
        if first is None:
            first, control = (form, message_id), told
    if first is None:
        if not findings.items:
            findings.error("empty", "", "there is no message in it")
        first = ("FIN", "")
    return Parsed(first[0], first[1], tuple(found), findings.tuple(), control)


def _decode(payload: bytes, findings: Findings) -> str:
    try:
        return payload.decode("ascii")
    except UnicodeDecodeError as error:
        findings.warn("charset", f"byte {error.start}", "outside SWIFT's character sets; read as Latin-1")
        return payload.decode("latin-1")


def _message(fin: Fin, control: dict[str, str], findings: Findings) -> tuple[str, str, list[PaymentEvent]]:
    control.update(lt=fin.lt, session=fin.session, sequence=fin.sequence)
    if not fin.lt:
        return "FIN", "", []
    if fin.service == "21":
        return _acknowledgement(fin, control, findings)
    if fin.service != "01":
        return "FIN.SERVICE", fin.lt + fin.session + fin.sequence, []
    control.update(direction=fin.direction, mt=fin.mt, sender=fin.sender)
    if fin.mir:
        control["mir"] = fin.mir
    for name in ("PDE", "PDM"):
        if name in fin.trailers or name in fin.blocks.get("5", ""):
            control[name.lower()] = fin.trailers.get(name, "") or "true"
    pairs = fields(fin.blocks.get("4", ""))
    values = tag_values(pairs)
    message_id = values.get("20", "").strip()
    form = f"MT{fin.mt}"
    if "{TNG" in fin.blocks.get("5", ""):
        findings.warn("training", "block 5", "a training message (TNG): it is not a payment")
        return "FIN.TRAINING", message_id, []
    if not fin.mt:
        return "FIN", message_id, []
    return form, message_id, _events(fin, form, message_id, pairs, values, control, findings)


def _events(
    fin: Fin,
    form: str,
    message_id: str,
    pairs: list[tuple[str, str]],
    values: dict[str, str],
    control: dict[str, str],
    findings: Findings,
) -> list[PaymentEvent]:
    if fin.mt not in _TRANSFERS and fin.mt != "940":
        findings.warn("unsupported_type", form, "kept by its identity; its content is not read yet")
        return []
    if not message_id:
        findings.error("missing_identity", ":20:", "the sender's reference is missing")
    if fin.mt == "940":
        return statement_events(fin, message_id, pairs, control, findings)
    return [_transfer(fin, form, message_id, values, findings)]


def _acknowledgement(fin: Fin, control: dict[str, str], findings: Findings) -> tuple[str, str, list[PaymentEvent]]:
    """ACK (451:0) or NAK (451:1 and 405). lt, session and sequence are those of the message that it answers."""
    told = dict(_ACK.findall(fin.blocks.get("4", "")))
    answer = told.get("451")
    control["answers"] = f"{fin.lt}_{fin.session}_{fin.sequence}"
    if told.get("177"):
        control["at"] = told["177"]
    if answer not in ("0", "1"):
        findings.error("fin_ack", "block 4", "neither ACK (451:0) nor NAK (451:1)")
    if answer == "1":
        control["error"] = told.get("405", "")
        findings.warn("nak", "block 4", f"SWIFT refused the message with {told.get('405', 'no error code')[:10]}")
    return ("FIN.NAK" if answer == "1" else "FIN.ACK"), control["answers"], []


def _transfer(fin: Fin, form: str, message_id: str, values: dict[str, str], findings: Findings) -> PaymentEvent:
    """MT103, MT202 and their COV form. The ordinal is the UETR where there is one: references cut to 16 characters
    collide, the UETR does not."""
    told = values.get("32A", "").strip()
    day = fin_date(told[:6], ":32A:", findings)
    amount = money(told[9:], told[6:9], ":32A:", findings, comma=True)
    uetr = fin.user.get("121", "").strip() or None
    if uetr and not _UETR.fullmatch(uetr):
        findings.warn("uetr", "{3:{121:}}", "field 121 is no UUID; kept, but no payment key")
        values, uetr = {**values, "121": uetr}, None
    extra = {f":{tag}:": value for tag, value in values.items() if tag not in ("20", "32A")}
    for name in ("108", "111", "119"):
        if name in fin.user:
            extra[f"{{{name}}}"] = fin.user[name]
    return make_event(
        family=form,
        kind=EventKind.INITIATED,
        sender=fin.sender,
        message_id=message_id,
        ordinal=uetr.lower() if uetr else "1",
        uetr=uetr,
        end_to_end_id=_end_to_end(form, values),
        instruction_id=message_id or None,
        amount=amount,
        value_date=day,
        debtor_account=_account(values, _DEBTOR),
        creditor_account=_account(values, _CREDITOR),
        extra=extra,
    )


def _end_to_end(form: str, values: dict[str, str]) -> str | None:
    if form != "MT103":
        return values.get("21", "").strip() or None
    told = values.get("70", "").replace("\n", "")
    return told[5:].partition("//")[0].strip() or None if told.startswith("/ROC/") else None


def _account(values: dict[str, str], tags: tuple[str, ...]) -> str | None:
    """The account line of a party field: `/` and the account in the first line."""
    for tag in tags:
        line = values.get(tag, "").partition("\n")[0]
        if line.startswith("/") and len(line) > 1:
            return line.lstrip("/").replace(" ", "").upper() or None
    return None
