"""An API by its document and its access log."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.http_api.discovery import CLIENT_ID, ApiDiscoverer
from cutwater.core.errors import BadInput, Unavailable
from inventory.ports import Discovery

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
Serve = Callable[[Any], str]
SCHEMA = {
    "type": "object",
    "properties": {"debtor_iban": {"type": "string"}, "amount": {"type": "number", "minimum": 0.01}},
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Payments", "version": "2.7.0"},
    "security": [{"mtls": []}],
    "paths": {
        "/payments": {
            "post": {
                "operationId": "createPayment",
                "parameters": [{"$ref": "#/components/parameters/key"}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Payment"}}}},
                "responses": {"201": {}, "400": {}},
            }
        },
        "/payments/{uetr}/status": {
            "parameters": [{"name": "uetr", "in": "path", "required": True}],
            "get": {"operationId": "getStatus", "responses": {"200": {}}},
        },
        "/old": {"get": {"responses": {"200": {}}}},
    },
    "components": {
        "parameters": {"key": {"name": "Idempotency-Key", "in": "header", "required": True}},
        "schemas": {"Payment": SCHEMA},
    },
}


def call(method: str, path: str, client: str = "app", status: int = 200, operation: str = "", ms: int = 10) -> str:
    line = {"ts": "2026-11-20T10:00:00Z", "method": method, "path": path, "operation_id": operation}
    return json.dumps({**line, "status": status, "ms": ms, "client_id": client, "bytes": 1})


@pytest.fixture
def log(tmp_path: Path) -> Path:
    lines = [
        call("POST", "/payments", operation="createPayment"),
        *(call("GET", "/payments/0f8fad5b-d9cb-469f-a165-70867728950e/status", ms=ms) for ms in range(100)),
        call("GET", "/payments/x/status?full=1", client="", ms=5000),
        call("GET", "/payments", client=CLIENT_ID),
        call("DELETE", "/payments/17/hold", client="batch"),
        call("DELETE", "/payments/18/hold", client="batch"),
        call("GET", "/wp-admin", status=404),
        "not json",
        '{"ts": "yesterday", "method": "GET", "path": "/"}',
    ]
    path = tmp_path / "access.log"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture
def found(serve: Serve, log: Path) -> Discovery:
    return ApiDiscoverer(serve(DOCUMENT), str(log)).discover(NOW)


def test_operations_and_what_is_used_beside_them(found: Discovery) -> None:
    volumes = {item.id: item.measures["volume"] for item in found.assets}
    assert volumes == {
        "api:createPayment": 1,
        "api:getStatus": 101,
        "api:GET /old": 0,
        "api:DELETE /payments/{id}/hold": 2,
    }
    assert found.not_checked == {"access_log.lines": "2 lines are no JSON with ts, method and path"}
    assert found.system["callers"] == ["app", "batch"]


def test_an_operations_structure(found: Discovery) -> None:
    create = next(item for item in found.assets if item.name == "createPayment")
    assert create.structure["idempotency_key"] is True
    assert create.structure["security"] == ["mtls"]
    assert create.structure["parameters"] == [{"name": "header:Idempotency-Key", "required": True}]
    assert create.measures["pii"] == {"debtor_iban": {"what": "iban", "by": "name", "hit_rate": ""}}


def test_usage_is_counted_by_caller_with_latencies(found: Discovery) -> None:
    status = next(item for item in found.assets if item.name == "getStatus")
    assert status.measures["callers"] == {"": 1, "app": 100}
    assert (status.measures["p50_ms"], status.measures["p99_ms"]) == (50, 99)
    assert status.last_seen == datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_what_a_person_has_to_know(found: Discovery) -> None:
    assert {(item.asset, item.state, item.text) for item in found.findings} == {
        ("api:getStatus", "blocked", "unknown caller: 1 calls without a client id"),
        ("api:GET /old", "unknown", "never called, as far as the log reaches"),
        ("api:DELETE /payments/{id}/hold", "blocked", "in use, but not in the document"),
    }


def test_a_change_behind_a_reference_changes_the_structure(serve: Serve, log: Path, found: Discovery) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["components"]["schemas"]["Payment"]["properties"]["purpose"] = {"type": "string"}
    again = ApiDiscoverer(serve(document), str(log)).discover(NOW)
    before = {item.id: item.structure_hash for item in found.assets}
    assert [item.id for item in again.assets if before[item.id] != item.structure_hash] == ["api:createPayment"]


def test_a_schema_that_refers_to_itself_ends(serve: Serve) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["components"]["schemas"]["Payment"]["properties"]["child"] = {"$ref": "#/components/schemas/Payment"}
    assert len(ApiDiscoverer(serve(document)).discover(NOW).assets) == 3


def test_of_a_long_log_the_end_is_read(serve: Serve, log: Path) -> None:
    found = ApiDiscoverer(serve(DOCUMENT), str(log), log_bytes=300).discover(NOW)
    assert "first" in found.not_checked["access_log"]


def test_without_a_log_callers_are_unknown(serve: Serve, tmp_path: Path) -> None:
    found = ApiDiscoverer(serve(DOCUMENT)).discover(NOW)
    assert {item.measures["volume"] for item in found.assets} == {None}
    assert {item.text for item in found.findings} == {"no access log: callers are not known"}
    gone = ApiDiscoverer(serve(DOCUMENT), str(tmp_path / "gone.log")).discover(NOW)
    assert "No such file" in gone.not_checked["access_log"]


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"openapi": "3.1.0"}'])
def test_another_answer_is_no_document(serve: Serve, answer: bytes) -> None:
    with pytest.raises(BadInput, match="CW2107"):
        ApiDiscoverer(serve(answer)).discover(NOW)


def test_a_dead_api_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="CW2109"):
        ApiDiscoverer("http://127.0.0.1:1").discover(NOW)
