"""Statement entries and their keys (camt.05x, MT940)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from payments.identity import join_key, make_event
from payments.model import PaymentEvent
from payments.seen import Seen


class EntryKeys:
    """Keys of the entries of one message: (account, sequence number, AcctSvcrRef), else the content hash; both with the
    occurrence where it is not the first, because identical entries are legal.

    The sequence carries the page (`12/2`): the pages of one statement come as messages of their own.
    """

    def __init__(self, family: str) -> None:
        self._family = family
        self._seen = Seen()

    def entry(self, account: str, sequence: str, reference: str | None, **fields: Any) -> PaymentEvent:
        """Builds the event; `fields` are those of `identity.make_event` apart from the key."""
        event = make_event(**fields, key="entry")
        usable = bool(reference) and (reference or "").upper() not in ("NONREF", "NOTPROVIDED")
        own = reference if usable and reference else f"sha256:{event.content_hash}"
        occurrence = self._seen.count(join_key(account, sequence, own))
        parts = (self._family, account, sequence, own) + ((f"#{occurrence}",) if occurrence > 1 else ())
        key = join_key(*parts)
        rank = event.payment_key
        return replace(event, event_key=key, payment_key=join_key("event", key) if rank == "event|entry" else rank)
