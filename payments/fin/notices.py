"""Messages about a payment: 900/910 advices, n90/n91 charges, n92 recalls, n95 queries, n96 answers, n99 statuses."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from payments.fin.draft import Draft
from payments.fin.fields import Fields, tag_values
from payments.fin.headers import Header
from payments.fin.narrative import code_lines, joined
from payments.fin.party import account_of
from payments.fin.transfers import Builder, refused
from payments.fin.values import amount_of, dated_amount
from payments.parties import bic11
from payments.values import Findings

_UETR = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_STAMP = re.compile(r"([0-9]{10})([+-])([0-9]{2})([0-9]{2})")
_ADVICE = {"50": "debtor", "52": "debtor_agent", "56": "intermediary_agent"}
# The second and third digit say what a common group message is; n99 is free text unless it says more.
_KINDS = {"90": "CHARGED", "91": "CHARGED", "92": "RECALLED", "95": "QUERIED", "96": "ANSWERED", "99": ""}
COMMON_GROUP = frozenset(f"{category}{kind}" for category in "12" for kind in _KINDS)


def advice(header: Header, fields: Fields, findings: Findings) -> list[Draft]:
    """MT900 (debit) and MT910 (credit): the account, the amount, the payment's reference in :21:."""
    draft = Draft("BOOKED", uetr=header.user.get("121"))
    told = draft.told
    told["direction"], told["status"] = ("DBIT" if header.mt == "900" else "CRDT"), "BOOK"
    builder = Builder(draft, _ADVICE, findings)
    account = ""
    for tag, value in fields:
        if tag == "20":
            draft.message_id = value.strip()
        elif tag == "21":
            told["instruction_id"] = value.strip() or None
        elif tag in ("25", "25P"):
            account = account_of(value)
            if "\n" in value:
                draft.keep(tag, value)
        elif tag == "32A":
            told["value_date"], told["amount"] = dated_amount(tag, value, findings)
        else:
            builder.take([(tag, value)])
    if "amount" not in told:
        findings.error("missing_field", ":32A:", "there is no amount")
    if not account:
        findings.error("missing_account", ":25:", "the account is not named")
    told.setdefault("debtor_account" if told["direction"] == "DBIT" else "creditor_account", account or None)
    draft.extra["account"] = account
    return [draft]


def common_group(header: Header, fields: Fields, findings: Findings) -> list[Draft]:
    """n90 to n99. The original is named by :21:, by the UETR in block 3 or in the text, and by the copied fields."""
    draft = Draft(_KINDS[header.mt[1:]])
    values = tag_values(fields)
    draft.message_id = values.get("20", "").strip()
    told = draft.told
    told["own_id"] = draft.message_id or None
    told["instruction_id"] = told["original_instruction_id"] = values.get("21", "").strip() or None
    text = joined("\n".join(values.get(tag, "") for tag in ("76", "77A", "79", "72")))
    found = _UETR.search(text)
    draft.uetr = header.user.get("121") or (found[0] if found else None)
    told["original_uetr"] = draft.uetr
    for tag, value in fields:
        _field(draft, tag, value, findings)
    if told.get("amount") is None and told.get("original_amount") is not None:
        told["amount"] = told["original_amount"]
    if header.mt[1:] == "99":
        refused(draft, values.get("79", ""))
        if not draft.kind:
            _tracker(draft, values.get("79", ""))
        draft.kind = "STATUS" if draft.kind == "RETURNED" else draft.kind
        told["instruction_id"] = told.get("original_instruction_id")
        told["end_to_end_id"] = told.get("original_end_to_end_id")
    return [draft]


def _field(draft: Draft, tag: str, value: str, findings: Findings) -> None:
    """Every field stays in `extra` but for the two references; some also tell of the original."""
    told = draft.told
    if tag not in ("20", "21"):
        draft.keep(tag, value)
    if draft.kind == "CHARGED":
        _charge(draft, tag, value, findings)
    elif tag == "32A":
        told["original_settlement_date"], told["original_amount"] = dated_amount(tag, value, findings)
    elif tag == "32B":
        told["original_amount"] = amount_of(tag, value, findings)
    elif tag in ("11S", "11R") and value[:3].isdigit():
        told["original_message_type"] = f"MT{value[:3]}"
    elif tag == "76" and draft.kind == "ANSWERED":
        told["status"], told["reason"] = _answer(value)
    elif tag == "79" and draft.kind == "RECALLED":
        told["reason"] = next((code for code, _ in code_lines(value) if code not in ("UETR", "")), None)


def _answer(value: str) -> tuple[str | None, str | None]:
    """`/RJCR/CUST`: the answer's code and its reason's; words behind the code are no reason code."""
    code, rest = next(((code, rest) for code, rest in code_lines(value) if code), (None, ""))
    reason = rest.partition("\n")[0].strip("/ ")
    return code, reason if len(reason) == 4 and reason.isascii() and reason.isalnum() and reason.isupper() else None


def _charge(draft: Draft, tag: str, value: str, findings: Findings) -> None:
    """32B asks for charges; 32C credits and 32D debits them, with a date."""
    told = draft.told
    if tag == "32B":
        told["amount"] = amount_of(tag, value, findings)
    elif tag in ("32C", "32D", "32A"):
        told["value_date"], told["amount"] = dated_amount(tag, value, findings)
        told["direction"] = "CRDT" if tag == "32C" else "DBIT"
    elif tag == "25":
        draft.extra["account"] = account_of(value)


def _tracker(draft: Draft, text: str) -> None:
    """A gpi confirmation: `//YYMMDDHHMM+HHMM`, `//ACSP/G001`, `//BIC of the agent`, .. : the status and its reporter."""
    lines = [line[2:] for line in text.split("\n") if line.startswith("//")]
    if len(lines) < 2 or len(lines[1].partition("/")[0]) != 4 or not lines[1][:4].isalpha():
        return
    stamp = _STAMP.fullmatch(lines[0])
    if stamp is None:
        return
    told = draft.told
    draft.kind = "STATUS"
    code, _, reason = lines[1].partition("/")
    told["status"], told["reason"] = code.upper(), reason.strip() or None
    if len(lines) > 2 and len(lines[2].strip()) in (8, 11):
        told["reporter"] = bic11(lines[2])
    try:
        moment = datetime.strptime(f"20{stamp[1]}{stamp[2]}{stamp[3]}{stamp[4]}", "%Y%m%d%H%M%z")
        told["event_time"] = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return
