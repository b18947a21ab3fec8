"""ISO 20022: an optional business application header and a Document, in any wrapper, to canonical events."""

from payments.iso20022.envelope import parse_tree
from payments.iso20022.stream import parse_stream

__all__ = ["parse_stream", "parse_tree"]
