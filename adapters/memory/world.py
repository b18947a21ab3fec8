"""An outside world in memory: a legacy store with tables and feeds, a lake, and the actions between them.

Every deed is counted by its action and arguments, so that a test can tell whether something was done twice. `save` and
`path` keep the world in a file for tests that kill the process.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.memory import cutover
from adapters.memory.cutover import CutoverWorld
from cutwater.core.errors import CutwaterError, Refused
from cutwater.core.hashing import canonical_json, sha256_json
from waves.ports import Action, Fence, Outcome, Service, ServiceStatus, Waiting


@dataclass
class MemoryWorld:
    """rows: source rows per table. feeds: messages per stream. step_size: how much one poll of a service takes in.

    faults: action or service name -> errors raised by its next deeds, one each, before anything is done;
    lost_answers: the same, but raised after the deed was done.
    """

    rows: dict[str, int] = field(default_factory=dict)
    changes: int = 0
    feeds: dict[str, int] = field(default_factory=dict)
    step_size: int = 3
    path: Path | None = None
    slots: set[str] = field(default_factory=set)
    publications: set[str] = field(default_factory=set)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)  # lake table -> chunk id -> rows
    applied: dict[str, int] = field(default_factory=dict)  # service -> position in the lake
    deeds: Counter[str] = field(default_factory=Counter)
    cutover: CutoverWorld = field(default_factory=CutoverWorld)
    excused: Counter[str] = field(default_factory=Counter)  # looked for, and truly not there
    faults: dict[str, list[CutwaterError]] = field(default_factory=dict)
    lost_answers: dict[str, list[CutwaterError]] = field(default_factory=dict)
    on_perform: Callable[[str], object] = lambda action: None  # told of every deed before it is done
    lock: threading.RLock = field(default_factory=threading.RLock)

    def digest(self) -> str:
        """SHA-256 of what stands in the world, whoever put it there and however often it was tried."""
        return sha256_json(self.state())

    def state(self) -> dict[str, Any]:
        return {
            "slots": sorted(self.slots),
            "publications": sorted(self.publications),
            "tables": self.tables,
            "applied": self.applied,
            "cutover": self.cutover.as_dict(),
        }

    def doubled(self) -> list[str]:
        """Deeds done more often than their absence excuses."""
        return [key for key, count in self.deeds.items() if count > 1 + self.excused[key]]

    def save(self) -> None:
        """Writes the state to `path`, atomically, where there is one."""
        if self.path is not None:
            part = self.path.with_suffix(".part")
            part.write_text(json.dumps({**self.state(), "deeds": self.deeds, "excused": self.excused}), "utf-8")
            part.replace(self.path)

    def load(self) -> None:
        """Reads what an earlier process saved."""
        if self.path is not None and self.path.exists():
            body = json.loads(self.path.read_text("utf-8"))
            self.slots, self.publications = set(body["slots"]), set(body["publications"])
            self.tables, self.applied = body["tables"], body["applied"]
            self.cutover = CutoverWorld(**body["cutover"])
            self.deeds, self.excused = Counter(body["deeds"]), Counter(body["excused"])


class MemoryAction:
    """One kind of deed: how it changes the world, and how one sees that it was done."""

    def __init__(self, world: MemoryWorld, name: str) -> None:
        self.world, self.name = world, name

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        with self.world.lock:
            self.world.on_perform(self.name)
            _raise_next(self.world.faults, self.name)
            if self.name in cutover.DO:
                self.world.cutover.pay()
            if self._again(dict(args)):
                self.world.excused[self._key(args)] += 1
            outcome = self._do(dict(args))
            if self.name not in cutover.DO or self.name in cutover.SEEN:  # the others may be asked again
                self.world.deeds[self._key(args)] += 1
            self.world.save()
            _raise_next(self.world.lost_answers, self.name)
            return outcome

    def _again(self, args: dict[str, Any]) -> bool:
        """A slot or a publication of another round is made once more because it is gone; removing changes nothing twice."""
        if not self.name.startswith("postgres.") or not self.world.deeds[self._key(args)]:
            return False
        return "drop" in self.name or self._seen(args) is None

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        with self.world.lock:
            found = self._seen(dict(args))
            if found is None:
                self.world.excused[self._key(args)] += 1
                self.world.save()
            return found

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"{self.name} {canonical_json(dict(args))[:80]}"

    def _key(self, args: Mapping[str, Any]) -> str:
        return f"{self.name} {sha256_json(dict(args))[:12]}"

    def _do(self, args: dict[str, Any]) -> Outcome:
        if self.name in cutover.DO:
            return cutover.DO[self.name](self.world.cutover, args)
        return _DO[self.name](self.world, args)

    def _seen(self, args: dict[str, Any]) -> Outcome | None:
        if self.name in cutover.SEEN:
            return cutover.SEEN[self.name](self.world.cutover, args)
        look = _SEEN.get(self.name)
        return look(self.world, args) if look is not None else None


class MemoryService:
    """Takes in up to `step_size` changes or messages a poll; its position is the world's."""

    def __init__(self, world: MemoryWorld, name: str) -> None:
        self.world, self.name, self.closed = world, name, False

    def poll(self, fence: Fence) -> ServiceStatus:
        with self.world.lock:
            _raise_next(self.world.faults, self.name)
            if self.name == "reverse":
                took = self.world.cutover.sync_back(self.world.step_size)
                self.world.save()
                return ServiceStatus(self.name, took > 0, took == 0, took, "0 behind", {})
            goal, at = self._goal(), self.world.applied.get(self.name, 0)
            took = min(self.world.step_size, goal - at)
            self.world.applied[self.name] = at + took
            self.world.save()
            behind = goal - at - took
            return ServiceStatus(
                self.name, behind > 0, behind == 0, took, f"{behind} behind", {"lag_seconds": str(behind)}
            )

    def answer(self, kind: str, payload: Mapping[str, Any], fence: Fence) -> Outcome | None:
        if self.name != "stream" or kind not in ("pin", "repair"):
            return None
        _raise_next(self.world.faults, kind)
        return {"kind": kind, "position": self.world.applied.get(self.name, 0)}

    def close(self) -> None:
        self.closed = True

    def _goal(self) -> int:
        return self.world.changes if self.name == "stream" else self.world.feeds[self.name.removeprefix("feed:")]


def memory_actions(world: MemoryWorld) -> dict[str, Action]:
    """An action for every name that the steps ask for."""
    return {name: MemoryAction(world, name) for name in (*_DO, *cutover.DO)}


def memory_services(world: MemoryWorld, names: Sequence[str]) -> list[Service]:
    """The services of these names."""
    return [MemoryService(world, name) for name in names]


def _raise_next(faults: dict[str, list[CutwaterError]], name: str) -> None:
    waiting = faults.get(name)
    if waiting:
        raise waiting.pop(0)


def _table(args: dict[str, Any]) -> str:
    return f"{args['mapping']['source_schema']}.{args['mapping']['source_table']}"


def _check(world: MemoryWorld, args: dict[str, Any]) -> Outcome:
    missing = [
        t["source_table"] for t in args["tables"] if f"{t['source_schema']}.{t['source_table']}" not in world.rows
    ]
    if missing:
        raise Refused("CW3199", f"no table {', '.join(missing)}", state="nothing was created")
    return {"tables": len(args["tables"])}


def _lake_tables(world: MemoryWorld, args: dict[str, Any]) -> Outcome:
    for mapping in args["mappings"]:
        for name in (mapping["target"], "legacy_changes." + mapping["target"].split(".", 1)[1]):
            world.tables.setdefault(name, {})
    return {"tables": 2 * len(args["mappings"])}


def _lake_seen(world: MemoryWorld, args: dict[str, Any]) -> Outcome | None:
    there = all(mapping["target"] in world.tables for mapping in args["mappings"])
    return {"tables": 2 * len(args["mappings"])} if there and args["mappings"] else None


def _publication(world: MemoryWorld, args: dict[str, Any]) -> Outcome:
    world.publications.add(args["name"])
    return {"name": args["name"]}


def _slot(world: MemoryWorld, args: dict[str, Any]) -> Outcome:
    world.slots.add(args["name"])
    return {"name": args["name"]}


def _bounds(world: MemoryWorld, args: dict[str, Any]) -> Outcome:
    total, size = world.rows[_table(args)], int(args["max_rows_per_chunk"])
    edges = range(0, max(1, total), size)
    return {"chunks": [{"id": str(n), "lower": low, "upper": min(total, low + size)} for n, low in enumerate(edges)]}


def _chunk(world: MemoryWorld, args: dict[str, Any]) -> Outcome:
    chunk = args["chunk"]
    rows = chunk["upper"] - chunk["lower"]
    into = world.tables[args["mapping"]["target"]]
    into[chunk["id"]] = into.get(chunk["id"], 0) + rows  # done twice, it doubles: a test would see it
    return {"rows": rows, "snapshot": "100:100:", "lake_snapshot": len(into), "seconds": 0.25, "bytes": rows * 100}


def _chunk_seen(world: MemoryWorld, args: dict[str, Any]) -> Outcome | None:
    rows = world.tables.get(args["mapping"]["target"], {}).get(args["chunk"]["id"])
    if rows is None:
        return None
    return {"rows": rows, "snapshot": "100:100:", "lake_snapshot": 0, "seconds": 0.25, "bytes": rows * 100}


def _fold(world: MemoryWorld, args: dict[str, Any]) -> Outcome:
    if world.applied.get("stream", 0) < world.changes:
        raise Waiting("CW3199", "the change stream still catches up")
    return {
        "marker_lsn": f"0/{world.changes:X}",
        "tables": {item["target"]: world.changes for item in args["mappings"]},
    }


def _caught_up(world: MemoryWorld, args: dict[str, Any]) -> Outcome:
    feed = args["feed"]
    if world.applied.get(f"feed:{feed}", 0) < world.feeds[feed]:
        raise Waiting("CW3199", f"{feed} still catches up")
    return {"feed": feed, "messages": world.feeds[feed]}


def _drop_slot(world: MemoryWorld, args: dict[str, Any]) -> Outcome:
    world.slots.discard(args["name"])
    world.applied.pop("stream", None)
    return {"dropped": args["name"]}


def _drop_publication(world: MemoryWorld, args: dict[str, Any]) -> Outcome:
    world.publications.discard(args["name"])
    return {"dropped": args["name"]}


def _drop_tables(world: MemoryWorld, args: dict[str, Any]) -> Outcome:
    for name in args["tables"]:
        world.tables.pop(name, None)
    return {"dropped": sorted(args["tables"])}


_DO: dict[str, Callable[[MemoryWorld, dict[str, Any]], Outcome]] = {
    "postgres.check": _check,
    "postgres.publication": _publication,
    "postgres.slot": _slot,
    "lake.tables": _lake_tables,
    "backfill.bounds": _bounds,
    "backfill.chunk": _chunk,
    "stream.fold": _fold,
    "stream.rest": lambda w, a: {"seconds": a["seconds"]},
    "stream.poise": lambda w, a: {"seconds": a["seconds"]},
    "feeds.poise": lambda w, a: {"seconds": a["seconds"]},
    "feed.caught_up": _caught_up,
    "postgres.drop_slot": _drop_slot,
    "postgres.drop_publication": _drop_publication,
    "lake.drop_tables": _drop_tables,
}
# Reading actions are not here: looking again is as good as remembering.
_SEEN: dict[str, Callable[[MemoryWorld, dict[str, Any]], Outcome | None]] = {
    "postgres.publication": lambda w, a: {"name": a["name"]} if a["name"] in w.publications else None,
    "postgres.slot": lambda w, a: {"name": a["name"]} if a["name"] in w.slots else None,
    "lake.tables": _lake_seen,
    "backfill.chunk": _chunk_seen,
    "postgres.drop_slot": lambda w, a: {"dropped": a["name"]} if a["name"] not in w.slots else None,
    "postgres.drop_publication": lambda w, a: {"dropped": a["name"]} if a["name"] not in w.publications else None,
    "lake.drop_tables": lambda w, a: {"dropped": sorted(a["tables"])} if not set(a["tables"]) & set(w.tables) else None,
}
