"""Kafka's share of the inventory: topics, their settings, schemas, sizes by watermarks, and who reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from cutwater.core.errors import CutwaterError, Unavailable
from inventory.model import Asset, AssetKind, Finding
from inventory.pii import of_fields
from inventory.ports import Discovery

TIMEOUT_SECONDS = 10
SETTINGS = (
    "cleanup.policy",
    "compression.type",
    "max.message.bytes",
    "min.insync.replicas",
    "retention.bytes",
    "retention.ms",
)
_INTERNAL = ("__", "_schemas", "kafkasql-")
_OWN_GROUPS = "cutwater"


@dataclass(frozen=True)
class KafkaDiscoverer:
    """Looks at one cluster and its schema registry (Confluent's API). registry_url: '' where there is none."""

    bootstrap: str
    registry_url: str = ""
    settings: tuple[tuple[str, str], ...] = ()  # further client settings (TLS, SASL)

    @property
    def kind(self) -> AssetKind:
        return AssetKind.KAFKA

    def discover(self, now: datetime) -> Discovery:
        """Raises Unavailable where no broker answers; a registry that does not is in `not_checked`."""
        cluster = _Cluster(self.bootstrap, dict(self.settings))
        topics = cluster.topics()
        configs, marks, groups = cluster.configs(topics), cluster.watermarks(topics), cluster.groups()
        schemas, trouble = _schemas(self.registry_url, topics)
        assets = tuple(
            _asset(name, partitions, configs[name], marks[name], groups, schemas.get(name, {}))
            for name, partitions in topics.items()
        )
        not_checked = {"registry": trouble} if trouble else {}
        findings = tuple(_findings(assets, bool(trouble)))
        system = {"brokers": cluster.brokers, "cluster_id": cluster.cluster_id, "groups": _told(groups, marks)}
        return Discovery(assets, (), findings, system, not_checked)


@dataclass(frozen=True)
class Marks:
    """First and next offset by partition; newest: the highest record timestamp, None in an empty topic."""

    low: Mapping[int, int]
    high: Mapping[int, int]
    newest: datetime | None

    @property
    def messages(self) -> int:
        """Offsets in use: exact, but for transactions' markers and what compaction has removed."""
        return sum(self.high[key] - self.low.get(key, 0) for key in self.high)


@dataclass(frozen=True)
class Group:
    """A consumer group: its state, its members and what it committed by (topic, partition)."""

    name: str
    state: str
    members: int
    committed: Mapping[tuple[str, int], int]


class _Cluster:
    """The admin calls, each with a time limit; librdkafka's errors as ours."""

    def __init__(self, bootstrap: str, settings: Mapping[str, str]) -> None:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        self.bootstrap, self.error = bootstrap, KafkaException
        self.admin = AdminClient(
            {
                "bootstrap.servers": bootstrap,
                "client.id": "cutwater-inventory",
                "socket.timeout.ms": TIMEOUT_SECONDS * 1000,
                "log_level": 0,  # a broker that is away is told by our own error, once
                **settings,
            }
        )
        self.brokers, self.cluster_id = 0, ""

    def topics(self) -> dict[str, int]:
        """Topic -> number of partitions; the cluster's own are left out."""
        try:
            found = self.admin.list_topics(timeout=TIMEOUT_SECONDS)
        except self.error as error:
            raise self._down(error) from error
        self.brokers, self.cluster_id = len(found.brokers), str(found.cluster_id or "")
        return {
            name: len(topic.partitions)
            for name, topic in sorted(found.topics.items())
            if not name.startswith(_INTERNAL)
        }

    def configs(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        from confluent_kafka.admin import ConfigResource, ResourceType

        wanted = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
        if not wanted:
            return {}
        answers = self.admin.describe_configs(wanted, request_timeout=TIMEOUT_SECONDS)
        return {
            resource.name: {key: str(entry.value) for key, entry in self._result(answer).items() if key in SETTINGS}
            for resource, answer in answers.items()
        }

    def watermarks(self, topics: Mapping[str, int]) -> dict[str, Marks]:
        from confluent_kafka import TopicPartition
        from confluent_kafka.admin import OffsetSpec

        places = [TopicPartition(name, number) for name, count in topics.items() for number in range(count)]
        if not places:
            return {}
        found: dict[str, dict[tuple[str, int], Any]] = {}
        for word, spec in (
            ("low", OffsetSpec.earliest()),
            ("high", OffsetSpec.latest()),
            ("new", OffsetSpec.max_timestamp()),
        ):
            answers = self.admin.list_offsets(dict.fromkeys(places, spec), request_timeout=TIMEOUT_SECONDS)
            found[word] = {(place.topic, place.partition): self._result(answer) for place, answer in answers.items()}
        return {name: _marks(name, count, found) for name, count in topics.items()}

    def groups(self) -> list[Group]:
        from confluent_kafka import ConsumerGroupTopicPartitions

        listed = self._result(self.admin.list_consumer_groups(request_timeout=TIMEOUT_SECONDS))
        names = sorted(item.group_id for item in listed.valid if not item.group_id.startswith(_OWN_GROUPS))
        if not names:
            return []
        told = self.admin.describe_consumer_groups(names, request_timeout=TIMEOUT_SECONDS)
        found = []
        for name in names:
            request = [ConsumerGroupTopicPartitions(name)]
            offsets = self._result(
                self.admin.list_consumer_group_offsets(request, request_timeout=TIMEOUT_SECONDS)[name]
            )
            committed = {
                (item.topic, item.partition): item.offset for item in offsets.topic_partitions if item.offset >= 0
            }
            group = self._result(told[name])
            found.append(Group(name, group.state.name.lower(), len(group.members), committed))
        return found

    def _result(self, future: Any) -> Any:
        try:
            return future.result(timeout=TIMEOUT_SECONDS + 5)
        except (self.error, TimeoutError) as error:
            raise self._down(error) from error

    def _down(self, error: Exception) -> CutwaterError:
        return Unavailable(
            "CW2109",
            f"Kafka at {self.bootstrap} did not answer discovery",
            cause=str(error),
            state="nothing was changed",
            next="start it, then cutwater inventory discover",
        )


def _marks(name: str, partitions: int, found: Mapping[str, Mapping[tuple[str, int], Any]]) -> Marks:
    def of(word: str) -> dict[int, int]:
        return {number: found[word][(name, number)].offset for number in range(partitions)}

    newest = max(found["new"][(name, number)].timestamp for number in range(partitions))
    at = datetime.fromtimestamp(newest // 1000, UTC).replace(microsecond=newest % 1000 * 1000) if newest > 0 else None
    return Marks(of("low"), of("high"), at)


def _asset(
    name: str, partitions: int, config: Mapping[str, str], marks: Marks, groups: list[Group], schemas: Mapping[str, Any]
) -> Asset:
    lag = _lag_of(name, groups, marks)
    return Asset(
        f"kafka:{name}",
        AssetKind.KAFKA,
        name,
        structure={"partitions": partitions, "settings": dict(sorted(config.items())), **schemas},
        measures={
            "volume": marks.messages,
            "unit": "messages",
            "exact": False,
            "offsets": [
                {"name": str(number), "low": marks.low[number], "high": marks.high[number]}
                for number in range(partitions)
            ],
            "groups": lag,
            "pii": of_fields({field: () for field in schemas.get("value_fields", ())}),
        },
        evidence="broker, watermarks" + (", schema registry" if schemas else ""),
        last_seen=marks.newest,
        confidence="0.90" if schemas else "0.70",
    )


def _lag_of(topic: str, groups: list[Group], marks: Marks) -> dict[str, dict[str, object]]:
    """Group -> lag in messages over the topic's partitions; a partition without a commit counts whole."""
    found: dict[str, dict[str, object]] = {}
    for group in groups:
        mine = {number: offset for (name, number), offset in group.committed.items() if name == topic}
        if mine:
            behind = sum(high - mine.get(number, marks.low[number]) for number, high in marks.high.items())
            found[group.name] = {"lag": behind, "state": group.state, "members": group.members}
    return found


def _told(groups: list[Group], marks: Mapping[str, Marks]) -> list[dict[str, object]]:
    return [
        {
            "name": group.name,
            "state": group.state,
            "members": group.members,
            "topics": sorted({topic for topic, _ in group.committed if topic in marks}),
        }
        for group in groups
    ]


def _findings(assets: Iterable[Asset], registry_away: bool) -> Iterable[Finding]:
    for asset in assets:
        if not asset.measures["groups"]:
            yield Finding(asset.id, "unknown", "no group commits offsets: its readers are not known")
        if registry_away:
            yield Finding(asset.id, "unknown", "schema not checked")
        elif "value_schema" not in asset.structure:
            yield Finding(asset.id, "late", "no schema is registered for its values")


def _schemas(url: str, topics: Iterable[str]) -> tuple[dict[str, dict[str, Any]], str]:
    """(topic -> schema facts, why the registry could not be asked)."""
    if not url:
        return {}, "no registry_url is configured"
    found: dict[str, dict[str, Any]] = {}
    try:
        with httpx.Client(base_url=url.rstrip("/") + "/", timeout=TIMEOUT_SECONDS) as client:
            subjects = set(_get(client, "subjects"))
            for topic in topics:
                facts: dict[str, Any] = {}
                for part in ("key", "value"):
                    if f"{topic}-{part}" in subjects:
                        facts |= _subject(client, f"{topic}-{part}", part)
                if facts:
                    found[topic] = facts
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return found, f"the schema registry did not answer: {type(error).__name__}: {error}"
    return found, ""


def _subject(client: httpx.Client, subject: str, part: str) -> dict[str, Any]:
    latest = _get(client, f"subjects/{subject}/versions/latest")
    answer = client.get(f"config/{subject}", params={"defaultToGlobal": "true"})
    answer = answer if answer.status_code == httpx.codes.OK else client.get("config")
    level = answer.json().get("compatibilityLevel", "") if answer.status_code == httpx.codes.OK else ""
    kind = latest.get("schemaType", "AVRO")
    return {
        f"{part}_schema": {
            "subject": subject,
            "id": latest["id"],
            "version": latest["version"],
            "type": kind,
            "compatibility": level,
        },
        f"{part}_fields": _field_names(latest["schema"]) if kind == "AVRO" else [],
    }


def _field_names(schema: str) -> list[str]:
    document = json.loads(schema, parse_float=str)
    fields = document.get("fields", []) if isinstance(document, dict) else []
    return [str(item["name"]) for item in fields]


def _get(client: httpx.Client, path: str) -> Any:
    return client.get(path).raise_for_status().json()
