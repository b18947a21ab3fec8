"""Drafts to canonical events, and pages to canonical statements with their entries."""

from __future__ import annotations

import re

from payments.entries import EntryKeys
from payments.fin.draft import Draft
from payments.fin.reader import FinMessage
from payments.fin.statements import Page
from payments.identity import assembled, join_key
from payments.model import EventKind, PaymentEvent
from payments.statements import Statement, StatementEntry, entry_of
from payments.values import Findings

_UETR = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_KINDS = {item.value: item for item in EventKind}
_HEADER = ("103", "108", "111", "113", "119")
_ONLY_UETR = frozenset({"121"})
_REPORTED = frozenset({"STATUS", "ANSWERED"})


def event_of(draft: Draft, message: FinMessage, kind: str, findings: Findings) -> PaymentEvent:
    """kind: the type, `MT103`. The ordinal of a message with one transaction is its UETR where there is one: references
    cut to 16 characters collide, the UETR does not."""
    header, told, extra = message.header, draft.told, draft.extra
    uetr = (draft.uetr or "").strip() or None
    if uetr and not _UETR.fullmatch(uetr):
        findings.warn("uetr", "{3:{121:}}", "field 121 is no UUID; kept, but no payment key")
        extra["{121}"], uetr = uetr, None
    if uetr is None and "original_uetr" in told:
        told["original_uetr"] = None
    for name in _HEADER if header.user.keys() != _ONLY_UETR else ():
        if name in header.user:
            extra[f"{{{name}}}"] = header.user[name]
    if draft.kind in _REPORTED:
        told["reporter"] = told.get("reporter") or header.sender or None
    told["message_type"] = kind
    if receiver := header.receiver:
        told["receiver"] = receiver
    uetr = uetr.lower() if uetr else None
    sender, message_id = header.sender, draft.message_id
    ordinal = uetr if uetr and draft.ordinal == "1" else draft.ordinal
    key = join_key(kind, sender, message_id, ordinal)
    return assembled(told, kind, _KINDS[draft.kind], sender, message_id, ordinal, key, "", uetr, extra)


def statement_of(page: Page, message: FinMessage, kind: str) -> tuple[list[PaymentEvent], Statement]:
    """A BOOKED event a line, and the statement with the same lines as entries. The key's sequence carries the page."""
    keys = EntryKeys(kind)
    number = _plain(page.sequence) + (f"/{_plain(page.page)}" if page.page else "")
    events, entries = [], []
    sender, receiver, sequence = message.header.sender, message.header.receiver, number or page.reference
    for draft in page.lines:
        told = draft.told
        told["message_type"] = kind
        if page.reference:
            told["batch_id"] = page.reference
        if receiver:
            told["receiver"] = receiver
        event = keys.entry(
            page.account,
            sequence,
            told.get("servicer_reference"),
            told,
            sender=sender,
            message_id=page.reference,
            ordinal=draft.ordinal,
            extra=draft.extra,
        )
        events.append(event)
        entries.append(_entry(event, draft))
    statement = Statement(
        family=kind,
        account=page.account,
        statement_id=page.reference,
        sequence=page.sequence,
        page=page.page,
        last_page=_last(page),
        currency=page.currency or None,
        servicer=page.servicer or message.header.sender or None,
        created=page.extra.told.get("created"),
        balances=tuple(page.balances),
        entries=tuple(entries),
        totals=_totals(page),
        extra=page.extra.extra,
    )
    return events, statement


def _last(page: Page) -> bool | None:
    codes = {item.code for item in page.balances}
    return True if "CLBD" in codes else False if "62M" in codes else None


def _totals(page: Page) -> dict[str, str]:
    found = {}
    for direction, (count, amount) in page.summary.items():
        name = "TtlCdtNtries" if direction == "CRDT" else "TtlDbtNtries"
        found[f"{name}/NbOfNtries"], found[f"{name}/Sum"] = str(count), f"{amount.amount:f}"
    return found


def _entry(event: PaymentEvent, draft: Draft) -> StatementEntry:
    told, extra, references = draft.told, draft.extra, {}
    if found := told.get("instruction_id"):
        references["InstrId"] = found
    if found := told.get("end_to_end_id"):
        references["EndToEndId"] = found
    if found := told.get("servicer_reference"):
        references["AcctSvcrRef"] = found
    return entry_of(
        {
            "event_key": event.event_key,
            "amount": told.get("amount"),
            "direction": told["direction"],
            "reversal": bool(told.get("reversal")),
            "status": told["status"],
            "booking_date": told.get("booking_date"),
            "value_date": told.get("value_date"),
            "references": references,
            "bank_code": extra.get(":61:type"),
            "information": extra.get(":86:"),
        }
    )


def _plain(digits: str) -> str:
    return digits.lstrip("0") or digits[:1]
