"""camt.052 reports, camt.053 statements and camt.054 notifications: a BOOKED event an entry, and the statement's equations."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from cutwater.core.money import Money
from payments.entries import EntryKeys
from payments.iso20022 import maps
from payments.iso20022.context import Level, Message
from payments.iso20022.families import MESSAGE_ID, STATEMENT_ACCOUNT, Family
from payments.iso20022.fields import index, tell
from payments.iso20022.maps import agent
from payments.iso20022.xml import Element, children, leaves, local, look
from payments.parties import bic11
from payments.statements import CREDIT, DEBIT, Balance, Statement, StatementEntry
from payments.values import Findings, iso_date, iso_time, money

_SINGLE = index(maps.ENTRY, maps.details("NtryDtls/TxDtls/"), maps.details("TxDtls/"))
_SEVERAL = index(maps.ENTRY)
_SKIP = frozenset({"Ntry", "Bal"})
_REFS = ("AcctSvcrRef", "NtryRef")
_PAGES = ("StmtPgntn/PgNb", "RptPgntn/PgNb", "NtfctnPgntn/PgNb", "GrpHdr/MsgPgntn/PgNb")
_LAST = ("StmtPgntn/LastPgInd", "RptPgntn/LastPgInd", "NtfctnPgntn/LastPgInd", "GrpHdr/MsgPgntn/LastPgInd")


@dataclass
class _Sheet:
    """One statement while its entries go by. moved, count: by direction, booked ones and all."""

    statement: Statement
    place: str
    sequence: str
    sender: str
    keys: EntryKeys
    booked: dict[str, Decimal] = field(default_factory=lambda: {CREDIT: Decimal(0), DEBIT: Decimal(0)})
    sums: dict[str, Decimal] = field(default_factory=lambda: {CREDIT: Decimal(0), DEBIT: Decimal(0)})
    counts: dict[str, int] = field(default_factory=lambda: {CREDIT: 0, DEBIT: 0})
    entries: list[StatementEntry] = field(default_factory=list)
    number: int = 0
    foreign: set[str] = field(default_factory=set)  # currencies of entries that are not the account's


class StatementReader:
    """Is told of each entry and of each statement's end, in the order of the document."""

    def __init__(self, family: Family, message: Message, body: Element) -> None:
        self.family, self.message = family, message
        self.top = Level(body, "", "")
        self._name = family.containers[0]
        self._keys = EntryKeys(family.name)
        self._sheets: dict[int, _Sheet] = {}
        self._seen = 0
        self._number = 0

    def open(self, level: Level) -> None:
        if level.said is not None:
            return
        if level is self.top:
            level.values = leaves(level.element, frozenset({self._name}))
            level.said, level.extra = tell(level.values, self.family.group_fields, "", self.message.findings)
            own = look(level.values, *MESSAGE_ID) or ""
            self.message.message_id = own or self.message.header.message_id
            self.message.identity = self.message.header.message_id or own
            self.message.sender = self.message.header.sender
            if not self.message.identity:
                self.message.findings.error("missing_identity", "GrpHdr/MsgId", "neither BizMsgIdr nor MsgId")
            return
        level.values, level.said = leaves(level.element, _SKIP), {}
        self._number += 1
        self._sheets[id(level)] = self._sheet(level)

    def _sheet(self, level: Level) -> _Sheet:
        message, place = self.message, level.place
        values = level.values
        number = _account(values)
        if not number:
            message.findings.error("missing_account", f"{place}/Acct", "the account is not named")
        ident = values.get("Id") or message.message_id
        sequence = look(values, "LglSeqNb", "ElctrncSeqNb") or ""
        page = look(values, *_PAGES) or look(self.top.values, *_PAGES) or ""
        last = look(values, *_LAST) or look(self.top.values, *_LAST)
        balances = tuple(_balances(level.element, place, message.findings))
        servicer = look(values, *agent("Acct/Svcr"))
        totals = {
            name.removeprefix("TxsSummry/"): text for name, text in values.items() if name.startswith("TxsSummry/")
        }
        currency = values.get("Acct/Ccy") or (balances[0].amount.currency if balances else None)
        statement = Statement(
            family=message.family, account=number, statement_id=ident, sequence=sequence, page=page,
            last_page=None if last is None else last in ("true", "1"), currency=currency, servicer=servicer,
            created=iso_time(values.get("CreDtTm"), f"{place}/CreDtTm", message.findings),
            copy=values.get("CpyDplctInd"), balances=balances, totals=totals, number=self._number,
            extra={name: text for name, text in values.items() if text and not name.startswith("TxsSummry/")},
        )  # fmt: skip
        keyed = sequence or ident
        sender = message.header.sender or bic11(servicer or "")
        return _Sheet(statement, place, f"{keyed}/{page}" if page else keyed, sender, self._keys)

    def transaction(self, element: Element, chain: list[Level], place: str) -> None:
        """One Ntry."""
        for level in chain:
            self.open(level)
        sheet, message = self._sheets[id(chain[-1])], self.message
        values = leaves(element)
        several = _details(element)
        told, extra = tell(values, _SINGLE if several < 2 else _SEVERAL, place, message.findings)
        self._seen += 1
        sheet.number += 1
        account, direction = sheet.statement.account, told.get("direction") or ""
        if direction not in (CREDIT, DEBIT):
            message.findings.error("direction", f"{place}/CdtDbtInd", f"{direction[:10]!r} is neither CRDT nor DBIT")
        if "amount" not in told:
            message.findings.error("missing_field", f"{place}/Amt", "there is no amount")
        _own(told, extra, account, direction)
        transactions = _several(element, place, told.get("amount"), message.findings) if several > 1 else ()
        entry = _entry(told, extra, values, several, transactions)
        moment = values.get("BookgDt/DtTm")
        told["event_time"] = iso_time(moment, f"{place}/BookgDt/DtTm", Findings()) if moment else None
        told["batch_id"] = sheet.statement.statement_id or None
        told["message_type"] = message.version
        told["receiver"] = message.header.receiver or None
        event = sheet.keys.entry(
            account,
            sheet.sequence,
            told.get("servicer_reference"),
            told,
            sender=sheet.sender,
            message_id=message.message_id,
            ordinal=str(self._seen),
            extra=extra,
            uetr=told.get("uetr"),
        )
        message.events.append(event)
        sheet.entries.append(replace(entry, event_key=event.event_key))
        _add(sheet, entry)

    def flush(self) -> None:
        """What has been read of the open statements becomes a part."""
        for sheet in self._sheets.values():
            if sheet.entries:
                self._take(sheet)

    def _take(self, sheet: _Sheet) -> None:
        found = replace(sheet.statement, entries=tuple(sheet.entries))
        if found.currency is None and sheet.entries and sheet.entries[0].amount is not None:
            found = replace(found, currency=sheet.entries[0].amount.currency)
        self.message.statements.append(found)
        sheet.entries = []

    def close(self, level: Level, parent: Level) -> None:
        """A statement has ended: its equations. What stands behind the entries is read with it."""
        self.open(parent)
        self.open(level)
        sheet = self._sheets.pop(id(level))
        # Always a part, so that a statement without entries is one, too.
        self._take(sheet)
        _check(sheet, self.message)

    def finish(self) -> None:
        self.open(self.top)
        if self._number == 0:
            self.message.findings.error("no_report", self._name, f"the message holds no {self._name}")
        self.message.group = self.top.extra


def _account(values: dict[str, str]) -> str:
    path = next((item for item in STATEMENT_ACCOUNT if values.get(item)), "")
    found = "".join(values.get(path, "").split())
    return found.upper() if path.endswith("IBAN") else found


def _balances(element: Element, place: str, findings: Findings) -> list[Balance]:
    found = []
    for number, item in enumerate(children(element, "Bal"), 1):
        values, where = leaves(item), f"{place}/Bal[{number}]"
        code = look(values, "Tp/CdOrPrtry/Cd", "Tp/CdOrPrtry/Prtry", "Tp/Cd", "Tp/Prtry") or ""
        amount = money(values.get("Amt"), values.get("Amt@Ccy"), f"{where}/Amt", findings)
        direction = values.get("CdtDbtInd", "")
        if direction not in (CREDIT, DEBIT):
            findings.warn("direction", f"{where}/CdtDbtInd", f"{direction[:10]!r} is neither CRDT nor DBIT")
        if amount is not None:
            day = iso_date(look(values, "Dt/Dt", "Dt/DtTm"), f"{where}/Dt", findings)
            found.append(Balance(code, amount, DEBIT if direction == DEBIT else CREDIT, day))
    return found


def _details(element: Element) -> int:
    """How many transactions an entry details."""
    count = 0
    for item in element:
        name = local(item.tag)
        if name == "NtryDtls":
            count += len(children(item, "TxDtls"))
        elif name == "TxDtls":
            count += 1
    return count


def _own(told: dict[str, Any], extra: dict[str, str], account: str, direction: str) -> None:
    """The statement's account is the booking's side; where the details name another for it, that stays in `extra`."""
    side = "creditor_account" if direction == CREDIT else "debtor_account"
    other = told.get(side)
    if other and other != account:
        extra[f"{side}.detail"] = other
    told[side] = account or other


def _entry(
    told: dict[str, Any], extra: dict[str, str], values: dict[str, str], several: int, transactions: Any
) -> StatementEntry:
    references = {name: values[name] for name in _REFS if values.get(name)}
    for before in ("NtryDtls/TxDtls/Refs/", "TxDtls/Refs/", "NtryDtls/Btch/", "Btch/"):
        if several > 1 and "TxDtls" in before:
            continue
        for path, text in values.items():
            if text and path.startswith(before) and "@" not in path:
                name = path.removeprefix(before)
                if "Amt" not in name and name not in ("NbOfTxs", "CdtDbtInd"):
                    references.setdefault(name, text)
    code = "/".join(
        values[path]
        for path in ("BkTxCd/Domn/Cd", "BkTxCd/Domn/Fmly/Cd", "BkTxCd/Domn/Fmly/SubFmlyCd")
        if values.get(path)
    )
    return StatementEntry(
        event_key="",
        amount=told.get("amount"),
        direction=told.get("direction") or "",
        reversal=bool(told.get("reversal")),
        status=told.get("status"),
        booking_date=told.get("booking_date"),
        value_date=told.get("value_date"),
        references=references,
        bank_code=code or values.get("BkTxCd/Prtry/Cd") or None,
        information=values.get("AddtlNtryInf") or None,
        details=max(several, 1),
        transactions=transactions,
    )


def _several(element: Element, place: str, whole: Money | None, findings: Findings) -> tuple[dict[str, str], ...]:
    """Each transaction of a batch, and whether their amounts make up the entry's."""
    found: list[dict[str, str]] = []
    total: Decimal | None = Decimal(0)
    for details in (item for item in element if local(item.tag) in ("NtryDtls", "TxDtls")):
        for item in children(details, "TxDtls") if local(details.tag) == "NtryDtls" else [details]:
            values = leaves(item)
            path = "Amt" if values.get("Amt") else "AmtDtls/TxAmt/Amt"
            said = {
                name.removeprefix("Refs/"): text for name, text in values.items() if name.startswith("Refs/") and text
            }
            if values.get(path):
                said["Amt"], said["Ccy"] = values[path], values.get(f"{path}@Ccy", "")
            found.append(said)
            amount = money(said.get("Amt"), said.get("Ccy"), place, Findings())
            same = amount is not None and whole is not None and amount.currency == whole.currency
            if total is not None and amount is not None and same:
                opposite = values.get("CdtDbtInd") and values["CdtDbtInd"] != _direction(element)
                if opposite:
                    said["CdtDbtInd"] = values["CdtDbtInd"]
                total += -amount.amount if opposite else amount.amount
            else:
                total = None
    if total is not None and whole is not None and total != whole.amount:
        words = f"the details sum up to {total:f}, the entry is {whole.amount:f}"
        findings.warn("batch_sum", f"{place}/Amt", words)
    return tuple(found)


def _direction(element: Element) -> str:
    return next(((item.text or "").strip() for item in element if local(item.tag) == "CdtDbtInd"), "")


def _add(sheet: _Sheet, entry: StatementEntry) -> None:
    if entry.amount is None or entry.direction not in (CREDIT, DEBIT):
        return
    sheet.counts[entry.direction] += 1
    sheet.sums[entry.direction] += entry.amount.amount
    if sheet.statement.currency not in (None, entry.amount.currency):
        sheet.foreign.add(entry.amount.currency)
    elif entry.status == "BOOK":
        sheet.booked[entry.direction] += entry.amount.amount


def _check(sheet: _Sheet, message: Message) -> None:
    statement, place, findings = sheet.statement, sheet.place, message.findings
    opening, closing = statement.opening, statement.closing
    if message.family == "camt.053" and opening is not None and closing is not None:
        moved = sheet.booked[CREDIT] - sheet.booked[DEBIT]
        name = f"{place}.{{}}"
        message.control[name.format("opening")] = f"{opening.signed:f}"
        message.control[name.format("closing")] = f"{closing.signed:f}"
        message.control[name.format("movement.actual")] = f"{moved:f}"
        if opening.signed + moved != closing.signed:
            words = f"opening {opening.signed:f} + entries {moved:f} is not closing {closing.signed:f}"
            findings.warn("balance_equation", place, words)
    if sheet.foreign:
        words = (
            f"entries in {', '.join(sorted(sheet.foreign))}, the account is in {statement.currency}: no part of the sum"
        )
        findings.warn("entry_currency", place, words)
    currencies = {item.amount.currency for item in statement.balances}
    if len(currencies) > 1:
        findings.warn("balance_currency", place, f"the balances are in {', '.join(sorted(currencies))}")
    stated = statement.totals.get("TtlNtries/NbOfNtries")
    message.check(f"{place}.entries", stated, sheet.number, f"{place}/TxsSummry/TtlNtries/NbOfNtries")
    if stated := statement.totals.get("TtlNtries/Sum"):
        total = sheet.sums[CREDIT] + sheet.sums[DEBIT]
        message.check(f"{place}.sum", stated, total, f"{place}/TxsSummry/TtlNtries/Sum")
    for direction, end in ((CREDIT, "TtlCdtNtries"), (DEBIT, "TtlDbtNtries")):
        where = f"{place}/TxsSummry/{end}"
        if stated := statement.totals.get(f"{end}/NbOfNtries"):
            message.check(f"{place}.{direction}.entries", stated, sheet.counts[direction], f"{where}/NbOfNtries")
        if stated := statement.totals.get(f"{end}/Sum"):
            message.check(f"{place}.{direction}.sum", stated, sheet.sums[direction], f"{where}/Sum")
