"""Parties, agents and accounts as values of their own, made from an event's texts where somebody asks for them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")


def bic11(text: str) -> str:
    """A BIC of 8 characters is its head office: `XXX` is appended. Anything else stays as it is, in upper case."""
    value = text.strip().upper()
    return value + "XXX" if len(value) == 8 else value


@dataclass(frozen=True)
class Party:
    """Who pays or is paid."""

    name: str | None = None
    identifier: str | None = None


@dataclass(frozen=True)
class Agent:
    """A bank: its BIC, else the member id of its clearing system, else its name."""

    identifier: str | None = None

    @property
    def bic(self) -> str | None:
        """Eleven characters: a BIC of eight is its head office."""
        text = (self.identifier or "").upper()
        if not _BIC.fullmatch(text):
            return None
        return bic11(text)

    @property
    def country(self) -> str | None:
        return self.bic[4:6] if self.bic else None


@dataclass(frozen=True)
class Account:
    """An account's number without blanks."""

    number: str | None = None

    @property
    def is_iban(self) -> bool:
        """Form and check digits (ISO 7064, MOD 97-10)."""
        text = self.number or ""
        if not _IBAN.fullmatch(text):
            return False
        return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1

    @property
    def iban(self) -> str | None:
        return self.number if self.is_iban else None
