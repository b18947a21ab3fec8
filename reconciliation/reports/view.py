"""The evidence turned into what the page shows: formatted numbers, ordered rows, sentences. No judgement is made here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from cutwater.core.clock import parse_iso
from reconciliation.amounts import amount
from reconciliation.breaks import AGE_BUCKETS, MEANING, BreakClass
from reconciliation.reports import charts

SAMPLES = 20
STATE = {
    "PASS": "pass",
    "FAIL": "fail",
    "INCONCLUSIVE": "unknown",
    "open": "fail",
    "explained": "late",
    "closed": "pass",
}
ESCALATION = ("the owner", "the wave's lead", "the programme's lead", "the steering committee", "blocks the wave")
WHAT_NEXT = {
    "PASS": "A new break, or a part that can no longer be checked, would turn this verdict. Evidence grows stale: gates ask for a fresh run.",
    "FAIL": "Each open break is mended or explained, and a new run at a new pin finds none.",
    "INCONCLUSIVE": "What was not checked is checked, or is declared as a gap beforehand; then a new run decides.",
}


def clock(text: str) -> dict[str, str]:
    """An instant in UTC and in London."""
    if not text:
        return {"utc": "-", "london": "-"}
    at = parse_iso(text)
    return {
        "utc": f"{at:%a %d %b %Y %H:%M:%S} UTC",
        "london": f"{at.astimezone(ZoneInfo('Europe/London')):%a %d %b %Y %H:%M:%S %Z}",
    }


def totals(tables: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every control total: asset, what, currency, source, lake, difference; rows first, then sums."""
    lines: list[dict[str, Any]] = []
    for table in tables:
        asset, left, right = table["asset"].removeprefix("postgres:"), table["source"], table["lake"]
        for currency in sorted(left["rows_by_currency"].keys() | right["rows_by_currency"].keys()):
            mine, theirs = (side["rows_by_currency"].get(currency, 0) for side in (left, right))
            lines.append(_line(asset, "rows", currency, Decimal(mine), Decimal(theirs), plain=True))
        for column in sorted(left["sums"].keys() | right["sums"].keys()):
            by_left, by_right = left["sums"].get(column, {}), right["sums"].get(column, {})
            for currency in sorted(by_left.keys() | by_right.keys()):
                mine, theirs = (Decimal(by.get(currency, "0")) for by in (by_left, by_right))
                lines.append(_line(asset, column, currency, mine, theirs, plain=mine == int(mine) and not currency))
    return lines


def _line(asset: str, what: str, currency: str, mine: Decimal, theirs: Decimal, plain: bool) -> dict[str, Any]:
    def text(value: Decimal) -> str:
        return f"{value:,.0f}" if plain else amount(currency, f"{value:f}")

    difference = theirs - mine
    sign = "+" if difference > 0 else ""
    return {
        "asset": asset,
        "what": what,
        "currency": currency,
        "source": text(mine),
        "lake": text(theirs),
        "difference": f"{sign}{text(difference)}" if difference else "0",
        "differs": bool(difference),
    }


def headline(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Page one: rows and amount side by side, per table that carries money by currency."""
    paid = {line["asset"] for line in lines if line["currency"] and line["what"] == "amount"}
    pairs: dict[tuple[str, str], dict[str, Any]] = {}
    for line in lines:
        if line["asset"] in paid and line["what"] in ("rows", "amount"):
            pairs.setdefault((line["asset"], line["currency"]), {})[line["what"]] = line
    return [
        {"asset": asset, "currency": currency, **pair, "differs": any(line["differs"] for line in pair.values())}
        for (asset, currency), pair in sorted(pairs.items())
        if len(pair) == 2
    ]


def clean(history: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Consecutive PASS runs up to this one, and on how many days."""
    run: list[Mapping[str, Any]] = []
    for item in reversed(history):
        if item["verdict"] != "PASS":
            break
        run.append(item)
    return {"runs": len(run), "days": len({item["finished_at"][:10] for item in run})}


def clusters(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Open breaks that share class, asset and field: where to look for one cause."""
    found = Counter((item["cls"], item["asset"], item["field"]) for item in items if item["state"] == "open")
    return [
        {"class": cls, "asset": asset, "field": field or "-", "count": number}
        for (cls, asset, field), number in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def samples(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per class at most 20 breaks that are not closed, masked as the evidence holds them."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for item in items:
        if item["state"] != "closed":
            groups.setdefault(item["cls"], []).append(item)
    return [
        {
            "class": cls,
            "meaning": MEANING[BreakClass(cls)],
            "total": len(group),
            "shown": sorted(group, key=lambda i: i["state"] != "open")[:SAMPLES],
        }
        for cls, group in sorted(groups.items())
    ]


def grouped(items: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What was not checked, told once per reason."""
    reasons: dict[str, list[str]] = {}
    for item in items:
        reasons.setdefault(item["why"], []).append(item["what"].removeprefix("postgres:"))
    return [{"what": ", ".join(names), "why": why} for why, names in reasons.items()]


def build(body: Mapping[str, Any], sha256: str, peers: Sequence[str]) -> dict[str, Any]:
    """Everything that the template names."""
    lines = totals(body["tables"])
    by_asset = Counter(item["asset"] for item in body["breaks"] if item["state"] == "open")
    started, ended = parse_iso(body["started_at"]), parse_iso(body["finished_at"])
    return {
        "b": body,
        "sha256": sha256,
        "peers": list(peers),
        "state": STATE[body["verdict"]],
        "states": STATE,
        "next": WHAT_NEXT[body["verdict"]],
        "as_of": clock(body["as_of"]),
        "finished": clock(body["finished_at"]),
        "took": f"{(ended - started).total_seconds():.1f} s",
        "headline": headline(lines),
        "others": [line for line in lines if line["differs"] and line["what"] not in ("rows", "amount")],
        "totals": lines,
        "age_names": [name for name, _ in AGE_BUCKETS],
        "escalation": ESCALATION,
        "clean": clean(body["history"]),
        "clusters": clusters(body["breaks"]),
        "samples": samples(body["breaks"]),
        "history_chart": charts.columns([_column(item) for item in body["history"]], "Open breaks per run"),
        "asset_chart": charts.bars(by_asset.most_common(12), "Open breaks per asset") if by_asset else None,
        "by_asset": by_asset.most_common(),
        "gaps": grouped(item for item in body["not_checked"] if not item["declared"]),
        "declared": grouped(item for item in body["not_checked"] if item["declared"]),
    }


def _column(item: Mapping[str, Any]) -> tuple[str, str, int, str]:
    at: datetime = parse_iso(item["finished_at"])
    return f"{at:%d %b}", f"{at:%H:%M}", int(item["open_breaks"]), str(item["verdict"])
