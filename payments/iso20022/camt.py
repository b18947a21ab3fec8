"""camt.053 statements and camt.054 notifications: one BOOKED event an entry, and the statement's own equation."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from cutwater.core.money import Money
from payments.entries import EntryKeys, check_balance
from payments.identity import bic11
from payments.iso20022.context import Message
from payments.iso20022.xml import Element, account, agent, children, leaves, look, take
from payments.model import EventKind, PaymentEvent
from payments.values import iso_date, iso_time, money

_REPORTS = {"camt.053": "Stmt", "camt.054": "Ntfctn"}
_DETAIL = "NtryDtls/TxDtls/"


@dataclass
class _Report:
    message: Message
    place: str
    values: dict[str, str]
    account: str
    sender: str
    sequence: str
    ident: str
    keys: EntryKeys
    signed: list[Decimal] = field(default_factory=list)


def events(message: Message) -> list[PaymentEvent]:
    """All entries of all statements (or notifications) of the message."""
    found: list[PaymentEvent] = []
    keys = EntryKeys(message.family)
    name = _REPORTS[message.family]
    for number, element in enumerate(children(message.body, name), 1):
        report = _report(message, element, f"{name}[{number}]", keys)
        for index, entry in enumerate(children(element, "Ntry"), 1):
            found.append(_event(report, entry, index, len(found) + 1))
        if name == "Stmt":
            _balance(report, element)
        stated = look(report.values, "TxsSummry/TtlNtries/NbOfNtries")
        message.check(
            f"{report.place}.entries",
            stated,
            len(children(element, "Ntry")),
            f"{report.place}/TxsSummry/TtlNtries/NbOfNtries",
        )
    if not children(message.body, name):
        message.findings.error("no_report", name, f"the message holds no {name}")
    return found


def _report(message: Message, element: Element, place: str, keys: EntryKeys) -> _Report:
    values = leaves(element, frozenset({"Ntry", "Bal"}))
    ident = look(values, "Id") or message.message_id
    sequence = look(values, "LglSeqNb", "ElctrncSeqNb") or ident
    page = look(values, "StmtPgntn/PgNb", "NtfctnPgntn/PgNb")
    servicer = agent(values, "Acct/Svcr")
    number = account(values, "Acct") or ""
    if not number:
        message.findings.error("missing_account", f"{place}/Acct", "the account is not named")
    return _Report(
        message,
        place,
        values,
        number,
        message.header.sender or bic11(servicer or ""),
        f"{sequence}/{page}" if page else sequence,
        ident,
        keys,
    )


def _event(report: _Report, element: Element, index: int, ordinal: int) -> PaymentEvent:
    message, place = report.message, f"{report.place}/Ntry[{index}]"
    values = leaves(element)
    amount = money(take(values, "Amt"), take(values, "Amt@Ccy"), f"{place}/Amt", message.findings)
    direction = look(values, "CdtDbtInd") or ""
    if direction not in ("CRDT", "DBIT"):
        message.findings.error("direction", f"{place}/CdtDbtInd", f"{direction[:10]!r} is neither CRDT nor DBIT")
    status = take(values, "Sts/Cd", "Sts/Prtry", "Sts")
    if amount is not None and status == "BOOK":
        report.signed.append(amount.amount if direction == "CRDT" else -amount.amount)
    booked = take(values, "BookgDt/Dt", "BookgDt/DtTm")
    day = iso_date(take(values, "ValDt/Dt", "ValDt/DtTm"), f"{place}/ValDt", message.findings)
    if booked:
        values["BookgDt"] = booked
    # One detail is the payment itself; a batch has several and stays one entry, its details in `extra`.
    single = not any(name.startswith(("NtryDtls/TxDtls[2]", "NtryDtls[2]")) for name in values)
    uetr = take(values, f"{_DETAIL}Refs/UETR") if single else None
    other = (
        account(values, f"{_DETAIL}RltdPties/{'DbtrAcct' if direction == 'CRDT' else 'CdtrAcct'}") if single else None
    )
    debtor, creditor = (other, report.account) if direction == "CRDT" else (report.account, other)
    return report.keys.entry(
        account=report.account,
        sequence=report.sequence,
        reference=look(values, "AcctSvcrRef") or (look(values, f"{_DETAIL}Refs/AcctSvcrRef") if single else None),
        family=message.family,
        kind=EventKind.BOOKED,
        sender=report.sender,
        message_id=message.message_id,
        ordinal=str(ordinal),
        uetr=uetr,
        end_to_end_id=take(values, f"{_DETAIL}Refs/EndToEndId") if single else None,
        instruction_id=take(values, f"{_DETAIL}Refs/InstrId") if single else None,
        amount=amount,
        value_date=day,
        status=status,
        event_time=iso_time(booked, f"{place}/BookgDt", message.findings) if booked and "T" in booked else None,
        debtor_account=debtor or None,
        creditor_account=creditor or None,
        batch_id=report.ident or None,
        extra=values,
    )


def _balance(report: _Report, element: Element) -> None:
    stated: dict[str, tuple[Money, Decimal]] = {}
    for item in children(element, "Bal"):
        values = leaves(item)
        code = look(values, "Tp/CdOrPrtry/Cd", "Tp/Cd") or ""
        amount = money(values.get("Amt"), values.get("Amt@Ccy"), f"{report.place}/Bal", report.message.findings)
        if amount is not None and code in ("OPBD", "PRCD", "CLBD"):
            stated.setdefault(code, (amount, amount.amount if values.get("CdtDbtInd") != "DBIT" else -amount.amount))
    opening, closing = stated.get("OPBD") or stated.get("PRCD"), stated.get("CLBD")
    check_balance(
        report.message.control,
        report.place,
        opening[1] if opening else None,
        closing[1] if closing else None,
        report.signed,
        report.message.findings,
    )
