"""Safe reading of XML: no DTD, no entities, no network; elements as flat dictionaries by local path."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from payments.formats.base import Source
from payments.values import Findings

Element = Any
_DOCTYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))
_NAMESPACE = re.compile(r"([a-z]{4}\.[0-9]{3})\.([0-9]{3})\.([0-9]{2})(?![0-9])")
LEADING = b" \t\r\n\x00\x01$"
XINCLUDE = "{http://www.w3.org/2001/XInclude}*"
MAX_GAP = 64 * 1024 * 1024  # bytes without a transaction's end that a streamed document may have
ATTRIBUTES = "one element has thousands of attributes: that is no message"
_BLOCK, _CROWD = 2_048, 1_000
SAFE: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
_LOCAL: dict[str, str] = {}


class GapTooLarge(Exception):
    """More bytes than one element may have."""


class TooManyAttributes(Exception):
    """An element with thousands of attributes: to look them up takes time in the square of their number."""


class HasInclude(Exception):
    """An XInclude: nothing is fetched from elsewhere."""


class HasDoctype(Exception):
    """A document type declaration: refused before anything of it is used."""


class Feed:
    """A stream that the parser reads from: looks for a document type, and bounds what lies between two transactions."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tail = b""
        self._since = 0
        self._tags = Tags()

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(size)
        self._since += len(piece)
        if self._since > MAX_GAP:
            raise GapTooLarge
        window = self._tail + piece
        if has_doctype(window):
            raise HasDoctype
        if self._tags.crowded(piece):
            raise TooManyAttributes
        self._tail = window[-18:]
        return piece

    def mark(self) -> None:
        """A transaction has ended."""
        self._since = 0


def read(payload: bytes, findings: Findings) -> Element | None:
    """The root element; None and an error finding where it is not well-formed, has a DTD or breaks its encoding."""
    # Looked for before parsing: an internal subset is work for the parser even where entities stay unexpanded.
    if has_doctype(payload):
        findings.error("dtd", "prolog", "a document type declaration is refused")
        return None
    if Tags().crowded(payload):
        findings.error("too_large", "Document", ATTRIBUTES)
        return None
    try:
        root = etree.fromstring(begun(payload), etree.XMLParser(**SAFE))
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        told(error, findings)
        return None
    if root is None or root.getroottree().docinfo.internalDTD is not None:
        findings.error("dtd" if root is not None else "xml", "prolog", "a document type declaration is refused")
        return None
    if (b"XInclude" in payload or b"\x00" in payload) and next(root.iter(XINCLUDE), None) is not None:
        findings.error("xinclude", "Document", "an XInclude is refused: nothing is fetched from elsewhere")
        return None
    return root


def has_doctype(payload: bytes) -> bool:
    """XML knows the word in capitals alone; any other way to write it is not well-formed."""
    return b"<!DOCTYPE" in payload or (b"\x00" in payload and any(word in payload for word in _DOCTYPES))


class Tags:
    """Watches for a start tag with thousands of attributes: many `=` in a row of blocks without a `<`."""

    def __init__(self) -> None:
        self._equals = 0

    def crowded(self, piece: bytes) -> bool:
        """Whether one goes on in the next piece of a document."""
        for start in range(0, len(piece), _BLOCK):
            if piece.find(b"<", start, start + _BLOCK) >= 0:
                self._equals = 0
                continue
            self._equals += piece.count(b"=", start, start + _BLOCK)
            if self._equals > _CROWD:
                return True
        return False


def kind_in(head: bytes) -> str:
    """The message type that the first bytes name, of a message that cannot be read further."""
    for match in _NAMESPACE.finditer(head.replace(b"\x00", b"")[:65_536].decode("latin-1")):
        if match[1] != "head.001":
            return match[0]
    return ""


def begun(payload: bytes) -> bytes:
    """Without what may stand before a document: blanks, and separators of batches."""
    return payload if payload.startswith(b"\x00<") else payload.lstrip(LEADING)


def told(error: Exception, findings: Findings) -> None:
    """What the parser says, with its line."""
    line = getattr(error, "lineno", None) or 1
    rule = "encoding" if "encod" in str(error).lower() else "xml"
    findings.error(rule, f"line {line}", str(error)[:200])


def local(tag: Any) -> str:
    """The name without its namespace; entity references and the like have none."""
    found = _LOCAL.get(tag) if isinstance(tag, str) else ""
    if found is None:
        found = tag.rpartition("}")[2]
        if len(_LOCAL) < 20_000:  # hostile input has as many names as it likes
            _LOCAL[tag] = found
    return found


def message_type(element: Element) -> tuple[str, str]:
    """(`pacs.008`, `pacs.008.001.08`) from the namespace, else two empty texts."""
    tag = element.tag
    match = _NAMESPACE.search(tag[1:].rpartition("}")[0]) if isinstance(tag, str) and tag.startswith("{") else None
    return (match[1], match[0]) if match else ("", "")


def child(element: Element | None, *names: str) -> Element | None:
    """Descends by local names; None where one is absent."""
    for name in names:
        if element is None:
            return None
        element = next((item for item in element if local(item.tag) == name), None)
    return element


def children(element: Element | None, name: str) -> list[Element]:
    return [] if element is None else [item for item in element if local(item.tag) == name]


def leaves(element: Element | None, skip: frozenset[str] = frozenset()) -> dict[str, str]:
    """Every leaf beneath `element`: `PmtId/UETR` -> text, attributes as `IntrBkSttlmAmt@Ccy`, repeats as `Name[2]`.

    skip: names of direct children that are left out with all beneath them.
    """
    out: dict[str, str] = {}
    if element is None:
        return out
    if skip:
        _walk(element, "", out, skip)
        return out
    items = list(element.iter())
    for item, path in zip(items, _paths_of(element, items), strict=True):
        if path is None:
            continue
        if path[-1] != "/":
            text = item.text
            out[path] = text.strip() if text else ""
        for attribute, value in item.items():
            out[f"{path.rstrip('/')}@{local(attribute)}"] = value
    return out


_Paths = tuple[str | None, ...]
_SHAPES: dict[tuple[Any, ...], _Paths] = {}  # the messages of a feed look alike: their paths are made once
_MOST_SHAPES, _LARGEST_SHAPE = 2_000, 500


def _paths_of(element: Element, items: list[Element]) -> _Paths:
    """The path of each of `items` (the element and all beneath it, in order); one with children ends in `/`."""
    if len(items) > _LARGEST_SHAPE:
        return tuple(_paths(element))
    shape = (*[item.tag for item in items], *[len(item) for item in items])
    found = _SHAPES.get(shape)
    if found is None:
        found = tuple(_paths(element))
        if len(_SHAPES) < _MOST_SHAPES:
            _SHAPES[shape] = found
    return found


def _paths(element: Element) -> list[str | None]:
    found: list[str | None] = [None]
    _name(element, "", found, set())
    return found


def _name(element: Element, prefix: str, found: list[str | None], taken: set[str]) -> None:
    """A schema lets an element repeat only right behind itself; where one does so elsewhere, its leaves are numbered."""
    last, count = "", 1
    for item in element:
        name = local(item.tag)
        if not name:
            found.append(None)
            continue
        last, count = (last, count + 1) if name == last else (name, 1)
        path = f"{prefix}{name}[{count}]" if count > 1 else prefix + name
        if len(item):
            found.append(path + "/")
            _name(item, path + "/", found, taken)
            continue
        number = 2
        while path in taken:
            path, number = f"{prefix}{name}[{number}]", number + 1
        taken.add(path)
        found.append(path)


def _walk(element: Element, prefix: str, out: dict[str, str], skip: frozenset[str]) -> None:
    """The leaves of the children that are not skipped."""
    last, count = "", 1
    for item in element:
        name = local(item.tag)
        if not name or name in skip:
            continue
        last, count = (last, count + 1) if name == last else (name, 1)
        path = f"{prefix}{name}[{count}]" if count > 1 else prefix + name
        if len(item):
            for inner, value in leaves(item).items():
                out[f"{path}/{inner}"] = value
        else:
            text = item.text
            out[path] = text.strip() if text else ""
        for attribute, value in item.items():
            out[f"{path}@{local(attribute)}"] = value


def look(values: dict[str, str], *paths: str) -> str | None:
    """The first of `paths` that says something."""
    for path in paths:
        found = values.get(path)
        if found:
            return found
    return None
