"""`cutwater payments validate`: each message's findings, and what only several messages together can tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cutwater.commands.payments import Piece, Tally, parse
from cutwater.commands.payments_json import Place, finding_body, type_of
from payments.dedup import Deduplicator, Verdict
from payments.fin.headers import Header
from payments.fin.sequences import Sequences
from payments.model import Finding, Parsed
from payments.sheets import Sheet, across
from payments.statements import Statement

MOST = 10_000  # messages with findings, and findings between messages, that are listed


@dataclass
class Checks:
    """messages: (place, type, findings) of those that have any. between: of several messages. unlisted: beyond MOST."""

    tally: Tally = field(default_factory=Tally)
    messages: list[tuple[Place, str | None, tuple[Finding, ...]]] = field(default_factory=list)
    between: list[Finding] = field(default_factory=list)
    unlisted: int = 0

    def body(self) -> dict[str, object]:
        return {
            "messages": {**dict(sorted(self.tally.statuses.items())), "all": self.tally.messages},
            "findings": [
                {"source": place.body(), "type": kind, "findings": [finding_body(item) for item in items]}
                for place, kind, items in self.messages
            ],
            "between": [finding_body(item) for item in self.between],
            "unlisted": self.unlisted,
        }


@dataclass
class _Across:
    """What is remembered of each message for the checks between them."""

    sheets: list[Sheet] = field(default_factory=list)
    numbers: Sequences = field(default_factory=Sequences)
    known: Deduplicator = field(default_factory=Deduplicator)
    doubles: list[Finding] = field(default_factory=list)

    def take(self, piece: Piece) -> None:
        parsed, where = piece.parsed, f"{piece.place.path} #{piece.place.index + 1}"
        if parsed.form == "mt" and parsed.control.get("sequence"):
            self.numbers.add(_header(parsed))
        for event in parsed.events:
            mir, pde, pdm = parsed.control.get("mir", ""), "pde" in parsed.control, "pdm" in parsed.control
            found = self.known.judge(event, mir, pde, pdm)
            if found.verdict is not Verdict.NEW and len(self.doubles) < MOST:
                words = f"{found.verdict.value} by {found.rule}" + (f" of {found.other}" if found.other else "")
                self.doubles.append(Finding("warn", found.verdict.name.lower(), where, words))
        self.sheets.extend(_sheet(item, where) for item in parsed.statements)

    def findings(self) -> Iterator[Finding]:
        yield from self.doubles
        for item in across(self.sheets):
            yield Finding("warn", item.rule, item.place, f"{item.text} {item.currency}".strip())
        for gap in self.numbers.gaps():
            kind = "OSN" if gap.direction == "O" else "ISN"
            words = f"{kind} {gap.first} to {gap.last} did not come"
            yield Finding("warn", "sequence_gap", f"{gap.lt} session {gap.session}", words)
        for (direction, lt, session, number), times in sorted(self.numbers.repeats.items()):
            kind = "OSN" if direction == "O" else "ISN"
            yield Finding("warn", "sequence_repeat", f"{lt} session {session}", f"{kind} {number} came {times} times")


def validate(paths: Sequence[Path | str], schemas: Path | None = None) -> Checks:
    """Reads everything beneath `paths` once."""
    found, between = Checks(), _Across()
    for piece in parse(paths, schemas):
        found.tally.add(piece)
        between.take(piece)
        if piece.last and piece.findings:
            if len(found.messages) < MOST:
                found.messages.append((piece.place, type_of(piece.parsed), piece.findings))
            else:
                found.unlisted += 1
    for item in between.findings():
        if len(found.between) < MOST:
            found.between.append(item)
        else:
            found.unlisted += 1
    return found


def _header(parsed: Parsed) -> Header:
    told = parsed.control
    return Header(
        service="01",
        lt=told.get("lt", ""),
        session=told.get("session", ""),
        sequence=told.get("sequence", ""),
        direction=told.get("direction", ""),
    )


def _sheet(statement: Statement, place: str) -> Sheet:
    """What the equations between statements need of one."""
    opening, closing = statement.opening, statement.closing
    return Sheet(
        place=place,
        account=statement.account,
        currency=statement.currency or "",
        sequence=_whole(statement.sequence),
        page=_whole(statement.page),
        opening=opening.signed if opening else None,
        closing=closing.signed if closing else None,
        opening_intermediate=bool(opening and opening.code in ("60M", "ITBD")),
        closing_intermediate=bool(closing and closing.code in ("62M", "ITBD")),
        opening_day=opening.day if opening else None,
        copy=bool(statement.copy),
        partial=statement.family in ("MT941", "MT942", "camt.052", "camt.054"),
    )


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
