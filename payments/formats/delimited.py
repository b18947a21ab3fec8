"""CSV with a sidecar manifest: one INITIATED event a row, a STATUS event where the row tells a status."""

from __future__ import annotations

from collections.abc import Iterator

from payments.csvfile import CsvFile, Row, looks_csv, read_csv
from payments.formats.base import LIKELY, NO, POSSIBLE, Options, Source, read_all, too_large
from payments.identity import make_event
from payments.iso20022.fields import UETR
from payments.model import EventKind, FileBatch, Parsed, PaymentEvent
from payments.values import Findings

_SAME = (
    "transaction_id", "debtor_name", "debtor_account", "debtor_agent", "creditor_name", "creditor_account",
    "creditor_agent", "remittance", "status", "reason",
)  # fmt: skip


class Delimited:
    """A first line of names, an amount and a currency among them; a hint is enough where the names are a manifest's."""

    name = "file"
    dear = 2

    def sniff(self, head: bytes, hint: str) -> int:
        return LIKELY if looks_csv(head) else POSSIBLE if "csv" in hint else NO

    def parse(self, source: Source, options: Options) -> Iterator[Parsed]:
        payload = read_all(source)
        yield too_large(self.name) if payload is None else parse_csv(payload, options.beside)


def parse_csv(payload: bytes, manifest: bytes | None) -> Parsed:
    """One file. A total that is not the manifest's is a finding; without a manifest the file is refused."""
    findings = Findings()
    file = read_csv(payload, manifest, findings)
    told = file.manifest
    events = tuple(_event(file, number, row, findings) for number, row in enumerate(file.rows, 1))
    sums = {
        currency: sum(item.amount.amount for item in file.rows if item.amount and item.amount.currency == currency)
        for currency in sorted({item.amount.currency for item in file.rows if item.amount})
    }
    batch = FileBatch("group", told.id, len(events), sums, None if told.rows is None else str(told.rows))  # type: ignore[arg-type]
    return Parsed(
        "csv",
        told.id,
        events,
        findings.tuple(),
        file.control,
        form="file",
        batches=(batch,),
        sender=told.sender or None,
    )


def _event(file: CsvFile, number: int, row: Row, findings: Findings) -> PaymentEvent:
    told, extra = dict(row.told), dict(row.rest)
    uetr = told.pop("uetr", None)
    if uetr and not UETR.fullmatch(uetr):
        findings.warn("uetr", f"line {row.line}", "the uetr is no UUID; kept, but no payment key")
        extra["uetr"], uetr = uetr, None
    status = told.get("status")
    return make_event(
        family="csv",
        kind=EventKind.STATUS if status else EventKind.INITIATED,
        sender=file.manifest.sender,
        message_id=file.manifest.id,
        ordinal=str(number),
        uetr=uetr,
        instruction_id=told.get("reference"),
        end_to_end_id=told.get("end_to_end_id"),
        amount=row.amount,
        value_date=row.day,
        settlement_date=row.day,
        batch_id=told.get("batch") or file.manifest.id or None,
        reporter=(file.manifest.sender or None) if status else None,
        extra=extra,
        **{name: told[name] for name in _SAME if name in told},  # type: ignore[arg-type]
    )


FORMAT = Delimited()
