"""Makes a message out of an official schema: every optional element there, the n-th alternative of every choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lxml import etree

X = "{http://www.w3.org/2001/XMLSchema}"
_LEFT_OUT = frozenset("SplmtryData PstlAdr Tax TaxRmt CtctDtls Grnshmt Invcr Invcee".split())
_BASES = {
    "boolean": "true",
    "date": "2026-03-14",
    "dateTime": "2026-11-20T10:00:00Z",
    "time": "10:00:00Z",
    "decimal": "1",
}


class Maker:
    def __init__(self, schema: Path, alternative: int) -> None:
        root = etree.parse(str(schema)).getroot()
        self.space, self.alternative, self.number = root.get("targetNamespace"), alternative, 0
        self.types = {item.get("name"): item for item in root if item.tag in (X + "complexType", X + "simpleType")}
        self.top = next(item for item in root if item.tag == X + "element")

    def message(self) -> bytes:
        root = etree.Element(f"{{{self.space}}}{self.top.get('name')}", nsmap={None: self.space})
        self._fill(root, self.top.get("type"), 0)
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8")

    def _fill(self, element: Any, kind: str, depth: int) -> None:
        found = self.types.get(kind)
        if found is None or found.tag == X + "simpleType":
            element.text = self._text(found, element.tag.rpartition("}")[2])
            return
        simple = found.find(f"{X}simpleContent/{X}extension")
        if simple is not None:
            self.number += 1
            element.text = f"{100 + self.number}.25"
            for item in simple.findall(X + "attribute"):
                element.set(item.get("name"), "EUR")
            return
        for part in found:
            self._part(element, part, depth)

    def _part(self, element: Any, part: Any, depth: int) -> None:
        if part.tag == X + "sequence":
            for item in part:
                self._part(element, item, depth)
        elif part.tag == X + "choice":
            options = [item for item in part if item.tag in (X + "element", X + "sequence")]
            if options:
                self._part(element, options[min(self.alternative, len(options) - 1)], depth)
        elif part.tag == X + "element" and part.get("name") not in _LEFT_OUT:
            if depth < 10 or (part.get("minOccurs") != "0" and depth < 25):
                child = etree.SubElement(element, f"{{{self.space}}}{part.get('name')}")
                self._fill(child, part.get("type"), depth + 1)

    def _text(self, kind: Any, name: str) -> str:
        self.number += 1
        rule = kind.find(X + "restriction") if kind is not None else None
        if rule is None:
            return "x"
        values = rule.findall(X + "enumeration")
        if values:
            return str(values[0].get("value"))
        base, pattern = rule.get("base").rpartition(":")[2], rule.find(X + "pattern")
        if base in _BASES:
            return (
                "0.25" if "Rate" in kind.get("name") else str(100 + self.number) if base == "decimal" else _BASES[base]
            )
        return self._by(pattern.get("value") if pattern is not None else "", name, rule)

    def _by(self, pattern: str, name: str, rule: Any) -> str:
        if "UETR" in name:
            return f"{self.number:08x}-1c57-4b62-9a53-0f6b6f1f3a11"
        if name.startswith(("BIC", "AnyBIC")):
            return f"BANKGB2L{self.number % 1000:03d}"
        if name == "IBAN":
            return f"GB33BUKB20201555{self.number:06d}"
        if pattern.startswith("[0-9]"):
            return "1"
        longest = rule.find(X + "maxLength")
        size = int(longest.get("value")) if longest is not None else 35
        return f"{name[: max(1, size - 5)]}{self.number}"[:size]
