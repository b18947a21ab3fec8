"""What really stands on the legacy side now, counted on the servers themselves: shows that ground truth tells the truth."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from psycopg import sql

from cutwater.core.config import Endpoints, Project
from sandbox.estate import seed, truth
from sandbox.estate.writers import avro

_KINDS = ((b"{2:I103", "MT103"), (b"{2:O103", "MT103"), (b"{2:I202", "MT202"), (b"{2:O940", "MT940"))
_DOCUMENTS = ("pacs.008", "pacs.002", "camt.053", "camt.054")


def observed(project: Project) -> dict[str, Any]:
    """The same shape as `truth.ground_truth`: tables, topics, feeds, channels, amounts."""
    endpoints = project.endpoints()
    with seed.connect(endpoints) as connection:
        counts = {}
        for table in truth.TABLES:
            query = sql.SQL("SELECT count(*) FROM payhub.{}").format(sql.Identifier(table))
            counts[f"payhub.{table}"] = int((connection.execute(query).fetchone() or (0,))[0])
        channels = connection.execute("SELECT channel::text, count(*) FROM payhub.payment GROUP BY 1").fetchall()
        amounts = connection.execute("SELECT currency, sum(amount) FROM payhub.payment GROUP BY 1").fetchall()
    return {
        "tables": counts,
        "topics": _topics(endpoints),
        "feeds": {**_drop(endpoints), **_archive(endpoints)},
        "channels": {name: int(number) for name, number in sorted(channels)},
        "amounts": {name: number for name, number in sorted(amounts)},
    }


def _topics(endpoints: Endpoints) -> dict[str, int]:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": endpoints.kafka_bootstrap, "group.id": "payhub-observe"})
    found = {}
    try:
        for topic in avro.TOPICS:
            partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
            marks = [consumer.get_watermark_offsets(TopicPartition(topic, item), timeout=20) for item in partitions]
            found[topic] = sum(high - low for low, high in marks)
    finally:
        consumer.close()
    return found


def _drop(endpoints: Endpoints) -> dict[str, dict[str, int]]:
    """Files and payments in them: CdtTrfTxInf elements, Bacs credit records."""
    found: dict[str, dict[str, int]] = {}
    for feed in ("pain001", "bacs"):
        files = [item for item in sorted((Path(endpoints.drop_dir) / feed).glob("*")) if item.suffix != ".part"]
        found[f"file:{feed}"] = {"files": len(files), "payments": sum(lines_of(feed, path) for path in files)}
    return found


def lines_of(feed: str, path: Path) -> int:
    """Payments in one file of the drop."""
    content = path.read_bytes()
    if feed == "pain001":
        return content.count(b"<CdtTrfTxInf>")
    return sum(1 for line in content.splitlines() if len(line) >= 100 and line[15:17] == b"99")


def _archive(endpoints: Endpoints) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for path in Path(endpoints.swift_dir).glob("*/*/*"):
        if path.suffix == ".part":
            continue
        protocol = "mx" if path.suffix == ".xml" else "fin"
        found.setdefault(f"swift:{protocol}-{path.parts[-3]}", Counter())[kind_of(path)] += 1
    return {feed: dict(sorted(kinds.items())) for feed, kinds in sorted(found.items())}


def kind_of(path: Path) -> str:
    """The type of a message of the archive: MT103, ACK, pacs.008 ..."""
    head = path.read_bytes()[:900]
    if path.suffix == ".ack":
        return "NAK" if b"{451:1}" in head else "ACK"
    if path.suffix == ".fin":
        return next((name for mark, name in _KINDS if mark in head), "?")
    return next((name for name in _DOCUMENTS if f"<MsgDefIdr>{name}".encode() in head), "?")


def differences(project: Project) -> list[str]:
    """Where ground truth and the servers disagree, in words; [] when they tell the same."""
    told, seen = truth.ground_truth(project), observed(project)
    found = []
    for group in ("tables", "topics", "channels"):
        found += [
            f"{group} {key}: told {told[group].get(key, 0)}, seen {seen[group].get(key, 0)}"
            for key in sorted({*told[group], *seen[group]})
            if told[group].get(key, 0) != seen[group].get(key, 0)
        ]
    for feed in sorted({*told["feeds"], *seen["feeds"]}):
        one, other = told["feeds"].get(feed, {}), seen["feeds"].get(feed, {})
        if one != other:
            found.append(f"{feed}: told {one}, seen {other}")
    for currency, amount in seen["amounts"].items():
        if Decimal(told["amounts"].get(currency, "0")) != amount:
            found.append(f"{currency}: told {told['amounts'].get(currency)}, seen {amount}")
    return found
