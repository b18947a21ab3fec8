"""Held payments: the life of a payment that arrived while its wave was dark, and how the ledger is emptied.

HELD > RELEASED | RETURNED, once. `release` walks the ledger: account by account in order, accounts side by side in one
batch. The key travels with the payment and the new side answers the same key with the same receipt: that, and the intent
that is written before, makes a release that was interrupted at any point go on without paying twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cutwater.core.errors import CutwaterError, Refused, Unavailable
from cutwater.state.records import HeldPayment, HeldProof

HELD, RELEASED, RETURNED = "HELD", "RELEASED", "RETURNED"
MOVES: dict[str, tuple[str, ...]] = {HELD: (RELEASED, RETURNED), RELEASED: (), RETURNED: ()}


class HeldLedger(Protocol):
    """What `cutwater.state.held` keeps. Each move takes place once, however often it is asked for."""

    def next_batch(self, wave: str, limit: int = 100) -> Sequence[HeldPayment]:
        """The first open payment of each account."""

    def offered(self, wave: str, key: str, fence: int | None = None) -> HeldPayment:
        """The intent, before it is sent."""

    def released(self, wave: str, key: str, receipt: str, fence: int | None = None) -> HeldPayment:
        """The new side has it."""

    def returned(
        self, wave: str, key: str, reason: str, refused: bool = False, fence: int | None = None
    ) -> HeldPayment:
        """Its sender gets it back."""

    def proof(self, wave: str) -> HeldProof:
        """Does it add up?"""


class Receiver(Protocol):
    """The side that accepts writes. It answers the same key with the same receipt."""

    def __call__(self, payment: HeldPayment) -> str:
        """Its receipt, unique per payment. Raises Refused (never: it is returned), Unavailable (not known: again)."""


@dataclass
class Release:
    """What one walk did: keys by their end, and the accounts (masked elsewhere) that wait for an answer."""

    released: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    waiting: dict[str, Unavailable] = field(default_factory=dict)  # key -> why; its account waits with it

    def as_dict(self) -> dict[str, Any]:
        return {"released": len(self.released), "returned": len(self.returned), "waiting": sorted(self.waiting)}


def release(
    ledger: HeldLedger, wave: str, send: Receiver, fence: int | None = None, pump: Callable[[], None] | None = None
) -> Release:
    """Empties the ledger as far as it goes. An account whose first payment has no answer waits; the others go on.

    pump: called between batches (a safe point; it may raise). Other errors than Refused and Unavailable end the walk and
    leave the payment offered: it is sent again under the same key.
    """
    done = Release()
    while batch := [item for item in ledger.next_batch(wave, 100 + len(done.waiting)) if item.key not in done.waiting]:
        for payment in batch:
            _one(ledger, wave, payment, send, fence, done)
        if pump is not None:
            pump()
    return done


def _one(ledger: HeldLedger, wave: str, payment: HeldPayment, send: Receiver, fence: int | None, done: Release) -> None:
    ledger.offered(wave, payment.key, fence)
    try:
        receipt = send(payment)
    except Unavailable as error:
        done.waiting[payment.key] = error
    except Refused as error:
        ledger.returned(wave, payment.key, f"{error.code} {error.what}", True, fence)
        done.returned.append(payment.key)
    else:
        ledger.released(wave, payment.key, receipt, fence)
        done.released.append(payment.key)


def give_back(ledger: HeldLedger, wave: str, reason: str, fence: int | None = None) -> Release:
    """Returns all that was never sent: the way back of a cutover that was called off. What was offered stays held, with
    the account behind it: only the new side can say what became of it."""
    done = Release()
    while batch := [item for item in ledger.next_batch(wave, 100 + len(done.waiting)) if item.key not in done.waiting]:
        for payment in batch:
            if payment.offered_at is not None:
                done.waiting[payment.key] = Unavailable("CW3055", f"{payment.key} was sent; its answer is not known")
                continue
            ledger.returned(wave, payment.key, reason, False, fence)
            done.returned.append(payment.key)
    return done


def check_proof(proof: HeldProof, settled: bool = True) -> HeldProof:
    """Raises a defect CW3054 where the ledger does not add up, Unavailable CW3055 where `settled` is asked and some are
    open."""
    if not proof.holds:
        raise CutwaterError(
            "CW3054",
            f"the ledger of held payments of wave {proof.wave} does not add up",
            cause="; ".join(proof.problems[:3]),
            state=f"{proof.held} held, {proof.released} released, {proof.returned} returned, {proof.open} open",
            money="a held payment may be lost or doubled: compare the ledger with the new side",
            next=f"cutwater wave held {proof.wave} --output json; cutwater evidence verify",
            details=proof.as_dict(),
        )
    if settled and proof.open:
        raise Unavailable(
            "CW3055",
            f"{proof.open} held payments of wave {proof.wave} are neither released nor returned",
            cause=f"{proof.offered} of them were sent and are not answered" if proof.offered else "",
            state=f"{proof.held} held, {proof.released} released, {proof.returned} returned",
            money="their senders wait",
            next=f"cutwater wave held {proof.wave}",
            details=proof.as_dict(),
        )
    return proof
