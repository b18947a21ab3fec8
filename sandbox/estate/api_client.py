"""The caller of the payments API, through the gateway where there is one."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable

import httpx

from sandbox.estate.model import Payment

CALLER = "treasury-portal/3.2"
PER_LOOK = 25  # calls of one look at the most: what was held is not sent all at once


class ApiClient:
    """Posts payments in order. What is refused for now (503, 409) waits; what was not answered (a broken connection, 502,
    504) is repeated with the same key, so that it is taken in once. counts: held, retried, refused."""

    def __init__(self, url: str) -> None:
        headers = {"User-Agent": CALLER, "X-Client-Id": "treasury-portal"}
        self._client = httpx.Client(base_url=url, timeout=5, headers=headers, trust_env=False)
        self.waiting: deque[Payment] = deque()
        self.counts: Counter[str] = Counter()
        self._not_before = 0.0
        self._held: set[str] = set()

    def send(self, taken: Callable[[Payment, int], None], now: bool = False) -> None:
        """Posts what waits, unless it was told to come back later. taken: called with each payment's id. now: does not wait."""
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
            else:
                self.counts["refused"] += 1

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
