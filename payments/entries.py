"""Statement entries and their keys (camt.05x, MT940)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from payments.identity import assembled, join_key
from payments.model import EventKind, PaymentEvent
from payments.seen import Seen


class EntryKeys:
    """Keys of the entries of one message: (account, sequence number, AcctSvcrRef), else the content hash; both with the
    occurrence where it is not the first, because identical entries are legal.

    The sequence carries the page (`12/2`): the pages of one statement come as messages of their own.
    """

    def __init__(self, family: str) -> None:
        self._family = family
        self._seen = Seen()

    def entry(
        self,
        account: str,
        sequence: str,
        reference: str | None,
        told: dict[str, Any],
        *,
        sender: str,
        message_id: str,
        ordinal: str,
        extra: Mapping[str, str],
        uetr: str | None = None,
    ) -> PaymentEvent:
        """Builds the event; `told` is what `identity.make_event` takes of it, and becomes the event's own."""
        family, kind = self._family, EventKind.BOOKED
        if reference and reference.upper() not in ("NONREF", "NOTPROVIDED"):
            key = self._key(account, sequence, reference)
            return assembled(told, family, kind, sender, message_id, ordinal, key, "", uetr, extra)
        event = assembled(told, family, kind, sender, message_id, ordinal, "entry", "", uetr, extra)
        key = self._key(account, sequence, f"sha256:{event.content_hash}")
        values = vars(event)
        values["event_key"] = key
        if values["payment_key"] == "event|entry":
            values["payment_key"] = join_key("event", key)
        return event

    def _key(self, account: str, sequence: str, own: str) -> str:
        joined = join_key(account, sequence, own)
        occurrence = self._seen.count(joined)
        return f"{self._family}|{joined}" if occurrence == 1 else f"{self._family}|{joined}|#{occurrence}"
