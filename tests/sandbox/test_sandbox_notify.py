"""The notification service on real servers: it follows the route, lets go in the dark, and each message is told once over all
rounds, whoever is killed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from cutover_bridge import Bridge, key
from sandbox_support import eventually, kill, layout_of, running

from adapters.kafka.handover import KafkaHandover
from cutwater.core.errors import Refused
from sandbox.estate.consumed import TOPICS, judged, settled
from sandbox.estate.traffic import Traffic
from sandbox.notify import GROUPS
from sandbox.notify_book import hold_file

pytestmark = [pytest.mark.real, pytest.mark.long]  # `make demo` counts the same by its own consumers


def handover(bridge: Bridge, back: bool = False, grace: int = 30) -> dict[str, Any]:
    """By the action of the switch, as the wave file says it."""
    giver, taker = ("tobe", "legacy") if back else ("legacy", "tobe")
    args: dict[str, Any] = {
        "topics": list(TOPICS), "from_group": GROUPS[giver], "to_group": GROUPS[taker], "grace_seconds": grace,
    }  # fmt: skip
    return KafkaHandover(bridge.ends.kafka_bootstrap).perform({**args, **({"back": True} if back else {})}, bridge.held)


def states(bridge: Bridge) -> dict[str, str]:
    from sandbox.layout import HOST, Layout

    port = Layout(bridge.project.sandbox_dir).ports()["notify"]
    answer = httpx.get(f"http://{HOST}:{port}/health", trust_env=False).json()
    return {side: str(facts["state"]) for side, facts in answer.items()}


def pay(traffic: Traffic) -> None:
    for _ in range(3):
        traffic._guarded(traffic._tick)


def test_without_a_hand_over_the_new_side_reads_nothing_and_nothing_is_lost(
    bridge: Bridge, body: dict[str, Any], gateway: httpx.Client
) -> None:
    """Nobody knows where it would begin: messages wait in their topics."""
    settled(bridge.project)
    bridge.dark()
    bridge.open("tobe")
    assert eventually(lambda: "no offsets" in states(bridge)["tobe"])
    assert gateway.post("/payments", json=body, headers={"Idempotency-Key": key()}).status_code == 201
    assert judged(bridge.project)["tobe"] == 0


def test_each_message_is_told_once_over_there_and_back_and_over_again(bridge: Bridge) -> None:
    before = settled(bridge.project)
    assert (before["missing"], before["twice"], before["tobe"]) == (0, 0, 0)
    traffic = Traffic(bridge.project, rate=60)
    pay(traffic)
    for side in ("tobe", "legacy", "tobe"):
        bridge.dark()
        handed = handover(bridge, back=side == "legacy")
        assert handed["to_group"] == GROUPS[side]
        bridge.open(side)
        pay(traffic)
        if side == "tobe":  # killed hard while it reads: it begins where its own record ends
            kill(running(bridge.project, "notify"))
        assert settled(bridge.project)["missing"] == 0
    bridge.dark()
    assert eventually(lambda: "lets go" in states(bridge)["tobe"])
    handover(bridge, back=True)
    bridge.open("legacy")
    traffic.drain()
    traffic._save(clean=True)
    after = settled(bridge.project)
    assert (after["missing"], after["twice"], after["unknown"]) == (0, 0, 0)
    assert after["tobe"] > 0
    assert after["legacy"] > before["legacy"]
    assert after["legacy"] + after["tobe"] == after["messages"]


def test_an_active_reader_is_refused_and_one_that_leaves_is_waited_for(bridge: Bridge) -> None:
    assert eventually(lambda: states(bridge)["legacy"] == "reads")
    settled(bridge.project)
    with pytest.raises(Refused, match=r"CW3312.*payhub-notify"):
        handover(bridge, grace=0)
    bridge.route("dark")
    assert handover(bridge)["handed"] is True
    assert handover(bridge)["handed"] is False  # twice changes nothing
    assert handover(bridge, back=True)["to_group"] == GROUPS["legacy"]


def test_while_it_is_held_nobody_reads(bridge: Bridge) -> None:
    """As in a copy of a sandbox, whose groups are given their offsets first."""
    hold = hold_file(layout_of(bridge.project))
    hold.touch()
    try:
        assert eventually(lambda: "lets go" in states(bridge)["legacy"])
        assert handover(bridge, grace=0)["to_group"] == GROUPS["tobe"]  # no reader is in the way
        assert handover(bridge, back=True, grace=0)["to_group"] == GROUPS["legacy"]
    finally:
        hold.unlink()
    assert eventually(lambda: states(bridge)["legacy"] == "reads")
