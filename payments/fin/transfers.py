"""MT101, 103, 200, 202, 204, 205, 210 and their return forms, as drafts. Where a field goes is data."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from payments.fin.draft import Draft
from payments.fin.fields import Fields
from payments.fin.headers import Header
from payments.fin.narrative import code_lines, inline_codes
from payments.fin.party import read_party
from payments.fin.values import amount_of, dated_amount, day_of, offset_time
from payments.identity import bic11
from payments.values import Findings

CHARGES = {"OUR": "DEBT", "SHA": "SHAR", "BEN": "CRED"}
_CUSTOMER = {
    "50": "debtor",
    "52": "debtor_agent",
    "53": "instructing_reimbursement_agent",
    "54": "instructed_reimbursement_agent",
    "55": "third_reimbursement_agent",
    "56": "intermediary_agent",
    "57": "creditor_agent",
    "59": "creditor",
}
_BANKS = {
    "52": "debtor",
    "53": "senders_correspondent",
    "54": "receivers_correspondent",
    "56": "intermediary_agent",
    "57": "creditor_agent",
    "58": "creditor",
}
_UNDERLYING = {
    "50": "underlying_debtor",
    "52": "underlying_debtor_agent",
    "56": "underlying_intermediary_agent",
    "57": "underlying_creditor_agent",
    "59": "underlying_creditor",
}
ROLES: dict[str, dict[str, str]] = {
    "101": {**_CUSTOMER, "51": "sending_institution"},
    "103": {**_CUSTOMER, "51": "sending_institution"},
    "200": _BANKS,
    "202": _BANKS,
    "203": _BANKS,
    "204": {"53": "debtor", "57": "creditor_agent", "58": "creditor", "72": ""},
    "205": _BANKS,
    "210": {"50": "debtor", "52": "debtor_agent", "56": "intermediary_agent"},
}


class Builder:
    """Puts the fields of one transaction into a draft; `rest` takes what no rule takes."""

    def __init__(self, draft: Draft, roles: dict[str, str], findings: Findings) -> None:
        self.draft, self.roles, self.findings = draft, roles, findings

    def take(self, fields: Fields) -> Draft:
        for tag, value in fields:
            handler = HANDLERS.get(tag)
            if handler is not None:
                handler(self, tag, value)
            elif tag[:2] in self.roles:
                self.party(self.roles[tag[:2]], tag, value)
            else:
                self.keep(tag, value)
        return self.draft

    def keep(self, tag: str, value: str) -> None:
        rest, name = self.draft.rest, f":{tag}:"
        if name in rest:
            number = 2
            while f"{name}[{number}]" in rest:
                number += 1
            name = f"{name}[{number}]"
        rest[name] = value

    def party(self, role: str, tag: str, value: str) -> None:
        """A customer has a name and an account, a bank a BIC; the whole field stays in `rest` where more was said."""
        draft, party = self.draft, read_party(tag, value)
        bic = bic11(party.bic) if party.bic else ""
        if role in ("debtor", "creditor"):
            setattr(draft, f"{role}_name", party.name or bic or None)
            setattr(draft, f"{role}_account", party.account or None)
            if party.address or party.country or party.town or party.other or party.clearing or (bic and party.name):
                self.keep(tag, value)
        elif role in ("debtor_agent", "creditor_agent"):
            setattr(draft, role, bic or party.clearing or party.name or None)
            if party.account or party.address or (bic and party.clearing):
                self.keep(tag, value)
        else:
            if bic and role:
                draft.agents[role] = bic
            self.keep(tag, value)

    def reference(self, tag: str, value: str) -> None:
        self.draft.instruction_id = value.strip() or None

    def related(self, tag: str, value: str) -> None:
        self.draft.end_to_end_id = value.strip() or None

    def settled(self, tag: str, value: str) -> None:
        self.draft.settlement_date, self.draft.amount = dated_amount(tag, value, self.findings)

    def plain_amount(self, tag: str, value: str) -> None:
        self.draft.amount = amount_of(tag, value, self.findings)

    def instructed(self, tag: str, value: str) -> None:
        self.draft.instructed = amount_of(tag, value, self.findings)

    def rate(self, tag: str, value: str) -> None:
        text = value.strip().replace(",", ".", 1)
        if text.replace(".", "", 1).isdigit() and text.isascii() and len(text) <= 12:
            self.draft.exchange_rate = Decimal(text)
        else:
            self.findings.warn("field_format", f":{tag}:", f"{value[:20]!r} is no rate")
            self.keep(tag, value)

    def bearer(self, tag: str, value: str) -> None:
        self.draft.charges_bearer = CHARGES.get(value.strip())
        if self.draft.charges_bearer is None:
            self.findings.warn("field_format", f":{tag}:", f"{value[:10]!r} is not OUR, SHA or BEN")
            self.keep(tag, value)

    def charge(self, tag: str, value: str) -> None:
        found = amount_of(tag, value, self.findings)
        if found is not None:
            self.draft.charges.append(found)
        self.keep(tag, value)

    def remittance(self, tag: str, value: str) -> None:
        self.draft.remittance = value.replace("\n", "") or None
        if value.startswith("/ROC/"):
            told = inline_codes(value).get("ROC", "")
            self.draft.end_to_end_id = told or self.draft.end_to_end_id

    def execution(self, tag: str, value: str) -> None:
        self.draft.requested_date = day_of(tag, value, self.findings)

    def moment(self, tag: str, value: str) -> None:
        self.keep(tag, value)
        if value.startswith("/SNDTIME/") or tag == "13D":
            self.draft.event_time = self.draft.event_time or offset_time(tag, value)

    def to_next(self, tag: str, value: str) -> None:
        """72: a return says so in its first line, with the reason and the original's references in the next."""
        self.keep(tag, value)
        refused(self.draft, value)


HANDLERS: dict[str, Callable[[Builder, str, str], None]] = {
    "20": Builder.reference,
    "32A": Builder.settled,
    "32B": Builder.plain_amount,
    "33B": Builder.instructed,
    "36": Builder.rate,
    "71A": Builder.bearer,
    "71F": Builder.charge,
    "71G": Builder.charge,
    "70": Builder.remittance,
    "30": Builder.execution,
    "13C": Builder.moment,
    "13D": Builder.moment,
    "72": Builder.to_next,
}


def refused(draft: Draft, text: str) -> None:
    """`/RETN/99` or `/REJT/99` and what follows: the draft becomes a return or a refusal of another payment."""
    lines = code_lines(text) if "/RETN/" in text or "/REJT/" in text else []
    if not lines or lines[0][0] not in ("RETN", "REJT"):
        return
    if lines[0][0] == "RETN":
        draft.kind = "returned"
    else:
        draft.kind, draft.status = "status", "RJCT"
    for code, value in lines[1:]:
        if code == "MREF":
            draft.original_instruction_id = draft.original_message_id = value.strip() or None
        elif code == "TREF":
            draft.original_end_to_end_id = value.strip() or None
        elif len(code) == 4 and code[:2].isalpha() and code[2:].isdigit() and draft.reason is None:
            draft.reason = value.strip("/") if code.startswith("XT") and value.strip("/") else code
    draft.original_uetr = draft.uetr


def transfers(header: Header, fields: Fields, findings: Findings) -> list[Draft]:
    """The transactions of one message: one, or as many as MT101, MT204 and MT210 hold."""
    mt = header.mt
    if mt in ("101", "204", "210"):
        return _several(mt, header, fields, findings)
    uetr = header.user.get("121")
    if mt == "103":
        draft = Draft("sent", uetr=uetr)
        Builder(draft, ROLES[mt], findings).take(fields)
    else:
        draft = _banks(mt, uetr, header, fields, findings)
    draft.message_id = draft.instruction_id or ""
    if draft.kind == "returned":
        draft.original_end_to_end_id = draft.original_end_to_end_id or draft.end_to_end_id
    return [draft]


def _banks(mt: str, uetr: str | None, header: Header, fields: Fields, findings: Findings) -> Draft:
    """MT200-205; from the first 50a on, the customer transfer that a cover covers."""
    split = next((index for index, (tag, _) in enumerate(fields) if tag[:2] == "50"), len(fields))
    cover = header.user.get("119") == "COV" or split < len(fields)
    draft = Draft("cover" if cover else "sent", uetr=uetr)
    builder = Builder(draft, ROLES[mt], findings)
    for index, (tag, value) in enumerate(fields[:split]):
        if tag == "21":
            builder.related(tag, value)
        else:
            builder.take(fields[index : index + 1])
    for tag, value in fields[split:]:
        role = _UNDERLYING.get(tag[:2])
        if role:
            party = read_party(tag, value)
            for part in ("name", "account", "bic"):
                told = getattr(party, part)
                if told:
                    draft.rest[f"{role}.{part}"] = told
            builder.keep(f"B.{tag}", value)
        else:
            builder.keep(f"B.{tag}", value)
    return draft


# What opens a transaction, and the kind of each.
_OPENS = {"101": ("21", "ordered"), "204": ("20", "collected"), "210": ("21", "expected")}


def _several(mt: str, header: Header, fields: Fields, findings: Findings) -> list[Draft]:
    opens, kind = _OPENS[mt]
    marks = [index for index, (tag, _) in enumerate(fields) if tag == opens]
    if mt == "204":
        marks = marks[1:]  # the first :20: is the message's
    common = fields[: marks[0]] if marks else fields
    uetr = header.user.get("121") if len(marks) == 1 else None
    found: list[Draft] = []
    message_id = next((value.strip() for tag, value in common if tag == "20"), "")
    for number, start in enumerate(marks, 1):
        end = marks[number] if number < len(marks) else len(fields)
        draft = Draft(kind, ordinal=str(number), uetr=uetr, message_id=message_id)
        builder = Builder(draft, ROLES[mt], findings)
        builder.take(common)
        draft.instruction_id = message_id or None
        for tag, value in fields[start:end]:
            _transaction_field(mt, builder, tag, value)
        found.append(draft)
    if not found:
        findings.error("missing_field", f":{opens}:", "the message holds no transaction")
    return found


def _transaction_field(mt: str, builder: Builder, tag: str, value: str) -> None:
    draft = builder.draft
    if tag == "21":
        draft.end_to_end_id = value.strip() or None
    elif tag == "20":
        draft.instruction_id = value.strip() or None
    elif mt == "101" and tag == "32B":
        draft.amount = amount_of(tag, value, builder.findings)
    else:
        builder.take([(tag, value)])
