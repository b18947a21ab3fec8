"""What the sandbox's REST APIs share: routes that run in threads, the forms of requests, and RFC 9457 problems."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.epoch import RETRY_AFTER_SECONDS, Fenced, Stale, is_refusal
from sandbox.legacy_log import AccessLog
from sandbox.legacy_store import Conflict, Invalid, Missing

DEFAULT_LIMIT, HIGHEST_LIMIT = 50, 500
Work = Callable[[Request, bytes], Response]
_PROBLEMS: dict[type[Exception], tuple[int, str]] = {
    Missing: (404, "Not found"),
    Invalid: (400, "Bad request"),
    Conflict: (422, "The idempotency key or the UETR belongs to another payment"),
    Stale: (409, "Another epoch"),
    Fenced: (503, "Writes are refused"),
}


def serve(access_log: Path, operations: Sequence[tuple[str, Work, str, str]]) -> Starlette:
    """The ASGI application. operations: (path, work, operationId, method); each works in a thread."""

    def route(path: str, work: Work, operation: str, method: str) -> Route:
        async def endpoint(request: Request) -> Response:
            request.state.operation = operation
            return await run_in_threadpool(_answered, work, request, await request.body())

        return Route(path, endpoint, methods=[method], name=operation)

    app = Starlette(routes=[route(*item) for item in operations])
    app.add_middleware(AccessLog, path=access_log)
    return app


def _answered(work: Work, request: Request, body: bytes) -> Response:
    """The work's answer, or the problem document of what went wrong."""
    try:
        return work(request, body)
    except tuple(_PROBLEMS) as error:
        status, title = _PROBLEMS[type(error)]
        return problem(request, status, title, str(error), retry=status == 503)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return problem(request, 503, "The schema is not there yet", "cutwater sandbox seed")
    except psycopg.OperationalError as error:
        return problem(request, 503, "The database does not answer", type(error).__name__, retry=True)
    except psycopg.Error as error:
        if not is_refusal(error):
            raise
        return problem(request, 503, "Writes are refused", str(error.diag.message_primary or ""), retry=True)


def problem(request: Request, status: int, title: str, detail: str, retry: bool = False) -> Response:
    """An RFC 9457 document; `retry`: with Retry-After."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": request.url.path}
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if retry else None
    return JSONResponse(document, status_code=status, media_type="application/problem+json", headers=headers)


def tagged(request: Request, found: dict[str, Any]) -> Response:
    """An answer with its version as ETag; 304 where the caller has that one."""
    tag = f'"{found["version"]}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return JSONResponse(found, headers={"ETag": tag})


def uuid_of(request: Request) -> uuid.UUID:
    try:
        return uuid.UUID(request.path_params["uetr"])
    except ValueError:
        raise Invalid("uetr is a UUID") from None


def limit_of(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not text.isdecimal() or not 1 <= int(text) <= HIGHEST_LIMIT:
        raise Invalid(f"limit is a number from 1 to {HIGHEST_LIMIT}")
    return int(text)


def cursor_of(request: Request) -> int:
    """The payment_id after which the page begins; callers treat the cursor as opaque."""
    text = request.query_params.get("cursor", "")
    if not text:
        return 0
    try:
        return int(base64.urlsafe_b64decode(text.encode("ascii")).decode("ascii").removeprefix("p:"))
    except (ValueError, binascii.Error):
        raise Invalid("cursor is not one that this API gave") from None


def encode_cursor(payment_id: int) -> str:
    return base64.urlsafe_b64encode(f"p:{payment_id}".encode("ascii")).decode("ascii")


def object_of(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body, parse_float=str)
    except ValueError:
        raise Invalid("the body is not JSON") from None
    if not isinstance(document, dict):
        raise Invalid("the body is not a JSON object")
    return document
