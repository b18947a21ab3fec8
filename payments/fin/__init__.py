"""SWIFT FIN: blocks, headers and the text of MT103, MT202 and MT940; ACK and NAK; anything else by its identity."""

from payments.fin.message import parse_fin

__all__ = ["parse_fin"]
