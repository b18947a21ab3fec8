"""Plain data out of YAML, with the line and column of everything: what a person can be pointed to.

Stricter than YAML: no tags, no anchors, no duplicate keys, no floats (they stay text), at most 256 KiB and 20 levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cutwater.core.errors import BadInput
from cutwater.core.redaction import plain

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
Key = tuple[str | int, ...]
_INT, _BOOL, _NULL = (f"tag:yaml.org,2002:{name}" for name in ("int", "bool", "null"))


@dataclass(frozen=True)
class Marked:
    """A document's data, and where each key path stands: (line, column), both from 1."""

    path: Path
    data: Any
    marks: dict[Key, tuple[int, int]]

    def where(self, key: Key) -> str:
        """`file:line:column` of a key path, or of the nearest one above it that exists."""
        while key and key not in self.marks:
            key = key[:-1]
        line, column = self.marks.get(key, (1, 1))
        return f"{self.path}:{line}:{column}"


def read_marked(path: Path) -> Marked:
    """Reads a file. Raises BadInput CW3001 (no file) or CW3002 (not plain YAML), with line and column."""
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise BadInput("CW3001", f"there is no wave file {path}", next=f"write {path}") from None
    except OSError as error:
        raise BadInput("CW3001", f"{path} cannot be read", cause=str(error), next=f"mend {path}") from None
    return parse_marked(raw, path)


def parse_marked(raw: bytes, path: Path) -> Marked:
    """As `read_marked`, of bytes."""
    if len(raw) > MAX_BYTES:
        raise _bad(path, None, f"is larger than {MAX_BYTES // 1024} KiB")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad(path, None, f"is not UTF-8 at byte {error.start}") from None
    try:
        _plain_events(text, path)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _bad(path, error.problem_mark, str(error.problem or error.context)) from None
    except yaml.YAMLError as error:
        raise _bad(path, None, str(error).splitlines()[0]) from None
    if node is None:
        raise _bad(path, None, "is empty")
    marks: dict[Key, tuple[int, int]] = {}
    return Marked(path, _build(node, (), marks, path), marks)


def _plain_events(text: str, path: Path) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _bad(path, event.start_mark, "anchors and aliases are not read here: write it out")
        if tag := getattr(event, "tag", None):
            raise _bad(path, event.start_mark, f"the tag {tag} is refused: plain data only")
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            raise _bad(path, event.start_mark, "holds a second document: one wave per file")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _bad(path, event.start_mark, f"is nested deeper than {MAX_DEPTH} levels")


def _build(node: yaml.Node, key: Key, marks: dict[Key, tuple[int, int]], path: Path) -> Any:
    marks.setdefault(key, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                raise _bad(path, name_node.start_mark, "a key has to be a word")
            name = str(name_node.value)
            if name in found:
                raise _bad(path, name_node.start_mark, f"{name} stands here twice")
            marks[(*key, name)] = (name_node.start_mark.line + 1, name_node.start_mark.column + 1)
            found[name] = _build(value_node, (*key, name), marks, path)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*key, place), marks, path) for place, item in enumerate(node.value)]
    if plain(str(node.value)) != str(node.value):
        raise _bad(path, node.start_mark, "holds a control character: it would steer the terminal of whoever reads it")
    return _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    text = str(node.value)
    if node.tag == _INT and text.lstrip("+-").isdecimal() and len(text) < 19:
        return int(text)
    if node.tag == _BOOL and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return None if node.tag == _NULL else text


def _bad(path: Path, mark: Any, problem: str) -> BadInput:
    where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark is not None else str(path)
    return BadInput("CW3002", f"{where} {problem}", state="nothing was planned", next=f"mend {path}")
