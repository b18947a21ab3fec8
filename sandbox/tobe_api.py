"""The To-Be payments API over the store, and the To-Be status API over the lake's serving table.

    python -m sandbox.tobe_api FOLDER HOST PORT

Described by OpenAPI 3.1 at /openapi.json (sandbox/tobe_openapi.json); forms and problems are those of the legacy API, so that
a client notices nothing. What it does in SQL is sandbox.tobe_store.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cutwater.core.config import Endpoints
from sandbox.epoch import ticket
from sandbox.http_api import (
    cursor_of,
    encode_cursor,
    limit_of,
    object_of,
    problem,
    serve,
    tagged,
    uuid_of,
)
from sandbox.layout import TOBE, Layout, dsn
from sandbox.legacy_store import Missing, new_payment, plain_row
from sandbox.tobe_lake import PAYMENT, Lake, NoCopy
from sandbox.tobe_store import TobeStore

OPENAPI = Path(__file__).with_name("tobe_openapi.json")


class Api:
    """The operations. Each blocks on the database and runs in a thread."""

    def __init__(self, store: TobeStore) -> None:
        self.store, self.lake = store, store.lake
        self.document = json.loads(OPENAPI.read_text("utf-8"))

    def health(self, request: Request, body: bytes) -> Response:
        self.store.ping()
        return JSONResponse({"status": "ok"})

    def openapi(self, request: Request, body: bytes) -> Response:
        return JSONResponse(self.document)

    def create_payment(self, request: Request, body: bytes) -> Response:
        shown, key = ticket(request.headers), request.headers.get("idempotency-key", "")
        payment = new_payment(object_of(body), key)
        found, created = self.store.take(payment, shown, key)
        location = f"/payments/{payment.uetr}/status"
        return JSONResponse(found, status_code=201 if created else 200, headers={"Location": location})

    def list_payments(self, request: Request, body: bytes) -> Response:
        limit = limit_of(request)
        rows = self.store.payments(cursor_of(request), limit + 1)
        cursor = encode_cursor(rows[limit - 1]["payment_id"]) if len(rows) > limit else None
        return JSONResponse({"data": rows[:limit], "next_cursor": cursor})

    def add_status(self, request: Request, body: bytes) -> Response:
        shown, uetr = ticket(request.headers), uuid_of(request)
        found, created = self.store.advance(uetr, object_of(body), shown)
        return JSONResponse(found, status_code=201 if created else 200)

    def payment_status(self, request: Request, body: bytes) -> Response:
        return tagged(request, self.store.status(uuid_of(request)))

    def served_status(self, request: Request, body: bytes) -> Response:
        """From the lake: behind by its lag, which the answer states."""
        uetr = uuid_of(request)
        try:
            found, seen = self.lake.serving(str(uetr))
        except NoCopy as error:
            return problem(request, 503, "The serving table is not there", str(error), retry=True)
        if found is None:
            raise Missing(f"no payment in {PAYMENT} has the UETR {uetr} as of {seen['as_of']}")
        row: dict[str, Any] = plain_row(found)
        told = {name: row[name] for name in ("payment_id", "uetr", "status", "updated_at")}
        return JSONResponse({**told, "source": PAYMENT, **seen})


def application(store: TobeStore, access_log: Path) -> Starlette:
    """The ASGI application over one store."""
    api = Api(store)
    return serve(
        access_log,
        [
            ("/health", api.health, "health", "GET"),
            ("/openapi.json", api.openapi, "openapi", "GET"),
            ("/payments", api.list_payments, "listPayments", "GET"),
            ("/payments", api.create_payment, "createPayment", "POST"),
            ("/payments/{uetr}/status", api.payment_status, "getPaymentStatus", "GET"),
            ("/payments/{uetr}/status", api.add_status, "addPaymentStatus", "POST"),
            ("/status/{uetr}", api.served_status, "getServedStatus", "GET"),
        ],
    )


def main(argv: list[str]) -> None:
    """Serves until it is ended."""
    import uvicorn

    layout = Layout(Path(argv[0]))
    lake = Lake(
        lambda: Endpoints(catalog_dsn=dsn(layout, "lake", "lake"), warehouse=layout.warehouse.resolve().as_uri())
    )
    threading.Thread(target=lake.warm, name="lake", daemon=True).start()
    app = application(TobeStore(lambda: dsn(layout, "tobe_owner", "tobe", TOBE), lake), layout.tobe_access_log)
    uvicorn.run(app, host=argv[1], port=int(argv[2]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1:])
