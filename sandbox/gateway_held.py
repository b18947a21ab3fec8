"""What the gateway does with a payment that cannot be refused while the route is dark: holds it, and says what became of it.

A client asks for it by `Prefer: respond-async` (RFC 7240). The payment stands in the project's ledger before the 202 goes out,
so that a gateway that is killed in between has lost nothing: the client repeats with its key and gets the same 202. Where the
ledger says no (the route has opened meanwhile) or does not answer, the client gets 503 like any other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cutwater.core.clock import iso, utc_now
from cutwater.core.errors import CutwaterError, Refused
from cutwater.state.records import HeldPayment
from cutwater.state.store import open_store
from sandbox.http_api import object_of, problem
from sandbox.legacy_store import Conflict, Invalid, NewPayment, new_payment

PREFERENCE = "respond-async"
CHANNEL = "api"


def asks_for_it(request: Request) -> bool:
    """A new payment whose sender wants to be answered at once, before it is carried out."""
    if request.method != "POST" or request.url.path != "/payments":
        return False
    words = ",".join(request.headers.getlist("prefer")).split(",")
    return any(word.partition(";")[0].strip().lower() == PREFERENCE for word in words)


class Holder:
    """The ledger's door. `url` is asked with each payment; one is taken in after the other."""

    def __init__(self, url: Callable[[], str]) -> None:
        self.url, self.guard = url, threading.Lock()

    def hold(self, request: Request, body: bytes, wave: str, epoch: int) -> Response:
        """202 with the place where its state is told; 400, 422 for what no side would take; 503: come back."""
        try:
            key = request.headers.get("idempotency-key", "")
            payment = new_payment(object_of(body), key)
            held = self._take_in(wave, epoch, key or str(payment.uetr), payment)
        except Invalid as error:
            return problem(request, 400, "The request breaks the described form", str(error))
        except Conflict as error:
            return problem(request, 422, "The key or UETR was used for another payment", str(error))
        except CutwaterError as error:
            if error.code == "CW2013":
                return problem(request, 422, "The key was used for another payment", error.what)
            return problem(request, 503, "The payments API is closed for the moment", error.what, retry=True)
        headers = {"Location": f"/held/{wave}/{quote(held.key, safe='')}", "Preference-Applied": PREFERENCE}
        return JSONResponse(_told(held), status_code=202, headers=headers)

    def state(self, request: Request) -> Response:
        """What became of a held payment: HELD, RELEASED (its status is told by `payment`) or RETURNED with the reason."""
        wave, key = request.path_params["wave"], request.path_params["key"]
        try:
            with open_store(self._url()) as store:
                found = store.held.find(wave, key)
        except CutwaterError as error:
            return problem(request, 503, "The ledger does not answer", error.what, retry=True)
        if found is None:
            return problem(request, 404, "Nothing has that identifier", "no payment was held under this key")
        return JSONResponse(_told(found))

    def _take_in(self, wave: str, epoch: int, key: str, payment: NewPayment) -> HeldPayment:
        """Raises Conflict for a UETR under a second key with another content; with the same, it is the payment held before."""
        body, account = _body(payment), payment.debtor_iban
        with self.guard, open_store(self._url()) as store:
            for other in store.held.of_account(wave, account):
                if other.key != key and other.body.get("uetr") == body["uetr"]:
                    if other.body == body:
                        return other
                    raise Conflict(f"{payment.uetr} is held under another key, with another content")
            return store.held.hold(wave, key, account, utc_now(), CHANNEL, body, epoch)

    def _url(self) -> str:
        if url := self.url():
            return url
        raise Refused("CW2009", "no project has named its ledger", next="cutwater sandbox up")


def _body(payment: NewPayment) -> dict[str, Any]:
    """What both sides read of a payment, and nothing else: a repeated request gives the same body. With its UETR, so that
    either side knows it again, whichever key it comes under."""
    return {
        "uetr": str(payment.uetr),
        "end_to_end_id": payment.end_to_end_id,
        "debtor_iban": payment.debtor_iban,
        "creditor_iban": payment.creditor_iban,
        "amount": f"{payment.amount:f}",
        "currency": payment.currency,
        "value_date": payment.value_date.isoformat(),
        "remittance": payment.remittance,
    }


def _told(held: HeldPayment) -> dict[str, Any]:
    uetr = str(held.body.get("uetr", ""))
    settled = iso(held.settled_at) if held.settled_at else None
    return {
        "state": held.state, "uetr": uetr, "received_at": iso(held.received_at), "settled_at": settled,
        "payment": f"/payments/{uetr}/status" if held.state == "RELEASED" else None, "reason": held.reason or None,
    }  # fmt: skip
