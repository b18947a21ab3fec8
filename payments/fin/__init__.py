"""SWIFT FIN: MT messages in blocks, in batches, or bare."""

from __future__ import annotations

from payments.fin.message import parse_messages

__all__ = ["parse_messages"]
