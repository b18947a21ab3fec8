"""The cutover's outside world in memory: a route, two fenced sides, clients who pay at every moment, and the way back.

Whatever is done here, one client tries to pay first and tries again what was refused, so that a test of the steps' order
can see a payment that was lost, doubled or taken by a side that nobody reads. Every third payment cannot wait: while the
route is dark it is held, and counts as lost until it is released.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from cutwater.core.errors import LeaseHeld, Refused
from waves.ports import Outcome, Waiting

SIDES = {"legacy": "legacy", "tobe": "store"}  # of the route -> of the fence


@dataclass
class CutoverWorld:
    """route: [side, epoch]. fences: side -> [epoch, closed], None where there is none. outbox: the store's, payments and markers in order."""

    route: list[Any] = field(default_factory=lambda: ["legacy", 1])
    fences: dict[str, list[Any] | None] = field(default_factory=lambda: {"legacy": [1, False], "store": [0, True]})
    legacy: list[str] = field(default_factory=list)
    store: list[str] = field(default_factory=list)
    outbox: list[str] = field(default_factory=list)
    reversed: int = 0
    keys: list[str] = field(default_factory=list)  # idempotency keys that the store knows
    consumers: str = "legacy"
    waiting: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)  # the ledger of what arrived in the dark and cannot be refused
    released: list[str] = field(default_factory=list)
    file_route: list[Any] = field(default_factory=lambda: ["legacy", 0])
    incoming: list[str] = field(default_factory=list)  # files that were delivered, in order of arrival
    inboxes: dict[str, list[str]] = field(default_factory=lambda: {"legacy": [], "tobe": []})
    probes: list[str] = field(default_factory=list)  # marked messages, each once
    paid: int = 0
    refusals: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def pay(self) -> None:
        """One more payment, and one more file; then everything that waits is tried, in order."""
        self.paid += 1
        self.incoming.append(f"f{self.paid}")
        self.forward()
        cannot_wait = self.paid % 3 == 0 and self.route[0] == "dark"
        (self.held if cannot_wait else self.waiting).append(f"p{self.paid}")
        while self.waiting and self._accepted(self.waiting[0]):
            self.waiting.pop(0)

    def forward(self) -> int:
        """The file gateway: what has arrived goes to the side of its marker; how many files that was."""
        side = self.file_route[0]
        moved = self.incoming if side != "dark" else []
        self.inboxes.get(side, []).extend(moved)
        self.incoming = self.incoming[len(moved) :]
        return len(moved)

    def files_wrong(self) -> list[str]:
        """Files that are lost or doubled, and inboxes out of order."""
        seen = Counter([*self.inboxes["legacy"], *self.inboxes["tobe"], *self.incoming])
        found = [name for name in (f"f{n}" for n in range(1, self.paid + 1)) if seen[name] != 1]
        return found + [
            side for side, box in self.inboxes.items() if box != sorted(box, key=lambda name: int(name[1:]))
        ]

    def settle(self) -> None:
        """Tries once more what waits."""
        while self.waiting and self._accepted(self.waiting[0]):
            self.waiting.pop(0)

    def _accepted(self, payment: str) -> bool:
        side, epoch = self.route
        if side == "dark" or self.fences[SIDES[side]] not in (None, [epoch, False]):
            self.refusals += 1
            return False
        if side == "legacy":
            self.legacy.append(payment)
        elif payment not in self.keys:
            self.store.append(payment)
            self.outbox.append(payment)
        return True

    def sync_back(self, most: int) -> int:
        """What the reverse sync takes in by one poll."""
        took = self.outbox[self.reversed : self.reversed + most]
        self.legacy += [item for item in took if not item.startswith("marker:")]
        self.reversed += len(took)
        return len(took)

    def wrong(self) -> list[str]:
        """Payments that are lost or doubled, judged by the legacy side, what is on its way back to it, and who waits."""
        on_the_way = [item for item in self.outbox[self.reversed :] if not item.startswith("marker:")]
        seen = Counter([*self.legacy, *on_the_way, *self.waiting, *self.held])
        return sorted(name for name in (f"p{n}" for n in range(1, self.paid + 1)) if seen[name] != 1)


def _set_route(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    side, epoch = world.route
    if args["epoch"] < epoch or (args["epoch"] == epoch and args["side"] != side):
        raise LeaseHeld("CW3199", f"the route is at epoch {epoch} already")
    world.route = [args["side"], args["epoch"]]
    return {"side": args["side"], "epoch": args["epoch"]}


def _files_route(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    side, epoch = world.file_route
    if args["epoch"] < epoch or (args["epoch"] == epoch and args["side"] != side):
        raise LeaseHeld("CW3199", f"the files' route is at epoch {epoch} already")
    world.file_route = [args["side"], args["epoch"]]
    return {"side": args["side"], "held": world.forward()}


def _not_past(world: CutoverWorld, args: dict[str, Any]) -> None:
    """A side never goes back to an epoch: each write of its row asks, as the database does."""
    now = (world.fences[args["side"]] or [0])[0]
    if now > args["epoch"]:
        raise Refused("CW3199", f"{args['side']} is at epoch {now} already, epoch {args['epoch']} is past")


def _raise_fence(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    _not_past(world, args)
    world.fences[args["side"]] = [args["epoch"], True]
    return _raised(args)


def _raised(args: dict[str, Any]) -> Outcome:
    return {"marker": f"{args['side']}-{args['epoch']}", "ended": []}


def _prove(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    if not (world.fences[args["side"]] or (0, False))[1]:
        raise Refused("CW3199", f"a write to {args['side']} was not refused")
    return {"refused": len(args["tables"])}


def _lift(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    _not_past(world, args)
    world.fences[args["side"]] = [args["epoch"], False]
    return {"epoch": args["epoch"]}


def _drop(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    world.fences[args["side"]] = None
    return {"side": args["side"]}


def _keys(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    world.keys = sorted({*world.keys, *world.legacy})
    return {"keys": len(world.keys)}


def _mark(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    marker = f"marker:{len(world.outbox)}"
    world.outbox.append(marker)
    return {"marker": marker}


def _drained(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    if world.outbox.index(args["marker"]) >= world.reversed:
        raise Waiting("CW3199", "the marker is on its way")
    return {"marker": args["marker"]}


def _handover(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    world.consumers = args["to_group"]
    return {"to_group": args["to_group"]}


def _release(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    """To whichever side is open; what was released is not sent again."""
    if world.route[1] != args["epoch"] or world.route[0] == "dark":
        raise Refused("CW3199", f"nothing is released at {world.route}, asked for epoch {args['epoch']}")
    count = len(world.held)
    while world.held:
        if not world._accepted(world.held[0]):
            raise Refused("CW3199", "the side that has opened refuses")
        world.released.append(world.held.pop(0))
    return {"released": count, "returned": 0}


def _probe(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    world.probes.append(f"{args['mark']}-{args['channel']}")
    return {"stream": f"test:{args['channel']}", "name": world.probes[-1]}


def _sent(world: CutoverWorld, args: dict[str, Any]) -> Outcome | None:
    name = f"{args['mark']}-{args['channel']}"
    return {"stream": f"test:{args['channel']}", "name": name} if name in world.probes else None


def _back(world: CutoverWorld, args: dict[str, Any]) -> Outcome:
    missing = sorted(set(world.store) - set(world.legacy))
    if missing:
        raise Refused("CW3199", f"the legacy side lacks {', '.join(missing)}")
    return {"verdict": "PASS"}


Deed = Callable[[CutoverWorld, dict[str, Any]], Outcome]
DO: dict[str, Deed] = {
    "route.read": lambda w, a: {"side": w.route[0], "epoch": w.route[1]},
    "route.set": _set_route,
    "files.route": _files_route,
    "outbox.empty": lambda w, a: {},
    "fence.raise": _raise_fence,
    "fence.prove": _prove,
    "fence.lift": _lift,
    "fence.drop": _drop,
    "kafka.handover.drop": lambda w, a: {"removed": []},
    "stream.drain": lambda w, a: {"changes_after": 0},
    "feeds.drained": lambda w, a: {"feeds": len(a["feeds"])},
    "reconcile.baseline": lambda w, a: {"verdict": "PASS", "run": "R0", "basis_sha256": "0" * 64},
    "reconcile.final": lambda w, a: {"verdict": "PASS"},
    "reconcile.back": _back,
    "store.keys": _keys,
    "sequences.raise": lambda w, a: {"to": a["to"]},
    "kafka.handover": _handover,
    "smoke.run": lambda w, a: {"channel": a["channel"]},
    "probe.mark": lambda w, a: {"mark": f"{a['wave']}-{len(w.probes)}", "at": "2026-11-23T12:00:00Z"},
    "probe.send": _probe,
    "probe.seen": lambda w, a: {"seen": sorted(a["places"])},
    "reverse.begin": lambda w, a: {},
    "reverse.mark": _mark,
    "reverse.drained": _drained,
    "held.release": _release,
}
Look = Callable[[CutoverWorld, dict[str, Any]], Outcome | None]
SEEN: dict[str, Look] = {
    "route.set": lambda w, a: {"side": a["side"], "epoch": a["epoch"]} if w.route == [a["side"], a["epoch"]] else None,
    "files.route": lambda w, a: {"side": a["side"]} if w.file_route == [a["side"], a["epoch"]] else None,
    "probe.send": _sent,
    "fence.raise": lambda w, a: _raised(a) if w.fences[a["side"]] == [a["epoch"], True] else None,
    "fence.lift": lambda w, a: {"epoch": a["epoch"]} if w.fences[a["side"]] == [a["epoch"], False] else None,
    "fence.drop": lambda w, a: {"side": a["side"]} if w.fences[a["side"]] is None else None,
    "kafka.handover": lambda w, a: {"to_group": a["to_group"]} if w.consumers == a["to_group"] else None,
}
