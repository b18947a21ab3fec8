"""Statement entries and their keys (camt.05x, MT940)."""

from __future__ import annotations

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
        if reference and reference.upper() not in ("NONREF", "NOTPROVIDED"):
            return make_event(**fields, key=self._key(account, sequence, reference))
        event = make_event(**fields, key="entry")
        key = self._key(account, sequence, f"sha256:{event.content_hash}")
        told = vars(event)
        told["event_key"] = key
        if told["payment_key"] == "event|entry":
            told["payment_key"] = join_key("event", key)
        return event

    def _key(self, account: str, sequence: str, own: str) -> str:
        occurrence = self._seen.count(join_key(account, sequence, own))
        parts = (self._family, account, sequence, own) + ((f"#{occurrence}",) if occurrence > 1 else ())
        return join_key(*parts)
