"""Large documents in constant memory: transactions are read as they end, and let go."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from payments.formats.base import Source
from payments.iso20022.context import Header, Level, Message
from payments.iso20022.envelope import Reader, header_of, kept, opened, part_of, reader_of
from payments.iso20022.families import FAMILIES, NAMES, Family
from payments.iso20022.xml import (
    ATTRIBUTES,
    SAFE,
    XINCLUDE,
    Element,
    Feed,
    GapTooLarge,
    HasDoctype,
    HasInclude,
    TooManyAttributes,
    leaves,
    local,
    message_type,
    told,
)
from payments.model import Parsed
from payments.values import Findings

_TAGS = [XINCLUDE, *(f"{{*}}{name}" for name in ("AppHdr", "Document", *NAMES))]


class _Stream:
    """The state between two events of the parser."""

    def __init__(self, feed: Feed, size: int) -> None:
        self.feed, self.size = feed, size
        self.header = Header()
        self.document: Element | None = None
        self.message: Message | None = None
        self.family: Family | None = None
        self.reader: Reader | None = None
        self.levels: list[Level] = []
        self.index, self.part = 0, 0
        self.hot = ""
        self.within: Level | None = None  # the transaction before: its tag, and the level it stood in; most are as it
        self.last: Element | None = None  # the transaction before: it is let go when the next one has ended

    def start(self, element: Element) -> None:
        if element.tag == self.hot:
            return  # no container
        if element.tag.startswith(XINCLUDE[:-1]):
            raise HasInclude
        name = local(element.tag)
        if name == "Document" and self.document is None:
            self.document = element
        elif self.document is not None and name != "AppHdr":
            self._container(element, name)

    def end(self, element: Element) -> Parsed | None:
        """A part or the whole of a message, where one is ready."""
        tag, within = element.tag, self.within
        if tag == self.hot and within is not None and within is self.levels[-1]:
            if element.getparent() is within.element:
                return self._transaction(element, within, local(tag))
        name = local(tag)
        if name == "AppHdr" and self.document is None:
            self.header = header_of(element)
            self.feed.mark()
        elif element is self.document:
            return self._finish()
        elif self.reader is not None and self.family is not None and self.levels:
            return self._inner(element, name)
        return None

    def _begin(self, body: Element) -> None:
        kind = message_type(self.document)
        kind = kind if kind[0] else message_type(body)
        self.message = opened(kind, self.header, Findings())
        self.family = FAMILIES.get(kind[0])
        if self.family is not None and kind[0]:
            self.reader = reader_of(self.family, self.message, body)
            self.levels = [self.reader.top]

    def _container(self, element: Element, name: str) -> None:
        parent = element.getparent()
        if self.message is None and parent is not None and parent.getparent() is self.document:
            self._begin(parent)
        if self.family is None or not self.levels or parent is not self.levels[-1].element:
            return
        level = self.levels[-1]
        path = f"{level.path}/{name}" if level.path else name
        if path in self.family.containers:
            place = _place(level, name)
            self.levels.append(Level(element, path, place))

    def _inner(self, element: Element, name: str) -> Parsed | None:
        reader, family, message = self.reader, self.family, self.message
        if reader is None or family is None or message is None:
            return None
        level = self.levels[-1]
        if element is level.element and len(self.levels) > 1:
            self.levels.pop()
            reader.close(level, self.levels[-1])
            self._let_go(element)
        elif element.getparent() is level.element:
            path = f"{level.path}/{name}" if level.path else name
            if path in family.transactions:
                self.hot, self.within = element.tag, level
                return self._transaction(element, level, name)
        return self._part(last=False) if len(message.events) >= self.size else None

    def _transaction(self, element: Element, level: Level, name: str) -> Parsed | None:
        reader, message = self.reader, self.message
        if reader is None or message is None:
            raise AssertionError("a transaction needs a message")
        reader.transaction(element, self.levels, _place(level, name))
        self._let_go(element)
        return self._part(last=False) if len(message.events) >= self.size else None

    def _let_go(self, element: Element) -> None:
        """An element may not be taken out of the tree while the parser stands in it: the one before is."""
        self.feed.mark()
        if self.last is not None and (parent := self.last.getparent()) is not None:
            parent.remove(self.last)
        element.clear()
        self.last = element

    def _part(self, last: bool) -> Parsed:
        message = self.message
        if message is None:
            raise AssertionError("a part needs a message")
        flush = getattr(self.reader, "flush", None)
        if flush is not None and not last:
            flush()
        found = part_of(message, last, self.part).but(index=self.index)
        self.part += 1
        return found

    def _finish(self) -> Parsed:
        document = self.document
        body = next(iter(document), None) if document is not None else None
        if self.message is None:
            found = self._other(body)
        else:
            if self.reader is not None:
                self.reader.finish()
            found = self._part(last=True)
        if document is not None:
            document.clear()
        self.feed.mark()
        self.header, self.document, self.message, self.reader = Header(), None, None, None
        self.levels, self.family, self.last, self.part = [], None, None, 0
        self.hot, self.within = "", None
        self.index += 1
        return found

    def _other(self, body: Element | None) -> Parsed:
        """A document without any transaction: of a family that is not read, or empty."""
        findings = Findings()
        kind = message_type(self.document)
        if body is None:
            findings.error("empty_document", "Document", "the document has no content")
        elif not (kind[0] or message_type(body)[0]):
            findings.error("namespace", "Document", "the namespace names no ISO 20022 message and version")
        else:
            self._begin(body)
            if self.reader is not None:
                self.reader.finish()
                return self._part(last=True)
            if self.message is not None:
                return kept(self.message, leaves(body)).but(index=self.index)
        return Parsed(kind[1] or "XML", "", (), findings.tuple(), form="mx", index=self.index)

    def broken(self, findings: Findings) -> Parsed:
        """What is left where reading stopped: the open document's last part, rejected."""
        message = self.message
        if message is None:
            return Parsed("XML", self.header.message_id, (), findings.tuple(), form="mx", index=self.index)
        for item in findings.items:
            message.findings.error(item.code, item.path, item.message)
        return self._part(last=True)


def _place(level: Level, name: str) -> str:
    count = level.counts[name] = level.counts.get(name, 0) + 1
    return f"{level.place}/{name}[{count}]" if level.place else f"{name}[{count}]"


def parse_stream(source: Source, size: int) -> Iterator[Parsed]:
    """Every document of a stream, in parts of about `size` events; never raises for bad content."""
    feed = Feed(source)
    state, findings = _Stream(feed, size), Findings()
    try:
        for event, element in etree.iterparse(feed, events=("start", "end"), tag=_TAGS, **SAFE):
            if event == "start":
                state.start(element)
            elif (found := state.end(element)) is not None:
                yield found
    except HasDoctype:
        findings.error("dtd", "prolog", "a document type declaration is refused")
    except HasInclude:
        findings.error("xinclude", "Document", "an XInclude is refused: nothing is fetched from elsewhere")
    except GapTooLarge:
        findings.error("too_large", "Document", "one element has more than 64 MiB: that is no message")
    except TooManyAttributes:
        findings.error("too_large", "Document", ATTRIBUTES)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        told(error, findings)
    if findings.items:
        yield state.broken(findings)
    elif state.index == 0:
        findings.error("no_document", "Document", "no ISO 20022 document was found in it")
        yield Parsed("XML", "", (), findings.tuple(), form="mx")
