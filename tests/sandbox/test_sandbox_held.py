"""Payments that cannot be refused, on real servers: held while it is dark, released once to the side that opens, whoever is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from cutover_bridge import WAVE, Bridge, count, key
from sandbox_support import eventually, layout_of

from cutwater.commands.wave_held import held as shown
from cutwater.state.records import HeldPayment
from cutwater.state.store import open_store
from sandbox.http import wrong
from sandbox.layout import HOST, free_port

pytestmark = pytest.mark.real
HERE = Path(__file__).parent
ASYNC = {"Prefer": "wait=5, Respond-Async"}


def ask(gateway: httpx.Client, body: dict[str, Any], name: str, **headers: str) -> httpx.Response:
    return gateway.post("/payments", json=body, headers={"Idempotency-Key": name, **ASYNC, **headers})


def ledger(bridge: Bridge) -> dict[str, HeldPayment]:
    with open_store(bridge.project.state_url) as store:
        return {item.key: item for item in store.held.list(WAVE)}


def order(dsn: str, schema: str, uetrs: list[str]) -> list[str]:
    """As they were numbered there."""
    query = f"SELECT uetr::text FROM {schema}.payment WHERE uetr = ANY(%s::uuid[]) ORDER BY payment_id"
    with psycopg.connect(dsn) as db:
        return [row[0] for row in db.execute(query.encode(), [uetrs])]


def test_held_once_per_key_and_others_are_told_to_come_back(
    bridge: Bridge, body: dict[str, Any], gateway: httpx.Client
) -> None:
    bridge.dark()
    name = key()
    first = ask(gateway, body, name)
    assert (first.status_code, first.headers["Preference-Applied"], first.json()["state"]) == (
        202,
        "respond-async",
        "HELD",
    )
    again = ask(gateway, body, name)
    assert (again.status_code, again.headers["Location"]) == (202, first.headers["Location"])
    assert ask(gateway, {**body, "amount": "99"}, name).status_code == 422
    same = ask(gateway, {**body, "uetr": first.json()["uetr"]}, key())
    assert (same.status_code, same.headers["Location"]) == (202, first.headers["Location"])  # one UETR, one payment
    assert ask(gateway, {**body, "uetr": first.json()["uetr"], "amount": "1"}, key()).status_code == 422
    assert ask(gateway, {**body, "amount": "1,5"}, key()).status_code == 400
    refused = gateway.post("/payments", json=body, headers={"Idempotency-Key": key()})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    listed = gateway.get("/payments", headers=ASYNC)
    assert listed.status_code == 503
    assert [item.key for item in ledger(bridge).values() if item.state == "HELD"] == [name]
    assert gateway.get(f"/held/{WAVE}/nobody").status_code == 404
    bridge.open("legacy")


@pytest.mark.parametrize("side", ["tobe", "legacy"])
def test_released_in_order_to_the_side_that_opens(
    bridge: Bridge, body: dict[str, Any], gateway: httpx.Client, side: str
) -> None:
    bridge.dark()
    answers = [ask(gateway, {**body, "amount": f"{n}.10"}, key()) for n in range(1, 6)]
    unknown = ask(gateway, {**body, "debtor_iban": "GB00NOBODY"}, key())
    uetrs = [answer.json()["uetr"] for answer in answers]
    bridge.open(side)
    schema, dsn = ("tobe", bridge.ends.store_dsn) if side == "tobe" else ("payhub", bridge.ends.postgres_dsn)
    assert order(dsn, schema, uetrs) == uetrs
    for answer in answers:
        told = gateway.get(answer.headers["Location"]).json()
        assert told["state"] == "RELEASED"
        assert gateway.get(told["payment"]).json()["status"] == "RCVD"
    returned = gateway.get(unknown.headers["Location"]).json()
    assert (returned["state"], returned["payment"]) == ("RETURNED", None)
    assert "CW3049" in returned["reason"]
    # Its sender repeats it at the open route, as one does who had no answer: it is the same payment.
    late = [name for name, item in ledger(bridge).items() if item.body["uetr"] == uetrs[0]]
    repeated = gateway.post(
        "/payments", json={**body, "uetr": uetrs[0], "amount": "1.10"}, headers={"Idempotency-Key": late[0]}
    )
    assert repeated.status_code == 200
    assert count(dsn, f"{schema}.payment", uetrs[0]) == 1
    found = shown(bridge.project, WAVE)
    assert found["proof"]["held"] == found["proof"]["released"] + found["proof"]["returned"]
    assert found["proved"]
    assert all(body["debtor_iban"] not in str(item) for item in found["payments"])


def test_what_was_held_goes_to_the_other_side_after_a_rollback(
    bridge: Bridge, body: dict[str, Any], gateway: httpx.Client
) -> None:
    """Sent to the new side, its answer lost, then the way back: the legacy side has it by the reverse sync, and once."""
    bridge.dark()
    name = key()
    uetr = ask(gateway, body, name).json()["uetr"]
    bridge.opens("tobe")  # without a release
    die(bridge, "sent", 1)
    bridge.dark()
    assert ledger(bridge)[name].state == "HELD"
    bridge.open("legacy")
    assert ledger(bridge)[name].state == "RELEASED"
    assert count(bridge.ends.postgres_dsn, "payhub.payment", uetr) == 1


@pytest.mark.parametrize(
    ("moment", "number"), [("offered", 1), ("sent", 1), ("offered", 3), ("sent", 3), ("released", 0)]
)
def test_a_runner_killed_in_the_middle_of_the_release_pays_nothing_twice(
    bridge: Bridge, body: dict[str, Any], gateway: httpx.Client, moment: str, number: int
) -> None:
    bridge.dark()
    uetrs = [ask(gateway, {**body, "amount": f"{n}.20"}, key()).json()["uetr"] for n in range(1, 5)]
    bridge.opens("tobe")
    die(bridge, moment, number)
    assert bridge.release() is not None
    assert order(bridge.ends.store_dsn, "tobe", uetrs) == uetrs
    mine = [item for item in ledger(bridge).values() if item.body["uetr"] in uetrs]
    assert [item.state for item in mine] == ["RELEASED"] * 4
    assert bridge.release() == {"released": 0, "returned": 0}


def test_a_gateway_killed_before_its_answer_has_held_the_payment_once(
    bridge: Bridge, body: dict[str, Any], gateway: httpx.Client, cleanup: Callable[[subprocess.Popen[bytes]], None]
) -> None:
    bridge.dark()
    port, name = free_port(set()), key()
    argv = [sys.executable, str(HERE / "crashing_gateway.py"), str(layout_of(bridge.project).home), HOST, str(port)]
    dying = subprocess.Popen(argv, cwd=layout_of(bridge.project).home)
    cleanup(dying)
    assert eventually(lambda: not wrong(port, "/health"))
    url = f"http://{HOST}:{port}"
    assert eventually(lambda: httpx.get(f"{url}/_route", trust_env=False).json()["why"] == "")
    with pytest.raises(httpx.TransportError):
        httpx.post(
            f"{url}/payments", json=body, headers={"Idempotency-Key": name, **ASYNC}, trust_env=False, timeout=30
        )
    assert dying.wait(30) == -signal.SIGKILL
    assert ledger(bridge)[name].state == "HELD"
    again = ask(gateway, body, name)
    assert (again.status_code, again.json()["state"]) == (202, "HELD")
    bridge.open("tobe")
    assert count(bridge.ends.store_dsn, "tobe.payment", again.json()["uetr"]) == 1


def test_a_gateway_that_lags_holds_nothing_behind_the_release(bridge: Bridge, body: dict[str, Any]) -> None:
    """It believes in a dark that is over: the ledger is closed, and it says come back."""
    from cutwater.core.errors import Refused

    bridge.dark()
    dark = bridge.epoch
    bridge.open("tobe")
    late = {**body, "uetr": str(uuid.uuid4())}
    with open_store(bridge.project.state_url) as store:
        now = store.now()
        with pytest.raises(Refused, match="CW2018"):
            store.held.hold(WAVE, key(), "A", now, "api", late, dark)


def die(bridge: Bridge, moment: str, number: int) -> None:
    """Another process releases, and is killed."""
    bridge.lease()
    script = [sys.executable, str(HERE / "crashing_release.py"), str(bridge.project.root)]
    ended = subprocess.run([*script, WAVE, str(bridge.epoch), moment, str(number)], check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL


@pytest.fixture
def cleanup() -> Any:
    started: list[subprocess.Popen[bytes]] = []
    yield started.append
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(30)
