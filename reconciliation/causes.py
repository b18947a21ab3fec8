"""The likely cause of a differing value, from rules over both of its texts. Pure; a guess for people, never a reason to pass."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_WIDE = Context(prec=200)
QUARTER, LONGEST_SHIFT = timedelta(minutes=15), timedelta(hours=14)


def cause(source: str | None, target: str | None) -> str:
    """In a few words, or '' where no rule fits. None is NULL."""
    if source is None or target is None:
        other = target if source is None else source
        return "NULL against an empty text" if other == "" else "NULL on one side"
    if _NUMBER.fullmatch(source) and _NUMBER.fullmatch(target):
        return _of_numbers(Decimal(source), Decimal(target))
    return _of_instants(source, target) or _of_texts(source, target)


def _of_numbers(source: Decimal, target: Decimal) -> str:
    places = _places(target)
    if places < _places(source) and places != 1:  # nobody rounds money to tenths: a cent less is no rounding
        unit = Decimal(1).scaleb(-places)
        if target in (source.quantize(unit, way, _WIDE) for way in (ROUND_HALF_UP, ROUND_HALF_EVEN)):
            return f"rounded to {places} decimal places"
        if target == source.quantize(unit, ROUND_DOWN, _WIDE):
            return f"cut to {places} decimal places"
    if source == -target:
        return "the sign is turned"
    if source and target in (source * 100, source / 100):
        return "major against minor units (a factor of 100)"
    return ""


def _places(value: Decimal) -> int:
    return max(0, -int(value.normalize(_WIDE).as_tuple().exponent))


def _of_instants(source: str, target: str) -> str:
    try:
        before, after = datetime.fromisoformat(source), datetime.fromisoformat(target)
        shift = after - before
    except (ValueError, TypeError):
        return ""
    if shift and not shift % QUARTER and abs(shift) <= LONGEST_SHIFT:
        hours = Decimal(int(shift.total_seconds())) / 3600
        return f"shifted by {hours.normalize():+f} h: a time zone"
    if abs(shift) < timedelta(seconds=1) and 0 in (before.microsecond % 1000, after.microsecond % 1000):
        return "the fraction of the second is cut"
    return ""


def _of_texts(source: str, target: str) -> str:
    if source.strip() == target.strip():
        return "blanks at an end"
    if source.casefold() == target.casefold():
        return "upper and lower case"
    if unicodedata.normalize("NFKC", source) == unicodedata.normalize("NFKC", target):
        return f"another Unicode form: {_points(source, target)}"
    for one, other in ((source, target), (target, source)):
        try:
            if one.encode("utf-8").decode("cp1252") == other or one.encode("utf-8").decode("latin-1") == other:
                return "UTF-8 that was read as Latin-1"
        except UnicodeDecodeError:
            continue
    short, long = sorted((source, target), key=len)
    if short and long.startswith(short):
        return f"cut to {len(short)} characters"
    if "?" in target and re.fullmatch(re.escape(target).replace(r"\?", "."), source, re.DOTALL):
        return "characters that the target's encoding lacks"
    return ""


def _points(source: str, target: str) -> str:
    """The code points at the first place where two texts part."""
    at = next(
        (n for n, (a, b) in enumerate(zip(source, target, strict=False)) if a != b), min(len(source), len(target))
    )
    named = [f"U+{ord(text[at]):04X}" if at < len(text) else "nothing" for text in (source, target)]
    return f"{named[0]} against {named[1]} at character {at + 1}"
