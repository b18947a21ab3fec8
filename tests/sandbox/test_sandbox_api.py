"""The legacy REST API: its description is valid, what it answers is as described, and a repeated call makes no second payment."""

from __future__ import annotations

import json
import secrets
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from psycopg import sql

from cutwater.core.config import Project
from sandbox import servers
from sandbox.estate.model import initiated_id, status_id
from sandbox.legacy_api import OPENAPI, application
from sandbox.legacy_store import Invalid, Store, new_payment

SCHEMA = Path(__file__).resolve().parents[2] / "sandbox" / "estate" / "payhub.sql"
BODY: dict[str, Any] = {
    "end_to_end_id": "INVOICE-1",
    "debtor_iban": "GB33BUKB20201555555555",
    "creditor_iban": "GB94BARC10201530093459",
    "amount": "12.34",
    "currency": "GBP",
    "value_date": "2026-11-23",
}


def test_the_description_is_valid() -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    document = json.loads(OPENAPI.read_text("utf-8"))
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    operations = {item["operationId"] for path in document["paths"].values() for item in path.values()}
    assert operations == {"health", "openapi", "listPayments", "createPayment", "getPaymentStatus", "listStatements"}


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "0"},
        {"amount": "-1"},
        {"amount": "1.000001"},
        {"amount": 12},
        {"amount": "NaN"},
        {"amount": "1e30"},
        {"amount": "x"},
        {"currency": "gbp"},
        {"value_date": "tomorrow"},
        {"end_to_end_id": ""},
        {"end_to_end_id": "x" * 36},
        {"debtor_iban": None},
        {"uetr": "not-a-uuid"},
    ],
)
def test_a_request_that_breaks_the_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        new_payment({**BODY, **change}, "key")


def test_a_request_without_any_identity_is_refused() -> None:
    with pytest.raises(Invalid, match="Idempotency-Key"):
        new_payment(BODY, "")


@pytest.fixture(scope="module")
def database(sandbox_project: Project) -> Iterator[str]:
    """A database of its own with the legacy schema and two accounts."""
    servers.up(sandbox_project)
    private = json.loads(sandbox_project.endpoints_file.read_text())["private"]
    name = f"api_{secrets.token_hex(3)}"
    dsn = private["admin_dsn"].rsplit("/", 1)[0] + f"/{name}"
    with psycopg.connect(private["admin_dsn"], autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(SCHEMA.read_text("utf-8").encode())
            connection.execute("INSERT INTO payhub.party VALUES (1, 'Example Ltd', 'SME', 'GB', NULL, NULL, now())")
            for number, iban in enumerate((BODY["debtor_iban"], BODY["creditor_iban"]), 1):
                connection.execute(
                    "INSERT INTO payhub.account (account_id, party_id, iban, currency, opened_on) VALUES (%s, 1, %s, 'GBP', '2020-01-01')",
                    [number, iban],
                )
            connection.execute(
                "INSERT INTO payhub.statement VALUES (1, 1, 7, 1, '2026-11-20', '2026-11-20', 100.00, 87.66, 'GBP')"
            )
        yield dsn
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.jsonl"


@contextmanager
def served(dsn: Callable[[], str], log: Path) -> Iterator[httpx.Client]:
    """The API over a real socket."""
    store = Store(dsn)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application(store, log), log_level="error", access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with httpx.Client(base_url=address, headers={"X-Client-Id": "branch-portal"}, trust_env=False, timeout=30) as found:
        yield found
    server.should_exit = True
    thread.join()
    listening.close()
    while not store.idle.empty():
        store.idle.get_nowait().close()


@pytest.fixture
def client(database: str, log: Path) -> Iterator[httpx.Client]:
    with served(lambda: database, log) as found:
        yield found


@pytest.mark.real
def test_a_payment_is_taken_in_with_its_status_and_its_events(client: httpx.Client, database: str) -> None:
    uetr = str(uuid.uuid4())
    made = client.post("/payments", json={**BODY, "uetr": uetr})
    assert made.status_code == 201
    assert made.headers["Location"] == f"/payments/{uetr}/status"
    payment_id = made.json()["payment_id"]
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT status::text, amount::text, channel::text FROM payhub.payment WHERE payment_id = %s", [payment_id]
        ).fetchall()
        statuses = connection.execute(
            "SELECT seq, status::text FROM payhub.payment_status WHERE payment_id = %s", [payment_id]
        ).fetchall()
        events = connection.execute(
            "SELECT event_id::text, topic, payload->>'amount' FROM payhub.outbox WHERE message_key = %s ORDER BY topic",
            [uetr],
        ).fetchall()
    assert row == [("RCVD", "12.34000", "API")]
    assert statuses == [(1, "RCVD")]
    assert events == [
        (initiated_id(uetr), "payhub.payment.initiated.v1", "12.34"),
        (status_id(uetr, 1), "payhub.payment.status.v1", None),
    ]


@pytest.mark.real
@pytest.mark.parametrize("named", ["uetr", "key"])
def test_a_repeated_call_makes_one_payment(client: httpx.Client, database: str, named: str) -> None:
    key = secrets.token_hex(8)
    body = {**BODY, "uetr": str(uuid.uuid4())} if named == "uetr" else BODY
    answers: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(client.post("/payments", json=body, headers={"Idempotency-Key": key}))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["payment_id"] for answer in answers}) == 1
    with psycopg.connect(database) as connection:
        uetr = answers[0].json()["uetr"]
        assert connection.execute("SELECT count(*) FROM payhub.outbox WHERE message_key = %s", [uetr]).fetchall() == [
            (2,)
        ]
    other = client.post("/payments", json={**body, "amount": "99"}, headers={"Idempotency-Key": key})
    assert other.status_code == 422
    assert other.headers["content-type"] == "application/problem+json"


@pytest.mark.real
def test_pages_show_every_payment_once(client: httpx.Client) -> None:
    for _ in range(3):
        assert client.post("/payments", json=BODY, headers={"Idempotency-Key": secrets.token_hex(8)}).status_code == 201
    seen, cursor = [], ""
    while cursor is not None:
        page = client.get("/payments", params={"limit": 2, "cursor": cursor}).json()
        seen += [payment["payment_id"] for payment in page["data"]]
        cursor = page["next_cursor"]
    assert seen == sorted(set(seen))
    assert len(seen) >= 3


@pytest.mark.real
def test_a_status_is_versioned(client: httpx.Client) -> None:
    uetr = client.post("/payments", json=BODY, headers={"Idempotency-Key": secrets.token_hex(8)}).json()["uetr"]
    found = client.get(f"/payments/{uetr}/status")
    assert found.json()["status"] == "RCVD"
    assert [change["seq"] for change in found.json()["history"]] == [1]
    again = client.get(f"/payments/{uetr}/status", headers={"If-None-Match": found.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.real
def test_statements_are_exact_text(client: httpx.Client) -> None:
    (statement,) = client.get("/accounts/1/statements").json()["data"]
    assert (statement["opening_balance"], statement["closing_balance"]) == ("100.00000", "87.66000")


@pytest.mark.real
@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/payments/{uuid.UUID(int=0)}/status", 404),
        ("/payments/x/status", 400),
        ("/payments?limit=0", 400),
        ("/payments?cursor=%21", 400),
        ("/accounts/99/statements", 404),
        ("/accounts/x/statements", 400),
        ("/nowhere", 404),
    ],
)
def test_a_wrong_call_is_a_problem(client: httpx.Client, path: str, status: int) -> None:
    assert client.get(path).status_code == status


@pytest.mark.real
def test_every_call_is_one_line_of_the_access_log(client: httpx.Client, log: Path) -> None:
    body = client.get("/payments", params={"limit": 1}).content
    client.post("/payments", content=b"no json")
    client.get("/health")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["method"], line["path"], line["operation_id"], line["status"]) for line in lines] == [
        ("GET", "/payments", "listPayments", 200),
        ("POST", "/payments", "createPayment", 400),
    ]
    assert lines[0]["bytes"] == len(body)
    assert lines[0]["client_id"] == "branch-portal"
    assert set(lines[0]) == {"ts", "method", "path", "operation_id", "status", "ms", "client_id", "bytes"}


@pytest.mark.real
def test_without_a_schema_or_a_database_the_api_says_so(sandbox_project: Project, log: Path) -> None:
    admin = json.loads(sandbox_project.endpoints_file.read_text())["private"]["admin_dsn"]
    for dsn, title in ((admin, "schema"), ("postgresql://nobody@127.0.0.1:9/none", "does not answer")):
        with served(lambda dsn=dsn: dsn, log) as client:
            answer = client.get("/payments")
        assert answer.status_code == 503
        assert title in answer.json()["title"]
