"""Synthetic parties: company names from word lists, and account numbers whose check digits hold.

No name is of a person or of a real company; bank codes begin with `QX`, which no bank uses, and BICs follow them.
"""

from __future__ import annotations

import random
import string
import unicodedata
from dataclasses import dataclass

_FIRST = (
    "Harbour", "Copper", "Juniper", "Quarry", "Lantern", "Meadow", "Basalt", "Willow", "Beacon", "Tidal", "Amber",
    "Foundry", "Heather", "Pinnacle", "Saltmarsh", "Orchard", "Granite", "Kestrel", "Millrace", "Cobalt", "Drift",
    "Hollow", "Marlin", "Northgate", "Oakfield", "Prism", "Ridgeline", "Sable", "Thornbank", "Umber", "Vellum",
)  # fmt: skip
_SECOND = (
    "Freight", "Textiles", "Paper", "Instruments", "Bakeries", "Chemicals", "Timber", "Optics", "Foods", "Pumps",
    "Ceramics", "Printing", "Logistics", "Dairy", "Castings", "Cables", "Packaging", "Seeds", "Tools", "Glass",
)  # fmt: skip
_LOCAL: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "GB": (_FIRST, _SECOND, ("Ltd", "plc", "LLP", "& Sons Ltd")),
    "IE": (_FIRST, _SECOND, ("DAC", "Teoranta")),
    "DE": (
        ("Küstenlicht", "Grünwerk", "Südhang", "Bärenquell", "Weißfluss", "Mühlbach", "Förde", "Hügelland"),
        ("Logistik", "Werkzeugbau", "Möbel", "Getränke", "Prüftechnik", "Großhandel", "Gewürze"),
        ("GmbH", "AG", "GmbH & Co. KG"),
    ),
    "AT": (
        ("Almblick", "Donautor", "Gämsfels", "Blütenhof"),
        ("Holzbau", "Kältetechnik", "Mühlen", "Glashütte"),
        ("GmbH", "OG"),
    ),
    "NL": (
        ("Zeewind", "Poldervaart", "Café-Molen", "Ijsselstroom", "Tulpenveld"),
        ("Transport", "Bloemen", "Scheepsbouw", "Coöperatie", "Zuivel"),
        ("B.V.", "N.V.", "U.A."),
    ),
    "CH": (
        ("Forêt Éclat", "Gletscher", "Alpenröslein", "Lac Bleuté"),
        ("Horlogerie", "Präzision", "Fromagerie", "Énergie"),
        ("SA", "AG", "Sàrl"),
    ),
    "PL": (
        ("Świerk", "Żuraw", "Łąka", "Dąb"),
        ("Tkaniny", "Narzędzia", "Młyny", "Szkło"),
        ("Sp. z o.o.", "S.A."),
    ),
    "KW": (("Gulf Pearl", "Dune Crest", "Falcon Bay"), _SECOND, ("W.L.L.", "K.S.C.")),
    "BH": (("Palm Shore", "Reef Line", "Date Garden"), _SECOND, ("W.L.L.", "B.S.C.")),
    "JP": (("北風", "青海", "朝霧", "山吹"), ("物流", "製紙", "精機", "食品"), ("株式会社",)),
}
_STREETS = ("Quay Road", "Mill Lane", "Station Yard", "Foundry Street", "Canal Bank", "Market Row")


@dataclass(frozen=True)
class Bank:
    """A fictitious bank: `bic8`, the country of its accounts and the code inside their IBANs."""

    bic8: str
    country: str
    code: str
    currencies: tuple[str, ...]

    @property
    def bic11(self) -> str:
        return self.bic8 + "XXX"


OWN_BANK = Bank("QXHBGB2L", "GB", "QXHB", ("GBP", "EUR", "USD", "JPY", "KWD", "BHD"))
LEDGER_BIC8 = "QXLGGB2L"  # the servicer whose statements come in through SWIFT
CORRESPONDENT_BIC8 = "QXCBUS33"  # takes the cover payments
BANKS = (
    Bank("QXMRGB2L", "GB", "QXMR", ("GBP", "USD")),
    Bank("QXTNGB2L", "GB", "QXTN", ("GBP", "JPY")),
    Bank("QXKLDEFF", "DE", "99910010", ("EUR", "USD")),
    Bank("QXWFDEMM", "DE", "99920020", ("EUR",)),
    Bank("QXZWNL2A", "NL", "QXZW", ("EUR",)),
    Bank("QXSHIE2D", "IE", "QXSH", ("EUR",)),
    Bank("QXDTATWW", "AT", "99910", ("EUR", "USD")),
    Bank("QXGLCHZZ", "CH", "99910", ("USD", "JPY", "EUR")),
    Bank("QXPEKWKW", "KW", "QXPE", ("KWD",)),
    Bank("QXRLBHBM", "BH", "QXRL", ("BHD",)),
)


def company_name(rng: random.Random, country: str, number: int) -> str:
    """A made-up legal name in the country's letters; `number` keeps large estates free of too many namesakes."""
    first, second, legal = _LOCAL.get(country, _LOCAL["GB"])
    gap = "" if country == "JP" else " "
    mark = f"{gap}{number}" if number % 3 == 0 else ""
    return f"{rng.choice(first)}{gap}{rng.choice(second)}{mark}{gap}{rng.choice(legal)}"


def street(rng: random.Random) -> str:
    """A made-up street and number."""
    return f"{rng.randint(1, 240)} {rng.choice(_STREETS)}"


def mod97(text: str) -> int:
    """Remainder by 97 of the digits of `text`, letters as 10-35 (ISO 7064): a valid IBAN, rearranged, gives 1."""
    return int("".join(str(int(sign, 36)) for sign in text)) % 97


def iban(country: str, bban: str) -> str:
    """The IBAN (ISO 13616) of a basic account number, check digits computed."""
    return f"{country}{98 - mod97(bban + country + '00'):02d}{bban}"


def iban_holds(value: str) -> bool:
    """Do the check digits of an IBAN hold?"""
    return mod97(value[4:] + value[:4]) == 1


def account_numbers(rng: random.Random, bank: Bank) -> tuple[str, str | None, str | None]:
    """(IBAN, sort code, account number) of a new account; the two latter only in GB."""
    digits = f"{rng.randrange(10**14):014d}"
    if bank.country == "GB":
        sort_code = f"99{rng.randrange(10):01d}{rng.randrange(1000):03d}"
        return iban("GB", bank.code + sort_code + digits[:8]), sort_code, digits[:8]
    if bank.country == "IE":
        return iban("IE", f"{bank.code}99{digits[:4]}{digits[4:12]}"), None, None
    tail = {
        "DE": digits[:10],
        "NL": digits[:10],
        "AT": digits[:11],
        "CH": digits[:12],
        "KW": "00000000" + digits,
        "BH": digits,
    }
    return iban(bank.country, bank.code + tail[bank.country]), None, None


def lei(rng: random.Random) -> str:
    """A Legal Entity Identifier (ISO 17442) with valid check digits and a prefix that nobody issues."""
    body = "999900" + "".join(rng.choice(string.ascii_uppercase + string.digits) for _ in range(12))
    return f"{body}{98 - mod97(body + '00'):02d}"


_FIN_X = frozenset(string.ascii_letters + string.digits + "/-?:().,'+ ")
_SPELT = {"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "AE", "&": "+", "_": "-"}


def transliterate(text: str) -> str:
    """`text` in FIN character set x (payments.md): accents dropped, what has no Latin letter becomes a full stop."""
    if all(sign in _FIN_X for sign in text):
        return text
    spelt = "".join(_SPELT.get(sign, sign) for sign in text)
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", spelt) if not unicodedata.combining(sign))
    return "".join(sign if sign in _FIN_X else "." for sign in plain)
