"""Block 4's fields: tags and values in their order, and ways to look at them."""

from __future__ import annotations

import re

_TAG = re.compile(r"\n:([0-9]{2}[A-Z]?|NS):")
Fields = list[tuple[str, str]]


def split_fields(text: str) -> tuple[str, Fields]:
    """(what stands before the first field, the fields). Lines of one value are joined by a line feed.

    A line that begins with `:` and no tag belongs to the value before it: nothing is lost.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    head, *parts = _TAG.split("\n" + text.rstrip("\n"))
    return head.strip("\n"), list(zip(parts[::2], parts[1::2], strict=True))


def tag_values(fields: Fields) -> dict[str, str]:
    """The same as a dictionary; a tag that repeats becomes `Tag[2]`, so that nothing is lost."""
    out: dict[str, str] = {}
    seen: dict[str, int] = {}
    for tag, value in fields:
        number = seen[tag] = seen.get(tag, 0) + 1
        out[tag if number == 1 else f"{tag}[{number}]"] = value
    return out
