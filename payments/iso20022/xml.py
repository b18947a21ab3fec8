"""Safe reading of XML: no DTD, no entities, no network; elements as flat dictionaries by local path."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from payments.values import Findings

Element = Any
_DOCTYPE = re.compile(rb"<\x00?!\x00?D\x00?O\x00?C\x00?T\x00?Y\x00?P\x00?E", re.IGNORECASE)
_NAMESPACE = re.compile(r"([a-z]{4}\.[0-9]{3})\.([0-9]{3})\.([0-9]{2})$")


def read(payload: bytes, findings: Findings) -> Element | None:
    """The root element; None and an error finding where it is not well-formed, has a DTD or breaks its encoding."""
    # Looked for before parsing: an internal subset is work for the parser even where entities stay unexpanded.
    if _DOCTYPE.search(payload):
        findings.error("dtd", "", "a document type declaration is refused")
        return None
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(payload.lstrip(b" \t\r\n\x00\x01$"), parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        rule = "encoding" if "encod" in str(error).lower() else "xml"
        findings.error(rule, "", str(error)[:200])
        return None
    if root is None or root.getroottree().docinfo.internalDTD is not None:
        findings.error("dtd" if root is not None else "xml", "", "a document type declaration is refused")
        return None
    return root


def local(tag: Any) -> str:
    """The name without its namespace; entity references and the like have none."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


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
    if element is not None:
        _walk(element, "", out, skip)
    return out


def _walk(element: Element, prefix: str, out: dict[str, str], skip: frozenset[str]) -> None:
    seen: dict[str, int] = {}
    for item in element:
        name = local(item.tag)
        if not name or name in skip:
            continue
        count = seen[name] = seen.get(name, 0) + 1
        path = f"{prefix}{name}[{count}]" if count > 1 else prefix + name
        if len(item):
            _walk(item, path + "/", out, frozenset())
        else:
            out[path] = (item.text or "").strip()
        for attribute, value in item.attrib.items():
            out[f"{path}@{local(attribute)}"] = value


def take(values: dict[str, str], *paths: str) -> str | None:
    """Removes and returns the first of `paths` that says something; the others stay for `extra`."""
    for path in paths:
        found = values.get(path)
        if found:
            del values[path]
            return found
    return None


def look(values: dict[str, str], *paths: str) -> str | None:
    """As `take`, but the value stays."""
    return next((values[path] for path in paths if values.get(path)), None)


def account(values: dict[str, str], role: str) -> str | None:
    """An account by role (`DbtrAcct`): IBAN without blanks in upper case, else the other identification."""
    iban = take(values, f"{role}/Id/IBAN")
    if iban:
        return iban.replace(" ", "").upper()
    return take(values, f"{role}/Id/Othr/Id", f"{role}/Id/BBAN", f"{role}/Id/PrtryAcct/Id", f"{role}/Id/UPIC")


def agent(values: dict[str, str], role: str) -> str | None:
    """An agent's BIC; `BIC` became `BICFI` between versions."""
    return look(values, f"{role}/FinInstnId/BICFI", f"{role}/FinInstnId/BIC", f"{role}/FinInstnId/CmbndId/BIC")
