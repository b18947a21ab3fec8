"""Block 4's fields: tags and values in their order, and ways to look at them."""

from __future__ import annotations

import re

_TAG = re.compile(r"[0-9]{2}[A-Z]?|NS")
_KNOWN: set[str] = set()
Fields = list[tuple[str, str]]


def split_fields(text: str) -> tuple[str, Fields]:
    """(what stands before the first field, the fields). Lines of one value are joined by a line feed.

    A line that begins with `:` and no tag belongs to the value before it: nothing is lost.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    head, *parts = ("\n" + text).split("\n:")
    fields: Fields = []
    for part in parts:
        tag, sign, value = part.partition(":")
        if sign and (tag in _KNOWN or _new(tag)):
            fields.append((tag, value.rstrip("\n") if value[-1:] == "\n" else value))
        elif fields:
            fields[-1] = (fields[-1][0], f"{fields[-1][1]}\n:{part}".rstrip("\n"))
        else:
            head += f"\n:{part}"
    return head.strip("\n"), fields


def _new(tag: str) -> bool:
    """At most 100 * 27 + 1 tags exist, so the set stays small whatever comes."""
    if _TAG.fullmatch(tag) is None:
        return False
    _KNOWN.add(tag)
    return True


def tag_values(fields: Fields) -> dict[str, str]:
    """The same as a dictionary; a tag that repeats becomes `Tag[2]`, so that nothing is lost."""
    out: dict[str, str] = {}
    for tag, value in fields:
        if tag in out:
            number = 2
            while f"{tag}[{number}]" in out:
                number += 1
            tag = f"{tag}[{number}]"
        out[tag] = value
    return out
