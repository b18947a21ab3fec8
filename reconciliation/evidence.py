"""A run as plain data: the JSON evidence from which every report is made, and by whose hash it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cutwater.core.clock import iso
from cutwater.core.hashing import sha256_json
from reconciliation import basis
from reconciliation.amounts import money
from reconciliation.breaks import AGE_BUCKETS, CLOSED, EXPLAINED, OPEN, Break, age, age_bucket, money_at_risk
from reconciliation.cases import ExpectationResult
from reconciliation.compare import TableResult, Verdict
from reconciliation.digests import DIGEST_BITS, missed_probability
from reconciliation.encoding import VERSION
from reconciliation.feeds import FeedResult
from reconciliation.options import ReconcileOptions
from reconciliation.run import RunResult

SCHEMA = "cutwater.reconcile.run/1"


@dataclass(frozen=True)
class Frame:
    """What surrounds a run: its project, settings, end, and the runs before it (newest first, as evidence bodies)."""

    project: str
    settings: ReconcileOptions
    finished_at: datetime
    earlier: Sequence[dict[str, Any]] = ()
    plan_hash: str = ""


def document(result: RunResult, frame: Frame) -> dict[str, Any]:
    """The evidence. Amounts are exact decimals in text; the samples in it are masked."""
    now, opened = frame.finished_at, result.open_breaks
    buckets = sum(item.buckets for item in result.tables)
    found, planted = result.self_check.totals
    return {
        "schema": SCHEMA,
        "project": frame.project,
        "run": result.run,
        "wave": result.wave,
        "plan_hash": frame.plan_hash,
        "verdict": result.verdict.value,
        "why": reasons(result),
        "as_of": result.as_of,
        "started_at": iso(result.started_at),
        "finished_at": iso(now),
        "pins": {
            "source": result.source_pin,
            "target": result.target_pin,
            "snapshots": result.snapshots,
            "lake": result.lake_pins,
        },
        "scope": scope(result),
        "basis": basis.told(result.basis) if result.basis else None,
        "open_breaks": len(opened),
        "value_at_risk": {
            "gross": {key: str(value) for key, value in money_at_risk(opened).items()},
            "net": {key: str(value) for key, value in money_at_risk(opened, "net").items()},
        },
        "tables": [_table(item) for item in result.tables],
        "feeds": [_feed(item) for item in result.feeds],
        "expectations": [_expectation(item) for item in result.expectations],
        "digests_sha256": sha256_json([[item.asset, item.digest_hash] for item in result.tables]),
        "break_summary": summary(result, now),
        "ages": ages(opened, now),
        "breaks": [item.as_dict() for item in result.breaks],
        "not_listed": sum(item.not_listed for item in result.tables),
        "not_checked": [{"what": item.what, "why": item.why, "declared": item.declared} for item in result.not_checked],
        "self_check": {
            "planted": planted,
            "found": found,
            "kinds": {
                kind: {"planted": number, "found": result.self_check.found.get(kind, 0)}
                for kind, number in sorted(result.self_check.planted.items())
            },
            "missed": result.self_check.missed,
            "bound": result.self_check.bound,
        },
        "missed_probability": missed_probability(buckets),
        "method": {
            "encoding": VERSION,
            "digest": f"MD5, {DIGEST_BITS} of 128 bits, added modulo 2^{DIGEST_BITS}",
            "buckets": buckets,
        },
        "settings": frame.settings.model_dump(mode="json"),
        "tolerances": [],
        "normalisations": ["char(n): trailing blanks are no part of the value", "uuid: compared in lower case"],
        "ignored_columns": {item.asset: list(item.ignored) for item in result.tables if item.ignored},
        "seconds": {key: str(value) for key, value in result.seconds.items()},
        "history": history(result, frame),
    }


def reasons(result: RunResult) -> list[str]:
    """Why the verdict is what it is, worst first."""
    groups: dict[tuple[str, str], list[Break]] = {}
    for item in result.open_breaks:
        groups.setdefault((item.cls.value, item.asset.removeprefix("postgres:")), []).append(item)
    told = [_told(cls, asset, items) for (cls, asset), items in sorted(groups.items(), key=_gravest)]
    gaps: dict[str, list[str]] = {}
    for gap in result.not_checked:
        if not gap.declared:
            gaps.setdefault(gap.why, []).append(gap.what)
    told += [f"not checked: {', '.join(names)}: {why}" for why, names in gaps.items()]
    if not result.self_check.passed:
        told.append(f"self-check: {result.self_check.bound}")
        told += [f"self-check missed {item}" for item in result.self_check.missed[:5]]
    if result.verdict is Verdict.PASS and result.basis is not None:
        told.append(f"all that was touched since {result.basis.run} passed was checked at stated points and agrees")
    elif result.verdict is Verdict.PASS:
        told.append("every row, message and expectation in scope was checked at stated points and agrees")
    return told


def _told(cls: str, asset: str, items: Sequence[Break]) -> str:
    """`2 MISSING_IN_TARGET in payhub.payment, GBP 18.00 at risk`, with the key of a single one."""
    one = f": {items[0].key}" if len(items) == 1 else ""
    risk = {currency: str(value) for currency, value in money_at_risk(items).items() if value}
    return f"{len(items)} {cls} in {asset}{one}" + (f", {money(risk)} at risk" if risk else "")


def _gravest(group: tuple[tuple[str, str], list[Break]]) -> tuple[bool, int, str]:
    """Money first, then numbers."""
    (cls, _), items = group
    return not any(item.gross for item in items), -len(items), cls


def scope(result: RunResult) -> list[dict[str, Any]]:
    """Per level: judged + in grace + not checked = population; unread: parts of which not even the size is known."""
    levels: list[tuple[str, str, int, int, int, int]] = []
    for name, unit, parts in (
        ("Tables", "rows of the source", [(i.verdict, i.rows[0], 0) for i in result.tables]),
        ("Feeds", "messages of the source", [(i.verdict, i.source, i.pending) for i in result.feeds]),
        (
            "Expectations",
            "rows with an event to find",
            [(i.verdict, i.judged + i.pending, i.pending) for i in result.expectations],
        ),
    ):
        known = [(size, min(pending, size)) for verdict, size, pending in parts if verdict is not Verdict.INCONCLUSIVE]
        open_ended = sum(size for verdict, size, _ in parts if verdict is Verdict.INCONCLUSIVE)
        unread = sum(1 for verdict, size, _ in parts if verdict is Verdict.INCONCLUSIVE and not size)
        levels.append((name, unit, sum(a - b for a, b in known), sum(b for _, b in known), open_ended, unread))
    return [
        {
            "level": name,
            "unit": unit,
            "judged": judged,
            "in_grace": grace,
            "not_checked": gap,
            "population": judged + grace + gap,
            "unread": unread,
        }
        for name, unit, judged, grace, gap, unread in levels
    ]


def summary(result: RunResult, now: datetime) -> list[dict[str, Any]]:
    """Breaks by class and state: number, gross, net, oldest, owners, new and closed by this run."""
    groups: dict[tuple[str, str], list[Break]] = {}
    for item in result.breaks:
        if item.state != CLOSED or item.run == result.run:
            groups.setdefault((item.cls.value, item.state), []).append(item)
    order = {OPEN: 0, EXPLAINED: 1, CLOSED: 2}
    return [
        {
            "class": cls,
            "state": state,
            "count": len(items),
            "gross": {key: str(value) for key, value in money_at_risk(items).items()},
            "net": {key: str(value) for key, value in money_at_risk(items, "net").items()},
            "oldest": min((item.first_seen for item in items if item.first_seen), default=""),
            "oldest_age": str_age(min(items, key=lambda item: item.first_seen), now),
            "owners": sorted({item.owner for item in items}),
            "assets": sorted({item.asset for item in items}),
            "new": sum(1 for item in items if item.first_seen >= iso(result.started_at)),
        }
        for (cls, state), items in sorted(groups.items(), key=lambda pair: (order[pair[0][1]], pair[0][0]))
    ]


def str_age(item: Break, now: datetime) -> str:
    """An age for people: `< 1 h`, `3 h`, `2 d`."""
    hours = int(age(item, now).total_seconds() // 3600)
    return "< 1 h" if hours < 1 else f"{hours} h" if hours < 48 else f"{hours // 24} d"


def ages(items: Sequence[Break], now: datetime) -> list[dict[str, Any]]:
    """Open breaks by class and age bucket."""
    names = [name for name, _ in AGE_BUCKETS]
    classes = sorted({item.cls.value for item in items})
    return [
        {
            "class": cls,
            **{name: sum(1 for i in items if i.cls.value == cls and age_bucket(i, now) == name) for name in names},
        }
        for cls in classes
    ]


def history(result: RunResult, frame: Frame) -> list[dict[str, Any]]:
    """This run and the ones before it, oldest first, for the chart of open breaks."""
    earlier = [
        {
            "run": item["run"],
            "finished_at": item["finished_at"],
            "verdict": item["verdict"],
            "open_breaks": item["open_breaks"],
            "judged": _judged(item),
        }
        for item in reversed(frame.earlier[:11])
    ]
    mine = {
        "run": result.run,
        "finished_at": iso(frame.finished_at),
        "verdict": result.verdict.value,
        "open_breaks": len(result.open_breaks),
    }
    return [*earlier, {**mine, "judged": sum(item["judged"] for item in scope(result))}]


def _judged(body: dict[str, Any]) -> int:
    return sum(int(item["judged"]) for item in body.get("scope", []))


def _table(item: TableResult) -> dict[str, Any]:
    def plain(totals: dict[str, Any]) -> dict[str, Any]:
        sums = totals.get("sums", {})
        return {
            "rows": totals.get("rows", 0),
            "rows_by_currency": totals.get("rows_by_currency", {}),
            "sums": {name: {key: f"{value:f}" for key, value in by.items()} for name, by in sums.items()},
        }

    return {
        "asset": item.asset,
        "target": item.target,
        "verdict": item.verdict.value,
        "why": item.why,
        "source": plain(item.source_totals),
        "lake": plain(item.target_totals),
        "buckets": item.buckets,
        "buckets_differing": len(item.differing),
        "digest": item.digest_hash,
        "breaks": len(item.breaks) + item.not_listed,
        "seconds": f"{item.seconds:.2f}",
    }


def _feed(item: FeedResult) -> dict[str, Any]:
    return {
        "stream": item.stream,
        "verdict": item.verdict.value,
        "why": item.why,
        "point": item.point,
        "source": item.source,
        "lake": item.lake,
        "pending": item.pending,
        "outcomes": {key or "undecided": value for key, value in item.outcomes.items()},
        "checks": item.checks,
        "breaks": len(item.breaks),
        "open": sum(1 for found in item.breaks if found.blocking),
        "seconds": f"{item.seconds:.2f}",
    }


def _expectation(item: ExpectationResult) -> dict[str, Any]:
    return {
        "name": item.name,
        "kind": item.rule.kind,
        "verdict": item.verdict.value,
        "why": item.why,
        "judged": item.judged,
        "pending": item.pending,
        "breaks": len(item.breaks),
        "seconds": f"{item.seconds:.2f}",
    }
