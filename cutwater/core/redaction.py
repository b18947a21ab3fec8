"""What never reaches a log, a message or a report unmasked: passwords, account numbers, names."""

from __future__ import annotations

import re

_URL_PASSWORD = re.compile(r"(://[^:/@\s]+):([^@\s]+)@")
_KEY_PASSWORD = re.compile(r"(?i)\b(password|passwd|secret|token|aws_secret_access_key)(\s*[=:]\s*)('[^']*'|\S+)")
_IBAN = re.compile(r"\b([A-Z]{2}\d{2})([A-Z0-9]{7,26})([A-Z0-9]{4})\b")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """Names come from outside (files, messages, other people's YAML): what would steer a terminal, reverse the reading order
    or cannot be written as UTF-8 is shown as an escape. Newlines and tabs stay."""
    return _CONTROL.sub(lambda m: ascii(m[0])[1:-1], text)


def redact(text: str) -> str:
    """Passwords are replaced by `***`; of an IBAN its country, check digits and last four remain."""
    text = _URL_PASSWORD.sub(r"\1:***@", text)
    text = _KEY_PASSWORD.sub(r"\1\2***", text)
    return _IBAN.sub(lambda m: f"{m[1]}{'*' * len(m[2])}{m[3]}", text)


def mask(value: str, keep: int = 4) -> str:
    """All but the last `keep` characters as `*`; short values are masked whole."""
    return "*" * len(value) if len(value) <= keep else "*" * (len(value) - keep) + value[-keep:]
