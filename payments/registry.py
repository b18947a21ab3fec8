"""The one entrance: bytes in, `Parsed` out. Looks at the content; the hint only decides where the content is silent."""

from __future__ import annotations

from payments import bacs, fin
from payments.iso20022 import parse_xml
from payments.model import Finding, Parsed

MAX_BYTES = 64 * 1024 * 1024  # a bulk pain.001 of 50,000 transactions is about 50 MB; a tree of it fits in memory
SYNTHETIC = "SYNTHETIC"  # marked as such in its envelope, whatever it looks like
CONTROL_FORMATS = frozenset({"FIN.ACK", "FIN.NAK", "FIN.TRAINING", "FIN.SERVICE", SYNTHETIC})  # nothing to book in them
_BOMS = (b"\xff\xfe", b"\xfe\xff")
_LEADING = b" \t\r\n\x00\x01$"


def parse(payload: bytes, hint: str = "") -> Parsed:
    """Parses one message or file; never raises for bad content.

    hint: the stream or a format name (`file:bacs`, `swift:fin-in`), used where the first bytes do not tell.
    """
    if len(payload) > MAX_BYTES:
        return _refused("", "too_large", f"{len(payload)} bytes; at most {MAX_BYTES} are parsed")
    head = payload[:64].removeprefix(b"\xef\xbb\xbf").lstrip(_LEADING)
    if not head:
        return _refused("", "empty", "there is nothing in it")
    if head.startswith(b"<") or payload[:2] in _BOMS:
        return parse_xml(payload)
    if head.startswith(b"{1:"):
        return fin.parse_fin(payload)
    if head[:4] in (b"VOL1", b"HDR1", b"UHL1"):
        return bacs.parse_bacs(payload)
    if "bacs" in hint:
        return bacs.parse_bacs(payload)
    if "fin" in hint:
        return fin.parse_fin(payload)
    return _refused("", "unknown_format", "neither XML, nor SWIFT FIN, nor Bacs Standard 18")


def _refused(form: str, rule: str, text: str) -> Parsed:
    return Parsed(form, "", (), (Finding("error", rule, "", text),))
