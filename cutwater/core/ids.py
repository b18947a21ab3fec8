"""Identifiers of runs: sortable by time, short enough to be read out on the phone."""

from __future__ import annotations

import secrets

from cutwater.core.clock import Clock, utc_now

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U


def new_id(prefix: str = "", clock: Clock = utc_now) -> str:
    """`prefix` + 9 characters of milliseconds + 5 random ones."""
    number = (int(clock().timestamp() * 1000) << 25) | secrets.randbits(25)
    text = ""
    for _ in range(14):
        number, digit = divmod(number, 32)
        text = _ALPHABET[digit] + text
    return prefix + text
