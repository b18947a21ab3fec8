"""A held payment on its way to the side that accepts writes: one request under its own key, and what was answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import httpx

from cutwater.core.errors import Refused, Unavailable

_SECONDS = 10.0


class Held(Protocol):
    """What is sent of a held payment."""

    @property
    def key(self) -> str: ...
    @property
    def body(self) -> dict[str, Any]: ...


class GatewayReceiver:
    """waves.held.Receiver: POST /payments with the payment's key. The receipt is the payment's UETR as it was answered."""

    def __init__(self, base_url: Callable[[], str]) -> None:
        self.base_url = base_url

    def __call__(self, payment: Held) -> str:
        """Raises Unavailable (CW3048) where nothing or 5xx was answered, Refused (CW3049) where the side will never take it."""
        try:
            headers = {"Idempotency-Key": payment.key}
            answer = httpx.post(
                f"{self.base_url()}/payments", json=payment.body, headers=headers, timeout=_SECONDS, trust_env=False
            )
        except httpx.HTTPError as error:
            raise _silent(f"{type(error).__name__}: {error}") from error
        if answer.status_code in (200, 201):
            found = answer.json()
            return str(found.get("uetr") or found.get("payment_id") or payment.key)
        if answer.status_code >= 500 or answer.status_code in (408, 409, 429):
            raise _silent(f"it answered {answer.status_code}")
        raise Refused(
            "CW3049",
            f"the side that accepts writes refuses a held payment with {answer.status_code}",
            cause=answer.text[:120],
            state="it is returned, with this reason, and not sent again",
        )


def _silent(cause: str) -> Unavailable:
    return Unavailable(
        "CW3048",
        "a held payment got no answer",
        cause=cause,
        state="it stays in the ledger and is sent again under the same key",
        next="it is tried again by itself",
    )
