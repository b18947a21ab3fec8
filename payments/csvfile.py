"""CSV with a sidecar manifest: the file carries no control totals of its own, so the manifest has to.

Manifest (JSON): `id` and `sender` (identity), `rows`, `sums` {currency: amount}, `sha256` of the file; optional: `columns`
{canonical name: the file's column}, `delimiter`, `decimal` ("." or ","), `date` ("%Y-%m-%d"). Without a manifest the rows
are read, and the file is refused: nothing proves that it is whole.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from cutwater.core.money import EXACT, Money
from payments.values import Findings, check_total, money, number

_ROWS = ("rows", "row_count", "record_count", "count", "records")  # what others call it
_SUMS = ("sums", "control_sums", "totals", "sum", "control_sum", "total")
MAX_MANIFEST = 1_048_576
MAX_FIELD = 131_072
_DELIMITERS = ",;\t|"
COLUMNS = (
    "reference",
    "end_to_end_id",
    "transaction_id",
    "uetr",
    "amount",
    "currency",
    "date",
    "debtor_name",
    "debtor_account",
    "debtor_agent",
    "creditor_name",
    "creditor_account",
    "creditor_agent",
    "remittance",
    "status",
    "reason",
    "batch",
)
_REQUIRED = ("amount", "currency")
_OTHER_NAMES = {
    "value_date": "date",
    "settlement_date": "date",
    "execution_date": "date",
    "ccy": "currency",
    "payment_id": "reference",
    "instruction_id": "reference",
    "id": "reference",
    "endtoendid": "end_to_end_id",
    "debtor_iban": "debtor_account",
    "creditor_iban": "creditor_account",
    "debtor_bic": "debtor_agent",
    "creditor_bic": "creditor_agent",
    "purpose": "remittance",
}


@dataclass(slots=True)
class Manifest:
    id: str = ""
    sender: str = ""
    rows: int | None = None
    sums: dict[str, Decimal] = field(default_factory=dict)
    sha256: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    delimiter: str = ""
    decimal: str = "."
    date: str = "%Y-%m-%d"


@dataclass(slots=True)
class Row:
    """One data row: what its columns say by canonical name; `rest` holds the columns that have none."""

    line: int
    told: dict[str, str]
    amount: Money | None
    day: date | None
    rest: dict[str, str]


@dataclass(slots=True)
class CsvFile:
    manifest: Manifest
    rows: list[Row] = field(default_factory=list)
    control: dict[str, str] = field(default_factory=dict)


def looks_csv(head: bytes) -> bool:
    """A first line of names parted by one delimiter, an amount and a currency among them."""
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].rstrip(b"\r")
    if not line or b"\x00" in line or len(line) > 4096:
        return False
    try:
        names = _names(line.decode("utf-8"))
    except UnicodeDecodeError:
        return False
    return set(_REQUIRED) <= {_canonical(name) for name in names}


def read_csv(payload: bytes, manifest: bytes | None, findings: Findings) -> CsvFile:
    """Rows in order, checked against the manifest. Never raises for bad content."""
    told = _manifest(manifest, findings)
    file = CsvFile(told)
    digest = hashlib.sha256(payload).hexdigest()
    file.control["sha256.actual"] = digest
    if told.sha256:
        file.control["sha256.stated"] = told.sha256[:64]
        if told.sha256.lower() != digest:
            findings.error("control_total", "manifest/sha256", "the file is not the one that the manifest describes")
    told.id = told.id or digest[:16]
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        findings.warn("charset", f"byte {error.start}", "not UTF-8; read as Latin-1")
        text = payload.decode("latin-1")
    file.rows.extend(_rows(text, told, findings))
    _totals(file, findings)
    return file


def _names(line: str) -> list[str]:
    delimiter = max(_DELIMITERS, key=line.count)
    return [name.strip().strip('"') for name in line.split(delimiter)] if delimiter in line else []


def _canonical(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    return _OTHER_NAMES.get(plain, plain)


def _rows(text: str, told: Manifest, findings: Findings) -> Iterator[Row]:
    first = text.split("\n", 1)[0]
    delimiter = told.delimiter if len(told.delimiter) == 1 else max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text.replace("\x00", "\ufffd"), newline=""), delimiter=delimiter, strict=True)
    columns: list[str] = []
    given = {theirs: _canonical(ours) for ours, theirs in told.columns.items()}
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = [given.get(cell.strip()) or _canonical(cell) for cell in cells]
                for name in _REQUIRED:
                    if name not in columns:
                        findings.error("missing_column", "line 1", f"there is no column for {name}")
                        return
                continue
            yield _row(reader.line_num, columns, cells, told, findings)
    except csv.Error as error:
        findings.error("csv", f"line {reader.line_num}", str(error)[:100])
    if not columns:
        findings.error("empty", "", "there is no row in it")


def _row(line: int, columns: list[str], cells: list[str], told: Manifest, findings: Findings) -> Row:
    place = f"line {line}"
    if len(cells) != len(columns):
        findings.error("columns", place, f"{len(cells)} cells where the header has {len(columns)}")
    if "\ufffd" in "".join(cells):
        findings.warn("charset", place, "a NUL stood here")
    values = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()}
    amount = _amount(values.pop("amount", ""), values.pop("currency", ""), told, place, findings)
    day = _day(values.pop("date", ""), told, place, findings)
    known = {name: values.pop(name) for name in COLUMNS if name in values}
    for index, cell in enumerate(cells[len(columns) :], len(columns) + 1):
        values[f"column {index}"] = cell
    return Row(line, known, amount, day, values)


def _amount(text: str, currency: str, told: Manifest, place: str, findings: Findings) -> Money | None:
    if told.decimal == ",":
        if "." in text:
            findings.error("amount", place, f"{text[:40]!r} has two kinds of separators")
            return None
        text = text.replace(",", ".", 1)
    if text.startswith("-"):
        findings.error("amount", place, f"{text[:40]!r} is negative: the direction is a column of its own")
        return None
    return money(text, currency.upper(), place, findings)


def _day(text: str, told: Manifest, place: str, findings: Findings) -> date | None:
    if not text:
        return None
    try:
        return datetime.strptime(text[:40], told.date).date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        findings.error("date", place, f"{text[:40]!r} is no date of the form {told.date[:20]}")
        return None


def _totals(file: CsvFile, findings: Findings) -> None:
    sums: dict[str, Decimal] = {}
    for row in file.rows:
        if row.amount is not None:
            have = sums.get(row.amount.currency, Decimal(0))
            sums[row.amount.currency] = EXACT.add(have, row.amount.amount)
    told = file.manifest
    if "" in told.sums and len(sums) == 1:
        told.sums.setdefault(next(iter(sums)), told.sums.pop(""))
    stated = str(told.rows) if told.rows is not None else None
    check_total(file.control, "rows", stated, len(file.rows), "manifest/rows", findings)
    for currency in sorted({*sums, *told.sums}):
        want = told.sums.get(currency)
        actual = sums.get(currency, Decimal(0))
        text = f"{want:f}" if want is not None else None
        check_total(file.control, f"sum.{currency}", text, actual, f"manifest/sums/{currency}", findings)
        if want is None and told.sums:
            findings.warn("control_total", f"manifest/sums/{currency}", f"not stated, actual {actual:f}")


def _manifest(raw: bytes | None, findings: Findings) -> Manifest:
    told = Manifest()
    if raw is None:
        findings.error("no_manifest", "manifest", "a CSV file has no control totals: put FILE.manifest.json beside it")
        return told
    try:
        data: Any = json.loads(raw, parse_float=Decimal) if len(raw) <= MAX_MANIFEST else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        findings.error("manifest", "manifest", "the manifest is no JSON object of at most 1 MiB")
        return told
    told.id, told.sender, told.sha256 = (str(data.get(name) or "")[:140] for name in ("id", "sender", "sha256"))
    rows = next((data[name] for name in _ROWS if name in data), None)
    told.rows = rows if isinstance(rows, int) and not isinstance(rows, bool) else None
    sums = next((data[name] for name in _SUMS if name in data), None)
    if isinstance(sums, str | int | Decimal) and not isinstance(sums, bool):
        sums = {str(data.get("currency") or ""): sums}
    for currency, value in sums.items() if isinstance(sums, dict) else ():
        found = number(f"{value:f}" if isinstance(value, Decimal) else str(value))
        if found is None:
            findings.error("manifest", f"manifest/sums/{str(currency)[:10]}", f"{str(value)[:40]!r} is no amount")
        else:
            # A sum by another name than a currency's (`amount`) is that of the file's one currency.
            name = str(currency).upper()
            told.sums[name if len(name) == 3 and name.isalpha() else ""] = found
    if told.rows is None or not told.sums:
        findings.error("manifest", "manifest", "the manifest states no number of rows, or no sums")
    columns = data.get("columns")
    told.columns = {str(k): str(v) for k, v in columns.items()} if isinstance(columns, dict) else {}
    told.delimiter, told.decimal = str(data.get("delimiter") or ""), str(data.get("decimal") or ".")
    told.date = str(data.get("date") or "%Y-%m-%d")
    return told
