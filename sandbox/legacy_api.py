"""The legacy REST API: payments and statements, served from the legacy database.

    python -m sandbox.legacy_api FOLDER HOST PORT

Described by OpenAPI 3.1 at /openapi.json (sandbox/legacy_openapi.json). Every call is one line of JSON in the access log. Amounts
are decimal strings, times RFC 3339 in UTC, errors RFC 9457 problems. What it does in SQL is sandbox.legacy_store.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.epoch import ticket
from sandbox.http_api import cursor_of, encode_cursor, limit_of, object_of, serve, tagged, uuid_of
from sandbox.layout import Layout, dsn
from sandbox.legacy_store import Invalid, Store, new_payment

OPENAPI = Path(__file__).with_name("legacy_openapi.json")


class Api:
    """The operations. Each blocks on the database and runs in a thread."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.document = json.loads(OPENAPI.read_text("utf-8"))

    def health(self, request: Request, body: bytes) -> Response:
        self.store.ping()
        return JSONResponse({"status": "ok"})

    def openapi(self, request: Request, body: bytes) -> Response:
        return JSONResponse(self.document)

    def payment_status(self, request: Request, body: bytes) -> Response:
        return tagged(request, self.store.status(uuid_of(request)))

    def list_payments(self, request: Request, body: bytes) -> Response:
        limit = limit_of(request)
        rows = self.store.payments(cursor_of(request), limit + 1)
        more = len(rows) > limit
        cursor = encode_cursor(rows[limit - 1]["payment_id"]) if more else None
        return JSONResponse({"data": rows[:limit], "next_cursor": cursor})

    def create_payment(self, request: Request, body: bytes) -> Response:
        shown = replace(ticket(request.headers), smoke="")  # a smoke test is the other side's: it opens nothing here
        payment = new_payment(object_of(body), request.headers.get("idempotency-key", ""))
        found, created = self.store.create(payment, shown)
        location = f"/payments/{payment.uetr}/status"
        return JSONResponse(found, status_code=201 if created else 200, headers={"Location": location})

    def list_statements(self, request: Request, body: bytes) -> Response:
        try:
            account = int(request.path_params["account_id"])
        except ValueError:
            raise Invalid("account_id is a number") from None
        return JSONResponse({"data": self.store.statements(account, limit_of(request))})


def application(store: Store, access_log: Path) -> Starlette:
    """The ASGI application over one legacy database."""
    api = Api(store)
    return serve(
        access_log,
        [
            ("/health", api.health, "health", "GET"),
            ("/openapi.json", api.openapi, "openapi", "GET"),
            ("/payments", api.list_payments, "listPayments", "GET"),
            ("/payments", api.create_payment, "createPayment", "POST"),
            ("/payments/{uetr}/status", api.payment_status, "getPaymentStatus", "GET"),
            ("/accounts/{account_id}/statements", api.list_statements, "listStatements", "GET"),
        ],
    )


def main(argv: list[str]) -> None:
    """Serves until it is ended."""
    import uvicorn

    layout = Layout(Path(argv[0]))
    app = application(Store(lambda: dsn(layout, "payhub_owner", "payhub")), layout.access_log)
    uvicorn.run(app, host=argv[1], port=int(argv[2]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1:])
