"""The feed tap: one service over all feeds of a wave. A poll is one bounded batch over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cutwater.core.errors import Unavailable
from lakehouse.ports import Delivery, FeedSource, Position, Transactional
from waves.ports import Fence, Outcome, ServiceStatus

if TYPE_CHECKING:
    from adapters.iceberg.feed_store import FeedStore

BATCH = 20_000  # messages a poll: large enough that four commits cost little, small enough for memory and for a pause


@dataclass
class _Feed:
    source: FeedSource
    end: Position
    behind: int = -1  # unknown until the first poll
    taken: int = 0


class FeedTap:
    """Implements waves.ports.Service. The position is in the lake: any process may go on where another ended."""

    def __init__(
        self, sources: Sequence[FeedSource], store: FeedStore, name: str = "feeds", batch: int = BATCH
    ) -> None:
        self.name = name
        self._store, self._batch = store, batch
        self._feeds = {source.stream: _Feed(source, {}) for source in sources}
        self._turn = 0

    def poll(self, fence: Fence) -> ServiceStatus:
        """Takes in at most one batch. caught_up: what was there when the poll began is in the lake.

        A feed that does not answer does not hold up the others: they are taken in first, then Unavailable is raised.
        """
        positions = self._store.positions(list(self._feeds), fence)
        after = dict(positions)
        deliveries: list[Delivery] = []
        failure: Unavailable | None = None
        for feed in self._in_turn():
            stream = feed.source.stream
            try:
                feed.end = feed.source.end()
                fetched = feed.source.fetch(positions[stream], self._batch - len(deliveries))
            except Unavailable as error:
                failure, feed.behind = failure or error, -1
                continue
            deliveries.extend(fetched.deliveries)
            after[stream] = fetched.position
            feed.behind = feed.source.behind(fetched.position, feed.end)
        if deliveries:
            try:
                result = self._store.take(deliveries, after, fence)
            except Exception:
                self._forget()
                raise
            for item in deliveries:
                self._feeds[item.stream].taken += 1
            outcomes = dict(sorted(result.outcomes.items()))
        else:
            outcomes = {}
        if failure is not None:
            raise failure
        return self._status(len(deliveries), outcomes)

    def caught_up(self, stream: str = "") -> bool:
        """Was everything (of `stream`, else of all feeds) that was there at the last poll's beginning taken in?"""
        chosen = [self._feeds[stream]] if stream else list(self._feeds.values())
        return all(feed.behind == 0 for feed in chosen)

    def unsettled(self, streams: Sequence[str]) -> dict[str, str]:
        """Of these streams, those behind whose end a transaction is open, and where."""
        sources = {name: self._feeds[name].source for name in streams}
        found = {name: item.unsettled() for name, item in sources.items() if isinstance(item, Transactional)}
        return {name: where for name, where in found.items() if where}

    def answer(self, kind: str, payload: Mapping[str, Any], fence: Fence) -> Outcome | None:
        """`feeds`: per stream the position in the lake, the end seen, what is between; and the tables' snapshots."""
        if kind != "feeds":
            return None
        positions = self._store.positions(list(self._feeds), fence)
        wanted = payload.get("streams") or list(self._feeds)
        return {
            "batch": self._store.batch,
            "snapshots": self._store.snapshots(),
            "streams": {name: self._one(name, positions[name]) for name in wanted if name in self._feeds},
        }

    def close(self) -> None:
        """Closes every source, also where one fails to."""
        for feed in self._feeds.values():
            feed.source.close()

    def _one(self, name: str, position: Position) -> dict[str, Any]:
        feed = self._feeds[name]
        return {
            "position": _short(position),
            "end": _short(feed.end),
            "behind": feed.behind,
            "caught_up": feed.behind == 0,
            "taken": feed.taken,
        }

    def _in_turn(self) -> list[_Feed]:
        """Another feed first at every poll, so that a full one does not starve the rest."""
        feeds = list(self._feeds.values())
        self._turn = (self._turn + 1) % max(1, len(feeds))
        return feeds[self._turn :] + feeds[: self._turn]

    def _forget(self) -> None:
        for feed in self._feeds.values():
            feed.behind = -1

    def _status(self, taken: int, outcomes: dict[str, int]) -> ServiceStatus:
        behind = sum(max(0, feed.behind) for feed in self._feeds.values())
        return ServiceStatus(
            self.name,
            busy=behind > 0,
            caught_up=self.caught_up(),
            applied=taken,
            lag=f"{behind:,} messages",
            detail={"outcomes": outcomes, "behind": {name: feed.behind for name, feed in self._feeds.items()}},
        )


def _short(position: Position) -> Position:
    return {"names": len(position["names"])} if "names" in position else dict(position)
