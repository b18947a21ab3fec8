"""`cutwater payments parse|validate|totals`: what they do, as functions. Reading is `payments.registry`'s."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from cutwater.commands.payments_json import Place, type_of
from cutwater.commands.payments_sources import Source, sources
from cutwater.core.errors import BadInput
from cutwater.core.money import EXACT
from payments.formats.base import Options
from payments.model import Finding, Parsed, refused
from payments.registry import read
from payments.remedies import remedy
from payments.schemas import Schemas

REJECTED, FINDINGS, OK = "rejected", "findings", "ok"


@dataclass
class Piece:
    """A message, or one part of a large one. status, findings: of the message so far, whole with its last part."""

    place: Place
    parsed: Parsed
    status: str
    findings: tuple[Finding, ...]
    known: float | None = None

    @property
    def last(self) -> bool:
        return self.parsed.last


@dataclass
class Tally:
    """How many messages, by status, and what was in them."""

    statuses: Counter[str] = field(default_factory=Counter)
    events: int = 0
    statements: int = 0

    def add(self, piece: Piece) -> None:
        self.events += len(piece.parsed.events)
        if piece.last:
            self.statements += len(piece.parsed.statements)
            self.statuses[piece.status] += 1

    @property
    def messages(self) -> int:
        return self.statuses.total()

    @property
    def rejected(self) -> int:
        return self.statuses[REJECTED]


def parse(paths: Sequence[Path | str], schemas: Path | None = None, part: int = 1000) -> Iterator[Piece]:
    """Every message of every source in order; whatever cannot be read is a rejection. Raises BadInput for a missing path."""
    given = _schemas(schemas)
    for source in sources(paths):
        yield from _source(source, given, part)


def _schemas(folder: Path | None) -> Schemas | None:
    if folder is None:
        return None
    found = Schemas(folder) if folder.is_dir() else None
    if not found:
        raise BadInput(
            "CW2215", f"there is no XSD in {folder}", next="--schemas FOLDER with pacs.008.001.08.xsd and the like"
        )
    return found


def _source(source: Source, schemas: Schemas | None, part: int) -> Iterator[Piece]:
    if source.data is None:
        code, words = source.trouble or ("unreadable", "the source cannot be read")
        yield _piece(source, refused("", "", code, words, source.path))
        return
    options = Options(hint=source.hint, part=part, beside=source.beside, schemas=schemas)
    for parsed in read(source.data, options):
        yield _piece(source, parsed)


def _piece(source: Source, parsed: Parsed) -> Piece:
    place = Place(source.path, parsed.index, parsed.offset, source.sha256)
    # What bars it comes first: that is the reason.
    findings = tuple(_told(item) for item in sorted(parsed.findings, key=lambda item: item.severity != "error"))
    return Piece(place, replace(parsed, findings=findings), parsed.status, findings, source.known)


def _told(finding: Finding) -> Finding:
    """With a place and, for what bars a message, with what to do about it."""
    path = finding.path or "byte 0"
    advice = remedy(finding.code) if finding.severity == "error" else ""
    return replace(finding, path=path, message=f"{finding.message}; {advice}" if advice else finding.message)


@dataclass
class Totals:
    """count and sum by (type, kind, direction, currency, value date)."""

    rows: dict[tuple[str, str, str, str, str], tuple[int, Decimal]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    differences: list[tuple[Place, Finding]] = field(default_factory=list)

    MOST = 200


def totals(paths: Sequence[Path | str]) -> Totals:
    """Control totals over every event beneath `paths`, and every stated total that is not the actual one."""
    found = Totals()
    for piece in parse(paths):
        found.tally.add(piece)
        for event in piece.parsed.events:
            day = event.value_date.isoformat() if event.value_date else ""
            currency = event.amount.currency if event.amount else ""
            key = (type_of(piece.parsed) or "", event.kind.value, event.direction or "", currency, day)
            count, total = found.rows.get(key, (0, Decimal(0)))
            amount = event.amount.amount if event.amount else Decimal(0)
            found.rows[key] = (count + 1, EXACT.add(total, amount))
        for item in piece.findings if piece.last else ():
            if item.code in _TOTALS and len(found.differences) < found.MOST:
                found.differences.append((piece.place, item))
    return found


_TOTALS = frozenset({"control_total", "balance_equation", "batch_sum", "summary_count", "summary_sum"})
