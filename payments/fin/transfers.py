"""MT101, 103, 200-205, 210 and their return forms, as drafts. Where a field goes is data."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from payments.fin.draft import Draft
from payments.fin.fields import Fields
from payments.fin.headers import Header
from payments.fin.narrative import code_lines, inline_codes
from payments.fin.party import account_of, only_bic, read_party
from payments.fin.values import amount_of, dated_amount, day_of, offset_time
from payments.values import Findings

CHARGES = {"OUR": "DEBT", "SHA": "SHAR", "BEN": "CRED"}
_CUSTOMER = {
    "50": "debtor",
    "51": "sending_institution",
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
    "50": "debtor",
    "52": "debtor_agent",
    "56": "intermediary_agent",
    "57": "creditor_agent",
    "59": "creditor",
}
_ORDERS = {**_CUSTOMER, "50C": "instructing_party", "50L": "instructing_party"}
# Where each type says the amount that it cannot do without.
_AMOUNTS = {
    **dict.fromkeys(("103", "200", "202", "205"), "32A"),
    **dict.fromkeys(("101", "201", "203", "204", "210"), "32B"),
}
MOST_COMMON = 200  # fields before the first transaction, each read for every one; by the book there are a dozen
ROLES: dict[str, dict[str, str]] = {
    "101": _ORDERS,
    "103": _CUSTOMER,
    **dict.fromkeys(("200", "201", "202", "203", "205"), _BANKS),
    "204": {"53": "debtor", "57": "creditor_agent", "58": "creditor"},
    "210": {"50": "debtor", "52": "debtor_agent", "56": "intermediary_agent"},
}
# What opens a transaction where a message holds several, and the kind of each.
_OPENS = {
    "101": ("21", "INITIATED"),
    "201": ("20", "INITIATED"),
    "203": ("20", "INITIATED"),
    "204": ("20", "INITIATED"),
    "210": ("21", "NOTIFIED"),
}


class Builder:
    """Puts the fields of one transaction into a draft; `extra` takes what no rule takes."""

    def __init__(self, draft: Draft, roles: dict[str, str], findings: Findings) -> None:
        self.draft, self.roles, self.findings = draft, roles, findings
        self.told, self.keep = draft.told, draft.keep

    def take(self, fields: Fields) -> Draft:
        handlers, roles = HANDLERS, self.roles
        for tag, value in fields:
            handler = handlers.get(tag)
            if handler is not None:
                handler(self, tag, value)
            elif (role := roles.get(tag) or roles.get(tag[:2])) is not None:
                self.party(role, tag, value)
            else:
                self.keep(tag, value)
        return self.draft

    def party(self, role: str, tag: str, value: str) -> None:
        """A customer has a name and an account, a bank a BIC; the whole field stays in `extra` where more was said."""
        told = self.told
        if tag[2:] == "A" and (bic := only_bic(value)):  # most banks are told so
            if role == "debtor" or role == "creditor":
                told[f"{role}_id"] = bic
            elif role == "debtor_agent" or role == "creditor_agent":
                told[role] = bic
            else:
                self.keep(tag, value)
            return
        party = read_party(tag, value)
        bic = party.bic or ""
        if role == "debtor" or role == "creditor":
            if party.name:
                told[f"{role}_name"] = party.name
            if bic:
                told[f"{role}_id"] = bic
            if party.account:
                told[f"{role}_account"] = party.account
            if party.address or party.country or party.town or party.other or party.clearing:
                self.keep(tag, value)
        elif role == "debtor_agent" or role == "creditor_agent":
            found = bic or party.clearing or party.name
            if found:
                told[role] = found
            if party.account or party.address or (bic and party.clearing):
                self.keep(tag, value)
        else:
            self.keep(tag, value)

    def reference(self, tag: str, value: str) -> None:
        self.told["instruction_id"] = value.strip() or None

    def related(self, tag: str, value: str) -> None:
        self.told["end_to_end_id"] = value.strip() or None

    def settled(self, tag: str, value: str) -> None:
        day, amount = dated_amount(tag, value, self.findings)
        self.told["settlement_date"] = self.told["value_date"] = day
        self.told["amount"] = amount

    def plain_amount(self, tag: str, value: str) -> None:
        self.told["amount"] = amount_of(tag, value, self.findings)

    def instructed(self, tag: str, value: str) -> None:
        self.told["instructed_amount"] = amount_of(tag, value, self.findings)

    def rate(self, tag: str, value: str) -> None:
        text = value.strip().replace(",", ".", 1)
        if text.replace(".", "", 1).isdigit() and text.isascii() and len(text) <= 12:
            self.told["exchange_rate"] = Decimal(text)
        else:
            self.findings.warn("field_format", f":{tag}:", f"{value[:20]!r} is no rate")
            self.keep(tag, value)

    def bearer(self, tag: str, value: str) -> None:
        found = CHARGES.get(value.strip())
        if found is None:
            self.findings.warn("field_format", f":{tag}:", f"{value[:10]!r} is not OUR, SHA or BEN")
            self.keep(tag, value)
        self.told["charges_bearer"] = found

    def charge(self, tag: str, value: str) -> None:
        amount_of(tag, value, self.findings)
        self.keep(tag, value)

    def remittance(self, tag: str, value: str) -> None:
        self.told["remittance"] = value.strip("\n") or None
        if value.startswith("/ROC/"):
            found = inline_codes(value).get("ROC")
            if found:
                self.told["end_to_end_id"] = found

    def own_account(self, tag: str, value: str) -> None:
        """25 of MT210: where the money is to come to."""
        self.told["creditor_account"] = account_of(value) or None

    def envelope(self, tag: str, value: str) -> None:
        """77T: MT103 REMIT's remittance, in place of :70:."""
        self.keep(tag, value)
        self.told.setdefault("remittance", value.strip("\n") or None)

    def execution(self, tag: str, value: str) -> None:
        self.told["requested_date"] = self.told["value_date"] = day_of(tag, value, self.findings)

    def moment(self, tag: str, value: str) -> None:
        self.keep(tag, value)
        self.told["event_time"] = offset_time(tag, value)

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
    "77T": Builder.envelope,
    "30": Builder.execution,
    "13D": Builder.moment,
    "72": Builder.to_next,
    "25": Builder.own_account,
}


def refused(draft: Draft, text: str) -> None:
    """`/RETN/99` or `/REJT/99` and what follows: the draft becomes a return or a refusal of another payment."""
    lines = code_lines(text) if "/RETN/" in text or "/REJT/" in text else []
    if not lines or lines[0][0] not in ("RETN", "REJT"):
        return
    told = draft.told
    if lines[0][0] == "RETN":
        draft.kind = "RETURNED"
    else:
        draft.kind, told["status"] = "STATUS", "RJCT"
    for code, value in lines[1:]:
        if code == "MREF":
            told["original_instruction_id"] = value.strip() or None
        elif code == "TREF":
            told["original_end_to_end_id"] = value.strip() or None
        elif len(code) == 4 and code[:2].isalpha() and code[2:].isdigit() and not told.get("reason"):
            told["reason"] = value.strip("/") if code.startswith("XT") and value.strip("/") else code


def about_original(draft: Draft) -> None:
    """An event about another payment: its ids are the original's, what the message calls itself is `own_id`."""
    told = draft.told
    told["own_id"] = told.get("instruction_id")
    told["original_end_to_end_id"] = told.get("original_end_to_end_id") or told.get("end_to_end_id")
    told["instruction_id"] = told.get("original_instruction_id")
    told["end_to_end_id"] = told.get("original_end_to_end_id")
    told["original_uetr"] = draft.uetr


def transfers(header: Header, fields: Fields, findings: Findings) -> list[Draft]:
    """The transactions of one message: one, or as many as MT101, MT204 and MT210 hold."""
    mt = header.mt
    if mt in _OPENS:
        return _several(mt, header, fields, findings)
    draft = Draft("INITIATED", uetr=header.user.get("121"))
    if mt == "103":
        Builder(draft, _CUSTOMER, findings).take(fields)
    else:
        _banks(draft, header, fields, findings)
    draft.message_id = draft.told.get("instruction_id") or ""
    _require_amount(draft, mt, findings)
    if draft.kind != "INITIATED":
        about_original(draft)
    return [draft]


def _require_amount(draft: Draft, mt: str, findings: Findings) -> None:
    if "amount" not in draft.told:
        findings.error("missing_field", f":{_AMOUNTS[mt]}:", "there is no amount")


def _banks(draft: Draft, header: Header, fields: Fields, findings: Findings) -> None:
    """MT200, 202, 205; from the first 50a on, the customer transfer that a cover covers."""
    split = next((index for index, (tag, _) in enumerate(fields) if tag[:2] == "50"), len(fields))
    builder = Builder(draft, _BANKS, findings)
    for tag, value in fields[:split]:
        if tag == "21":
            builder.related(tag, value)
        else:
            builder.take([(tag, value)])
    if header.user.get("119") == "COV" or split < len(fields):
        draft.told["underlying"] = True
    for tag, value in fields[split:]:
        draft.keep(f"B.{tag}", value)
        role = _UNDERLYING.get(tag[:2])
        if role:
            party = read_party(tag, value)
            for part in ("name", "account", "bic"):
                if said := getattr(party, part):
                    draft.extra[f"underlying.{role}.{part}"] = said


def _several(mt: str, header: Header, fields: Fields, findings: Findings) -> list[Draft]:
    opens, kind = _OPENS[mt]
    marks = [index for index, (tag, _) in enumerate(fields) if tag == opens]
    if opens == "20":
        marks = marks[1:]  # the first :20: is the message's
    common = fields[: marks[0]] if marks else fields
    if len(common) > MOST_COMMON:
        findings.error(
            "fin_fields", f":{common[MOST_COMMON][0]}:", f"{len(common)} fields before the first transaction"
        )
        common = common[:MOST_COMMON]
    uetr = header.user.get("121") if len(marks) == 1 else None
    message_id = next((value.strip() for tag, value in common if tag == "20"), "")
    found: list[Draft] = []
    for number, start in enumerate(marks, 1):
        end = marks[number] if number < len(marks) else len(fields)
        draft = Draft(kind, ordinal=str(number), uetr=uetr, message_id=message_id)
        builder = Builder(draft, ROLES[mt], findings)
        builder.take(common)
        for tag, value in fields[start:end]:
            if tag == "21":
                builder.related(tag, value)
            else:
                builder.take([(tag, value)])
        _require_amount(draft, mt, findings)
        if mt == "101":
            draft.told["batch_id"] = message_id or None
            # :20: names the batch; what names the payment to both banks is :21:.
            draft.told["instruction_id"] = draft.told.get("end_to_end_id")
        found.append(draft)
    if not found:
        findings.error("missing_field", f":{opens}:", "the message holds no transaction")
    return found
