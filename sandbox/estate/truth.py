"""Ground truth: what was emitted on the legacy side, counted by those who emitted it. For tests and the demo's verdict
only: nothing of the product reads it.

Files in `<sandbox>/truth/`: seed.json, one traffic-<id>.json per run of traffic (rewritten while it runs), inject.json,
faults.jsonl.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from cutwater.core.config import Project
from cutwater.core.money import EXACT
from sandbox.estate.archive import File
from sandbox.estate.model import TOPIC_INITIATED, TOPIC_STATUS, Batch, Payment
from sandbox.estate.state import write_json

TABLES = (
    "party",
    "account",
    "file_batch",
    "payment",
    "payment_status",
    "statement",
    "statement_entry",
    "outbox",
    "operator_note",
)


@dataclass
class Tally:
    """Counts by `<group>/<name>[/<type>]` and exact sums of payment amounts by currency."""

    counts: Counter[str] = field(default_factory=Counter)
    sums: dict[str, Decimal] = field(default_factory=dict)

    def rows(self, table: str, number: int = 1) -> None:
        """Rows inserted into (or, negative, deleted from) payhub.<table>."""
        self.counts[f"tables/payhub.{table}"] += number

    def payment(self, payment: Payment) -> None:
        """A payment row."""
        self.rows("payment")
        self.counts[f"channels/{payment.channel}"] += 1
        self.sums[payment.currency] = EXACT.add(self.sums.get(payment.currency, Decimal(0)), payment.amount)

    def events(self, topic: str, number: int = 1) -> None:
        """Messages acknowledged by the broker."""
        self.counts[f"topics/{topic}"] += number

    def file(self, file: File) -> None:
        """A file of the SWIFT archive."""
        self.counts[f"feeds/swift:{file.feed}/{file.kind}"] += 1

    def batch(self, batch: Batch, lines: int | None = None) -> None:
        """A file of the drop; lines: payments that it really carries."""
        self.counts[f"feeds/file:{batch.feed}/files"] += 1
        self.counts[f"feeds/file:{batch.feed}/payments"] += len(batch.payments) if lines is None else lines

    def merge(self, other: Tally) -> None:
        """Adds another tally to this one."""
        self.counts.update(other.counts)
        for currency, amount in other.sums.items():
            self.sums[currency] = EXACT.add(self.sums.get(currency, Decimal(0)), amount)

    def save(self, path: Path, **facts: object) -> None:
        """Writes the tally with the facts of its run."""
        sums = {currency: str(amount) for currency, amount in self.sums.items()}
        write_json(path, {"counts": dict(self.counts), "sums": sums, "facts": facts})

    @staticmethod
    def load(path: Path) -> Tally:
        """Reads what `save` wrote; empty where there is no file."""
        if not path.exists():
            return Tally()
        document = json.loads(path.read_text("utf-8"))
        return Tally(Counter(document["counts"]), {key: Decimal(value) for key, value in document["sums"].items()})


def folder(project: Project) -> Path:
    """Where the ground truth stands."""
    return project.sandbox_dir / "truth"


def seeded(payments: Iterable[Payment], batches: Iterable[Batch], rows: Mapping[str, int]) -> Tally:
    """The tally of a seed (archive files are added as they are written)."""
    tally = Tally()
    for payment in payments:
        tally.payment(payment)
        tally.events(TOPIC_INITIATED)
        tally.events(TOPIC_STATUS, len(payment.statuses))
    for batch in batches:
        tally.batch(batch)
    for table, number in rows.items():
        tally.counts[f"tables/payhub.{table}"] = number
    return tally


def ground_truth(project: Project) -> dict[str, Any]:
    """Everything emitted so far: rows by table, messages by topic, files and payments by feed, sums by currency, faults.

    Numbers of a running traffic are up to a second old: stop it first for an exact comparison. `unclean` names runs of
    traffic that still run or were killed: what a killed one sent in its last second was not counted.
    """
    tally, unclean = Tally(), []
    for path in sorted(folder(project).glob("*.json")):
        tally.merge(Tally.load(path))
        if json.loads(path.read_text("utf-8"))["facts"].get("clean") is False:
            unclean.append(path.stem.removeprefix("traffic-"))
    found: dict[str, Any] = {"tables": {}, "topics": {}, "feeds": {}, "channels": {}}
    for key, number in sorted(tally.counts.items()):
        group, _, rest = key.partition("/")
        if group != "feeds":
            found[group][rest] = number
        else:
            feed, _, kind = rest.rpartition("/")
            found["feeds"].setdefault(feed, {})[kind] = number
    found["amounts"] = {currency: str(amount) for currency, amount in sorted(tally.sums.items())}
    found["events"] = _events(found)
    found["faults"] = faults(project)
    found["unclean"] = unclean
    return found


def _events(found: Mapping[str, Any]) -> int:
    """All events of the estate: Kafka messages, statement entries, lines of files, SWIFT messages."""
    feeds = found["feeds"]
    lines = sum(feed.get("payments", 0) for feed in feeds.values())
    messages = sum(sum(kinds.values()) for name, kinds in feeds.items() if name.startswith("swift:"))
    return int(sum(found["topics"].values()) + found["tables"].get("payhub.statement_entry", 0) + lines + messages)


def faults(project: Project) -> list[dict[str, Any]]:
    """The planted faults in order, `undone` of each as of now."""
    path = folder(project) / "faults.jsonl"
    if not path.exists():
        return []
    found: dict[str, dict[str, Any]] = {}
    for line in path.read_text("utf-8").splitlines():
        record = json.loads(line)
        if record["kind"] == "undo":
            found[record["id"]] |= {"undone": True, "undo": record["undo"]}
        else:
            found[record["id"]] = record | {"undone": False}
    return list(found.values())


def record(project: Project, document: Mapping[str, object]) -> None:
    """Appends a fault (or its undoing) to faults.jsonl."""
    folder(project).mkdir(parents=True, exist_ok=True)
    with (folder(project) / "faults.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(document, sort_keys=True, ensure_ascii=False, default=str) + "\n")
