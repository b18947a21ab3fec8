"""What the demo concludes: faults matched with breaks, ground truth held against both sides, summary.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg

from cutwater import __version__
from cutwater.core.clock import iso, utc_now
from cutwater.core.config import Project
from cutwater.core.errors import Exit
from cutwater.core.hashing import canonical_json
from cutwater.core.progress import Progress, Task
from cutwater.state.store import open_store
from sandbox.estate import observe, truth

if TYPE_CHECKING:
    from sandbox.demo import Demo

SCHEMA = "cutwater.demo/1"


class Rows:
    """Follows a run's journal and shows the ranges that were copied."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task: Task | None = None

    def __call__(self, record: Any, history: Any) -> None:
        if record.kind == "step.started":
            self.task = self.progress.task(str(record.payload["step"]), unit="rows")
        elif record.kind == "effect.outcome" and "/chunk/" in record.payload["effect"] and self.task is not None:
            self.task.advance(int(record.payload["outcome"].get("rows", 0) or 0))

    def waits(self, waiting: str, trouble: str) -> None:
        if trouble and self.task is not None:
            self.task.advance(0, note=trouble)


def backfill_facts(project: Project, wave: str) -> dict[str, Any]:
    """Rows and bytes that were copied, and the seconds of the copy from the first step's start to the last one's end."""
    rows = size = 0
    with open_store(project.state_url) as store:
        records = store.journal.records(wave, kinds=("step.started", "step.completed", "effect.outcome"))
    ours = [item for item in records if str(item.payload.get("step", "")).startswith("backfill:")]
    for item in ours:
        if item.kind == "effect.outcome":
            rows += int(item.payload["outcome"].get("rows", 0))
            size += int(item.payload["outcome"].get("bytes", 0))
    seconds = Decimal(str(round((ours[-1].at - ours[0].at).total_seconds(), 1))) if ours else Decimal(0)
    return {"rows": rows, "bytes": size, "seconds": str(seconds)}


def match_faults(planted: Sequence[Mapping[str, Any]], breaks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each planted fault with the break that names it: the expected class, and the fault's own identity in its text."""
    found = []
    for fault in planted:
        hit = next((item for item in breaks if item["cls"] == fault["expected"] and _names(item, fault)), None)
        found.append(
            {
                "fault": fault["fault"],
                "expected": fault["expected"],
                "asset": fault["asset"],
                "key": str(fault["key"]),
                "found": hit is not None,
                "break": hit["id"] if hit else "",
                "class": hit["label"] if hit else "",
                "state": hit["state"] if hit else "",
            }
        )
    return found


def _names(item: Mapping[str, Any], fault: Mapping[str, Any]) -> bool:
    text = f"{item['key']} {item['detail']}"
    known = [
        str(fault[name]) for name in ("key", "uetr", "event_id", "place", "sequence", "reference") if fault.get(name)
    ]
    after = fault.get("after") or {}
    if "offset" in after:
        known.append(f"{after['partition']}:{after['offset']}")
    return any(word in text for word in known)


def both_sides(project: Project, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Per asset: what ground truth emitted, what the source holds, what the lake holds, and whether all agree."""
    told = truth.ground_truth(project)
    rows = []
    for table in body["tables"]:
        emitted = told["tables"].get(table["asset"].removeprefix("postgres:"))
        row = {
            "asset": table["asset"],
            "unit": "rows",
            "truth": emitted,
            "source": table["source"]["rows"],
            "lake": table["lake"]["rows"],
        }
        rows.append({**row, "agrees": emitted == row["source"] == row["lake"] and _sums(table, told)})
    for feed in body["feeds"]:
        kind, _, name = feed["stream"].partition(":")
        emitted = told["topics"].get(name) if kind == "kafka" else _messages(told["feeds"].get(feed["stream"], {}))
        row = {
            "asset": feed["stream"],
            "unit": "messages",
            "truth": emitted,
            "source": feed["source"],
            "lake": feed["lake"],
        }
        rows.append({**row, "agrees": emitted == row["source"] == row["lake"]})
    legacy = observe.differences(project)
    rows.append(
        {
            "asset": "legacy estate",
            "unit": "differences",
            "truth": 0,
            "source": len(legacy),
            "lake": None,
            "agrees": not legacy,
        }
    )
    return rows


def held_row(project: Project, wave: str) -> dict[str, Any]:
    """Payments that were held in the dark: what callers were answered with 202, and how many of the ledger stand on the legacy
    side exactly once. More may stand there than were answered: a caller whose answer was lost asks again."""
    runs = [json.loads(path.read_text("utf-8"))["facts"] for path in truth.folder(project).glob("traffic-*.json")]
    accepted = sum(int(run.get("held", {}).get("accepted", 0)) for run in runs)
    with open_store(project.state_url) as store:
        proof, held = store.held.proof(wave), store.held.list(wave)
    with psycopg.connect(project.endpoints().postgres_dsn) as db:
        query = "SELECT count(*) FROM payhub.payment WHERE uetr = ANY(%s::uuid[])"  # unique there
        row = db.execute(query, [[str(item.body["uetr"]) for item in held]]).fetchone()
    there = int(row[0]) if row else 0
    agrees = proof.holds and not proof.open and accepted <= proof.held and there == proof.released == proof.held
    return {
        "asset": "held payments", "unit": "payments", "truth": accepted, "source": there, "lake": None, "agrees": agrees,
    }  # fmt: skip


def consumers_row(found: Mapping[str, int]) -> dict[str, Any]:
    """The notification service: messages that stand in the topics against those that either of its sides told, each once."""
    once = found["legacy"] + found["tobe"] - found["twice"]
    agrees = not (found["missing"] or found["twice"] or found["unknown"]) and min(found["legacy"], found["tobe"]) > 0
    return {
        "asset": "notified once", "unit": "messages", "truth": found["messages"], "source": once, "lake": None, "agrees": agrees,
    }  # fmt: skip


def _messages(kinds: Mapping[str, int]) -> int:
    return int(kinds["files"]) if "files" in kinds else sum(kinds.values())


def _sums(table: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    if table["asset"] != "postgres:payhub.payment":
        return True
    lake = {currency: Decimal(value) for currency, value in table["lake"]["sums"].get("amount", {}).items()}
    return lake == {currency: Decimal(value) for currency, value in told["amounts"].items()}


def write_summary(demo: Demo, started: datetime) -> dict[str, Any]:
    """Writes demo-out/summary.json; PASS only if nothing failed, every fault was found and ground truth agrees."""
    facts = demo.facts
    sides, faults = facts.get("both_sides", []), facts.get("faults", [])
    last = facts.get("runs", [{}])[-1].get("verdict")
    good = (
        bool(sides) and all(row["agrees"] for row in sides) and bool(faults) and all(item["found"] for item in faults)
    )
    verdict = "PASS" if good and last == "PASS" and "error" not in facts else "FAIL"
    summary = {
        "schema": SCHEMA,
        "version": __version__,
        "verdict": verdict,
        "exit": int(Exit.DONE if verdict == "PASS" else Exit.REFUSED),
        "started_at": iso(started),
        "finished_at": iso(utc_now()),
        "seconds": str(sum((item.seconds for item in demo.chapters), Decimal(0))),
        "settings": {
            "payments": demo.settings.payments,
            "days": demo.settings.days,
            "seed": demo.settings.seed,
            "rate": str(demo.settings.rate),
        },
        "chapters": [{"name": item.name, "seconds": str(item.seconds), "line": item.line} for item in demo.chapters],
        "assets": sides,
        "faults": faults,
        "runs": facts.get("runs", []),
        "backfill": facts.get("backfill", {}),
        "repaired": facts.get("repaired", {}),
        **facts.get("cutover", {}),
        "state": facts.get("state", ""),
        "plan": facts.get("plan", ""),
        "peak_memory_mib": demo.memory.peak_mib,
        "reports": sorted(str(path.relative_to(demo.out)) for path in (demo.out / "reports").glob("*")),
        "error": facts.get("error"),
    }
    text = json.dumps(json.loads(canonical_json(summary)), indent=2, ensure_ascii=False)
    (demo.out / "summary.json").write_text(text + "\n", encoding="utf-8")
    return summary
