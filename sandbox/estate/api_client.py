"""The caller of the legacy REST API."""

from __future__ import annotations

import httpx

from sandbox.estate.model import Payment

CALLER = "treasury-portal/3.2"


class ApiClient:
    """Posts payments. A call without an answer is made once more: the UETR makes it safe to repeat."""

    def __init__(self, url: str) -> None:
        headers = {"User-Agent": CALLER, "X-Client-Id": "treasury-portal"}
        self._client = httpx.Client(base_url=url, timeout=5, headers=headers)

    def create(self, payment: Payment) -> int | None:
        """The new payment's id; None where the API refused it or did not answer twice."""
        body = {
            "uetr": payment.uetr,
            "end_to_end_id": payment.end_to_end_id,
            "debtor_iban": payment.debtor.iban,
            "creditor_iban": payment.creditor.iban,
            "amount": str(payment.amount),
            "currency": payment.currency,
            "value_date": payment.value_date.isoformat(),
            "remittance": payment.remittance,
        }
        for _ in range(2):
            try:
                answer = self._client.post("/payments", json=body, headers={"Idempotency-Key": payment.uetr})
            except httpx.TransportError:
                continue
            return int(answer.json()["payment_id"]) if answer.status_code in (200, 201) else None
        return None
