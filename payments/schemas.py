"""Validation against XSDs from a folder of the user's: `pacs.008.001.08.xsd` and its like, whatever the file's prefix."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from lxml import etree

from payments.values import Findings

_NAMESPACE = re.compile(r"\{[^}]*\}")
_PREFIX = re.compile(r"/[\w.-]+:")


class Schemas:
    """Finds, loads and keeps schemas by message type. A folder that lacks one says so in a finding."""

    MOST = 50  # findings of one document

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, Path] = {}
        for path in sorted(folder.rglob("*.xsd")):
            parts = path.stem.split(".")
            for start in range(len(parts) - 3):
                self._files.setdefault(".".join(parts[start : start + 4]), path)
        self._loaded: dict[str, tuple[Any, str | None] | None] = {}

    def __len__(self) -> int:
        return len(self._files)

    def check(self, document: Any, version: str, findings: Findings) -> None:
        """Every way in which the document breaks its schema is an error finding at the element's path."""
        schema = self._schema(version)
        if schema is None or schema[1] != etree.QName(document).namespace:
            findings.warn("not_validated", version, f"there is no schema for {version} in the folder")
            return
        alone = copy.deepcopy(document)  # without its wrapper: the schema's paths begin at the Document
        if schema[0].validate(alone):
            return
        for error in list(schema[0].error_log)[: self.MOST]:
            findings.error("schema", _plain(error.path, alone), _NAMESPACE.sub("", error.message)[:240])

    def _schema(self, version: str) -> tuple[Any, str | None] | None:
        """(schema, its namespace); a variant of a community has another namespace under the same number."""
        if version not in self._loaded:
            path = self._files.get(version)
            parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
            try:
                tree = etree.parse(str(path), parser) if path else None
                found = (etree.XMLSchema(tree), tree.getroot().get("targetNamespace")) if tree is not None else None
                self._loaded[version] = found
            except (etree.XMLSyntaxError, etree.XMLSchemaParseError, OSError):
                self._loaded[version] = None
        return self._loaded[version]


def _plain(path: str | None, document: Any) -> str:
    """The schema's path is `/*/*[2]/*`: the names are looked up."""
    if not path:
        return "Document"
    if "*" not in path:
        return _PREFIX.sub("/", path).removeprefix("/Document/").lstrip("/")
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
