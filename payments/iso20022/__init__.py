"""ISO 20022: an optional business application header and a Document, in any wrapper, to canonical events."""

from payments.iso20022.envelope import parse_xml

__all__ = ["parse_xml"]
