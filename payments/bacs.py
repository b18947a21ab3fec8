"""Bacs Standard 18: labels, data records of 100 (or 106) characters, contra records, and UTL1's control totals.

Layout (1-based): destination sort code 1-6, account 7-14, type 15, transaction code 16-17, originating sort code 18-23,
account 24-31, free 32-35, amount in pence 36-46, originator's name 47-64, reference 65-82, destination name 83-100,
processing day 101-106 in multi-day files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from cutwater.core.money import Money
from payments.formats.base import Source
from payments.identity import join_key, make_event
from payments.model import EventKind, Parsed, PaymentEvent
from payments.values import Findings, check_total

LONGEST = 65_536
_LABELS = ("VOL1", "HDR1", "HDR2", "UHL1", "EOF1", "EOF2", "UTL1")
_DEBITS = frozenset({"01", "17", "18", "19"})
_CREDITS = frozenset({"99", "Z4", "Z5"})
_INSTRUCTIONS = frozenset({"0N", "0C", "0S"})  # AUDDIS: a direct debit instruction, no money
_SHORTEST = 82  # a writer that cuts blanks at the end may leave out the destination's name, not the reference
_CURRENCIES = {"00": "GBP"}
# Behind the work code, wherever it begins: writers differ by a column in the blank country code before it.
_FILE_NUMBER = re.compile(r"[14] (?:DAILY|MULTI) {2}([0-9]{3})")


@dataclass
class _File:
    findings: Findings
    labels: dict[str, str] = field(default_factory=dict)
    events: list[PaymentEvent] = field(default_factory=list)
    pence: dict[str, int] = field(default_factory=lambda: {"debit": 0, "credit": 0})
    count: dict[str, int] = field(default_factory=lambda: {"debit": 0, "credit": 0})
    contras: int = 0
    number: int = 0
    instructions: int = 0

    @property
    def user(self) -> str:
        return self.labels.get("HDR1", "")[5:11].strip()

    @property
    def serial(self) -> str:
        return self.labels.get("HDR1", "")[21:27].strip() or self.labels.get("VOL1", "")[4:10].strip()

    @property
    def message_id(self) -> str:
        """Serial, processing day and file number: serials are used again, but not on one day."""
        header = self.labels.get("UHL1", "")
        number = _FILE_NUMBER.search(header)
        return "-".join(part for part in (self.serial, header[4:10].strip(), number[1] if number else "") if part)


def parts(source: Source, size: int) -> Iterator[Parsed]:
    """Every file of a stream: an INITIATED event a data record, in parts of `size` events. Never raises for bad content.

    A control total that disagrees is a warning: the records that are there are accepted, the difference is kept.
    """
    file, part, index, offset = _File(Findings()), 0, 0, 0
    for number, begin, line in _lines(source, file.findings):
        if line[:4] in ("VOL1", "HDR1") and "UTL1" in file.labels:
            yield _ended(file, part).but(index=index, offset=offset)  # one file behind another
            file, part, index, offset = _File(Findings()), 0, index + 1, begin
        if line[:4] in _LABELS:
            file.labels.setdefault(line[:4], line)
        else:
            _record(file, number, line)
        if len(file.events) >= size:
            events, file.events = tuple(file.events), []
            found = Parsed("bacs.std18", file.message_id, events, form="file", part=part, last=False)
            yield found.but(index=index, offset=offset)
            part += 1
    yield _ended(file, part).but(index=index, offset=offset)


def _ended(file: _File, part: int) -> Parsed:
    for name in ("VOL1", "HDR1", "UHL1", "EOF1", "UTL1"):
        if name not in file.labels:
            file.findings.error("missing_label", name, f"the file has no {name} label: it is not complete")
    if not file.message_id:
        file.findings.error("missing_identity", "HDR1", "neither serial number nor processing day")
    control, sender = _control(file), file.user or None
    found = Parsed("bacs.std18", file.message_id, tuple(file.events), file.findings.tuple(), control, form="file")
    return found.but(sender=sender, part=part)


def _lines(source: Source, findings: Findings) -> Iterator[tuple[int, int, str]]:
    """(line number, byte offset, line). Not splitlines(): it also breaks at form feeds and the like, which would tear a record apart."""
    number, offset, told = 0, 0, False
    for line in _pieces(source):
        number += 1
        try:
            content = line.decode("ascii")
        except UnicodeDecodeError as error:
            if not told:
                place = f"byte {offset + error.start}"
                findings.warn("charset", place, "outside the Bacs character set; read as Latin-1")
            told, content = True, line.decode("latin-1")
        begin, offset = offset, offset + len(line) + 1
        content = content.removesuffix("\r")
        if content.strip("\x1a \t\ufeff"):
            yield number, begin, content


def _pieces(source: Source) -> Iterator[bytes]:
    """Lines; what is longer than any record could be comes cut, and is refused by its length."""
    tail = b""
    while piece := source.read(1 << 20):
        *whole, tail = (tail + piece).split(b"\n")
        yield from whole
        if len(tail) > LONGEST:
            yield tail
            tail = b""
    yield tail


def _record(file: _File, number: int, line: str) -> None:
    place, findings = f"line {number}", file.findings
    if _SHORTEST <= len(line) < 100:
        findings.warn("record_length", place, f"{len(line)} characters; read as if blanks stood behind")
        line = line.ljust(100)
    if len(line) not in (100, 106):
        findings.error("record_length", place, f"{len(line)} characters; a data record has 100 or 106")
        return
    code, amount_text = line[15:17], line[35:46]
    digits = line[:15] + line[17:31].replace(" ", "0") + amount_text
    if not digits.isascii() or not digits.isdigit():
        findings.error("record", place, "sort codes, account numbers and the amount are digits")
        return
    if code in _INSTRUCTIONS:
        file.instructions += 1
        return
    if code not in _DEBITS and code not in _CREDITS:
        findings.error("transaction_code", place, f"transaction code {code!r} is not known")
        return
    side = "debit" if code in _DEBITS else "credit"
    file.pence[side] += int(amount_text)
    file.count[side] += 1
    reference = line[64:82].strip()
    if line[:14] == line[17:31] and reference == "CONTRA":
        file.contras += 1
        return
    file.events.append(_event(file, line, code, reference, place))


def _event(file: _File, line: str, code: str, reference: str, place: str) -> PaymentEvent:
    header = file.labels.get("UHL1", "")
    currency = _CURRENCIES.get(header[20:22])
    if currency is None and header:
        file.findings.error("currency", "UHL1", f"currency code {header[20:22]!r} is not known")
    destination, originator = line[:14], line[17:31]
    debtor, creditor = (destination, originator) if code in _DEBITS else (originator, destination)
    own = line[100:106].strip() or header[4:10].strip()
    file.number += 1
    ordinal = str(file.number)
    extra = {"code": code, "type": line[14], "free": line[31:35].strip()}
    names = (line[46:64].strip() or None, line[82:100].strip() or None)
    debtor_name, creditor_name = (names[1], names[0]) if code in _DEBITS else names
    day = _julian(own, place, file.findings)
    return make_event(
        family="bacs.std18",
        kind=EventKind.INITIATED,
        sender=file.user,
        message_id=file.message_id,
        ordinal=ordinal,
        fallback=join_key("bacs", line[17:23], reference)
        if reference
        else join_key("event", "bacs.std18", file.user, file.message_id, ordinal),
        instruction_id=reference or None,
        amount=Money(currency or "GBP", Decimal(int(line[35:46])).scaleb(-2)),
        value_date=day,
        settlement_date=day,
        debtor_name=debtor_name,
        debtor_account=debtor,
        debtor_agent=debtor[:6],
        creditor_name=creditor_name,
        creditor_account=creditor,
        creditor_agent=creditor[:6],
        remittance=reference or None,
        message_type="bacs18",
        batch_id=file.serial or None,
        extra={name: value for name, value in extra.items() if value},
    )


def _julian(text: str, place: str, findings: Findings) -> date | None:
    """YYDDD, this century."""
    if len(text) == 5 and text.isascii() and text.isdigit():
        year, day = 2000 + int(text[:2]), int(text[2:])
        found = date(year, 1, 1) + timedelta(days=day - 1)
        if day >= 1 and found.year == year:
            return found
    findings.error("date", place, f"{text[:6]!r} is no processing day (YYDDD)")
    return None


def _control(file: _File) -> dict[str, str]:
    control = {"contras": str(file.contras), "service_user": file.user}
    trailer = file.labels.get("UTL1", "")
    slices = {
        "debit.pence": (4, 17),
        "credit.pence": (17, 30),
        "debit.count": (30, 37),
        "credit.count": (37, 44),
    }
    if file.instructions:
        slices["instructions.count"] = (44, 51)
    actual = {
        "debit.pence": file.pence["debit"],
        "credit.pence": file.pence["credit"],
        "debit.count": file.count["debit"],
        "credit.count": file.count["credit"],
        "instructions.count": file.instructions,
    }
    for name, (start, end) in slices.items():
        check_total(control, name, trailer[start:end], actual[name], f"UTL1/{name}", file.findings)
    return control
