"""`cutwater payments equate|timeline`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutwater.cli.options import OutputOption, output
from cutwater.core.clock import iso
from cutwater.core.errors import BadInput
from cutwater.core.output import Output, glyph
from cutwater.core.redaction import mask

if TYPE_CHECKING:
    from cutwater.commands.payments_story import Pair, Timeline
    from payments.equate.engine import FieldMatch

RevealOption = Annotated[bool, typer.Option("--reveal", help="Show names and accounts in full")]
_PRIVATE = re.compile(r"Nm$|PstlAdr|Acct|RmtInf|Othr|IBAN|AddtlInf|^:(5[09]|25|70|72|77|79|86|61)")


def register(app: typer.Typer) -> None:
    """Adds the verbs to `cutwater payments`."""
    app.command()(equate)
    app.command()(timeline)


def equate(
    mt: Annotated[Path, typer.Argument(help="A file with a SWIFT MT message")],
    mx: Annotated[Path, typer.Argument(help="A file with the ISO 20022 message of the same payment")],
    every: Annotated[bool, typer.Option("--all", help="List every field, not only the unexplained ones")] = False,
    reveal: RevealOption = False,
    fmt: OutputOption = "text",
) -> None:
    """Compare an MT and an MX message of one payment field by field. Exit 3 where a difference is unexplained."""
    from cutwater.commands import payments_story as command

    out = output(fmt)
    pair = command.equate_files(mt, mx)
    if out.is_json:
        out.json("cutwater.payments.equate/1", _pair_json(pair))
    else:
        _pair_text(out, pair, every, reveal)
    pair.require()


def _pair_json(pair: Pair) -> dict[str, object]:
    equation = pair.equation
    return {
        "mt": {"path": str(pair.mt_path), "message": pair.number, "type": equation.mt_type},
        "mx": {"path": str(pair.mx_path), "type": equation.mx_type},
        "counts": {match.value: count for match, count in equation.count().items()},
        "fields": [
            {
                "class": item.match.value,
                "mt": {"path": item.mt_place, "value": item.mt_value} if item.mt_place else None,
                "mx": {"path": item.mx_place, "value": item.mx_value} if item.mx_place else None,
                "why": item.why,
            }
            for item in equation.fields
        ],
    }


def _pair_text(out: Output, pair: Pair, every: bool, reveal: bool) -> None:
    equation = pair.equation
    shown = equation.fields if every else equation.unexplained
    if shown:
        rows = [
            (item.match.value, item.mt_place or "-", _shown(item, item.mt_value, reveal), item.mx_place or "-",
             _shown(item, item.mx_value, reveal), item.why)
            for item in shown
        ]  # fmt: skip
        out.table(("CLASS", "MT", "VALUE", "MX", "VALUE", "WHY"), rows)
    counts = ", ".join(f"{count} {match.value}" for match, count in equation.count().items() if count)
    state = "fail" if equation.unexplained else "pass"
    out.line(f"{glyph(state)}  {equation.mt_type} and {equation.mx_type}: {len(equation.fields)} fields: {counts}")


def _shown(item: FieldMatch, value: str, reveal: bool) -> str:
    private = _PRIVATE.search(item.mx_place.partition("@")[0]) or _PRIVATE.search(item.mt_place)
    if not value or not private or reveal:
        return value
    # Of a name its end would be the surname: only of numbers the end is shown.
    return mask(value) if any(char.isdigit() for char in value[-4:]) else value[:1] + "***"


def timeline(
    key: Annotated[str, typer.Argument(help="A UETR, a payment key or an event key")],
    paths: Annotated[list[str], typer.Argument(help="Files, folders, archives; - is standard input")],
    as_of: Annotated[str, typer.Option("--as-of", help="The story up to this instant (2026-11-23T10:00:00Z)")] = "",
    by: Annotated[
        str, typer.Option("--by", help="event: what had happened by then; knowledge: what was known")
    ] = "event",
    reveal: RevealOption = False,
    fmt: OutputOption = "text",
) -> None:
    """Tell one payment's life from all its messages, whatever their order and channel."""
    from cutwater.commands import payments_story as command
    from payments.lifecycle.ledger import Axis

    out = output(fmt)
    if by not in [item.value for item in Axis]:
        raise BadInput("CW2214", f"--by {by} is unknown", next="--by event or --by knowledge")
    found = command.timeline(key, paths, _instant(as_of), Axis(by))
    if out.is_json:
        out.json("cutwater.payments.timeline/1", _timeline_json(found))
        return
    _timeline_text(out, found, reveal)


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput("CW2214", f"--as-of {text} is no instant", next="--as-of 2026-11-23T10:00:00Z") from error
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _timeline_json(found: Timeline) -> dict[str, object]:
    payment, story = found.payment, found.payment.story
    code, reporter = story.status
    facts = {item.key: item for item in payment.facts}
    return {
        "key": payment.key,
        "as_of": iso(found.as_of) if found.as_of else None,
        "by": found.axis.value,
        "stage": story.stage,
        "status": code or None,
        "reported_by": reporter or None,
        "reporters": {
            name: {"status": one.state, "since": iso(one.since) if one.since else None, "reason": one.reason or None}
            for name, one in sorted(story.reporters.items())
        },
        "recall": story.recall or None,
        "returned": {currency: f"{amount:f}" for currency, amount in story.returned.items()},
        "deducted": {currency: f"{amount:f}" for currency, amount in story.deducted.items()},
        "history": [
            {
                "event_key": item.key,
                "step": item.step.value,
                "family": facts[item.key].family,
                "at": iso(item.at) if item.at else None,
                "known": iso(item.known),
                "reporter": item.reporter or None,
                "status": item.status or None,
                "effect": item.effect.value,
                "state": item.state or None,
                "amount": f"{amount:f}" if (amount := facts[item.key].amount) is not None else None,
                "currency": facts[item.key].currency or None,
            }
            for item in story.history
        ],
        "anomalies": [{"code": rule, "event_key": event, "message": words} for rule, event, words in story.anomalies],
        "conflicts": list(payment.conflicts),
        "ambiguous": list(payment.ambiguous),
        "read": {taken.value: count for taken, count in found.read.items()},
        "rejected": found.rejected,
    }


def _timeline_text(out: Output, found: Timeline, reveal: bool) -> None:
    payment, story = found.payment, found.payment.story
    facts = {item.key: item for item in payment.facts}
    rows = []
    for item in story.history:
        fact = facts[item.key]
        money = f"{fact.currency} {fact.amount:,f}" if fact.amount is not None else ""
        account = (fact.account if reveal else mask(fact.account)) if fact.account else ""
        at = iso(item.at)[:19] + "Z" if item.at else f"known {iso(item.known)[:10]}"
        rows.append((at, item.step.value, fact.family, item.reporter, item.status, item.effect.value, money, account))
    out.table(("AT (UTC)", "STEP", "MESSAGE", "BY", "STATUS", "EFFECT", "AMOUNT", "ACCOUNT"), rows, right=("AMOUNT",))
    code, reporter = story.status
    out.line(f"{payment.key}: {story.stage}" + (f", {code} by {reporter or 'an agent without a BIC'}" if code else ""))
    for name, sums in (("returned", story.returned), ("deducted on the way", story.deducted)):
        if sums:
            out.line(f"{name}: " + ", ".join(f"{currency} {amount:,f}" for currency, amount in sums.items()))
    if story.recall:
        out.line(f"recall {story.recall}")
    for _, _, words in story.anomalies:
        out.line(f"warn  {words}")
    for event in payment.conflicts:
        shown = event if reveal else event.partition("|")[0] + "|***"  # an entry's key holds the account
        out.line(f"warn  {shown} came with two contents; the one known first counts")
