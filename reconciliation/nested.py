"""Json and nested values as one canonical text: what is equal by value reads equal, whichever store printed it. Pure.

Objects are sorted by key and numbers are written by value (`1.50` is `1.5`, `-0` is `0`); texts keep their code points. Lists,
structs and maps come as json, each leaf as PostgreSQL's `to_json` writes it: dates and instants as ISO texts, bytes as `\\x` and
hex digits. Of a key that an object repeats the last one counts, as in jsonb.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

UNREADABLE = "not json: "  # no json text begins like this
_PLAIN = 40  # digits on either side of the point that are written out; beyond, an exponent


def json_text(text: str | None) -> str | None:
    """The canonical text of a json text; what cannot be read as json is told apart from everything that can."""
    if text is None:
        return None
    try:
        return _written(json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant))
    except (ValueError, ArithmeticError, RecursionError):
        return UNREADABLE + text


def _written(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
        case Decimal():
            return _number(value)
        case Mapping():
            return "{" + ",".join(f"{_quoted(key)}:{_written(value[key])}" for key in sorted(value)) + "}"
    return "[" + ",".join(_written(item) for item in value) + "]"


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not json")


def _quoted(text: str) -> str:
    plain = json.dumps(text, ensure_ascii=False)
    return json.dumps(text) if any("\ud800" <= letter <= "\udfff" for letter in plain) else plain


def _number(value: Decimal) -> str:
    sign, digits, exponent = value.as_tuple()
    number = "".join(map(str, digits)).lstrip("0")
    kept = number.rstrip("0")
    if not kept:
        return "0"
    power = int(exponent) + len(number) - len(kept)
    body = _plain(kept, power) if -_PLAIN <= power <= _PLAIN else f"{kept}e{power}"
    return "-" + body if sign else body


def _plain(digits: str, power: int) -> str:
    if power >= 0:
        return digits + "0" * power
    whole, part = digits[:power], digits[power:]
    return f"{whole or '0'}.{part.rjust(-power, '0')}"
