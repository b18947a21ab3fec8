"""The one place that maps a configured kind to an adapter. Heavy drivers are imported when they are asked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.iceberg.mapping_data import mapping_of
from cutwater.core.config import Project

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from adapters.duckdb.compare_side import LakeSide
    from adapters.duckdb.probe import LakeProbes
    from adapters.iceberg.feed_lanes import SharedTap
    from adapters.postgres.compare_side import PostgresSide
    from adapters.postgres.reverse_sync import ReverseSync
    from adapters.spark.fold import FoldingStream
    from inventory.ports import Discoverer
    from lakehouse.ports import FeedSource
    from reconciliation.ports import FeedSources, FeedView, Pinner
    from waves.held import Receiver
    from waves.plan import Plan
    from waves.ports import Action, Service


def catalog(project: Project) -> Catalog:
    """The lake's catalog; raises Unavailable where its database does not answer."""
    from adapters.iceberg.catalog import open_catalog

    return open_catalog(project.endpoints())


@dataclass
class WaveParts:
    """What one wave's actions and services share in one process: the stream and the tap."""

    project: Project
    plan: Plan
    lock: threading.RLock = field(default_factory=threading.RLock)

    @cached_property
    def catalog(self) -> Catalog:
        return catalog(self.project)

    @cached_property
    def stream(self) -> FoldingStream:
        from adapters.spark.fold import FoldingStream

        prepare = next(step for step in self.plan.steps if step.kind == "prepare")
        mappings = [mapping_of(item) for item in self.plan.mappings]
        dsn = self.project.endpoints().postgres_dsn
        return FoldingStream(self.project, dsn, self.catalog, self.plan.wave, str(prepare.params["slot"]), mappings)

    @cached_property
    def tap(self) -> SharedTap:
        from adapters.iceberg.feed_lanes import SharedTap
        from adapters.iceberg.feed_parser import StreamParser
        from adapters.iceberg.feed_store import FeedStore
        from adapters.iceberg.feed_tap import FeedTap
        from adapters.kafka.avro import AvroParser, Registry

        parser = StreamParser(AvroParser(Registry(self.project.endpoints().registry_url)))
        store = FeedStore(catalog(self.project), f"wave-{self.plan.wave.lower()}", parser.parse)
        return SharedTap(FeedTap([feed_source(self.project, name) for name in self.feeds], store))

    @cached_property
    def probes(self) -> LakeProbes:
        from adapters.duckdb.lake import LakeReader
        from adapters.duckdb.probe import LakeProbes

        return LakeProbes(LakeReader(self.catalog, threads=1))

    @property
    def cuts_over(self) -> bool:
        """Does the plan say how the wave is cut over?"""
        return any(step.kind == "reverse" for step in self.plan.steps)

    @property
    def _reverse(self) -> Mapping[str, Any]:
        return next((step.params for step in self.plan.steps if step.kind == "reverse"), {})

    @property
    def outbox(self) -> tuple[str, str]:
        """Schema and table of the store's outbox; empty names where the wave has no store."""
        schema, table = self._reverse.get("outbox") or ("", "")
        return str(schema), str(table)

    @cached_property
    def reverse(self) -> ReverseSync:
        from adapters.postgres.reverse_mapping import mapping_of as reverse_mapping
        from adapters.postgres.reverse_sync import ReverseSync

        ends, writes = self.project.endpoints(), reverse_mapping(self._reverse.get("writes") or {})
        return ReverseSync(ends.store_dsn, ends.postgres_dsn, self.plan.wave, self.outbox, writes)

    @property
    def feeds(self) -> list[str]:
        """The streams of the wave's `feeds` steps."""
        return [str(name) for step in self.plan.steps if step.kind == "feeds" for name in step.params.get("feeds", ())]


_PARTS: dict[tuple[Path, str], WaveParts] = {}
_GUARD = threading.Lock()


def parts(project: Project, plan: Plan) -> WaveParts:
    """One set per process, project and plan."""
    with _GUARD:
        return _PARTS.setdefault((project.root, plan.hash), WaveParts(project, plan))


def actions(project: Project, plan: Plan) -> dict[str, Action]:
    """Every action that the steps of a dual-run wave name."""
    from adapters.iceberg.faults import LakeAction
    from adapters.iceberg.feed_lanes import FeedCaughtUp
    from adapters.iceberg.tables import CreateTables, DropTables
    from adapters.postgres.backfill import Bounds, CopyChunk
    from adapters.postgres.checks import PostgresCheck
    from adapters.postgres.owner_journal import JournalOwner
    from adapters.postgres.replication import CreatePublication, CreateSlot, Drop
    from adapters.spark.fold import StreamFold, StreamPoise, StreamRest

    shared, dsn = parts(project, plan), project.endpoints().postgres_dsn
    owner = JournalOwner(project, plan.wave)
    lake: dict[str, Action] = {
        "lake.tables": CreateTables(shared.catalog),
        "lake.drop_tables": DropTables(shared.catalog),
        "backfill.chunk": CopyChunk(dsn, shared.catalog),
        "stream.fold": StreamFold(lambda: shared.stream),
        "stream.rest": StreamRest(lambda: shared.stream),
        "stream.poise": StreamPoise(lambda: shared.stream),
        "feed.caught_up": FeedCaughtUp(lambda: shared.tap),
    }
    return {
        "postgres.check": PostgresCheck(dsn),
        "postgres.publication": CreatePublication(dsn, owner),
        "postgres.slot": CreateSlot(dsn, owner),
        "postgres.drop_slot": Drop(dsn, "slot", owner),
        "postgres.drop_publication": Drop(dsn, "publication", owner),
        "backfill.bounds": Bounds(dsn),
        **{name: LakeAction(name, action) for name, action in lake.items()},
        **(_cutover_actions(project, plan, shared) if shared.cuts_over else {}),
    }


def _cutover_actions(project: Project, plan: Plan, shared: WaveParts) -> dict[str, Action]:
    """What the steps from the reverse sync to the open route name."""
    from adapters.aws.route import Route, RouteRead, RouteSet
    from adapters.files.route import FilesRoute
    from adapters.http_api.smoke import SmokeRun
    from adapters.iceberg.faults import LakeAction
    from adapters.iceberg.feed_lanes import FeedsDrained, FeedsPoise
    from adapters.kafka.handover import KafkaHandover, KafkaHandoverDrop
    from adapters.postgres.back_check import BackCheck
    from adapters.postgres.drain import OutboxEmpty, StreamDrain
    from adapters.postgres.fence import DropFence, LiftFence, RaiseFence
    from adapters.postgres.fence_prove import ProveFence
    from adapters.postgres.keys import StoreKeys
    from adapters.postgres.reverse_marker import BeginReverse, MarkOutbox, ReverseDrained
    from adapters.postgres.sequences import RaiseSequences

    ends = project.endpoints()
    sides = {"legacy": ends.postgres_dsn, "store": ends.store_dsn}
    route, outbox = Route(ends), shared.outbox
    return {
        "route.read": RouteRead(route),
        "route.set": RouteSet(route),
        "files.route": FilesRoute(ends.drop_dir),
        "outbox.empty": OutboxEmpty(ends.postgres_dsn),
        "fence.raise": RaiseFence(sides),
        "fence.prove": ProveFence(sides),
        "fence.lift": LiftFence(sides),
        "fence.drop": DropFence(sides),
        "stream.drain": LakeAction("stream.drain", StreamDrain(lambda: shared.stream)),
        "feeds.poise": FeedsPoise(lambda: shared.tap),
        "feeds.drained": LakeAction("feeds.drained", FeedsDrained(lambda: shared.tap)),
        "store.keys": StoreKeys(ends.postgres_dsn, ends.store_dsn),
        "sequences.raise": RaiseSequences(sides),
        "kafka.handover": KafkaHandover(ends.kafka_bootstrap),
        "kafka.handover.drop": KafkaHandoverDrop(ends.kafka_bootstrap),
        "smoke.run": SmokeRun(ends.gateway_url, project.files_dir / "smoke", approved=plan.files),
        **_probe_actions(project, shared),
        "reconcile.back": BackCheck(ends.store_dsn, ends.postgres_dsn),
        "reverse.begin": BeginReverse(ends.store_dsn, ends.postgres_dsn, outbox),
        "reverse.mark": MarkOutbox(ends.store_dsn, plan.wave, outbox),
        "reverse.drained": ReverseDrained(ends.store_dsn, ends.postgres_dsn, plan.wave, outbox),
    }


def _probe_actions(project: Project, shared: WaveParts) -> dict[str, Action]:
    """What the step `probe` names: messages into topics and folders, and their trace in the lake."""
    from adapters.files.probe import FileProbe
    from adapters.iceberg.faults import LakeAction
    from adapters.kafka.probe import TopicProbe
    from adapters.probe.actions import ProbeMark, ProbeSeen, ProbeSend, Sender

    ends = project.endpoints()
    files = FileProbe({"drop": ends.drop_dir, "swift": ends.swift_dir})
    senders: dict[str, Sender] = {
        "kafka": TopicProbe(ends.kafka_bootstrap, ends.registry_url),
        "drop": files,
        "swift": files,
    }
    return {
        "probe.mark": ProbeMark(),
        "probe.send": ProbeSend(project.files_dir / "smoke", senders),
        "probe.seen": LakeAction("probe.seen", ProbeSeen(lambda: shared.probes)),
    }


def held_receiver(project: Project) -> Receiver:
    """How a held payment reaches the side that accepts writes: through the gateway, under its own key."""
    from adapters.http_api.held import GatewayReceiver

    return GatewayReceiver(lambda: project.endpoints().gateway_url)


def services(project: Project, plan: Plan, names: Sequence[str]) -> list[Service]:
    """`stream` and `feed:<stream>`; raises KeyError for a name that the plan does not know."""
    from adapters.iceberg.faults import LakeService
    from adapters.iceberg.feed_lanes import FeedLane

    shared = parts(project, plan)
    made: list[Service] = []
    for name in names:
        if name == "stream":
            made.append(LakeService(shared.stream))
        elif name == "reverse":
            made.append(shared.reverse)
        elif name.startswith("feed:"):
            made.append(LakeService(FeedLane(name.removeprefix("feed:"), shared.tap)))
        else:
            raise KeyError(name)
    return made


def feed_source(project: Project, stream: str) -> FeedSource:
    """The source of one feed by its stream's name: `kafka:<topic>`, `file:<feed>`, `swift:<feed>`."""
    ends, (kind, _, name) = project.endpoints(), stream.partition(":")
    if kind == "kafka":
        from adapters.kafka.feed_source import KafkaSource

        return KafkaSource(name, ends.kafka_bootstrap)
    if kind == "swift":
        from adapters.swift.feed_source import swift_sources

        return next(source for source in swift_sources(Path(ends.swift_dir)) if source.stream == stream)
    from adapters.files.feed_source import FolderSource

    return FolderSource(stream, Path(ends.drop_dir) / name)


def pinner(project: Project, plan: Mapping[str, Any]) -> Pinner:
    """Pins both sides through the runner of the plan's wave."""
    from adapters.postgres.pinner import RunnerPinner
    from cutwater.state.store import open_store

    wave, store = str(plan["wave"]), open_store(project.state_url)

    def result(number: int) -> tuple[str, Mapping[str, Any]]:
        row = store.requests.result(number)
        return row.state, row.answer or {}

    return RunnerPinner(
        project.endpoints().postgres_dsn,
        wave,
        lambda kind, payload: store.requests.ask(wave, kind, payload),
        result,
        lambda: store.leases.current(wave) is not None,
        store.close,
    )


def discoverers(project: Project) -> list[Discoverer]:
    """What looks at each system that the project's endpoints name."""
    from adapters.files.discovery import FileDropDiscoverer
    from adapters.http_api.discovery import ApiDiscoverer
    from adapters.kafka.discovery import KafkaDiscoverer
    from adapters.postgres.discovery import PostgresDiscoverer
    from adapters.swift.discovery import SwiftArchiveDiscoverer

    ends = project.endpoints()
    found: list[Discoverer] = []
    if ends.postgres_dsn:
        found.append(PostgresDiscoverer(ends.postgres_dsn))
    if ends.kafka_bootstrap:
        found.append(KafkaDiscoverer(ends.kafka_bootstrap, ends.registry_url))
    if ends.api_url:
        found.append(ApiDiscoverer(ends.api_url, ends.api_access_log))
    if ends.drop_dir:
        found.append(FileDropDiscoverer(Path(ends.drop_dir)))
    if ends.swift_dir:
        found.append(SwiftArchiveDiscoverer(Path(ends.swift_dir)))
    return found


def compare_sides(project: Project) -> tuple[PostgresSide, LakeSide]:
    """Both sides of a table comparison: the source under its exported snapshot, the lake at its snapshot ids."""
    from adapters.duckdb.compare_side import LakeSide
    from adapters.duckdb.lake import LakeReader
    from adapters.postgres.compare_side import PostgresSide

    return PostgresSide(project.endpoints().postgres_dsn), LakeSide(LakeReader(catalog(project)))


def feed_view(project: Project) -> FeedView:
    """Both sides of the feeds: the lake's tables, and the broker's and the folders' own listings."""
    from adapters.duckdb.feed_view import LakeFeedView
    from adapters.duckdb.lake import LakeReader
    from reconciliation.ports import FeedView

    return FeedView(LakeFeedView(LakeReader(catalog(project))), feed_sources(project))


_SOURCES: dict[tuple[str, ...], FeedSources] = {}


def feed_sources(project: Project) -> FeedSources:
    """The broker's and the folders' own listings. One per process and project: the hashes of files that nobody touched are
    not computed twice."""
    from adapters.files.feed_sources import Sources
    from adapters.files.listing import FileListing
    from adapters.kafka.watermarks import Watermarks

    ends = project.endpoints()
    key = (ends.kafka_bootstrap, ends.drop_dir, ends.swift_dir)
    with _GUARD:
        if key not in _SOURCES:
            listing = FileListing(Path(ends.drop_dir), Path(ends.swift_dir))
            _SOURCES[key] = Sources(Watermarks(ends.kafka_bootstrap), listing)
        return _SOURCES[key]
