"""Both sides of a cutover on real servers: another epoch is refused, a key is answered once, and traffic that goes over and
back loses and doubles nothing."""

from __future__ import annotations

import os
import signal
import uuid
from collections import Counter
from typing import Any

import httpx
import psycopg
import pytest
from cutover_bridge import WAVE, Bridge, count, direct, key
from sandbox_support import eventually, kill, running

from adapters.aws.route import Route
from cutwater.core.clock import utc_now
from cutwater.core.config import Endpoints, Project
from cutwater.state.store import open_store
from sandbox import servers
from sandbox.estate.api_client import ApiClient
from sandbox.estate.observe import differences
from sandbox.estate.traffic import Traffic

pytestmark = pytest.mark.real


@pytest.fixture
def project(cutover_project: Project) -> Project:
    return cutover_project


# The exact counts of traffic come first: later tests pay past the ground truth.


def uetrs(dsn: str, schema: str) -> Counter[str]:
    with psycopg.connect(dsn) as db:
        return Counter(row[0] for row in db.execute(f"SELECT uetr::text FROM {schema}.payment".encode()).fetchall())


def ticks(traffic: Traffic, number: int) -> None:
    for _ in range(number):
        traffic._guarded(traffic._tick)


def test_traffic_over_and_back_loses_and_doubles_nothing(bridge: Bridge) -> None:
    """At the end the legacy side holds all of it, by the reverse sync what was taken in on the other side: ground truth, which
    counts each payment, status, event and file once, and the servers tell the same."""
    project, traffic = bridge.project, Traffic(bridge.project, rate=80)
    traffic._posts_owed = 3
    ticks(traffic, 6)
    for side in ("tobe", "legacy", "tobe"):
        bridge.dark()
        traffic._posts_owed += 2
        ticks(traffic, 4)
        assert traffic.waiting, "what came while it was dark waits"
        assert traffic.api.waiting
        assert traffic.counter.accepted, "a caller who cannot wait was answered with 202"
        bridge.open(side)
        ticks(traffic, 8)
        assert not traffic.waiting
    traffic.drain()
    bridge.dark()
    bridge.open("legacy")
    traffic._save(clean=True)
    held, store = traffic._held(), uetrs(bridge.ends.store_dsn, "tobe")
    assert traffic.errors == {}
    assert min(held["payments"], held["statuses"], held["api"], held["accepted"]) > 0
    with open_store(project.state_url) as ledger:
        proof = ledger.held.proof(WAVE)
    assert (proof.held, proof.released, proof.problems) == (held["accepted"], held["accepted"], ())
    assert len(store) > 10
    assert set(store.values()) == {1}
    assert set(store) <= set(uetrs(bridge.ends.postgres_dsn, "payhub"))
    assert differences(project) == []


def test_a_fence_without_a_word_from_the_route_holds_too(bridge: Bridge) -> None:
    """The database refuses before the gateway knows: nothing is lost, and nothing is an error."""
    traffic = Traffic(bridge.project, rate=80)
    ticks(traffic, 2)
    bridge.route("legacy")
    bridge.fence("legacy", bridge.epoch, closed=True)
    ticks(traffic, 4)
    waiting = len(traffic.waiting)
    assert waiting > 0
    bridge.fence("legacy", bridge.epoch, closed=False)
    traffic.drain()
    assert traffic.errors == {}
    assert not traffic.waiting
    assert traffic._held()["payments"] >= waiting
    traffic._save(clean=True)
    assert differences(bridge.project) == []


@pytest.mark.parametrize("committed", [True, False])
def test_a_transaction_whose_answer_was_lost_is_asked_for(bridge: Bridge, committed: bool) -> None:
    """The connection breaks at COMMIT: whether it went through is looked up before anything else is written."""
    traffic = Traffic(bridge.project, rate=80)
    ticks(traffic, 2)
    real = traffic.sides.write

    def broken(work: Any) -> Any:
        from sandbox.estate.sides import Unclear

        if committed:
            real(work)
        traffic.sides.write = real  # type: ignore[method-assign]
        raise Unclear("the connection is gone")

    traffic.sides.write = broken  # type: ignore[method-assign]
    while traffic.unclear is None:
        ticks(traffic, 1)
    asked = [item.uetr for item in traffic.unclear[1].opened]
    traffic.drain()
    assert set(traffic.errors) == {"Unclear"}
    traffic._save(clean=True)
    seen = uetrs(bridge.ends.postgres_dsn, "payhub")
    assert {seen[uetr] for uetr in asked} <= {1}
    assert differences(bridge.project) == []


def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_key(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic = Traffic(bridge.project, rate=80)
    client = ApiClient(bridge.ends.gateway_url)
    post, lost = client._client.post, []

    def once(*args: Any, **more: Any) -> httpx.Response:
        answer = post(*args, **more)
        if not lost:
            lost.append(answer.json()["uetr"])
            raise httpx.ReadError("the answer was lost")
        return answer

    monkeypatch.setattr(client._client, "post", once)
    traffic._posts_owed = 1
    traffic.api, unused = client, traffic.api
    unused.close()
    traffic._post(utc_now())
    assert client.counts == {"retried": 1}
    traffic.drain()
    assert count(bridge.ends.postgres_dsn, "payhub.payment", lost[0]) == 1
    assert traffic.tally.counts["channels/API"] == 1
    traffic._save(clean=True)
    assert differences(bridge.project) == []


def test_the_description_of_the_to_be_api_is_valid(project: Project) -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    document = httpx.get(f"{project.endpoints().tobe_api_url}/openapi.json", trust_env=False).json()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_another_epoch_is_refused_on_both_sides_and_nothing_is_written(bridge: Bridge, body: dict[str, Any]) -> None:
    ends = bridge.ends
    for side, url in (("legacy", ends.api_url), ("store", ends.tobe_api_url)):
        bridge.fence(side, 7, closed=False)
        for epoch, wanted in (("6", 409), ("8", 409), ("x", 409), ("7", 201)):
            name = key()
            answer = direct(url, body, name, **{"X-Cutwater-Epoch": epoch, "X-Cutwater-Wave": WAVE})
            assert (side, epoch, answer.status_code) == (side, epoch, wanted)
            if wanted == 409:
                assert answer.headers["content-type"] == "application/problem+json"
                assert direct(url, body, name, **{"X-Cutwater-Epoch": "7"}).status_code == 201


def test_a_closed_side_says_come_back(bridge: Bridge, body: dict[str, Any]) -> None:
    ends = bridge.ends
    for side, url in (("legacy", ends.api_url), ("store", ends.tobe_api_url)):
        bridge.fence(side, 7, closed=True)
        for headers in ({}, {"X-Cutwater-Epoch": "7", "X-Cutwater-Wave": WAVE}):
            answer = direct(url, body, key(), **headers)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_a_smoke_test_does_not_open_the_legacy_side(bridge: Bridge, body: dict[str, Any]) -> None:
    bridge.fence("legacy", 7, closed=True)
    assert direct(bridge.ends.api_url, body, key(), **{"X-Cutwater-Smoke": "s1"}).status_code == 503


def test_while_dark_only_a_smoke_test_passes(bridge: Bridge, body: dict[str, Any], gateway: httpx.Client) -> None:
    bridge.dark()
    refused = gateway.post("/payments", json=body, headers={"Idempotency-Key": key()})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    passed = gateway.post("/payments", json=body, headers={"Idempotency-Key": key(), "X-Cutwater-Smoke": "s-1"})
    assert (passed.status_code, passed.headers["X-Cutwater-Side"]) == (201, "tobe")
    uetr = passed.json()["uetr"]
    undone = gateway.post(
        f"/payments/{uetr}/status", json={"status": "CANC", "reason_code": "CUST"}, headers={"X-Cutwater-Smoke": "s-1"}
    )
    assert (undone.status_code, undone.json()["seq"]) == (201, 2)
    with psycopg.connect(bridge.ends.store_dsn) as store:
        marks = store.execute("SELECT smoke, status FROM tobe.payment WHERE uetr = %s", [uetr]).fetchall()
        told = store.execute(
            "SELECT kind, payload ->> 'smoke' FROM tobe.outbox WHERE payload ->> 'uetr' = %s ORDER BY seq", [uetr]
        ).fetchall()
    assert marks == [("s-1", "CANC")]
    assert told == [("payment", "s-1"), ("status", "s-1"), ("status", "s-1")]
    bridge.fence("store", bridge.epoch + 1, closed=False)  # opened for the smoke test, the route still dark
    again = gateway.post("/payments", json=body, headers={"Idempotency-Key": key(), "X-Cutwater-Smoke": "s-2"})
    assert again.status_code == 201
    assert count(bridge.ends.postgres_dsn, "payhub.payment", uetr) == 0


def test_a_key_is_answered_alike_on_both_sides(bridge: Bridge, body: dict[str, Any], gateway: httpx.Client) -> None:
    """The answer of the legacy side was lost; the client repeats it after the switch, when the keys have been brought over."""
    uetr, name = str(uuid.uuid4()), key()
    first = gateway.post("/payments", json={**body, "uetr": uetr}, headers={"Idempotency-Key": name})
    assert (first.status_code, first.headers["X-Cutwater-Side"]) == (201, "legacy")
    bridge.dark()
    bridge.open("tobe")
    for _ in range(2):
        again = gateway.post("/payments", json={**body, "uetr": uetr}, headers={"Idempotency-Key": name})
        assert (again.status_code, again.headers["X-Cutwater-Side"]) == (200, "tobe")
        assert again.json()["payment_id"] == first.json()["payment_id"]
    assert count(bridge.ends.store_dsn, "tobe.payment", uetr) == 0
    # A status of it is written by the side that is open now.
    made = gateway.post(f"/payments/{uetr}/status", json={"status": "ACSC", "seq": 2})
    assert (made.status_code, made.json()["payment_id"]) == (201, first.json()["payment_id"])
    assert gateway.post(f"/payments/{uetr}/status", json={"status": "ACSC", "seq": 2}).status_code == 200
    assert gateway.post(f"/payments/{uetr}/status", json={"status": "RJCT", "seq": 2}).status_code == 422
    assert gateway.get(f"/payments/{uetr}/status").json()["status"] == "ACSC"


def test_a_key_makes_one_payment_on_the_to_be_side(bridge: Bridge, body: dict[str, Any], gateway: httpx.Client) -> None:
    bridge.dark()
    bridge.open("tobe")
    name = key()
    first = gateway.post("/payments", json=body, headers={"Idempotency-Key": name})
    again = gateway.post("/payments", json=body, headers={"Idempotency-Key": name})
    other = gateway.post("/payments", json={**body, "amount": "99"}, headers={"Idempotency-Key": name})
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 422)
    assert first.json() == again.json()
    taken = gateway.post("/payments", json={**body, "uetr": str(uuid.uuid4())}, headers={"Idempotency-Key": name})
    assert taken.status_code == 422
    assert count(bridge.ends.store_dsn, "tobe.payment", first.json()["uetr"]) == 1
    listed, page = [], {"limit": "500"}
    while page.get("cursor", "first") is not None:
        found = gateway.get("/payments", params=page).json()
        listed += found["data"]
        page["cursor"] = found["next_cursor"]
    assert first.json()["uetr"] in {item["uetr"] for item in listed}
    assert gateway.get(f"/payments/{uuid.uuid4()}/status").status_code == 404
    assert gateway.post(f"/payments/{uuid.uuid4()}/status", json={"status": "ACSC"}).status_code == 404
    assert gateway.post("/payments/x/status", json={"status": "ACSC"}).status_code == 400


def test_the_gateway_comes_back_with_the_route(bridge: Bridge, body: dict[str, Any], gateway: httpx.Client) -> None:
    bridge.dark()
    bridge.open("tobe")
    kill(running(bridge.project, "gateway"))
    assert eventually(lambda: servers.status(bridge.project).is_up)
    assert eventually(lambda: gateway.get("/_route").json()["side"] == "tobe")
    assert gateway.get("/_route").json()["epoch"] == bridge.epoch
    made = gateway.post("/payments", json=body, headers={"Idempotency-Key": key()})
    assert (made.status_code, made.headers["X-Cutwater-Side"]) == (201, "tobe")


def test_without_ssm_the_gateway_closes_and_a_route_outlives_it(
    bridge: Bridge, body: dict[str, Any], gateway: httpx.Client
) -> None:
    bridge.dark()
    bridge.open("tobe")
    aws = running(bridge.project, "aws")
    os.kill(aws.pid, signal.SIGSTOP)
    try:
        assert eventually(lambda: bool(gateway.get("/_route").json()["why"]))
        refused = gateway.post("/payments", json=body, headers={"Idempotency-Key": key()})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        smoke = gateway.post("/payments", json=body, headers={"X-Cutwater-Smoke": "s"})
        assert smoke.status_code == 503, "nobody knows that it is a smoke test's time"
    finally:
        kill(aws)  # SSM would have kept the route; moto forgets it, and the sandbox puts it back
    assert eventually(lambda: servers.status(bridge.project).is_up)
    assert eventually(lambda: gateway.get("/_route").json()["side"] == "tobe")
    assert Route(bridge.ends).read(WAVE).epoch == bridge.epoch
    assert gateway.post("/payments", json=body, headers={"Idempotency-Key": key()}).status_code == 201


def test_a_dead_side_is_said_honestly(bridge: Bridge, body: dict[str, Any], gateway: httpx.Client) -> None:
    """Stopped by its supervisor's own signal; what it answers until it is back is 502, and no payment is taken in twice."""
    bridge.dark()
    bridge.open("tobe")
    name = key()
    kill(running(bridge.project, "tobe-api"))
    seen = []
    assert eventually(
        lambda: (
            seen.append(gateway.post("/payments", json=body, headers={"Idempotency-Key": name}).status_code)
            or seen[-1] in (200, 201)
        )
    )
    assert set(seen[:-1]) <= {502, 503}
    assert 502 in seen


def test_the_status_api_states_its_lag(project: Project, gateway: httpx.Client) -> None:
    """Over a wave's copy where one stands, else it says that there is none."""
    answer = gateway.get(f"/status/{uuid.uuid4()}")
    assert answer.status_code in (404, 503)
    assert answer.headers["content-type"] == "application/problem+json"


def on_legacy(ends: Endpoints, uetr: str, *statuses: str) -> None:
    """The hub itself goes on with a payment: the legacy API has no operation for it."""
    with psycopg.connect(ends.postgres_dsn) as db:
        for status in statuses:
            db.execute(
                "INSERT INTO payhub.payment_status SELECT p.payment_id, (SELECT max(seq) + 1 FROM payhub.payment_status s "
                "WHERE s.payment_id = p.payment_id), %s, NULL, 'HUB', clock_timestamp() FROM payhub.payment p WHERE uetr = %s",
                [status, uetr],
            )
            db.execute(
                "UPDATE payhub.payment SET status = %s, updated_at = (SELECT max(occurred_at) FROM payhub.payment_status s "
                "WHERE s.payment_id = payment.payment_id) WHERE uetr = %s",
                [status, uetr],
            )


def told(gateway: httpx.Client, side: str, uetr: str) -> dict[str, Any]:
    """What a client sees, and that it was this side that said it."""
    answer = gateway.get(f"/payments/{uetr}/status")
    assert (answer.status_code, answer.headers["X-Cutwater-Side"]) == (200, side)
    found: dict[str, Any] = answer.json()
    return found


def history(found: dict[str, Any]) -> list[tuple[int, str]]:
    return [(item["seq"], item["status"]) for item in found["history"]]


def test_a_payments_status_is_the_same_whichever_side_answers(
    bridge: Bridge, gateway: httpx.Client, body: dict[str, Any]
) -> None:
    """Over, back, over again and back: payments that were begun on either side and went on on the other. The lake holds
    nothing here: what the store says it knows itself."""
    name = key()
    made = gateway.post("/payments", json=body, headers={"Idempotency-Key": name}).json()
    old = made["uetr"]
    on_legacy(bridge.ends, old, "ACCP", "PDNG")
    before = told(gateway, "legacy", old)
    assert history(before) == [(1, "RCVD"), (2, "ACCP"), (3, "PDNG")]

    bridge.dark()
    bridge.open("tobe")
    assert told(gateway, "tobe", old) == before
    repeated: list[httpx.Response] = []

    def repeat() -> bool:  # the first look at the lake loads its reader: the gateway may lose patience
        repeated.append(gateway.post("/payments", json=body, headers={"Idempotency-Key": name}))
        return repeated[-1].status_code == 200

    assert eventually(repeat)
    assert repeated[-1].json()["status"] == "PDNG"
    assert gateway.post(f"/payments/{old}/status", json={"status": "ACSP"}).json()["seq"] == 4
    new = gateway.post("/payments", json=body, headers={"Idempotency-Key": key()}).json()["uetr"]
    gateway.post(f"/payments/{new}/status", json={"status": "ACCP"})
    seen = {uetr: told(gateway, "tobe", uetr) for uetr in (old, new)}

    bridge.dark()
    bridge.open("legacy")
    assert {uetr: told(gateway, "legacy", uetr) for uetr in (old, new)} == seen
    on_legacy(bridge.ends, old, "ACSC")
    on_legacy(bridge.ends, new, "PDNG", "RJCT")
    seen = {uetr: told(gateway, "legacy", uetr) for uetr in (old, new)}

    bridge.dark()
    bridge.open("tobe")
    assert {uetr: told(gateway, "tobe", uetr) for uetr in (old, new)} == seen
    with psycopg.connect(bridge.ends.store_dsn) as store:
        [(listed,)] = store.execute("SELECT payment_id FROM tobe.payment WHERE uetr = %s", [new]).fetchall()
    page = gateway.get("/payments", params={"limit": 200}).json()["data"]
    assert [row["status"] for row in page if row["payment_id"] == listed] in ([], ["RJCT"])
    assert gateway.post(f"/payments/{new}/status", json={"status": "CANC"}).json()["seq"] == 5, (
        "no number is used twice"
    )
    assert gateway.post(f"/payments/{old}/status", json={"status": "ACCC"}).json()["seq"] == 6
    seen = {uetr: told(gateway, "tobe", uetr) for uetr in (old, new)}
    assert history(seen[old])[3:] == [(4, "ACSP"), (5, "ACSC"), (6, "ACCC")]

    bridge.dark()
    bridge.open("legacy")
    assert {uetr: told(gateway, "legacy", uetr) for uetr in (old, new)} == seen


def test_statuses_that_the_copy_before_the_dark_missed_are_completed_in_it(
    bridge: Bridge, gateway: httpx.Client, body: dict[str, Any]
) -> None:
    """A status whose time lies behind the watermark: the count tells, and everything is looked through."""
    uetr = gateway.post("/payments", json=body, headers={"Idempotency-Key": key()}).json()["uetr"]
    bridge.dark()
    bridge.open("tobe")
    bridge.dark()
    bridge.open("legacy")
    with psycopg.connect(bridge.ends.postgres_dsn) as db:
        db.execute(
            "INSERT INTO payhub.payment_status SELECT payment_id, 2, 'ACCP', NULL, 'HUB', now() - interval '3 days' "
            "FROM payhub.payment WHERE uetr = %s",
            [uetr],
        )
    bridge.dark()
    bridge.open("tobe")
    assert history(told(gateway, "tobe", uetr)) == [(1, "RCVD"), (2, "ACCP")]


SERVED = """\
wave: WS
title: what the status API serves
accepts_writes: readers
assets: [postgres:payhub.payment, postgres:payhub.payment_status, postgres:payhub.file_batch, postgres:payhub.account, postgres:payhub.party]
"""


def test_the_status_api_serves_what_the_lake_has(bridge: Bridge, gateway: httpx.Client, body: dict[str, Any]) -> None:
    """Over a filled lake: the legacy API's answer for the same payments, the lag stated, and the snapshot moves on."""
    from cutwater.commands import inventory, reconcile, wave, wave_run
    from cutwater.state.store import open_store

    project, ends = bridge.project, bridge.ends
    (project.root / "waves").mkdir(exist_ok=True)
    (project.root / "waves" / "WS.yaml").write_text(SERVED, "utf-8")
    inventory.discover(project)
    wave.plan_wave(project, "WS", "planner")
    try:
        wave_run.run(project, "WS", "dual-run")
        with psycopg.connect(ends.postgres_dsn) as db:
            uetrs = [str(row[0]) for row in db.execute("SELECT uetr FROM payhub.payment ORDER BY payment_id LIMIT 20")]
        snapshots = set()
        for uetr in uetrs:
            served, legacy = gateway.get(f"/status/{uetr}").json(), told(gateway, "legacy", uetr)
            assert {name: served[name] for name in ("payment_id", "uetr", "status", "updated_at")} == {
                name: legacy[name] for name in ("payment_id", "uetr", "status", "updated_at")
            }
            assert served["source"] == "legacy.payment"
            assert served["lag_ms"] >= 0
            snapshots.add(served["snapshot"])
        unknown = gateway.get(f"/status/{uuid.uuid4()}")
        assert unknown.status_code == 404
        assert " as of " in unknown.json()["detail"], "what is not there is not there as of a time"
        new = gateway.post("/payments", json=body, headers={"Idempotency-Key": key()}).json()["uetr"]
        on_legacy(ends, uetrs[0], "ACCC")
        with open_store(project.state_url) as store:
            reconcile.run(project, "WS", store)  # pins a point behind these, and folds up to it
        for uetr in (new, uetrs[0]):
            served, legacy = gateway.get(f"/status/{uetr}").json(), told(gateway, "legacy", uetr)
            assert (served["status"], served["updated_at"]) == (legacy["status"], legacy["updated_at"])
            assert served["snapshot"] not in snapshots
    finally:
        wave_run.stop(project, "WS")
        wave.abandon(project, "WS", "WS")
