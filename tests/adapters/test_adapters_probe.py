"""Probes of channels: each is marked, sent once, seen in the lake, and booked nowhere. Files and topics are real."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from adapters.duckdb.lake import LakeReader
from adapters.duckdb.probe import LakeProbes
from adapters.files.feed_source import FolderSource
from adapters.files.probe import FileProbe
from adapters.iceberg.feed_parser import StreamParser
from adapters.iceberg.feed_store import FeedStore
from adapters.iceberg.feed_tap import FeedTap
from adapters.iceberg.tables import CreateTables
from adapters.kafka.avro import AvroParser, Registry
from adapters.kafka.feed_source import KafkaSource
from adapters.kafka.probe import TopicProbe, typed
from adapters.probe.actions import ProbeMark, ProbeSeen, ProbeSend
from adapters.probe.message_file import load_probe
from adapters.swift.feed_source import swift_sources
from cutwater.core.clock import iso, utc_now
from cutwater.core.config import Project
from cutwater.core.errors import BadInput, Refused, Unavailable
from lakehouse.marks import mark_of
from lakehouse.ports import Delivery
from sandbox.estate.writers import avro
from waves.ports import Fence, Waiting

FENCE = Fence("W01", 1, "R1")
SMOKE = Path(__file__).resolve().parents[2] / "sandbox" / "project" / "smoke"
FILES = ("pain001", "bacs", "fin", "mx")
ROUND = {"wave": "W01", "mark": "W01-P1", "at": "2026-11-25T10:11:12Z"}


@pytest.fixture
def roots(tmp_path: Path) -> dict[str, str]:
    for folder in ("drop/pain001", "drop/bacs", "swift/in", "swift/out"):
        (tmp_path / folder).mkdir(parents=True)
    return {"drop": str(tmp_path / "drop"), "swift": str(tmp_path / "swift")}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    (tmp_path / "warehouse").mkdir()
    found = SqlCatalog("test", uri=f"sqlite:///{tmp_path / 'c.db'}", warehouse=(tmp_path / "warehouse").as_uri())
    CreateTables(found).perform({"wave": "W01", "mappings": []}, FENCE)
    yield found
    found.engine.dispose()


def sources(roots: Mapping[str, str]) -> list[Any]:
    drop = [FolderSource(f"file:{name}", Path(roots["drop"]) / name, settle=0) for name in ("pain001", "bacs")]
    return [*drop, *swift_sources(Path(roots["swift"]), settle=0)]


def rows(catalog: SqlCatalog, table: str) -> list[dict[str, Any]]:
    return list(catalog.load_table(table).scan().to_arrow().to_pylist())


def test_every_file_channel_is_sent_once_seen_and_booked_nowhere(roots: dict[str, str], catalog: SqlCatalog) -> None:
    sender = FileProbe(roots)
    action = ProbeSend(SMOKE, {"drop": sender, "swift": sender})
    places = {}
    for channel in FILES:
        args = {**ROUND, "channel": channel}
        assert action.observe(args, FENCE) is None
        places[channel] = action.perform(args, FENCE)
        assert action.observe(args, FENCE) == places[channel]  # found after a crash: not sent again
        assert action.perform(args, FENCE) == places[channel]  # twice is the same file
    seen = ProbeSeen(
        lambda: LakeProbes(LakeReader(catalog)), clock=lambda: datetime(2026, 11, 25, 10, 11, 20, tzinfo=UTC)
    )
    look = {**ROUND, "places": places, "patience_seconds": 60}
    with pytest.raises(Waiting, match="not in the lake yet"):
        seen.perform(look, FENCE)
    tap = FeedTap(sources(roots), FeedStore(catalog, "t", StreamParser().parse))
    assert tap.poll(FENCE).detail["outcomes"] == {"control": 4}
    assert seen.perform(look, FENCE) == {"seen": dict.fromkeys(FILES, "control")}
    assert rows(catalog, "core.payment_event") == []
    assert len(rows(catalog, "raw.message")) == 4
    decisions = rows(catalog, "raw.intake")
    assert {row["format"] for row in decisions} == {"SYNTHETIC", "FIN.TRAINING"}
    assert all(json.loads(row["control"])["mark"] for row in decisions)
    assert [path for path in Path(roots["drop"]).rglob("*") if path.name.endswith(".part")] == []


def test_the_same_message_without_its_mark_is_booked(roots: dict[str, str], catalog: SqlCatalog) -> None:
    """The mark, and nothing else, keeps it out of the counts."""
    sender = FileProbe(roots)
    ProbeSend(SMOKE, {"drop": sender}).perform({**ROUND, "channel": "pain001"}, FENCE)
    [path] = (Path(roots["drop"]) / "pain001").iterdir()
    path.rename(path.with_name("PAIN001_1.xml"))
    tap = FeedTap(sources(roots), FeedStore(catalog, "t", StreamParser().parse))
    assert tap.poll(FENCE).detail["outcomes"] == {"accepted": 1}
    assert len(rows(catalog, "core.payment_event")) == 1


class Told:
    """A lake that says what it is told to."""

    def __init__(self, *outcomes: str) -> None:
        self.said = outcomes

    def outcomes(self, places: Sequence[Mapping[str, Any]]) -> list[str]:
        return list(self.said)


@pytest.mark.parametrize(
    ("outcomes", "later", "error", "text"),
    [
        (("control", ""), 30, Waiting, "mx is not in the lake yet"),
        (("control", ""), 61, Refused, "CW3059.*mx is not in the lake after 60 s"),
        (("accepted", "control"), 1, Refused, "CW3059.*fin: accepted"),
        (("quarantined", ""), 1, Refused, "fin: quarantined"),
    ],
)
def test_a_probe_that_does_not_come_or_is_not_taken_as_marked(
    outcomes: tuple[str, ...], later: int, error: type[Exception], text: str
) -> None:
    clock: Callable[[], datetime] = lambda: datetime(2026, 11, 25, 10, 11, 12, tzinfo=UTC) + timedelta(seconds=later)  # noqa: E731
    seen = ProbeSeen(lambda: Told(*outcomes), clock)
    places = {"fin": {"stream": "swift:fin-in", "name": "a"}, "mx": {"stream": "swift:mx-in", "name": "b"}}
    with pytest.raises(error, match=text):
        seen.perform({**ROUND, "places": places, "patience_seconds": 60}, FENCE)


def test_every_round_has_a_mark_of_its_own() -> None:
    one, other = (ProbeMark().perform({"wave": "W01"}, FENCE) for _ in range(2))
    assert one["mark"] != other["mark"]


BAD = {
    "no mark": "through: drop\nstream: file:x\nfolder: x\nname: ORDERS.txt\nlines: [a]\n",
    "live terminal": "through: swift\nstream: swift:fin-in\nfolder: in\nname: QXHBGB2LAXXX_1_000001.fin\nlines: [a]\n",
    "unknown way": "through: pigeon\n",
    "unknown setting": "through: kafka\ntopic: t\nrecord: {}\ncolour: red\n",
    "no YAML": "through: [",
}


@pytest.mark.parametrize("what", BAD)
def test_a_probe_that_cannot_be_read_or_would_not_be_marked_is_refused(tmp_path: Path, what: str) -> None:
    (tmp_path / "x.yaml").write_text(BAD[what], "utf-8")
    with pytest.raises(BadInput, match=r"CW3066.*x\.yaml"):
        load_probe(tmp_path / "x.yaml")
    with pytest.raises(BadInput, match="CW3066"):
        load_probe(tmp_path / "none.yaml")


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", "utf-8")
    with pytest.raises(Unavailable, match="CW3067"):
        ProbeSend(SMOKE, {"drop": FileProbe({"drop": str(tmp_path / "file")})}).perform(
            {**ROUND, "channel": "bacs"}, FENCE
        )


def test_the_marks_stand_in_the_envelope() -> None:
    kafka = Delivery(
        "kafka:t", "0:1", b"", datetime.now(UTC), headers={"headers": [["x-cutwater-smoke", "m1"], ["a", None]]}
    )
    assert mark_of(kafka) == "m1"
    assert mark_of(replace(kafka, headers={"headers": [["other", "m1"]]})) == ""
    assert mark_of(replace(kafka, headers={})) == ""
    fin = Delivery("swift:fin-in", "d/n", b"", datetime.now(UTC), file_name="20261125/QXHBGB20AXXX_0001_000001.fin")
    assert mark_of(replace(fin, lt="QXHBGB20AXXX")) == "QXHBGB20AXXX_0001_000001.fin"
    assert mark_of(replace(fin, lt="QXHBGB2LAXXX")) == ""
    with pytest.raises(ValueError, match="missing"):
        typed("string", None)


@pytest.fixture
def topic(sandbox_project: Project) -> Iterator[str]:
    from confluent_kafka.admin import AdminClient, NewTopic

    ends, name = sandbox_project.endpoints(), f"probe.test.{secrets.token_hex(4)}"
    admin = AdminClient({"bootstrap.servers": ends.kafka_bootstrap})
    admin.create_topics([NewTopic(name, num_partitions=3, replication_factor=1)])[name].result(30)
    body = {"schemaType": "AVRO", "schema": avro.schema_text("payhub.payment.initiated.v1")}
    httpx.post(
        f"{ends.registry_url}/subjects/{name}-value/versions", json=body, trust_env=False, timeout=30
    ).raise_for_status()
    yield name
    admin.delete_topics([name])[name].result(30)


@pytest.mark.real
def test_a_topic_s_probe_is_sent_once_seen_and_booked_nowhere(
    sandbox_project: Project, topic: str, tmp_path: Path, catalog: SqlCatalog
) -> None:
    ends = sandbox_project.endpoints()
    text = (SMOKE / "kafka.yaml").read_text("utf-8").replace("payhub.payment.initiated.v1", topic)
    (tmp_path / "kafka.yaml").write_text(text, "utf-8")
    action = ProbeSend(tmp_path, {"kafka": TopicProbe(ends.kafka_bootstrap, ends.registry_url)})
    args = {**ROUND, "at": iso(utc_now()), "channel": "kafka"}
    assert action.observe(args, FENCE) is None
    place = action.perform(args, FENCE)
    assert action.observe(args, FENCE) == place
    assert action.observe({**args, "mark": "W01-P2"}, FENCE) is None  # another round's
    parser = StreamParser(AvroParser(Registry(ends.registry_url)))
    tap = FeedTap([KafkaSource(topic, ends.kafka_bootstrap)], FeedStore(catalog, "t", parser.parse))
    assert tap.poll(FENCE).detail["outcomes"] == {"control": 1}
    assert LakeProbes(LakeReader(catalog)).outcomes([place]) == ["control"]
    assert rows(catalog, "core.payment_event") == []
    tap.close()


@pytest.mark.real
def test_a_record_that_does_not_fit_its_schema_and_a_broker_that_is_away(
    sandbox_project: Project, topic: str, tmp_path: Path
) -> None:
    ends = sandbox_project.endpoints()
    (tmp_path / "kafka.yaml").write_text(f"through: kafka\ntopic: {topic}\nrecord: {{uetr: x}}\n", "utf-8")
    args = {**ROUND, "channel": "kafka"}
    with pytest.raises(BadInput, match="CW3066"):
        ProbeSend(tmp_path, {"kafka": TopicProbe(ends.kafka_bootstrap, ends.registry_url)}).perform(args, FENCE)
    away = ProbeSend(tmp_path, {"kafka": TopicProbe(ends.kafka_bootstrap, "http://127.0.0.1:9")})
    with pytest.raises(Unavailable, match="CW3067"):
        away.perform(args, FENCE)
