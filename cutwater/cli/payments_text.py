"""Messages as text: one line a message, a line an event beneath it, within 100 columns; names and accounts masked."""

from __future__ import annotations

import re
from textwrap import wrap
from typing import TYPE_CHECKING

from cutwater.core.output import WIDTH, Output, glyph
from cutwater.core.redaction import mask, redact

if TYPE_CHECKING:
    from cutwater.commands.payments import Piece, Tally, Totals
    from cutwater.commands.payments_checks import Checks
    from payments.model import Finding, PaymentEvent

MOST = 20  # lines beneath one message
_QUOTES = frozenset({"schema", "statement_line"})  # their words quote what the message says, which may be a name
_KEYED = frozenset(
    {"duplicate", "possible", "conflict"}
)  # theirs end with a key, and that of an entry holds an account
_VALUE = re.compile(r"(?:The value |: |^)(?=['\"])")
_BEHIND = re.compile(r"['\"] (?=is |has |does )")
_STATE = {"ok": "pass", "findings": "late", "rejected": "fail"}
_WORD = {"ok": "ok", "findings": "findings", "rejected": "REJECTED"}
_HEAD = f"  {'KIND':<9} {'AMOUNT':>21}  {'DATE':<10} {'DEBTOR':<20} {'CREDITOR':<20} STATUS"


class Listing:
    """Prints messages as they come."""

    def __init__(self, out: Output, reveal: bool) -> None:
        self._out, self._reveal = out, reveal
        self._events = self._entries = 0

    def part(self, piece: Piece) -> None:
        parsed = piece.parsed
        if parsed.part == 0:
            self._events = self._entries = 0
            behind = f" #{piece.place.index + 1}  {piece.parsed.type or 'unknown'}"
            self._out.line(_end(piece.place.path, WIDTH - len(behind)) + behind)
            if parsed.events:
                self._out.line(_HEAD, style="dim")
        for event in parsed.events:
            if self._events < MOST:
                self._out.line(self._event(event))
            self._events += 1
        self._entries += sum(len(item.entries) for item in parsed.statements)
        if piece.last:
            self._end(piece)

    def _end(self, piece: Piece) -> None:
        if self._events > MOST:
            self._out.line(f"  ... {self._events - MOST:,} more events: --output json shows all")
        for statement in piece.parsed.statements[:MOST]:
            opening, closing = statement.opening, statement.closing
            words = f"  statement {statement.sequence or statement.statement_id} of {self._account(statement.account)}"
            if opening:
                words += f", opening {opening.amount.currency} {opening.signed:,f}"
            if closing:
                words += f", closing {closing.signed:,f}"
            self._out.line(_fit(words, WIDTH))
        for item in piece.findings[:MOST]:
            mark = "error" if item.severity == "error" else "warn "
            words = item.message if self._reveal else _words(item)
            text = f"  {mark} {item.code} at {item.path}: {words}"
            _wrapped(self._out, text, self._reveal)
        if len(piece.findings) > MOST:
            self._out.line(f"  ... {len(piece.findings) - MOST:,} more findings")
        self._out.line(f"  {_WORD[piece.status]}: {self._events:,} events, {self._entries:,} entries")

    def _event(self, event: PaymentEvent) -> str:
        money = f"{event.amount.currency} {event.amount.amount:,f}" if event.amount else "-"
        day = event.settlement_date or event.value_date
        return (
            f"  {event.kind.value:<9} {money:>21}  {day.isoformat() if day else '-':<10} "
            f"{self._party(event.debtor_name, event.debtor_account):<20} "
            f"{self._party(event.creditor_name, event.creditor_account):<24} {_fit(event.status or '', 6)}".rstrip()
        )

    def _party(self, name: str | None, account: str | None) -> str:
        shown = name or ""
        if not self._reveal:
            shown = shown[:1] + "***" if shown else ""
        text = " ".join(part for part in (shown, self._account(account or "")) if part) or "-"
        return _fit(text, 20)

    def _account(self, account: str) -> str:
        if self._reveal or not account:
            return account
        hidden = mask(account)
        return hidden[-8:] if len(hidden) > 8 else hidden

    def end(self, tally: Tally) -> None:
        """The verdict, last."""
        state = "fail" if tally.rejected else "pass"
        counts = ", ".join(f"{tally.statuses[name]:,} {name}" for name in ("ok", "findings", "rejected"))
        words = f"{tally.messages:,} messages: {counts}; {tally.events:,} events"
        self._out.line(f"{glyph(state)}  {words}")


def _words(item: Finding) -> str:
    """What is wrong, without the value that it quotes: to its last quotation mark, or to the end where it was cut."""
    begin = _VALUE.search(item.message) if item.code in _QUOTES else None
    if begin is None:
        return item.message
    behind = [match.end() for match in _BEHIND.finditer(item.message, begin.end())]
    rest = f" {item.message[behind[-1] :]}" if behind else ""
    return f"{item.message[: begin.end()]}'***'{rest}"


def print_totals(out: Output, found: Totals) -> None:
    """The table of totals, then what does not add up."""
    rows = [
        (kind, what, direction, day, f"{count:,}", currency, f"{total:,f}")
        for (kind, what, direction, currency, day), (count, total) in sorted(found.rows.items())
    ]
    columns = ("TYPE", "KIND", "DIRECTION", "VALUE DATE", "COUNT", "CCY", "SUM")
    out.table(columns, rows, right=("COUNT", "SUM"))
    for place, item in found.differences:
        _wrapped(out, f"{place.path} #{place.index + 1} {item.path}: {item.message}")
    Listing(out, False).end(found.tally)


def print_checks(out: Output, found: Checks) -> None:
    """One line a finding, messages without any left out."""
    for place, kind, items in found.messages:
        for item in items:
            words = _words(item)
            text = f"{place.path} #{place.index + 1} {kind or 'unknown'}: {item.severity} {item.code} at {item.path}: {words}"
            _wrapped(out, text)
    for item in found.between:
        words = item.message.partition(" of ")[0] if item.code in _KEYED else item.message
        _wrapped(out, f"between messages: {item.severity} {item.code} at {item.path}: {words}")
    Listing(out, False).end(found.tally)


def _wrapped(out: Output, text: str, reveal: bool = False) -> None:
    for line in wrap(
        text if reveal else redact(text),
        WIDTH,
        subsequent_indent=" " * 8,
        initial_indent=text[: len(text) - len(text.lstrip())],
        break_on_hyphens=False,
    ):
        out.line(line)


def _end(text: str, width: int) -> str:
    """A path is known by its end."""
    return text if len(text) <= width else "~" + text[len(text) - width + 1 :]


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "~"
