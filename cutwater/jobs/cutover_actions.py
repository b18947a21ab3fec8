"""What the runner itself can do at a cutover, beside the adapters: reconcile at the fence point."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutwater import wiring
from cutwater.core.clock import utc_now
from cutwater.core.config import Project
from cutwater.core.errors import CutwaterError, Inconclusive, Refused, Unavailable
from cutwater.jobs import following, reconciling
from cutwater.jobs.reconciling import Ran
from cutwater.state.store import open_store
from reconciliation.basis import Basis, at_the_fence
from waves import held
from waves.held import Receiver
from waves.plan import Plan
from waves.ports import Action, Fence, Outcome

if TYPE_CHECKING:
    from adapters.duckdb.overlay import OverlaySide
    from cutwater.state.store import Store


_READY: dict[tuple[Path, str], tuple[str, OverlaySide]] = {}  # by project and wave: the basis's run, and the lake side
ADVANCES, SHORT_SECONDS = 2, 2.0  # short runs that follow the full one, as long as the one before took longer than this


class Baseline:
    """`reconcile.baseline` {wave, slot, publication}: everything is compared while payments flow, then what was touched
    meanwhile, and once more what was touched meanwhile: so that little is left for the dark, however long the first took.

    Returns what the final reconciliation stands on. Raises Refused (CW3043) for anything but PASS: nothing is dark yet.
    """

    def __init__(self, project: Project, plan: Plan) -> None:
        self.project, self.plan = project, plan

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        wave = str(args["wave"])
        with open_store(self.project.state_url) as store:
            marks = following.mark(self.project, self.plan, reconciling.settings_of(self.project), utc_now())
            began = time.monotonic()
            ran = reconciling.run(self.project, wave, store)
            if ran.body["verdict"] != "PASS":
                light = "the route has not moved; customers are on the old platform"
                raise _refused(ran, wave, "before the fence", light)
            basis, runs = following.basis_of(ran, marks), [str(ran.body["run"])]
            while len(runs) <= ADVANCES and time.monotonic() - began > SHORT_SECONDS:
                began = time.monotonic()
                later = self._advanced(basis, store, args, fence)
                if later is None:
                    break  # what it found, or could not see, is touched since the basis that stands: it is looked at again
                ran, basis = later
                runs.append(basis.run)
        kept = following.keep_basis(ran, basis)
        _keep_ready(self.project, wave, basis.run, following.get_ready(self.project, self.plan, basis))
        return {**kept, "verdict": "PASS", "sha256": ran.sha256, "runs": runs}

    def _advanced(self, basis: Basis, store: Store, args: Mapping[str, Any], fence: Fence) -> tuple[Ran, Basis] | None:
        names = (str(args["slot"]), str(args["publication"]))
        if not names[0]:
            return None
        stream = wiring.parts(self.project, self.plan).stream

        def drain() -> None:
            stream.drain_to(stream.emit_marker(), fence)

        try:
            return following.advance(self.project, self.plan, store, basis, names, drain)
        except Inconclusive:
            return None

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a question: asked again

    def describe(self, args: Mapping[str, Any]) -> str:
        return "compare everything while payments flow; anything but PASS ends the cutover before it is dark"


class FinalReconciliation:
    """`reconcile.final` {wave, marker, baseline}: both sides stand still, and what was touched since the baseline is compared,
    with planted faults. Where that does not say PASS, everything is compared before anything is said.

    baseline: outcome of `reconcile.baseline` with `slot` and `publication` of the verifier; empty: everything is compared.
    Raises Refused (CW3043) for anything but PASS: the way back begins. The evidence is kept as that of any other run.
    """

    def __init__(self, project: Project, plan: Plan) -> None:
        self.project, self.plan = project, plan

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        wave = str(args["wave"])
        with open_store(self.project.state_url) as store:
            ran, why = self._following(args, store)
            if ran is None:
                ran = reconciling.run(self.project, wave, store)
        if ran.body["verdict"] != "PASS":
            dark = "customers are told to come back; the way back begins by itself"
            raise _refused(ran, wave, "at the fence point", dark)
        follows = (ran.body.get("basis") or {}).get("run", "")
        outcome = {"run": ran.body["run"], "verdict": "PASS", "as_of": ran.body["as_of"], "sha256": ran.sha256}
        return {**outcome, "follows": follows, **({"compared_in_full": why} if why else {})}

    def _following(self, args: Mapping[str, Any], store: Store) -> tuple[Ran | None, str]:
        """The run over what was touched, or why everything has to be compared."""
        base = dict(args.get("baseline") or {})
        if not base:
            return None, "there is no baseline"
        try:
            basis = following.load_basis(self.project, str(base["run"]), str(base["basis_sha256"]))
            slot, publication = str(base["slot"]), str(base["publication"])
            ready = _take_ready(self.project, self.plan.wave, basis.run)  # none where this process came later
            sides = following.sides_since(self.project, self.plan.wave, basis, slot, publication, ready=ready)
            settings = at_the_fence(reconciling.settings_of(self.project))
            ran = reconciling.run(self.project, self.plan.wave, store, sides, basis=basis, settings=settings)
        except CutwaterError as error:
            return None, f"{error.code} {error.what}"
        if ran.body["verdict"] != "PASS":
            return None, f"{ran.body['run']} {ran.body['verdict']}: {'; '.join(ran.body['why'])}"
        return ran, ""

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # a question: asked again

    def describe(self, args: Mapping[str, Any]) -> str:
        return "compare what was touched since the baseline, at the fence point; anything but PASS begins the way back"


def _keep_ready(project: Project, wave: str, run: str, side: OverlaySide) -> None:
    _take_ready(project, wave, "")
    _READY[project.root, wave] = (run, side)


def _take_ready(project: Project, wave: str, run: str) -> OverlaySide | None:
    """What was got ready for the basis `run`; what was got ready for another one is let go."""
    of, side = _READY.pop((project.root, wave), ("", None))
    if side is not None and of != run:
        side.reader.close()
        return None
    return side


def _refused(ran: Ran, wave: str, when: str, money: str) -> Refused:
    body = ran.body
    return Refused(
        "CW3043",
        f"the reconciliation {when} says {body['verdict']}",
        cause=f"run {body['run']}: {body['open_breaks']} open breaks; {'; '.join(body['why'][:3])}",
        state="the route has not moved; both sides are as they were compared",
        money=money,
        next=f"cutwater reconcile breaks --wave {wave}",
    )


class HeldRelease:
    """`held.release` {wave, epoch}: every held payment is sent to the side that has opened with `epoch`, in order per
    account, each once; then the ledger is closed up to that epoch, with its proof in the journal.

    Raises Unavailable (CW3047) while some have no answer, a defect (CW3054) where the proof does not hold.
    """

    def __init__(self, project: Project, send: Receiver) -> None:
        self.project, self.send = project, send

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        wave, released, returned = str(args["wave"]), 0, 0
        with open_store(self.project.state_url) as store:
            proof = None
            while proof is None:  # a gateway that lags may have held one more
                done = held.release(store.held, wave, self.send, fence.token)
                released, returned = released + len(done.released), returned + len(done.returned)
                if done.waiting:
                    raise self._waits(wave, done)
                proof = store.held.close(wave, int(args["epoch"]), fence.run_id, fence.token)
            held.check_proof(proof)
        return {"released": released, "returned": returned}

    def _waits(self, wave: str, done: held.Release) -> Unavailable:
        return Unavailable(
            "CW3047",
            f"{len(done.waiting)} held payments of {wave} have no answer yet",
            cause=str(next(iter(done.waiting.values()))),
            state="they stay in the ledger, with what comes after them on their accounts",
            next=f"it is tried again; cutwater wave held {wave}",
        )

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # what is released stays released

    def describe(self, args: Mapping[str, Any]) -> str:
        return "release what was held to the open side, in order per account, and prove that held = released + returned"


def actions(project: Project, plan: Plan, send: Receiver) -> dict[str, Action]:
    """By the names that the steps use. send: how a held payment reaches the side that accepts writes."""
    return {
        "reconcile.baseline": Baseline(project, plan),
        "reconcile.final": FinalReconciliation(project, plan),
        "held.release": HeldRelease(project, send),
    }
