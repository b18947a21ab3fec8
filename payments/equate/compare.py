"""Two values of one field: equal, how equal, or not. Every comparison says its class or None."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum


class Match(StrEnum):
    """The class of one field of a pair."""

    EXACT = "exact"  # the same value, however each standard writes it
    NORMALISED = "normalised"  # apart from case, blanks, BIC8 and BIC11, transliteration
    TRUNCATION = "truncation"  # the MT value is the MX value cut to the MT field
    DERIVED = "derived"  # follows from a rule: a code's other name, an agent that is the sender, a constant
    LOST = "lost"  # in MX alone: MT has no place for it
    ENRICHED = "enriched"  # in MX alone: structure that MX wants and MT does not have
    UNEXPLAINED = "unexplained"


Compare = Callable[[str, str], Match | None]
_SPECIAL = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "œ": "oe", "&": "+", "_": "-"}
)
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "AE", "Ö": "OE", "Ü": "UE"})
_WORD = re.compile(r"[a-z0-9]+")


def plain(text: str) -> str:
    """Case folded, blanks made one, transliterated to SWIFT's letters."""
    flat = unicodedata.normalize("NFKD", text.translate(_SPECIAL))
    return " ".join("".join(char for char in flat if not unicodedata.combining(char)).casefold().split())


def words(text: str) -> list[str]:
    return _WORD.findall(plain(text))


def text(mt: str, mx: str) -> Match | None:
    if mt == mx:
        return Match.EXACT
    one, other = plain(mt), plain(mx)
    if one == other or one == plain(mx.translate(_GERMAN)) or words(mt) == words(mx):
        return Match.NORMALISED
    return None


def reference(mt: str, mx: str) -> Match | None:
    """References over 16 characters become their first 15 and `+`; other writers cut at 16."""
    found = text(mt.strip(), mx.strip())
    if found:
        return Match.EXACT if mt.strip() == mx.strip() else found
    if len(mx) > len(mt) >= 16 and (mt == mx[:15] + "+" or mt == mx[:16]):
        return Match.TRUNCATION
    return None


def cut_text(mt: str, mx: str) -> Match | None:
    """Names and free text: MT may hold the beginning alone, or the whole in other line breaks."""
    found = text(mt, mx)
    if found:
        return found
    one, other = "".join(words(mt)), "".join(words(mx))
    if one and one == other:
        return Match.NORMALISED
    return Match.TRUNCATION if len(mt.strip()) >= 30 and other.startswith(one) else None


def inside(mt: str, mx: str) -> Match | None:
    """MX's text stands within MT's: MT puts several elements into one field. The other way round MT holds its beginning."""
    found = cut_text(mt, mx)
    if found:
        return found
    one, other = words(mt), words(mx)
    size = len(other)
    if size and any(one[index : index + size] == other for index in range(len(one) - size + 1)):
        return Match.NORMALISED
    joined, whole = "".join(other), "".join(one)  # MT breaks its lines within words
    return Match.NORMALISED if len(joined) >= 8 and joined in whole else None


def bic(mt: str, mx: str) -> Match | None:
    if mt == mx:
        return Match.EXACT
    one, other = (value + "XXX" if len(value) == 8 else value for value in (mt.upper(), mx.upper()))
    return Match.NORMALISED if one == other else None


def account(mt: str, mx: str) -> Match | None:
    if mt == mx:
        return Match.EXACT
    one, other = (value.replace(" ", "").upper().lstrip("/") for value in (mt, mx))
    return Match.NORMALISED if one == other and one else None


def amount(mt: str, mx: str) -> Match | None:
    try:
        same = Decimal(mt.replace(",", ".", 1)) == Decimal(mx.strip())
    except InvalidOperation:
        return None
    return Match.EXACT if same else None


def day(mt: str, mx: str) -> Match | None:
    """`YYMMDD` and `YYYY-MM-DD`, a time behind it left aside."""
    return Match.EXACT if len(mt) == 6 and mx[2:10].replace("-", "") == mt and mx[:2] in ("19", "20") else None


def entry_day(mt: str, mx: str) -> Match | None:
    return Match.EXACT if len(mt) == 4 and mx[5:10].replace("-", "") == mt else None


def stamp(mt: str, mx: str) -> Match | None:
    """`YYMMDDHHMM`, with or without `+HHMM`, against a date and time: the same clock or the same instant."""
    digits = re.sub(r"[^0-9]", "", mx[:16])
    if digits[2:12] == mt[:10]:
        return Match.EXACT
    if len(mt) == 15 and mt[10] in "+-":
        try:
            one = datetime.strptime(f"20{mt}", "%Y%m%d%H%M%z")
            other = datetime.fromisoformat(mx)
        except ValueError:
            return None
        if other.tzinfo and one == other.replace(second=0, microsecond=0):
            return Match.NORMALISED
    return None


def number(mt: str, mx: str) -> Match | None:
    if not (mt.isdigit() and mx.isdigit()):
        return None
    if mt == mx:
        return Match.EXACT
    return Match.NORMALISED if mt.lstrip("0") == mx.lstrip("0") else None


CODES: dict[str, dict[str, tuple[str, ...]]] = {
    "charges": {"OUR": ("DEBT",), "SHA": ("SHAR",), "BEN": ("CRED",)},
    "sign": {"C": ("CRDT",), "D": ("DBIT",), "RC": ("DBIT",), "RD": ("CRDT",), "EC": ("CRDT",), "ED": ("DBIT",)},
    "reversal": {"RC": ("true", "1"), "RD": ("true", "1"), "C": ("false", "0"), "D": ("false", "0")},
    "entry": {
        "C": ("BOOK",),
        "D": ("BOOK",),
        "RC": ("BOOK",),
        "RD": ("BOOK",),
        "EC": ("INFO", "PDNG"),
        "ED": ("INFO", "PDNG"),
    },
    "priority": {"N": ("NORM",), "U": ("HIGH",)},
    "refusal": {"REJT": ("RJCT",), "RETN": ("RJCT",)},
    "fee": {"CANF": ("CFEE",)},
    "cancelled": {"RequestedByCustomer": ("CUST",), "Duplicate": ("DUPL",), "Fraud": ("FRAD",)},
    "stop": {"Rejected": ("RJCR",), "Accepted": ("ACCR", "CNCL"), "Pending": ("PDCR",)},
    "type": {
        "101": ("pain.001",),
        "103": ("pacs.008", "pacs.004", "pacs.002"),
        "110": ("camt.107",),
        "111": ("camt.108",),
        "112": ("camt.109",),
        "190": ("camt.105",),
        "191": ("camt.106",),
        "192": ("camt.056", "camt.055"),
        "196": ("camt.029",),
        "199": ("pacs.002", "pain.002"),
        "200": ("pacs.009",),
        "202": ("pacs.009", "pacs.004"),
        "204": ("pacs.010",),
        "205": ("pacs.009", "pacs.004"),
        "210": ("camt.057",),
        "290": ("camt.105",),
        "291": ("camt.106",),
        "292": ("camt.056",),
        "296": ("camt.029",),
        "299": ("pacs.002",),
        "900": ("camt.054",),
        "910": ("camt.054",),
        "920": ("camt.060",),
        "940": ("camt.053",),
        "941": ("camt.052",),
        "942": ("camt.052",),
        "950": ("camt.053",),
    },
}


def code(table: str) -> Compare:
    """A comparison by a table of codes; a value that begins with the table's is enough (`pacs.008.001.08`)."""
    rows = CODES[table]

    def compare(mt: str, mx: str) -> Match | None:
        return Match.DERIVED if any(mx.startswith(item) for item in rows.get(mt, ())) else None

    return compare


def charge_part(mt: str, mx: str) -> Match | None:
    """`/NSTP/GBP10,/D`: the MX value is one of the parts, an amount with a comma included."""
    for part in re.split(r"[/\n ]", mt):
        if part == mx or (part[:3].isalpha() and part[3:] and (amount(part[3:], mx) or part[:3] == mx)):
            return Match.EXACT
        if mx in CODES["fee"].get(part, ()):
            return Match.DERIVED
    return None


def listed(mt: str, mx: str) -> Match | None:
    """MT's code is one of several that MX has in one element."""
    found = inside(mt, mx)
    return found or (Match.NORMALISED if mt in mx.split() else None)


def first_part(table: str) -> Compare:
    """A code that stands first in a field: `/Rejected/Payer Request`."""
    compare = code(table)
    return lambda mt, mx: compare(mt.strip("/").split("/")[0], mx)


def anything(value: str) -> Compare:
    """Whatever MT says, MX says this one word for it."""
    return lambda _, mx: Match.DERIVED if mx == value else None
