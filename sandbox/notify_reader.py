"""A consumer that follows the route: it reads while its side is the one that the route names, and lets go in the dark.

It records what it read, then commits the offsets: killed in between it begins where its own record ends. What it had fetched
when the route went dark is not its own any more, and is left to whoever is handed the offsets.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from sandbox.notify_book import Book

LOOK_SECONDS, PAUSE_SECONDS = 0.1, 1.0
FETCH, FETCH_SECONDS = 500, 0.2
Route = tuple[str, int]  # the side that is open ('' where nobody knows, or it is dark), and the epoch
NOBODY: Route = ("", -1)


class RouteView:
    """What the gateway says of the route, at most LOOK_SECONDS old; shared by both readers. held: nobody reads while it is so."""

    def __init__(self, gateway: Callable[[], str], held: Callable[[], bool] = lambda: False) -> None:
        self.gateway, self.held, self.guard = gateway, held, threading.Lock()
        self.client = httpx.Client(timeout=2, trust_env=False)
        self.known, self.at = NOBODY, float("-inf")

    def look(self, oldest: float = LOOK_SECONDS) -> Route:
        with self.guard:
            if time.monotonic() - self.at > oldest:
                self.known, self.at = self._ask(), time.monotonic()
            return self.known

    def _ask(self) -> Route:
        if self.held():
            return NOBODY
        try:
            found = self.client.get(f"{self.gateway()}/_route").raise_for_status().json()
            return (str(found["side"]), int(found["epoch"]))
        except (httpx.HTTPError, ValueError, KeyError):
            return NOBODY


class NotHandedOver(Exception):
    """The group has no offsets: where to begin is not its own to say."""


class Reader(threading.Thread):
    """One side's consumer group. first: it was there before, and begins where the topics begin."""

    def __init__(
        self, side: str, group: str, topics: list[str], first: bool, book: Callable[[], Book], kafka: Callable[[], str], route: RouteView
    ) -> None:  # fmt: skip
        super().__init__(name=f"notify-{side}", daemon=True)
        self.side, self.group, self.topics, self.first = side, group, topics, first
        self.make_book, self.kafka, self.route = book, kafka, route
        self.stopping = threading.Event()
        self.consumer: Consumer | None = None
        self.facts: dict[str, Any] = {"group": group, "state": "starting", "told": 0}
        self._unknown = False

    def run(self) -> None:
        self.book = self.make_book()
        while not self.stopping.is_set():
            try:
                self._turn()
            except NotHandedOver as wait:
                self._let_go(str(wait))
                self.stopping.wait(PAUSE_SECONDS)
            except (KafkaException, sqlite3.Error, OSError, LookupError, RuntimeError) as error:
                self._let_go(f"trouble: {error}")
                self.stopping.wait(PAUSE_SECONDS)
        self._let_go("ended")
        self.book.close()

    def _turn(self) -> None:
        """One look at the route, one batch."""
        side, epoch = self.route.look()
        if side != self.side:
            self._let_go("lets the other side read" if side not in ("", "dark") else "lets go: the route is dark")
            self.stopping.wait(LOOK_SECONDS)
            return
        consumer = self.consumer or self._join()
        messages = consumer.consume(FETCH, FETCH_SECONDS)
        if self._unknown:
            raise NotHandedOver("waits for the hand-over: its group has no offsets")
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
        if not messages:
            return
        if self.route.look(0) != (side, epoch):
            self._let_go("lets go: the route has moved")
            return
        self._take_in(consumer, messages, epoch)

    def _take_in(self, consumer: Consumer, messages: list[Any], epoch: int) -> None:
        places = [
            ((str(item.topic()), int(item.partition()), int(item.offset())), _text(item.key())) for item in messages
        ]
        self.book.tell(places, epoch)
        ends = {(topic, partition): offset + 1 for (topic, partition, offset), _ in places}
        consumer.commit(offsets=[TopicPartition(*place, at) for place, at in ends.items()], asynchronous=False)
        self.facts["told"] += len(places)

    def _join(self) -> Consumer:
        self.book.known(self._topic_ids())
        self._unknown = False
        self.consumer = Consumer(
            {
                "bootstrap.servers": self.kafka(),
                "group.id": self.group,
                "client.id": f"notify-{self.side}",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 1000,
                "queued.max.messages.kbytes": 4096,
                "log_level": 0,
            }
        )
        self.consumer.subscribe(self.topics, on_assign=self._assigned)
        self.facts["state"] = "reads"
        return self.consumer

    def _topic_ids(self) -> dict[str, str]:
        """Raises LookupError while a topic is missing."""
        admin = AdminClient({"bootstrap.servers": self.kafka(), "log_level": 0})
        listed = admin.list_topics(timeout=5).topics
        missing = [name for name in self.topics if name not in listed]
        if missing:
            raise LookupError(f"no topic {', '.join(missing)} yet")
        told = admin.describe_topics(TopicCollection(self.topics), request_timeout=5)
        return {name: str(told[name].result().topic_id) for name in self.topics}

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begins behind what is committed, or behind its own record where that reaches further (killed before a commit)."""
        own = self.book.positions()
        starts = []
        for found in consumer.committed(partitions, timeout=10):
            at = max(found.offset, own.get((found.topic, found.partition), -1))
            if at < 0 and not self.first:
                self._unknown = True
                return
            starts.append(TopicPartition(found.topic, found.partition, at if at >= 0 else OFFSET_BEGINNING))
        consumer.assign(starts)

    def _let_go(self, state: str) -> None:
        """Leaves the group: whoever takes over finds no reader in it."""
        consumer, self.consumer = self.consumer, None
        self.facts["state"] = state
        if consumer is not None:
            consumer.close()


def _text(key: object) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else ""
