"""Messages about a payment: 900/910 advices, n90/n91 charges, n92 recalls, n95 queries, n96 answers, n99 statuses."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from payments.fin.draft import Draft
from payments.fin.fields import Fields, tag_values
from payments.fin.headers import Header
from payments.fin.narrative import code_lines, joined
from payments.fin.transfers import Builder, refused
from payments.fin.values import amount_of, dated_amount
from payments.values import Findings

_UETR = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_STAMP = re.compile(r"([0-9]{10})([+-])([0-9]{2})([0-9]{2})")
_ADVICE = {"50": "debtor", "52": "debtor_agent", "56": "intermediary_agent"}
# The third digit says what a common group message is.
_KINDS = {"90": "charged", "91": "charged", "92": "recall", "95": "query", "96": "answer", "99": "other"}


def advice(header: Header, fields: Fields, findings: Findings) -> list[Draft]:
    """MT900 (debit) and MT910 (credit): the account, the amount, the payment's reference in :21:."""
    draft = Draft("advised", direction="DBIT" if header.mt == "900" else "CRDT", status="BOOK")
    builder = Builder(draft, _ADVICE, findings)
    for tag, value in fields:
        if tag == "20":
            draft.message_id = value.strip()
        elif tag == "21":
            draft.instruction_id = value.strip() or None
        elif tag in ("25", "25P"):
            draft.account = account_of(value)
            if "\n" in value:
                builder.keep(tag, value)
        elif tag == "32A":
            draft.value_date, draft.amount = dated_amount(tag, value, findings)
        else:
            builder.take([(tag, value)])
    draft.uetr = header.user.get("121") or None
    if not draft.account:
        findings.error("missing_account", ":25:", "the account is not named")
    if draft.direction == "DBIT":
        draft.debtor_account = draft.debtor_account or draft.account
    else:
        draft.creditor_account = draft.creditor_account or draft.account
    return [draft]


def account_of(value: str) -> str:
    """The first line without blanks, in upper case; a leading `/` belongs to the form."""
    return value.partition("\n")[0].replace(" ", "").upper().lstrip("/")


def common_group(header: Header, fields: Fields, findings: Findings) -> list[Draft]:
    """n90 to n99. The original is named by :21:, by the UETR in block 3 or in the text, and by the copied fields."""
    draft = Draft(_KINDS.get(header.mt[1:], "other"))
    values = tag_values(fields)
    draft.message_id = values.get("20", "").strip()
    draft.instruction_id = draft.message_id or None
    draft.original_message_id = draft.original_instruction_id = values.get("21", "").strip() or None
    text = joined("\n".join(values.get(tag, "") for tag in ("76", "77A", "79", "72")))
    found = _UETR.search(text)
    draft.uetr = header.user.get("121") or (found[0] if found else None)
    draft.original_uetr = draft.uetr
    for tag, value in fields:
        _field(draft, tag, value, findings)
    if header.mt[1:] == "99":
        refused(draft, values.get("79", ""))
        if draft.kind == "other":
            _tracker(draft, values.get("79", ""))
        draft.kind = "status" if draft.kind == "returned" else draft.kind
    return [draft]


def _field(draft: Draft, tag: str, value: str, findings: Findings) -> None:
    """Every field stays in `rest` but for the two references; some also tell of the original."""
    if tag not in ("20", "21"):
        name, number = f":{tag}:", 2
        while name in draft.rest:
            name, number = f":{tag}:[{number}]", number + 1
        draft.rest[name] = value
    if tag in ("32A", "32B") and draft.kind in ("recall", "answer", "other", "query"):
        if tag == "32A":
            draft.original_date, draft.original_amount = dated_amount(tag, value, findings)
        else:
            draft.original_amount = amount_of(tag, value, findings)
    elif tag in ("32C", "32D", "32A", "32B") and draft.kind == "charged":
        if tag == "32B":
            draft.amount = amount_of(tag, value, findings)
        else:
            draft.value_date, draft.amount = dated_amount(tag, value, findings)
            draft.direction = "DBIT" if tag == "32D" else "CRDT"
    elif tag == "25" and draft.kind == "charged":
        draft.account = account_of(value)
    elif tag == "76" and draft.kind == "answer":
        code = next((code for code, _ in code_lines(value) if code), "")
        draft.status = code or None
    elif tag == "79" and draft.kind == "recall":
        code = next((code for code, _ in code_lines(value) if code not in ("UETR", "")), "")
        draft.reason = code or None


def _tracker(draft: Draft, text: str) -> None:
    """A gpi confirmation: `//YYMMDDHHMM+HHMM`, `//ACSP/G001`, `//BIC of the agent`, .. : the status and its reporter."""
    lines = [line[2:] for line in text.split("\n") if line.startswith("//")]
    if len(lines) < 2 or len(lines[1].partition("/")[0]) != 4 or not lines[1][:4].isalpha():
        return
    stamp = _STAMP.fullmatch(lines[0])
    if stamp is None:
        return
    draft.kind = "status"
    code, _, reason = lines[1].partition("/")
    draft.status, draft.reason = code.upper(), reason.strip() or None
    if len(lines) > 2 and len(lines[2].strip()) in (8, 11):
        draft.reporter = lines[2].strip()
    try:
        moment = datetime.strptime(f"20{stamp[1]}{stamp[2]}{stamp[3]}{stamp[4]}", "%Y%m%d%H%M%z")
        draft.event_time = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return
