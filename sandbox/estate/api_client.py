"""The callers of the payments API, through the gateway where there is one: those who come back, and those who cannot."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import httpx

from sandbox.estate.model import Payment

CALLER, BRANCH = "treasury-portal/3.2", "branch-terminal/1.4"
PER_LOOK = 25  # calls of one look at the most: what was held is not sent all at once
ASK_EVERY = 1.0  # seconds between two questions for what became of held payments
Taken = Callable[[Payment, int], None]  # with each payment's id


class ApiClient:
    """Posts payments in order. What is refused for now (503, 409) waits; what was not answered (a broken connection, 502,
    504) is repeated with the same key, so that it is taken in once.

    patient False: its payments cannot wait at the counter. It asks to be answered at once (`Prefer: respond-async`) and,
    after a 202, for what became of them.

    counts: held (told to come back), retried, refused, accepted (202), returned.
    """

    def __init__(self, url: str, patient: bool = True) -> None:
        headers = {"User-Agent": CALLER, "X-Client-Id": "treasury-portal"}
        if not patient:
            headers = {"User-Agent": BRANCH, "X-Client-Id": "branch-terminal", "Prefer": "respond-async"}
        self._client = httpx.Client(base_url=url, timeout=5, headers=headers, trust_env=False)
        self.waiting: deque[Payment] = deque()
        self.accepted: dict[str, Payment] = {}  # where to ask -> what was answered with 202
        self.counts: Counter[str] = Counter()
        self._not_before = self._ask_at = 0.0
        self._held: set[str] = set()

    @property
    def owed(self) -> int:
        """Payments whose end is not known."""
        return len(self.waiting) + len(self.accepted)

    def send(self, taken: Taken, now: bool = False) -> None:
        """Posts what waits, unless it was told to come back later, and asks for what was held. now: does not wait."""
        self._post(taken, now)
        if self.accepted and time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + ASK_EVERY
            self._ask(taken)

    def _post(self, taken: Taken, now: bool) -> None:
        for _ in range(PER_LOOK):
            if not self.waiting or (time.monotonic() < self._not_before and not now):
                return
            payment = self.waiting[0]
            try:
                answer = self._client.post("/payments", json=_body(payment), headers={"Idempotency-Key": payment.uetr})
            except httpx.TransportError:
                self.counts["retried"] += 1
                return
            if answer.status_code in (502, 504):
                self.counts["retried"] += 1
                return
            if answer.status_code in (409, 503):
                self._hold(payment, answer)
                return
            self.waiting.popleft()
            if answer.status_code in (200, 201):
                taken(payment, int(answer.json()["payment_id"]))
            elif answer.status_code == 202:
                self.counts["accepted"] += 1
                self.accepted[answer.headers["location"]] = payment
            else:
                self.counts["refused"] += 1

    def _ask(self, taken: Taken) -> None:
        """What was held has one end: released, and then it has a number like any other, or returned."""
        for place, payment in list(self.accepted.items())[:PER_LOOK]:
            found = self._get(place)
            if found is None or found["state"] == "HELD":
                continue
            if found["state"] == "RETURNED":
                self.counts["returned"] += 1
            else:
                status = self._get(str(found["payment"]))
                if status is None:
                    continue
                taken(payment, int(status["payment_id"]))
            del self.accepted[place]

    def _get(self, place: str) -> dict[str, Any] | None:
        """None where it is not to be had for now."""
        try:
            answer = self._client.get(place)
        except httpx.TransportError:
            return None
        return dict(answer.json()) if answer.status_code == 200 else None

    def close(self) -> None:
        self._client.close()

    def _hold(self, payment: Payment, answer: httpx.Response) -> None:
        if payment.uetr not in self._held:
            self._held.add(payment.uetr)
            self.counts["held"] += 1
        text = answer.headers.get("retry-after", "0")
        self._not_before = time.monotonic() + (int(text) if text.isdecimal() else 1)


def _body(payment: Payment) -> dict[str, object]:
    return {
        "uetr": payment.uetr,
        "end_to_end_id": payment.end_to_end_id,
        "debtor_iban": payment.debtor.iban,
        "creditor_iban": payment.creditor.iban,
        "amount": str(payment.amount),
        "currency": payment.currency,
        "value_date": payment.value_date.isoformat(),
        "remittance": payment.remittance,
    }
