"""Field 61, one statement line: read by position, not by a pattern, because banks write it in more ways than one."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A line by the book, read in one look; what does not fit goes by position, as banks write it in more ways than one.
_USUAL = re.compile(
    r"([0-9]{6})([0-9]{4})?(RC|RD|EC|ED|C|D)([A-Z]?)([0-9]{1,18}+,[0-9]*+)([A-Z][A-Z0-9]{3})([^\n]*)(?:\n((?s:.*)))?"
).fullmatch
_MARKS = ("RC", "RD", "EC", "ED", "C", "D")


@dataclass(slots=True)
class StatementLine:
    """value_date YYMMDD, entry_date MMDD or '', mark C D RC RD EC ED, funds: the currency's third letter or '',
    amount: digits, comma, digits. code: four characters (`NTRF`). reference: for the account owner; servicer: behind
    `//`; details: the line beneath. repaired: what was not by the book, in words."""

    value_date: str
    entry_date: str
    mark: str
    funds: str
    amount: str
    code: str
    reference: str
    servicer: str
    details: str
    repaired: str = ""


def read_line(value: str) -> StatementLine | None:
    """None where the line has no date, no mark or no amount: then nothing of it can be booked."""
    usual = _USUAL(value)
    if usual is not None:
        date, entry, mark, funds, amount, code, rest, details = usual.groups("")
        reference, _, servicer = rest.partition("//")
        return StatementLine(date, entry, mark, funds, amount, code, reference.strip(), servicer.strip(), details)
    line = _read(value)
    if line is None and "\n" in value:
        line = _read(value.replace("\n", "", 1))  # broken behind the mark: the amount stands on the next line
        if line is not None:
            line.repaired = "the line is broken"
    return line


def _read(value: str) -> StatementLine | None:
    first, _, details = value.partition("\n")
    repaired = ""
    date = first[:6]
    if len(date) != 6 or not date.isascii() or not date.isdigit():
        return None
    place, entry = 6, first[6:10]
    if len(entry) == 4 and entry.isascii() and entry.isdigit():
        place = 10
    else:
        entry = ""
        blanks = len(first[6:10]) - len(first[6:10].lstrip(" "))
        place, repaired = 6 + blanks, "blanks for the entry date" if blanks else repaired
    mark = next((item for item in _MARKS if first.startswith(item, place)), "")
    if not mark:
        return None
    place += len(mark)
    funds = ""
    if first[place : place + 1].isalpha():
        funds, place = first[place], place + 1
    end = place
    while end < len(first) and (first[end] in "0123456789,." or (first[end] == " " and end == place)):
        end += 1
    amount = first[place:end].strip()
    if not amount or not amount[0].isdigit():
        return None
    code = first[end : end + 4]
    reference, _, servicer = first[end + 4 :].partition("//")
    return StatementLine(date, entry, mark, funds, amount, code, reference.strip(), servicer.strip(), details, repaired)
