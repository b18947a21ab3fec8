"""What the runner itself can do at a cutover, beside the adapters: reconcile at the fence point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cutwater.core.config import Project
from cutwater.core.errors import Refused, Unavailable
from cutwater.jobs import reconciling
from cutwater.state.store import open_store
from waves import held
from waves.held import Receiver
from waves.ports import Action, Fence, Outcome


class FinalReconciliation:
    """`reconcile.final` {wave, marker}: both sides stand still, and are compared as always, with planted faults.

    Raises Refused (CW3043) for anything but PASS: the way back begins. The evidence is kept as that of any other run.
    """

    def __init__(self, project: Project) -> None:
        self.project = project

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        wave = str(args["wave"])
        with open_store(self.project.state_url) as store:
            ran = reconciling.run(self.project, wave, store)
        body = ran.body
        if body["verdict"] != "PASS":
            raise Refused(
                "CW3043",
                f"the reconciliation at the fence point says {body['verdict']}",
                cause=f"run {body['run']}: {body['open_breaks']} open breaks",
                state="the route has not moved; both sides are as they were compared",
                money="customers are told to come back; the way back begins by itself",
                next=f"cutwater reconcile breaks --wave {wave}",
            )
        return {"run": body["run"], "verdict": "PASS", "as_of": body["as_of"], "sha256": ran.sha256}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a question: asked again

    def describe(self, args: Mapping[str, Any]) -> str:
        return "compare both sides at the fence point; anything but PASS begins the way back"


class HeldRelease:
    """`held.release` {wave}: every held payment is sent to the side that accepts writes, in order per account, each once.

    Raises Unavailable (CW3047) while some have no answer, Refused (CW3054, CW3055) where the proof does not hold.
    """

    def __init__(self, project: Project, send: Receiver) -> None:
        self.project, self.send = project, send

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        wave = str(args["wave"])
        with open_store(self.project.state_url) as store:
            done = held.release(store.held, wave, self.send, fence.token)
            if done.waiting:
                raise Unavailable(
                    "CW3047",
                    f"{len(done.waiting)} held payments of {wave} have no answer yet",
                    cause=str(next(iter(done.waiting.values()))),
                    state="they stay in the ledger, with what comes after them on their accounts",
                    next=f"it is tried again; cutwater wave held {wave}",
                )
            proof, _ = store.held.record_proof(wave, fence.run_id, fence.token)
            held.check_proof(proof)
        return done.as_dict()

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # what is released stays released

    def describe(self, args: Mapping[str, Any]) -> str:
        return "release what was held, in order per account, and prove that held = released + returned"


def actions(project: Project, send: Receiver) -> dict[str, Action]:
    """By the names that the steps use. send: how a held payment reaches the side that accepts writes."""
    return {"reconcile.final": FinalReconciliation(project), "held.release": HeldRelease(project, send)}
