"""Party and agent fields (50a, 52a-59a): what their options say, as one flat value."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_NUMBERED = re.compile(r"([1-8])/(.*)")
_IDENTIFIER = re.compile(r"([A-Z]{4})/([A-Z]{2})/(.+)")
_COUNTRY = re.compile(r"([A-Z]{2})(?:/(.*))?")


@dataclass(slots=True)
class FinParty:
    """option: the tag's letter. account: without blanks, upper case. clearing: `//CP999` as `CP999`. address: what is
    neither name, country nor town. country, town: of a numbered line 3/. other: further numbered lines, by number."""

    option: str = ""
    account: str = ""
    clearing: str = ""
    side: str = ""  # C or D before the account: which side it stands on
    bic: str = ""
    name: str = ""
    address: tuple[str, ...] = ()
    country: str = ""
    town: str = ""
    other: tuple[tuple[str, str], ...] = ()


def account_of(value: str) -> str:
    """The first line without blanks, in upper case; a leading `/` belongs to the form."""
    return value.partition("\n")[0].replace(" ", "").upper().lstrip("/")


def only_bic(value: str) -> str:
    """The value where it is a BIC and nothing else; an empty text where it is more, or none."""
    return value if len(value) in (8, 11) and _BIC.fullmatch(value) else ""


def read_party(tag: str, value: str) -> FinParty:
    """Any value of a party field; what fits no form is the name and the address, so nothing is lost."""
    party = FinParty(option=tag[2:])
    if party.option == "A" and only_bic(value):
        party.bic = value
        return party
    lines = value.split("\n")
    first = lines[0]
    if first[:1] == "/":
        _account(party, first)
        lines = lines[1:]
    elif tag == "50F" and _IDENTIFIER.fullmatch(first):
        party.other = (("id", first),)
        lines = lines[1:]
    if not lines or not lines[0]:
        return party
    if party.option in ("A", "C", "G") and (match := _BIC.fullmatch(lines[0].strip())):
        party.bic = match[0]
        party.address = tuple(line for line in lines[1:] if line)
        return party
    if lines[0][1:2] == "/" and _NUMBERED.match(lines[0]):
        _numbered(party, lines)
    elif party.option == "B":
        party.town = " ".join(lines)
    else:
        party.name, party.address = lines[0].strip(), tuple(line.strip() for line in lines[1:] if line.strip())
    return party


def _account(party: FinParty, line: str) -> None:
    if line[:2] == "//":
        code, _, account = line[2:].partition("/")
        party.clearing, party.account = code.strip(), _plain(account)
    elif line[2:3] == "/" and line[1] in "CD":
        party.side, party.account = line[1], _plain(line[3:])
    else:
        party.account = _plain(line[1:])


def _plain(text: str) -> str:
    return text.strip().replace(" ", "").upper()


def _numbered(party: FinParty, lines: list[str]) -> None:
    """`1/name`, `2/address`, `3/country/town`, 4/ and on; a number that repeats goes on with the line before."""
    names: list[str] = []
    address: list[str] = []
    other: list[tuple[str, str]] = list(party.other)
    for line in lines:
        match = _NUMBERED.fullmatch(line)
        if match is None:
            address.append(line.strip())
        elif match[1] == "1":
            names.append(match[2].strip())
        elif match[1] == "2":
            address.append(match[2].strip())
        elif match[1] == "3":
            place = _COUNTRY.fullmatch(match[2].strip()) if not party.country else None
            if place:
                party.country, party.town = place[1], (place[2] or "").strip()
            else:
                party.town = f"{party.town} {match[2].strip()}".strip()
        else:
            other.append((match[1], match[2].strip()))
    party.name, party.address, party.other = " ".join(names), tuple(address), tuple(other)
