"""The feed store on a real catalog: exactly once, whatever it is interrupted at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from sqlalchemy.exc import OperationalError

from adapters.iceberg.feed_parser import StreamParser
from adapters.iceberg.feed_store import FeedStore
from adapters.iceberg.feed_tap import FeedTap
from cutwater.core.errors import LeaseHeld, Unavailable
from lakehouse.ports import Delivery, Fetched, Position
from lakehouse.tables import LAKE_TABLES, TableSpec
from waves.ports import Fence

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FENCE = Fence("W01", 1, "R1")


class Stop(Exception):
    """The process dies here."""


class Steps:
    """Ticks one second at every look."""

    def __init__(self) -> None:
        self._ticks = count()

    def __call__(self) -> datetime:
        return START + timedelta(seconds=next(self._ticks))


class ListSource:
    """A feed of messages in memory with Kafka's kind of position."""

    def __init__(self, stream: str, payloads: list[bytes]) -> None:
        self.stream, self.payloads = stream, payloads

    def end(self) -> Position:
        return {"offsets": {"0": len(self.payloads)}}

    def fetch(self, after: Position, limit: int) -> Fetched:
        begin = after.get("offsets", {}).get("0", 0)
        found = [
            Delivery(self.stream, f"0:{number}", payload, START, 0, number)
            for number, payload in list(enumerate(self.payloads))[begin : begin + limit]
        ]
        return Fetched(found, {"offsets": {"0": begin + len(found)}})

    def behind(self, position: Position, end: Position) -> int:
        return end["offsets"]["0"] - position.get("offsets", {}).get("0", 0)

    def close(self) -> None:
        pass


class Breaking(FeedStore):
    """Dies before or after its n-th commit."""

    def __init__(self, *args: Any, at: int = 10**9, after: bool = False) -> None:
        super().__init__(*args)
        self._left, self._after = at, after

    def _append(self, table: Any, spec: TableSpec, columns: Any, properties: dict[str, str]) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Stop
        super()._append(table, spec, columns, properties)
        if self._left == 0:
            raise Stop


def mt103(number: int, amount: str = "10,50") -> bytes:
    return (
        f"{{1:F01BANKGB2LAXXX0001{number:06d}}}{{2:I103BANKDEFFXXXXN}}"
        f"{{3:{{121:00000000-0000-4000-8000-{number:012d}}}}}{{4:\r\n:20:REF{number}\r\n:32A:261123EUR{amount}\r\n-}}"
    ).encode()


def payloads() -> list[bytes]:
    """New ones, a duplicate, a conflict, one that cannot be read, an acknowledgement."""
    return [
        *(mt103(number) for number in range(6)),
        mt103(2),
        mt103(3, "11,50"),
        b"not a message",
        b"{1:F21BANKGB2LAXXX0001000001}{4:{177:2611231200}{451:0}}",
        *(mt103(number) for number in range(6, 9)),
    ]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    made = new_catalog(tmp_path)
    yield made
    made.engine.dispose()


def new_catalog(folder: Path) -> SqlCatalog:
    folder.mkdir(exist_ok=True, parents=True)
    return SqlCatalog("lake", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")


def tap(catalog: SqlCatalog, batch: int = 5, at: int = 10**9, after: bool = False) -> FeedTap:
    store = Breaking(catalog, "W01", StreamParser().parse, Steps(), at=at, after=after)
    return FeedTap([ListSource("kafka:test", payloads())], store, batch=batch)


def run(service: FeedTap) -> None:
    for _ in range(20):
        if service.poll(FENCE).caught_up:
            return
    pytest.fail("never caught up")


def content(catalog: SqlCatalog) -> dict[str, list[dict[str, Any]]]:
    """Everything that the lake says, without the times at which it was said."""
    found = {}
    for spec in LAKE_TABLES:
        rows = catalog.load_table(spec.name).scan().to_arrow().to_pylist()
        for row in rows:
            for name in ("decided_at", "ingested_at", "quarantined_at"):
                row.pop(name, None)
        found[spec.name] = sorted(
            rows, key=lambda row: (row["message_id"], str(row.get("event_key") or row.get("rule")))
        )
    return found


def test_every_message_has_one_outcome(catalog: SqlCatalog) -> None:
    run(tap(catalog))
    found = content(catalog)
    outcomes = sorted(row["outcome"] for row in found["raw.intake"])
    assert outcomes == ["accepted"] * 9 + ["conflict", "control", "duplicate", "quarantined"]
    assert len(found["raw.message"]) == len(payloads())
    assert len(found["core.payment_event"]) == 9
    assert sorted(row["rule"] for row in found["quarantine.message"]) == ["conflict", "unknown_format"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What the lake says after a run that nothing interrupted."""
    whole = new_catalog(tmp_path_factory.mktemp("whole"))
    try:
        run(tap(whole))
        return content(whole)
    finally:
        whole.engine.dispose()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 11))
def test_killed_at_any_commit_it_ends_in_the_same_state(
    catalog: SqlCatalog, undisturbed: dict[str, list[dict[str, Any]]], at: int, after: bool
) -> None:
    with pytest.raises(Stop):
        run(tap(catalog, at=at, after=after))
    try:
        run(tap(catalog, at=1, after=after))  # dies again while it finishes the interrupted batch, if there is one
    except Stop:
        run(tap(catalog))
    assert content(catalog) == undisturbed


def test_the_same_service_goes_on_after_a_failed_poll(catalog: SqlCatalog) -> None:
    service = tap(catalog, at=2)
    with pytest.raises(Stop):
        service.poll(FENCE)
    assert not service.caught_up()
    run(service)
    assert len(content(catalog)["core.payment_event"]) == 9


def test_polling_again_changes_nothing(catalog: SqlCatalog) -> None:
    service = tap(catalog)
    run(service)
    before = service.answer("feeds", {}, FENCE)
    assert service.poll(FENCE).applied == 0
    assert service.answer("feeds", {}, FENCE) == before
    run(tap(catalog))
    assert len(content(catalog)["raw.message"]) == len(payloads())


def test_the_same_tap_twice_costs_a_poll_and_no_row(catalog: SqlCatalog) -> None:
    first, second = tap(catalog), tap(catalog)
    first.poll(FENCE)
    second.poll(FENCE)
    with pytest.raises(Unavailable, match="CW3304"):
        first.poll(FENCE)
    run(first)
    assert len(content(catalog)["raw.message"]) == len(payloads())
    assert len(content(catalog)["core.payment_event"]) == 9


def test_two_taps_take_turns_and_an_event_told_to_both_is_booked_once(catalog: SqlCatalog) -> None:
    one = tap(catalog)
    store = FeedStore(catalog, "W02", StreamParser().parse, Steps())
    two = FeedTap([ListSource("kafka:other", payloads())], store, batch=4)
    for _ in range(5):
        one.poll(FENCE)
        two.poll(replace(FENCE, wave="W02"))
    found = content(catalog)
    assert one.caught_up()
    assert two.caught_up()
    assert len(found["raw.message"]) == len(found["raw.intake"]) == 2 * len(payloads())
    assert len(found["core.payment_event"]) == 9


def test_a_commit_lost_after_the_raw_one_is_made_up_for(catalog: SqlCatalog) -> None:
    class Overtaken(FeedStore):
        def _derived(self, *args: Any) -> None:
            if self.armed:
                self.armed = False
                with catalog.load_table("core.payment_event").transaction() as transaction:
                    transaction.append(catalog.load_table("core.payment_event").scan().to_arrow())  # as a compaction
            super()._derived(*args)

        armed = False

    store = Overtaken(catalog, "W01", StreamParser().parse, Steps())
    service = FeedTap([ListSource("kafka:test", payloads())], store, batch=5)
    service.poll(FENCE)
    before = len(content(catalog)["core.payment_event"])
    store.armed = True
    with pytest.raises(Unavailable, match="CW3304"):
        service.poll(FENCE)
    run(service)
    assert len(content(catalog)["core.payment_event"]) == 9 + before  # the intruder's copies, and ours once
    assert len(content(catalog)["raw.intake"]) == len(payloads())


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), OperationalError("commit", None, Exception("gone"))]
)
def test_a_full_disk_and_a_lost_catalog_are_unavailable_and_pass(
    catalog: SqlCatalog, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise error

    service = tap(catalog)
    service.poll(FENCE)
    with monkeypatch.context() as patch:
        patch.setattr("pyiceberg.table.Transaction.append", broken)
        with pytest.raises(Unavailable, match="CW3310"):
            service.poll(FENCE)
    run(service)
    assert len(content(catalog)["core.payment_event"]) == 9


def test_a_later_token_shuts_the_older_runner_out(catalog: SqlCatalog) -> None:
    tap(catalog).poll(replace(FENCE, token=7))
    with pytest.raises(LeaseHeld, match="CW3309"):
        tap(catalog).poll(FENCE)


def test_positions_are_in_the_snapshot(catalog: SqlCatalog) -> None:
    tap(catalog).poll(FENCE)
    snapshot = catalog.load_table("raw.message").current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    told = snapshot.summary.additional_properties
    assert told["cutwater.position"] == '{"kafka:test": {"offsets": {"0": 5}}}'
    assert (told["cutwater.batch"], told["cutwater.fence"], told["cutwater.wave"]) == ("1", "1", "W01")
    assert told["cutwater.stream"] == "kafka:test"


def test_many_duplicates_do_not_hide_a_message_in_quarantine(
    catalog: SqlCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapters.duckdb import feed_view
    from adapters.duckdb.lake import LakeReader

    told = [mt103(1)] * 6 + [b"not a message", mt103(1, "11,50")]
    store = FeedStore(catalog, "W01", StreamParser().parse, Steps())
    run(FeedTap([ListSource("kafka:test", told)], store))
    monkeypatch.setattr(feed_view, "MOST_ROWS", 2)
    reader = LakeReader(catalog)
    rows = feed_view.LakeFeedView(reader).intake("kafka:test").rows
    reader.close()
    assert {item.outcome for item in rows} == {"duplicate", "quarantined", "conflict"}
