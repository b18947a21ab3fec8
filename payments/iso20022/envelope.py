"""Finds headers and documents in whatever wraps them and dispatches on the version in the namespace."""

from __future__ import annotations

from collections.abc import Callable

from payments.identity import bic11
from payments.iso20022 import camt, pacs002, pacs008, pain001
from payments.iso20022.context import Header, Message
from payments.iso20022.xml import Element, leaves, local, look, message_type, read
from payments.model import Parsed, PaymentEvent
from payments.values import Findings

_FAMILIES: dict[str, Callable[[Message], list[PaymentEvent]]] = {
    "pain.001": pain001.events,
    "pacs.008": pacs008.events,
    "pacs.009": pacs008.events,
    "pacs.002": pacs002.events,
    "camt.053": camt.events,
    "camt.054": camt.events,
}
MAX_DOCUMENTS = 100_000


def parse_xml(payload: bytes) -> Parsed:
    """All documents of one payload. format and message id are those of the first; never raises for bad content."""
    findings = Findings()
    root = read(payload, findings)
    if root is None:
        return Parsed("XML", "", (), findings.tuple())
    found: list[PaymentEvent] = []
    control: dict[str, str] = {}
    first: Message | None = None
    for header, document in _documents(root)[:MAX_DOCUMENTS]:
        message = _open(header, document, findings, control)
        if message is None:
            continue
        first = first or message
        found.extend(_events(message))
    if first is None:
        if not findings.items:
            findings.error("no_document", local(root.tag), "no ISO 20022 document was found in it")
        return Parsed("XML", "", (), findings.tuple())
    return Parsed(first.version, first.message_id, tuple(found), findings.tuple(), control)


def _documents(root: Element) -> list[tuple[Element | None, Element]]:
    """Pairs of header and document in document order; a header belongs to the next document."""
    pairs: list[tuple[Element | None, Element]] = []
    header: Element | None = None
    for item in root.iter():
        name = local(item.tag)
        if name == "AppHdr":
            header = item
        elif name == "Document":
            pairs.append((header, item))
            header = None
    return pairs


def _open(header: Element | None, document: Element, findings: Findings, control: dict[str, str]) -> Message | None:
    family, version = message_type(document)
    body = next(iter(document), None)
    if body is None:
        findings.error("empty_document", "Document", "the document has no content")
        return None
    if not family:
        findings.error("namespace", "Document", "the namespace names no ISO 20022 message and version")
        return None
    values = leaves(body, frozenset({"CdtTrfTxInf", "TxInfAndSts", "PmtInf", "Stmt", "Ntfctn", "Rpt"}))
    head = _header(header)
    message_id = head.message_id or look(values, "GrpHdr/MsgId", "Assgnmt/Id", "MsgHdr/MsgId", "MsgId/Id") or ""
    if not message_id:
        findings.error("missing_identity", "GrpHdr/MsgId", "neither BizMsgIdr nor MsgId")
    defined = head.definition
    if defined and defined != version:
        findings.warn("message_definition", "AppHdr/MsgDefIdr", f"{defined[:40]}, but the document is {version}")
    return Message(family, version, message_id, head, body, values, findings, control)


def _header(element: Element | None) -> Header:
    values = leaves(element)
    side = "FIId/FinInstnId/"
    sender, receiver = (
        look(
            values,
            f"{end}/{side}BICFI",
            f"{end}/{side}BIC",
            f"{end}/OrgId/Id/OrgId/AnyBIC",
            f"{end}/OrgId/Id/OrgId/BICOrBEI",
        )
        for end in ("Fr", "To")
    )
    return Header(
        bic11(sender or ""),
        bic11(receiver or ""),
        values.get("BizMsgIdr", ""),
        values.get("MsgDefIdr", ""),
        values.get("PssblDplct", ""),
        values.get("CreDt", "") or values.get("CreDtTm", ""),
    )


def _events(message: Message) -> list[PaymentEvent]:
    build = _FAMILIES.get(message.family)
    if build is None:
        message.findings.warn("unsupported_type", message.version, "kept by its identity; its content is not read yet")
        return []
    return build(message)
