"""The quick way from an element to the event's fields: the messages of a feed look alike, so a look is learnt once.

A shape is one element as lxml writes it, with holes where the leaves' texts and attributes stand, compiled to one pattern.
One match then takes the place of a Python object for every element beneath. What fits no shape goes the long way,
`tell(leaves(element), ...)`, of which this is the exact equal: a shape is learnt of what the long way found.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, cast

from lxml import etree

from payments.iso20022.fields import CONVERT, MONEY, Index, Told, chosen, tell
from payments.iso20022.xml import Element, leaves
from payments.values import Findings, usual_money

_LONGEST, _MOST_LEAVES = 65_536, 300
_MOST_ALIKE, _MOST_SHAPES, _TRIES = 8, 500, 4  # hostile input has as many shapes as it likes
_TAG = re.compile(r"<(/?)([^\s/>]+)([^<>]*?)(/?)>")
_ATTRIBUTE = re.compile(r'\s([^\s=]+)="([^"<]*)"')


class _Shape(NamedTuple):
    """paths: of each hole, in the order of `leaves`, with its group. extra: (path, group).

    fields: (field, path, groups, conversion, the currency's group or -1).
    """

    fits: Any
    paths: tuple[tuple[str, int], ...]
    fields: tuple[tuple[str, str, tuple[int, ...], Any, int], ...]
    extra: tuple[tuple[str, int], ...]


class Teller:
    """Tells elements by one index, and learns their shapes."""

    def __init__(self, where: Index) -> None:
        self._where = where
        self._shapes: dict[int, list[_Shape]] = {}  # by the number of tags
        self._count = 0
        # How often each set of paths came: a pattern is dear, so it is made when they come again, and not tried for ever.
        self._came: dict[int, int] = {}

    def tell(self, element: Element, place: str, findings: Findings) -> tuple[Told, dict[str, str]]:
        """As `fields.tell` of the element's leaves."""
        found = self._look(element)
        if found.__class__ is dict:
            return tell(found, self._where, place, findings)
        shape, texts = found
        if "" in texts:  # an empty one wins no field
            return tell({path: texts[group] for path, group in shape.paths}, self._where, place, findings)
        return _told(shape, texts, place, findings)

    def leaves(self, element: Element) -> dict[str, str]:
        """As `xml.leaves`."""
        found = self._look(element)
        if found.__class__ is dict:
            return cast("dict[str, str]", found)
        shape, texts = found
        return {path: texts[group] for path, group in shape.paths}

    def _look(self, element: Element) -> Any:
        """The element's shape with the texts of its holes; the leaves where it has none."""
        text: str = etree.tostring(element, encoding="unicode", with_tail=False)
        if "&" in text:  # escaped: the long way reads it
            return leaves(element)
        count = text.count("<")
        for shape in self._shapes.get(count, ()):
            match = shape.fits(text)
            if match is not None:
                return shape, list(map(str.strip, match.groups()))
        values = leaves(element)
        if self._count < _MOST_SHAPES and len(values) <= _MOST_LEAVES and len(text) <= _LONGEST:
            self._learn(text, count, values)
        return values

    def _learn(self, text: str, count: int, values: dict[str, str]) -> None:
        mark = hash(tuple(values))
        came = self._came.get(mark, 0)
        if came > _TRIES or (came == 0 and len(self._came) >= 4 * _MOST_SHAPES):
            return
        self._came[mark] = came + 1
        if came == 0:
            return
        alike = self._shapes.setdefault(count, [])
        found = _shape(text, values, self._where) if len(alike) < _MOST_ALIKE else None
        if found is not None:
            alike.append(found)
            self._count += 1


def _told(shape: _Shape, texts: list[str], place: str, findings: Findings) -> tuple[Told, dict[str, str]]:
    extra = {path: texts[group] for path, group in shape.extra}
    told: Told = {}
    before = f"{place}/" if place else ""
    for field, path, groups, convert, currency in shape.fields:
        text = texts[groups[0]] if len(groups) == 1 else "\n".join([texts[group] for group in groups])
        if convert is None:
            told[field] = text
        elif currency >= 0:
            found = usual_money(text, texts[currency])
            if found is None:  # the long way, which looks for the currency in `extra`
                extra[f"{path}@Ccy"] = texts[currency]
                found = convert(text, before + path, findings, extra, path)
            told[field] = found
        else:
            told[field] = convert(text, before + path, findings, extra, path)
    return told, extra


def _shape(text: str, values: dict[str, str], where: Index) -> _Shape | None:
    """None where the holes of the text are not the leaves one by one: an empty element, a name twice in one place."""
    pattern, order = _holes(text)
    match = re.fullmatch(pattern, text)
    if match is None or len(order) != len(values):
        return None
    if [match.group(group + 1).strip() for group in order] != list(values.values()):
        return None
    paths = tuple(zip(values, order, strict=True))
    # Which path wins which field is a matter of the paths alone, where every leaf says something: asked once, with
    # the groups' numbers in place of texts.
    won, extra = chosen({path: str(group) for path, group in paths}, where)
    fields = []
    for field, (_, path, groups) in won.items():
        currency = int(extra.pop(f"{path}@Ccy", "-1")) if field in MONEY else -1
        fields.append((field, path, tuple(int(item) for item in groups.split("\n")), CONVERT.get(field), currency))
    return _Shape(
        re.compile(pattern).fullmatch, paths, tuple(fields), tuple((path, int(group)) for path, group in extra.items())
    )


def _holes(text: str) -> tuple[str, list[int]]:
    """The pattern of an element's look, and its groups in the order of `leaves`: an element's text before its attributes."""
    pattern: list[str] = []
    order: list[int] = []
    tags = list(_TAG.finditer(text))
    groups = 0
    for number, tag in enumerate(tags):
        closes, name, attributes, empty = tag.groups()
        if closes or number == 0:  # the element's own attributes are no leaves
            pattern.append(re.escape(tag[0]))
        else:
            pattern.append(re.escape(f"<{name}"))
            own = []
            for item in _ATTRIBUTE.finditer(attributes):
                if item[1].startswith("xmlns"):
                    pattern.append(re.escape(item[0]))
                    continue
                pattern.append(
                    f'\\ {re.escape(item[1])}="([^"<\\s]*+)"'
                )  # an attribute's blanks are kept, a text's are not
                own.append(groups)
                groups += 1
            pattern.append(f"{empty}>")
        leaf = not closes and not empty and number + 1 < len(tags) and tags[number + 1][1] == "/"
        if leaf and number:
            order.append(groups)
            groups += 1
        if not closes and number:
            order.extend(own)
        pattern.append("([^<]*+)" if leaf and number else "[^<]*+" if number + 1 < len(tags) else "")
    return "".join(pattern), order
