"""The fields' grammar as data: tag -> components, in the notation of SWIFT's handbook with a name behind each component.

`6!n` six digits exactly, `34x` up to 34 characters, `4*35x` up to four lines, `15d` an amount with a comma, `[..]`
optional, `~` a new line, `|` or, `@` a BIC, other characters stand for themselves. n digits, a letters, c letters and digits, x any text
of one line. Compiled to patterns whose every repetition is bounded and possessive: no pattern looks at a character twice
for the same reason, so a value costs time in its length alone.
"""

from __future__ import annotations

import re
from functools import cache

_PARTY_A = "[/36x<account>~]@"  # `/C/` or `/D/` may stand before the account: two characters more
_PARTY_B = "/36x<account>[~35x<location>]|35x<location>"
_PARTY_C = "/34x<account>"
_PARTY_D = "[/36x<account>~]4*35x<name>"
_FREE = "6*35x<text>"
_BALANCE = "1!a<mark>6!n<date>3!a<currency>15d<amount>"
_AMOUNT = "3!a<currency>15d<amount>"
_DATED = "6!n<date>3!a<currency>15d<amount>"

GRAMMAR: dict[str, str] = {
    "11R": "3!n<mt>~6!n<date>[~4!n<session>6!n<isn>]",
    "11S": "3!n<mt>~6!n<date>[~4!n<session>6!n<isn>]",
    "12": "3!n<mt>",
    "13C": "/8c<code>/4!n<time>1!x<sign>4!n<offset>",
    "13D": "6!n<date>4!n<time>1!x<sign>4!n<offset>",
    "19": "17d<amount>",
    "20": "16x<reference>",
    "21": "16x<reference>",
    "21C": "35x<reference>",
    "21D": "35x<reference>",
    "21E": "35x<reference>",
    "21F": "16x<reference>",
    "21R": "16x<reference>",
    "23B": "4!c<code>",
    "23E": "4!c<code>[/30x<text>]",
    "25": "35x<account>",
    "25A": "/34x<account>",
    "25P": "35x<account>~@",
    "26T": "3!c<code>",
    "28": "5n<statement>[/5n<page>]",
    "28C": "5n<statement>[/5n<page>]",
    "28D": "5n<index>/5n<total>",
    "30": "6!n<date>",
    "32A": _DATED,
    "32B": _AMOUNT,
    "32C": _DATED,
    "32D": _DATED,
    "33B": _AMOUNT,
    "34F": "3!a<currency>[1!a<mark>]15d<amount>",
    "36": "12d<rate>",
    "37H": "1!a<mark>[1!a<sign>]12d<rate>",
    "60F": _BALANCE,
    "60M": _BALANCE,
    "62F": _BALANCE,
    "62M": _BALANCE,
    "64": _BALANCE,
    "65": _BALANCE,
    "71A": "3!a<code>",
    "71B": "6*35x<text>",
    "71F": _AMOUNT,
    "71G": _AMOUNT,
    "72": _FREE,
    "75": _FREE,
    "76": _FREE,
    "77A": "20*35x<text>",
    "77B": "3*35x<text>",
    "79": "35*50x<text>",
    "86": "6*65x<text>",
    "90C": "5n<count>3!a<currency>15d<amount>",
    "90D": "5n<count>3!a<currency>15d<amount>",
    **{tag: _PARTY_A for tag in ("51A", "52A", "53A", "54A", "55A", "56A", "57A", "58A")},
    **{tag: _PARTY_B for tag in ("53B", "54B", "55B", "57B")},
    **{tag: _PARTY_C for tag in ("52C", "56C", "57C")},
    **{tag: _PARTY_D for tag in ("52D", "53D", "54D", "55D", "56D", "57D", "58D")},
    "50A": "[/34x<account>~]@",
    "50C": "@",
    "50F": "35x<account>~4*35x<name>",
    "50G": "/34x<account>~@",
    "50H": "/34x<account>~4*35x<name>",
    "50K": "[/34x<account>~]4*35x<name>",
    "50L": "35x<name>",
    "59": "[/34x<account>~]4*35x<name>",
    "59A": "[/34x<account>~]@",
    "59F": "[/34x<account>~]4*35x<name>",
    "70": "4*35x<text>",
}

_SIGNS = {"[": "(?:", "]": ")?", "~": "\n", "|": "|", "@": "(?P<bic>[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)"}
_CLASSES = {"n": "0-9", "a": "A-Z", "c": "A-Z0-9", "x": "^\n"}
_ITEM = re.compile(r"([0-9]+)(!|\*)?([0-9]+)?([nacxd])(?:<([a-z]+)>)?")


def pattern_of(notation: str) -> re.Pattern[str]:
    """Compiles one line of the grammar."""
    return re.compile(_translate(notation))


@cache
def pattern(tag: str) -> re.Pattern[str] | None:
    """The compiled grammar of a tag; None where the tag has none, so any value is as good as another."""
    return pattern_of(GRAMMAR[tag]) if tag in GRAMMAR else None


def components(tag: str, value: str) -> dict[str, str] | None:
    """The named components of a value; None where it does not have the tag's form."""
    compiled = pattern(tag)
    match = compiled.fullmatch(value) if compiled else None
    if match is None:
        return None
    # A name that stands in two alternatives has two groups, `account` and `account_`.
    return {name.rstrip("_"): text for name, text in match.groupdict().items() if text is not None}


def _translate(notation: str) -> str:
    out: list[str] = []
    used: dict[str, int] = {}
    place = 0
    while place < len(notation):
        match = _ITEM.match(notation, place)
        if match:
            out.append(_component(match, used))
            place = match.end()
            continue
        char = notation[place]
        out.append(_SIGNS.get(char) or re.escape(char))
        place += 1
    return "".join(out)


def _component(match: re.Match[str], used: dict[str, int]) -> str:
    first, mode, second, kind, name = match.groups()
    if kind == "d":
        body = f"(?=[0-9,]{{1,{first}}}(?![0-9,]))[0-9]{{1,{first}}}+,[0-9]*+"
    elif mode == "*":
        line = f"[^\n]{{1,{second}}}+"
        body = f"{line}(?:\n{line}){{0,{int(first) - 1}}}+"
    else:
        body = f"[{_CLASSES[kind]}]" + (f"{{{first}}}" if mode == "!" else f"{{1,{first}}}+")
    if name is None:
        return body
    used[name] = used.get(name, 0) + 1
    return f"(?P<{name}{'_' * (used[name] - 1)}>{body})"
