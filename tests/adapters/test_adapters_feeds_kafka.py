"""The feed tap on the sandbox's own Kafka, registry and catalog."""

from __future__ import annotations

import io
import json
import secrets
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import httpx
import pytest

from adapters.iceberg.feed_lanes import FeedsDrained, SharedTap
from adapters.iceberg.feed_parser import StreamParser
from adapters.iceberg.feed_store import FeedStore
from adapters.iceberg.feed_tap import FeedTap
from adapters.kafka.avro import AvroParser, Registry
from adapters.kafka.feed_source import KafkaSource
from cutwater.core.config import Endpoints, Project
from cutwater.core.errors import BadInput, Refused, Unavailable
from waves.ports import Fence, Waiting

pytestmark = pytest.mark.real
FENCE = Fence("W01", 1, "R1")
TEXTS = ("event_id", "uetr", "end_to_end_id", "instruction_id", "channel", "debtor_iban", "creditor_iban", "currency")
SCHEMA = {
    "type": "record",
    "name": "PaymentInitiated",
    "namespace": "payhub",
    "fields": [
        *({"name": name, "type": "string"} for name in TEXTS),
        {"name": "payment_id", "type": "long"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 23, "scale": 5}},
        {"name": "value_date", "type": {"type": "int", "logicalType": "date"}},
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}


@pytest.fixture(scope="module")
def ends(sandbox_project: Project) -> Endpoints:
    return sandbox_project.endpoints()


@pytest.fixture
def topic(ends: Endpoints) -> Iterator[str]:
    from confluent_kafka.admin import AdminClient, NewTopic

    name = f"feed.test.{secrets.token_hex(4)}"
    admin = AdminClient({"bootstrap.servers": ends.kafka_bootstrap})
    admin.create_topics([NewTopic(name, num_partitions=3, replication_factor=1)])[name].result(30)
    yield name
    admin.delete_topics([name])[name].result(30)


@pytest.fixture
def schema(ends: Endpoints, topic: str) -> int:
    answer = httpx.post(
        f"{ends.registry_url}/subjects/{topic}-value/versions",
        json={"schema": json.dumps(SCHEMA)},
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
        trust_env=False,
        timeout=30,
    )
    answer.raise_for_status()
    return int(answer.json()["id"])


def wire(ident: int, number: int) -> bytes:
    record: dict[str, Any] = dict.fromkeys(TEXTS, "x")
    record |= {
        "event_id": f"e{number}",
        "uetr": str(uuid.UUID(int=number)),
        "currency": "GBP",
        "payment_id": number,
        "amount": Decimal(number),
        "value_date": date(2026, 11, 23),
        "occurred_at": datetime(2026, 11, 23, tzinfo=UTC),
    }
    out = io.BytesIO()
    out.write(b"\x00" + ident.to_bytes(4, "big"))
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), record)
    return out.getvalue()


def produce(ends: Endpoints, topic: str, values: list[bytes], transaction: str = "", abort: bool = False) -> None:
    from confluent_kafka import Producer

    settings: dict[str, Any] = {"bootstrap.servers": ends.kafka_bootstrap, "linger.ms": 5}
    if transaction:
        settings["transactional.id"] = transaction
    producer = Producer(settings)
    if transaction:
        producer.init_transactions(30)
        producer.begin_transaction()
    for number, value in enumerate(values):
        producer.produce(topic, value, key=f"k{number}", partition=number % 3)
    if transaction and abort:
        producer.flush(30)
        producer.abort_transaction(30)
    elif transaction:
        producer.commit_transaction(30)
    else:
        producer.flush(30)


def make_tap(ends: Endpoints, topic: str, catalog: Any, batch: int = 1000) -> FeedTap:
    parser = StreamParser(AvroParser(Registry(ends.registry_url)))
    return FeedTap([KafkaSource(topic, ends.kafka_bootstrap)], FeedStore(catalog, "W01", parser.parse), batch=batch)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Any]:
    from pyiceberg.catalog.sql import SqlCatalog

    made = SqlCatalog("lake", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse")
    yield made
    made.engine.dispose()


def run(tap: FeedTap) -> int:
    taken = 0
    for _ in range(50):
        status = tap.poll(FENCE)
        taken += status.applied
        if status.caught_up:
            return taken
    pytest.fail("never caught up")


def test_committed_transactions_alone_and_the_position_from_the_lake(
    ends: Endpoints, topic: str, schema: int, catalog: Any
) -> None:
    produce(ends, topic, [wire(schema, number) for number in range(30)], transaction=f"{topic}-a")
    produce(ends, topic, [wire(schema, number) for number in range(100, 110)], transaction=f"{topic}-b", abort=True)
    tap = make_tap(ends, topic, catalog, batch=7)
    assert run(tap) == 30
    assert tap.caught_up()  # although the last offsets are markers and aborted messages
    tap.close()
    produce(ends, topic, [wire(schema, number) for number in range(30, 36)])
    again = make_tap(ends, topic, catalog)
    assert run(again) == 6
    assert run(again) == 0
    again.close()
    events = catalog.load_table("core.payment_event").scan().to_arrow()
    assert sorted(events["message_ref"].to_pylist()) == sorted(f"e{number}" for number in range(36))
    raw = catalog.load_table("raw.message").scan().to_arrow()
    assert set(raw["schema_id"].to_pylist()) == {schema}
    assert len(set(raw["position"].to_pylist())) == 36


def test_a_feed_is_not_drained_while_a_transaction_is_open(
    ends: Endpoints, topic: str, schema: int, catalog: Any
) -> None:
    """All that is committed is in the lake; but what the transaction holds may still be committed, behind the fence."""
    from confluent_kafka import Producer

    produce(ends, topic, [wire(schema, number) for number in range(6)])
    tap = make_tap(ends, topic, catalog)
    shared, args = SharedTap(tap), {"feeds": [f"kafka:{topic}"]}
    drained = FeedsDrained(lambda: shared)
    run(tap)
    assert drained.perform(args, FENCE)["behind"] == 0
    producer = Producer({"bootstrap.servers": ends.kafka_bootstrap, "transactional.id": secrets.token_hex(4)})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, wire(schema, 7), partition=1)
    assert producer.flush(30) == 0
    with pytest.raises(Waiting, match=r"CW3311.*partition 1 stable up to 2, the end is 3"):
        drained.perform(args, FENCE)
    producer.commit_transaction(30)
    assert run(tap) == 1
    assert drained.perform(args, FENCE)["behind"] == 0
    tap.close()


def test_unknown_schema_and_tombstone_are_quarantined(ends: Endpoints, topic: str, schema: int, catalog: Any) -> None:
    produce(ends, topic, [wire(schema, 1), wire(9_999_999, 2), b""])
    tap = make_tap(ends, topic, catalog)
    assert run(tap) == 3
    tap.close()
    held = catalog.load_table("quarantine.message").scan().to_arrow()
    assert sorted(held["rule"].to_pylist()) == ["empty", "unknown_schema"]


def test_what_retention_has_deleted_is_refused(ends: Endpoints, topic: str, schema: int, catalog: Any) -> None:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    produce(ends, topic, [wire(schema, number) for number in range(9)])
    tap = make_tap(ends, topic, catalog)
    run(tap)
    produce(ends, topic, [wire(schema, number) for number in range(9, 18)])
    admin = AdminClient({"bootstrap.servers": ends.kafka_bootstrap})
    for future in admin.delete_records([TopicPartition(topic, 0, 5)]).values():
        future.result(30)
    with pytest.raises(Refused, match="CW3305"):
        tap.poll(FENCE)
    tap.close()


def test_a_missing_topic_and_a_stopped_broker_are_told_apart(ends: Endpoints) -> None:
    with pytest.raises(BadInput, match="CW3307"):
        KafkaSource("feed.test.none", ends.kafka_bootstrap).end()
    with pytest.raises(Unavailable, match="CW3308"):
        KafkaSource("feed.test.none", "127.0.0.1:1", {"socket.timeout.ms": 500}).end()
