"""Each feed as a service of its own to the runner, all served by one tap: one writer per table, one status per feed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from waves.ports import Fence, Outcome, ServiceStatus, Waiting

if TYPE_CHECKING:
    from adapters.iceberg.feed_tap import FeedTap


class SharedTap:
    """A tap and the lock of whoever drives it. The lane that knows nothing newer than the last poll polls again."""

    def __init__(self, tap: FeedTap) -> None:
        self.tap = tap
        self.lock = threading.RLock()
        self.polls = 0
        self._poised_until = 0.0
        self.last = ServiceStatus(tap.name)
        self.open = 0

    def poll(self, seen: int, fence: Fence) -> tuple[int, ServiceStatus]:
        """(number of the poll, its status): a new poll where `seen` is the last one."""
        with self.lock:
            if seen == self.polls and time.monotonic() >= self._poised_until:
                self.look(fence)
                return self.polls, self.last
            return self.polls, replace(self.last, busy=self.last.busy and time.monotonic() >= self._poised_until)

    def look(self, fence: Fence) -> None:
        """A poll that begins now."""
        with self.lock:
            self.last = self.tap.poll(fence)
            self.polls += 1

    def poise(self, seconds: float) -> None:
        """No poll by itself for so long: whoever drains the feeds meanwhile waits for no batch that is under way."""
        with self.lock:
            self._poised_until = time.monotonic() + seconds

    def behind(self, stream: str) -> int:
        """Messages of `stream` that were there at the last poll and are not in the lake; -1 unknown."""
        found = self.last.detail.get("behind", {})
        return int(found.get(stream, -1))


class FeedLane:
    """waves.ports.Service for one feed: `feed:<stream>`."""

    def __init__(self, stream: str, shared: SharedTap) -> None:
        self.name = f"feed:{stream}"
        self._stream, self._shared, self._seen = stream, shared, 0
        shared.open += 1

    def poll(self, fence: Fence) -> ServiceStatus:
        self._seen, status = self._shared.poll(self._seen, fence)
        behind = self._shared.behind(self._stream)
        return ServiceStatus(
            self.name,
            busy=status.busy,
            caught_up=behind == 0,
            applied=status.applied,
            lag="unknown" if behind < 0 else f"{behind:,} messages",
            detail={"behind": behind},
        )

    def answer(self, kind: str, payload: Mapping[str, Any], fence: Fence) -> Outcome | None:
        with self._shared.lock:
            return self._shared.tap.answer(kind, payload, fence)

    def close(self) -> None:
        """The last lane closes the tap."""
        self._shared.open -= 1
        if self._shared.open <= 0:
            with self._shared.lock:
                self._shared.tap.close()


class FeedCaughtUp:
    """`feed.caught_up` {feed}: what was there when it was asked is in the lake."""

    def __init__(self, shared: Callable[[], SharedTap]) -> None:
        self.shared = shared

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        feed = str(args["feed"])
        behind = self.shared().behind(feed)
        if behind != 0:
            raise Waiting(
                "CW3301",
                f"{feed} still catches up",
                cause="not looked at yet" if behind < 0 else f"{behind:,} messages behind",
            )
        return {"feed": feed, "behind": 0}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a question: asked again

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"take in everything that {args['feed']} holds now"


class FeedsPoise:
    """`feeds.poise` {seconds}: what was under way is in the lake, and nothing begins by itself until the feeds are drained."""

    def __init__(self, shared: Callable[[], SharedTap]) -> None:
        self.shared = shared

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        self.shared().poise(float(args["seconds"]))
        return {"seconds": args["seconds"]}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a runner that came later has its own tap: it is told again

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"end the feeds' poll that is under way, and begin none for {args['seconds']} s"


class FeedsDrained:
    """`feeds.drained` {feeds}: by a look that began after the fence, nothing of these feeds is left outside the lake, and no
    transaction is open that could still add to them."""

    def __init__(self, shared: Callable[[], SharedTap]) -> None:
        self.shared = shared

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        shared, feeds = self.shared(), [str(feed) for feed in args["feeds"]]
        with shared.lock:  # no poll is under way: the next one begins now
            shared.poise(0)
            shared.look(fence)
            left = {feed: shared.behind(feed) for feed in feeds}
            unsettled = shared.tap.unsettled(feeds)
        late = {feed: behind for feed, behind in left.items() if behind}
        if late:
            told = ", ".join(f"{feed} {'unknown' if behind < 0 else behind}" for feed, behind in late.items())
            raise Waiting("CW3301", f"{len(late)} feeds still catch up", cause=f"messages behind: {told}")
        if unsettled:
            told = "; ".join(f"{feed} {place}" for feed, place in unsettled.items())
            raise Waiting(
                "CW3311",
                f"a transaction is open in {len(unsettled)} feeds",
                cause=told,
                state="what it holds is neither committed nor aborted: nobody knows yet whether it was sent",
                next="end the producer, or wait for its transaction.timeout.ms",
            )
        return {"feeds": len(feeds), "behind": 0}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a question: asked again

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"take in everything that {len(args['feeds'])} feeds hold"
