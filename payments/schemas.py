"""Validation against XSDs from a folder of the user's: `pacs.008.001.08.xsd` and its like, whatever the file's prefix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lxml import etree

from payments.values import Findings


class Schemas:
    """Finds, loads and keeps schemas by message type. A folder that lacks one says so in a finding."""

    MOST = 50  # findings of one document

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, Path] = {}
        for path in sorted(folder.rglob("*.xsd")):
            parts = path.stem.split(".")
            for start in range(len(parts) - 3):
                self._files.setdefault(".".join(parts[start : start + 4]), path)
        self._loaded: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._files)

    def check(self, document: Any, version: str, findings: Findings) -> None:
        """Every way in which the document breaks its schema is an error finding at the element's path."""
        schema = self._schema(version)
        if schema is None:
            findings.warn("not_validated", version, f"there is no schema for {version} in the folder")
            return
        if schema.validate(document):
            return
        for error in list(schema.error_log)[: self.MOST]:
            findings.error("schema", _plain(error.path, document), error.message.replace("{", "").split("}")[-1][:200])

    def _schema(self, version: str) -> Any | None:
        if version not in self._loaded:
            path = self._files.get(version)
            parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
            try:
                self._loaded[version] = etree.XMLSchema(etree.parse(str(path), parser)) if path else None
            except (etree.XMLSyntaxError, etree.XMLSchemaParseError, OSError):
                self._loaded[version] = None
        return self._loaded[version]


def _plain(path: str | None, document: Any) -> str:
    """The schema's path is `/*/*[2]/*`: the names are looked up."""
    if not path:
        return "Document"
    try:
        found = document.getroottree().xpath(path)
    except etree.XPathError:
        return path
    if not found:
        return path
    names = []
    item = found[0]
    while item is not None and item is not document:
        name = item.tag.rpartition("}")[2]
        parent = item.getparent()
        same = [other for other in parent if other.tag == item.tag] if parent is not None else []
        names.append(f"{name}[{same.index(item) + 1}]" if len(same) > 1 else name)
        item = parent
    return "/".join(reversed(names)) or "Document"
