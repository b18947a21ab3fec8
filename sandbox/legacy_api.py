"""The legacy REST API: payments and statements, served from the legacy database.

    python -m sandbox.legacy_api FOLDER HOST PORT

Described by OpenAPI 3.1 at /openapi.json (sandbox/legacy_openapi.json). Every call is one line of JSON in the access log. Amounts
are decimal strings, times RFC 3339 in UTC, errors RFC 9457 problems. What it does in SQL is sandbox.legacy_store.
"""

from __future__ import annotations

import base64
import binascii
import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.layout import Layout, dsn
from sandbox.legacy_log import AccessLog
from sandbox.legacy_store import Conflict, Invalid, Missing, Store, new_payment

OPENAPI = Path(__file__).with_name("legacy_openapi.json")
DEFAULT_LIMIT, HIGHEST_LIMIT = 50, 500
_PROBLEMS: dict[type[Exception], tuple[int, str]] = {
    Missing: (404, "Not found"),
    Invalid: (400, "Bad request"),
    Conflict: (422, "The idempotency key or the UETR belongs to another payment"),
}


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
        found = self.store.status(_uuid(request.path_params["uetr"]))
        tag = f'"{found["version"]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return JSONResponse(found, headers={"ETag": tag})

    def list_payments(self, request: Request, body: bytes) -> Response:
        limit = _limit(request)
        rows = self.store.payments(_cursor(request), limit + 1)
        more = len(rows) > limit
        cursor = _encode(rows[limit - 1]["payment_id"]) if more else None
        return JSONResponse({"data": rows[:limit], "next_cursor": cursor})

    def create_payment(self, request: Request, body: bytes) -> Response:
        payment = new_payment(_object(body), request.headers.get("idempotency-key", ""))
        found, created = self.store.create(payment)
        location = f"/payments/{payment.uetr}/status"
        return JSONResponse(found, status_code=201 if created else 200, headers={"Location": location})

    def list_statements(self, request: Request, body: bytes) -> Response:
        try:
            account = int(request.path_params["account_id"])
        except ValueError:
            raise Invalid("account_id is a number") from None
        return JSONResponse({"data": self.store.statements(account, _limit(request))})


def application(store: Store, access_log: Path) -> Starlette:
    """The ASGI application over one legacy database."""
    api = Api(store)

    def route(path: str, work: Callable[[Request, bytes], Response], operation: str, method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:
            request.state.operation = operation
            return await run_in_threadpool(_answered, work, request, await request.body())

        return Route(path, endpoint, methods=[method], name=operation)

    app = Starlette(
        routes=[
            route("/health", api.health, "health"),
            route("/openapi.json", api.openapi, "openapi"),
            route("/payments", api.list_payments, "listPayments"),
            route("/payments", api.create_payment, "createPayment", "POST"),
            route("/payments/{uetr}/status", api.payment_status, "getPaymentStatus"),
            route("/accounts/{account_id}/statements", api.list_statements, "listStatements"),
        ]
    )
    app.add_middleware(AccessLog, path=access_log)
    return app


def _answered(work: Callable[[Request, bytes], Response], request: Request, body: bytes) -> Response:
    """The work's answer, or the problem document of what went wrong."""
    try:
        return work(request, body)
    except (Missing, Invalid, Conflict) as error:
        status, title = _PROBLEMS[type(error)]
        return _problem(request, status, title, str(error))
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return _problem(request, 503, "The legacy schema is not there yet", "cutwater sandbox seed")
    except psycopg.errors.RaiseException as error:
        return _problem(request, 503, "Writes are refused", str(error.diag.message_primary or ""))
    except psycopg.OperationalError as error:
        return _problem(request, 503, "The legacy database does not answer", type(error).__name__)


def _problem(request: Request, status: int, title: str, detail: str) -> Response:
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": request.url.path}
    return JSONResponse(document, status_code=status, media_type="application/problem+json")


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Invalid("uetr is a UUID") from None


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not text.isdecimal() or not 1 <= int(text) <= HIGHEST_LIMIT:
        raise Invalid(f"limit is a number from 1 to {HIGHEST_LIMIT}")
    return int(text)


def _cursor(request: Request) -> int:
    """The payment_id after which the page begins; callers treat the cursor as opaque."""
    text = request.query_params.get("cursor", "")
    if not text:
        return 0
    try:
        return int(base64.urlsafe_b64decode(text.encode("ascii")).decode("ascii").removeprefix("p:"))
    except (ValueError, binascii.Error):
        raise Invalid("cursor is not one that this API gave") from None


def _encode(payment_id: int) -> str:
    return base64.urlsafe_b64encode(f"p:{payment_id}".encode("ascii")).decode("ascii")


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body, parse_float=str)
    except ValueError:
        raise Invalid("the body is not JSON") from None
    if not isinstance(document, dict):
        raise Invalid("the body is not a JSON object")
    return document


def main(argv: list[str]) -> None:
    """Serves until it is ended."""
    import uvicorn

    layout = Layout(Path(argv[0]))
    app = application(Store(lambda: dsn(layout, "payhub_owner", "payhub")), layout.access_log)
    uvicorn.run(app, host=argv[1], port=int(argv[2]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1:])
