"""Finds headers and documents in whatever wraps them and dispatches on the version in the namespace."""

from __future__ import annotations

import re
from collections.abc import Iterator

from payments.iso20022.context import Header, Level, Message
from payments.iso20022.families import FAMILIES, MESSAGE_ID, Family
from payments.iso20022.reader import TransactionReader
from payments.iso20022.shapes import Teller
from payments.iso20022.statements import StatementReader
from payments.iso20022.xml import Element, begun, kind_in, leaves, local, look, message_type, read
from payments.model import Parsed
from payments.parties import bic11
from payments.schemas import Schemas
from payments.values import Findings, iso_time

MAX_DOCUMENTS = 100_000
_BEGINS = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?(AppHdr|Document)[\s>/]")
_ROOT = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?[A-Za-z_][\w.-]*)[\s>/]")
_DECLARATION = re.compile(r"^<\?xml[^>]*\?>")
_DEFINED = re.compile(r"([a-z]{4}\.[0-9]{3})\.[0-9]{3}\.[0-9]{2}")
Reader = TransactionReader | StatementReader


def parse_tree(payload: bytes, schemas: Schemas | None = None) -> Iterator[Parsed]:
    """Every document of one payload that fits into memory; never raises for bad content."""
    index = 0
    for start, piece in _pieces(payload):
        for parsed in _one(piece, schemas):
            at = parsed.offset + start
            yield parsed.but(index=index, offset=at) if index or at else parsed
            index += 1


def _pieces(payload: bytes) -> list[tuple[int, bytes]]:
    """Several XML documents one after the other are read one by one."""
    lead = len(payload) - len(begun(payload))
    root = _ROOT.search(payload)
    if root is None or payload.count(b"</" + root[1]) < 2 or payload.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00<")):
        return [(0, payload)]
    again = re.compile(rb"</" + re.escape(root[1]) + rb"\s*>[\s\x00\x01\x03$\x1a]*(?=<)")
    starts = [lead]
    for match in again.finditer(payload):
        # A wrapper may hold elements of its own name: only what begins a document anew parts two of them.
        if payload.startswith((b"<?xml", b"<" + root[1]), match.end()):
            starts.append(match.end())
    if len(starts) == 1:
        return [(0, payload)]
    ends = [*starts[1:], len(payload)]
    return [(start, payload[start:end]) for start, end in zip(starts, ends, strict=True)][:MAX_DOCUMENTS]


def _one(payload: bytes, schemas: Schemas | None) -> Iterator[Parsed]:
    findings = Findings()
    root = read(payload, findings)
    if root is None:
        yield Parsed(kind_in(payload) or "XML", "", (), findings.tuple(), form="mx")
        return
    pairs = documents(root)
    if not pairs:
        inner = _embedded(root)
        yield from _one(inner, schemas) if inner else iter((alone(root, findings),))
        return
    offsets = _offsets(payload, len(pairs)) if len(pairs) > 1 else [0]
    for (header, document), offset in zip(pairs[:MAX_DOCUMENTS], offsets, strict=False):
        parsed = _document(header, document, Findings(), schemas)
        yield parsed.but(offset=offset) if offset else parsed


def documents(root: Element) -> list[tuple[Element | None, Element]]:
    """Pairs of header and document in document order; a header belongs to the next document."""
    pairs: list[tuple[Element | None, Element]] = []
    header: Element | None = None
    inside: Element | None = None
    for item in root.iter("{*}AppHdr", "{*}Document"):
        if local(item.tag) == "AppHdr":
            header = item
            continue
        if inside is not None and any(parent is inside for parent in item.iterancestors("{*}Document")):
            if message_type(inside)[0]:
                continue
            pairs.pop()  # a wrapper of that name
        pairs.append((header, item))
        inside, header = item, None
    return pairs


def _embedded(root: Element) -> bytes:
    """A document that an envelope carries as text (CDATA, or escaped): once, not again within it."""
    for item in root.iter():
        text = (item.text or "").lstrip("\ufeff \t\r\n")
        if text.startswith("<") and "Document" in text:
            text = _DECLARATION.sub("", text, count=1)
            return text.encode("utf-8", "surrogatepass") if "<![CDATA[" not in text else b""
    return b""


def _offsets(payload: bytes, count: int) -> list[int]:
    """Where each document begins, with its header where it has one."""
    found: list[int] = []
    header = -1
    for match in _BEGINS.finditer(payload):
        if match[1] == b"AppHdr":
            header = match.start()
        else:
            found.append(header if header >= 0 else match.start())
            header = -1
    return found if len(found) == count else [0] * count


def alone(root: Element, findings: Findings) -> Parsed:
    """What has no Document: a header by itself, a body by itself, or no message at all."""
    header = next(root.iter("{*}AppHdr"), None)
    if header is not None:
        head = header_of(header)
        kind = message_type(header)[1] or "head.001"
        findings.warn("header_only", "AppHdr", "a header without a document: it is kept, it tells of no payment")
        return Parsed(
            kind, head.message_id, findings=findings.tuple(), form="mx", extra=leaves(header), sender=head.sender or None,
            receiver=head.receiver or None,
        )  # fmt: skip
    body = next((item for item in root.iter() if message_type(item)[0]), None)
    if body is not None:
        return _read(body, message_type(body), Header(), findings)
    words = f"no ISO 20022 document was found in <{local(root.tag)[:60]}>"
    findings.error("no_document", local(root.tag)[:60], words)
    return Parsed("XML", "", (), findings.tuple(), form="mx")


def _document(header: Element | None, document: Element, findings: Findings, schemas: Schemas | None) -> Parsed:
    head = header_of(header)
    body = next(iter(document), None)
    family, version = message_type(document)
    if body is None:
        findings.error("empty_document", "Document", "the document has no content")
        return Parsed(version or "XML", head.message_id, (), findings.tuple(), form="mx")
    if not family:
        family, version = message_type(body)
    if not family and (match := _DEFINED.fullmatch(head.definition)):
        family, version = match[1], match[0]
        findings.warn("namespace", "Document", f"the namespace names no message; read as {version}, as the header says")
    if not family:
        findings.error("namespace", "Document", "the namespace names no ISO 20022 message and version")
        return Parsed("XML", head.message_id, (), findings.tuple(), form="mx")
    if schemas is not None:
        schemas.check(document, version, findings)
    return _read(body, (family, version), head, findings)


def _read(body: Element, kind: tuple[str, str], head: Header, findings: Findings) -> Parsed:
    message = opened(kind, head, findings)
    family = FAMILIES.get(kind[0])
    if family is None:
        return kept(message, leaves(body))
    reader = reader_of(family, message, body)
    _descend(reader, family, reader.top, [reader.top])
    reader.finish()
    return part_of(message)


def opened(kind: tuple[str, str], head: Header, findings: Findings) -> Message:
    """A message whose type is known."""
    defined, version = head.definition, kind[1]
    if defined and defined != version:
        findings.warn("message_definition", "AppHdr/MsgDefIdr", f"{defined[:40]}, but the document is {version}")
    return Message(kind[0], version, head, findings)


def reader_of(family: Family, message: Message, body: Element) -> Reader:
    kind: type[Reader] = StatementReader if family.statement else TransactionReader
    return kind(family, message, body)


def _descend(reader: Reader, family: Family, level: Level, chain: list[Level]) -> None:
    prefix = f"{level.path}/" if level.path else ""
    where = f"{level.place}/" if level.place else ""
    for item in level.element:
        name = local(item.tag)
        path = prefix + name
        if path not in family.transactions and path not in family.containers:
            continue
        count = level.counts[name] = level.counts.get(name, 0) + 1
        place = f"{where}{name}[{count}]"
        if path in family.transactions:
            reader.transaction(item, chain, place)
        else:
            inner = Level(item, path, place)
            _descend(reader, family, inner, [*chain, inner])
            reader.close(inner, level)


def kept(message: Message, values: dict[str, str]) -> Parsed:
    """A message of a family that is not read: its identity and all that it says, by path."""
    message.message_id = look(values, *MESSAGE_ID) or _any_id(values) or message.header.message_id
    message.findings.warn("unsupported_type", message.version, "kept by its identity; its content is not read yet")
    message.sender = message.header.sender
    return part_of(message).but(extra=values)


def _any_id(values: dict[str, str]) -> str:
    """The first that looks like one: `.../MsgId`, `.../MsgId/Id`."""
    return next((text for path, text in values.items() if text and path.endswith(("/MsgId", "/MsgId/Id"))), "")


def part_of(message: Message, last: bool = True, part: int = 0) -> Parsed:
    """What was gathered since the last part. Findings and control totals come with the last one."""
    found = Parsed.quick(
        message.version,
        message.header.message_id or message.message_id,
        events=tuple(message.events),
        findings=message.findings.tuple() if last else (),
        control=dict(message.control) if last else {},
        form="mx",
        statements=tuple(message.statements),
        batches=tuple(message.batches),
        extra=message.group if last else {},
        sender=message.sender or None,
        receiver=message.header.receiver or None,
        created=iso_time(message.header.created or None, "AppHdr/CreDt", Findings()),
        part=part,
        last=last,
    )
    message.events, message.statements, message.batches = [], [], []
    return found


_ENDS = (
    "FIId/FinInstnId/BICFI", "FIId/FinInstnId/BIC", "OrgId/Id/OrgId/AnyBIC", "OrgId/Id/OrgId/BICOrBEI",
    "FIId/FinInstnId/ClrSysMmbId/MmbId", "FIId/FinInstnId/Othr/Id", "OrgId/Id/OrgId/Othr/Id", "OrgId/Nm",
)  # fmt: skip
_FROM, _TO = (tuple(f"{name}/{end}" for end in _ENDS) for name in ("Fr", "To"))
_NO_HEADER = Header()
_HEADERS = Teller({})


def header_of(element: Element | None) -> Header:
    """The business application header's values."""
    if element is None:
        return _NO_HEADER
    values = _HEADERS.leaves(element)
    sender, receiver = look(values, *_FROM), look(values, *_TO)
    return Header(
        bic11(sender or ""),
        bic11(receiver or ""),
        values.get("BizMsgIdr", ""),
        values.get("MsgDefIdr", ""),
        values.get("PssblDplct", ""),
        values.get("CreDt", "") or values.get("CreDtTm", ""),
    )
