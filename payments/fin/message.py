"""FIN messages to what they mean: dispatch by type, ACK and NAK, training, statements, transfers, notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from payments.fin.draft import Draft
from payments.fin.events import event_of, statement_of
from payments.fin.fields import Fields, tag_values
from payments.fin.headers import Header
from payments.fin.notices import COMMON_GROUP, advice, common_group
from payments.fin.reader import FinMessage, read_fin
from payments.fin.statements import read_page, sheet_of
from payments.fin.transfers import transfers
from payments.model import Parsed
from payments.sheets import within
from payments.values import Findings, add, check_total

_Reader = Callable[[Header, Fields, Findings], list[Draft]]
STATEMENTS = frozenset({"940", "941", "942", "950"})
_READERS: dict[str, _Reader] = {
    **dict.fromkeys(("101", "103", "200", "201", "202", "203", "204", "205", "210"), transfers),
    **dict.fromkeys(COMMON_GROUP, common_group),
    "900": advice,
    "910": advice,
}
_SERVICE_TAGS = ("177", "451", "405", "108")


def parse_messages(payload: bytes) -> Iterator[Parsed]:
    """One Parsed a message, in order, broken ones included; never raises for bad content.

    An ACK or NAK that stands right before its message is told by both: the message's `control` has `ack`.
    """
    answer: Parsed | None = None
    for index, message in enumerate(read_fin(payload)):
        parsed = _message(message).but(index=index, offset=message.offset, form="mt")
        if answer is not None and message.header.service == "01":
            parsed = parsed.but(control={**parsed.control, "ack": "0" if answer.type == "FIN.ACK" else "1"})
        answer = parsed if parsed.type in ("FIN.ACK", "FIN.NAK") else None
        yield parsed


def _message(message: FinMessage) -> Parsed:
    findings = Findings()
    for severity, code, place, words in message.troubles:
        (findings.error if severity == "error" else findings.warn)(code, place, words)
    header = message.header
    if header.service == "21":
        return _acknowledgement(message, findings)
    control = _control(header)
    if header.service not in ("01", ""):
        return Parsed("FIN.SERVICE", header.lt + header.session + header.sequence, (), findings.tuple(), control)
    message_id = next((value.strip() for tag, value in message.fields if tag == "20"), "")
    if "TNG" in header.trailers:
        findings.warn("training", "block 5", "a training message (TNG): it is not a payment")
        return Parsed("FIN.TRAINING", message_id, (), findings.tuple(), control)
    if not message.fields and not message.nested and not findings.items:
        findings.error("fin_blocks", "block 4", "holds no field")
    elif not header.mt and message.fields:
        findings.error("fin_type", "block 2", "nothing tells the type of the message")
    elif not message.fields and header.mt and not message.nested:
        findings.error("fin_fields", "block 4", "holds no field")
    return _content(message, message_id, control, findings)


def _control(header: Header) -> dict[str, str]:
    told = {
        "lt": header.lt,
        "session": header.session,
        "sequence": header.sequence,
        "direction": header.direction,
        "mt": header.mt,
        "sender": header.sender,
        "mir": header.mir,
    }
    control = {name: value for name, value in told.items() if value}
    for name in ("PDE", "PDM"):
        if name in header.trailers:
            control[name.lower()] = header.trailers[name] or "true"
    return control


def _content(message: FinMessage, message_id: str, control: dict[str, str], findings: Findings) -> Parsed:
    header = message.header
    kind = f"MT{header.mt}" if header.mt else "FIN"
    parsed = Parsed.quick(
        kind, message_id, control=control, sender=header.sender or None, receiver=header.receiver or None
    )
    if header.mt in STATEMENTS and message.fields:
        return _statement(message, parsed, control, findings)
    reader = _READERS.get(header.mt)
    if reader is None or not message.fields:
        if header.mt and message.fields:
            findings.warn("unsupported_type", kind, "kept with its fields by tag; its content is not read")
        kept = {f":{tag}:": value for tag, value in tag_values(message.fields).items()}
        if message.head:
            kept["head"] = message.head
        return parsed.but(findings=findings.tuple(), extra=kept)
    if not message_id:
        findings.error("missing_identity", ":20:", "the sender's reference is missing")
    drafts = reader(header, message.fields, findings)
    if header.mt == "204":
        _sum(message.fields, drafts, control, findings)
    events = tuple(event_of(draft, message, kind, findings) for draft in drafts if draft.kind)
    kept = {name: value for draft in drafts if not draft.kind for name, value in draft.extra.items()}
    return parsed.but(events=events, findings=findings.tuple(), extra=kept)


def _sum(fields: Fields, drafts: list[Draft], control: dict[str, str], findings: Findings) -> None:
    """MT204's :19: is the sum of its transactions."""
    stated = next((value.strip().replace(",", ".") for tag, value in fields if tag == "19"), None)
    amounts = [draft.told["amount"].amount for draft in drafts if draft.told.get("amount") is not None]
    check_total(control, "sum", stated.rstrip(".") if stated else None, add(amounts), ":19:", findings)


def _statement(message: FinMessage, parsed: Parsed, control: dict[str, str], findings: Findings) -> Parsed:
    if not parsed.message_id:
        findings.error("missing_identity", ":20:", "the statement's reference is missing")
    page = read_page(message.fields, findings)
    events, statement = statement_of(page, message, parsed.type)
    control.update(account=page.account, statement=page.sequence, page=page.page)
    control["entries.actual"] = str(len(events))
    sheet = sheet_of(page, message.header.mt, parsed.type)
    if sheet.opening is not None and sheet.closing is not None:
        control[f"{parsed.type}.opening"], control[f"{parsed.type}.closing"] = (
            f"{sheet.opening:f}",
            f"{sheet.closing:f}",
        )
        control[f"{parsed.type}.movement.actual"] = f"{add(sheet.booked):f}"
    for item in within(sheet):
        findings.warn(item.rule, item.place, item.text)
    return parsed.but(events=tuple(events), statements=(statement,), findings=findings.tuple(), control=control)


def _acknowledgement(message: FinMessage, findings: Findings) -> Parsed:
    """ACK (451:0) or NAK (451:1 and 405). lt, session and sequence are those of the message that it answers."""
    header = message.header
    told = {}
    for tag in _SERVICE_TAGS:
        _, found, rest = message.nested.partition(f"{{{tag}:")
        if found:
            told[tag] = rest.partition("}")[0]
    answers = f"{header.lt}_{header.session}_{header.sequence}"
    control = {"lt": header.lt, "session": header.session, "sequence": header.sequence, "answers": answers}
    if told.get("177"):
        control["at"] = told["177"]
    answer = told.get("451")
    if answer not in ("0", "1"):
        findings.error("fin_ack", "block 4", "neither ACK (451:0) nor NAK (451:1)")
    if answer == "1":
        control["error"] = told.get("405", "")
        findings.warn("nak", "block 4", f"SWIFT refused the message with {told.get('405', 'no error code')[:10]}")
    return Parsed("FIN.NAK" if answer == "1" else "FIN.ACK", answers, (), findings.tuple(), control)
