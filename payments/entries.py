"""Statement entries: their key, and the equation of the statement they stand in (camt.053, camt.054, MT940)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from payments.identity import join_key, make_event
from payments.model import PaymentEvent
from payments.values import Findings, add


class EntryKeys:
    """Keys of the entries of one message: (account, sequence number, AcctSvcrRef), else the content hash; both with the
    occurrence where it is not the first, because identical entries are legal.

    The sequence carries the page (`12/2`): the pages of one statement come as messages of their own.
    """

    def __init__(self, family: str) -> None:
        self._family = family
        self._seen: Counter[tuple[str, str, str]] = Counter()

    def entry(self, account: str, sequence: str, reference: str | None, **fields: Any) -> PaymentEvent:
        """Builds the event; `fields` are those of `identity.make_event` apart from the key."""
        event = make_event(**fields, key="entry")
        usable = bool(reference) and (reference or "").upper() not in ("NONREF", "NOTPROVIDED")
        own = reference if usable and reference else f"sha256:{event.content_hash}"
        self._seen[(account, sequence, own)] += 1
        occurrence = self._seen[(account, sequence, own)]
        parts = (self._family, account, sequence, own) + ((f"#{occurrence}",) if occurrence > 1 else ())
        key = join_key(*parts)
        rank = event.payment_key
        return replace(event, event_key=key, payment_key=join_key("event", key) if rank == "event|entry" else rank)


def check_balance(
    control: dict[str, str],
    place: str,
    opening: Decimal | None,
    closing: Decimal | None,
    signed: Sequence[Decimal],
    findings: Findings,
) -> None:
    """Closing = opening + booked entries; a `balance_equation` warning where it does not hold."""
    if opening is None or closing is None:
        return
    expected = add([opening, *signed])
    control[f"{place}.opening"], control[f"{place}.closing"] = f"{opening:f}", f"{closing:f}"
    control[f"{place}.movement.actual"] = f"{add(signed):f}"
    if expected != closing:
        findings.warn(
            "balance_equation", place, f"opening {opening:f} + entries {add(signed):f} is not closing {closing:f}"
        )
