"""Code words in free text: `/CODE/value` lines with `//` continuations (70, 72, 76, 77A, 77B, 79, 86)."""

from __future__ import annotations

import re

_CODE = re.compile(r"/([A-Z0-9]{2,8})/(.*)", re.DOTALL)
_INLINE = re.compile(r"/([A-Z]{3,4})/((?:[^/]|/(?!/|[A-Z]{3,4}/))*+)")  # a value may hold a `/`, not `//`


def joined(text: str) -> str:
    """The lines put together: a line `//...` goes on where the line before it ended."""
    return text.replace("\n//", "")


def code_lines(text: str) -> list[tuple[str, str]]:
    """(code, value) of every line; a line without a code belongs to the one before, or stands under ''.

    `/REJT/99` + `/AC04/` + `/TEXT//UETR/..` -> [("REJT", "99"), ("AC04", ""), ("TEXT", "/UETR/..")].
    """
    found: list[tuple[str, str]] = []
    for line in joined(text).split("\n"):
        match = _CODE.fullmatch(line)
        if match:
            found.append((match[1], match[2]))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line}".strip("\n"))
        elif line:
            found.append(("", line))
    return found


def inline_codes(text: str) -> dict[str, str]:
    """`/ROC/ref//INV/1` and `/EREF/ref/REMI/text` alike: the first value of each code."""
    found: dict[str, str] = {}
    for code, value in _INLINE.findall(text.replace("\n", "") if "\n" in text else text):
        found.setdefault(code, value.strip())
    return found


_PLUS = re.compile(r"([A-Z]{4})\+")
_SUBFIELD = re.compile(r"\?[0-9]{2}")


_NUMBERED = re.compile(r"(?:[0-9]{3})?(?=[?@^~][0-9]{2})")  # some banks leave the transaction code out
_PURPOSE = (*(f"2{digit}" for digit in range(10)), *(f"6{digit}" for digit in range(4)))


def subfields(text: str) -> dict[str, str]:
    """`166?00GUTSCHRIFT?20Rent?30BIC?31account?32name`: subfields by number; `text` holds the lines of the purpose together.

    Empty where the text is not of that form. The mark is most often `?`; what stands there is the mark throughout.
    """
    head = _NUMBERED.match(text)
    if head is None:
        return {}
    mark = text[head.end()]
    found: dict[str, str] = {}
    for part in text.replace("\n", "")[head.end() + 1 :].split(mark):
        number, value = part[:2], part[2:]
        found[number] = found.get(number, "") + value
    found["text"] = "".join(found[number] for number in _PURPOSE if number in found)
    return found


def plus_codes(text: str) -> dict[str, str]:
    """`166?00UEBERWEISUNG?20EREF+E2E1?21SVWZ+Rent`: the German banks' way, codes with `+` over numbered subfields."""
    flat = _SUBFIELD.sub("", text.replace("\n", "")) if "?" in text else text.replace("\n", "")
    found: dict[str, str] = {}
    marks = list(_PLUS.finditer(flat))
    ends = [*(mark.start() for mark in marks[1:]), len(flat)]
    for mark, end in zip(marks, ends, strict=False):  # no mark at all: the end is left over
        found.setdefault(mark[1], flat[mark.end() : end].strip())
    return found
