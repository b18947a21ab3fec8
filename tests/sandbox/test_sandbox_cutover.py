"""Both sides of a cutover on real servers: another epoch is refused, a key is answered once, and traffic that goes over and
back loses and doubles nothing."""

from __future__ import annotations

import os
import secrets
import signal
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from sandbox_support import eventually, kill, running

from adapters.aws.route import Route, RouteSet
from adapters.postgres.fence import DropFence, LiftFence, RaiseFence
from adapters.postgres.keys import StoreKeys
from adapters.postgres.reverse_mapping import mapping_of
from adapters.postgres.reverse_sync import ReverseSync
from adapters.postgres.sequences import RaiseSequences
from cutwater.core.clock import utc_now
from cutwater.core.config import Endpoints, Project, load_project
from sandbox import servers
from sandbox.estate import commands
from sandbox.estate.api_client import ApiClient
from sandbox.estate.observe import differences
from sandbox.estate.traffic import Traffic
from waves.ports import Fence, Waiting

pytestmark = pytest.mark.real
WAVE = "WX"


LEGACY_TABLES = ("file_batch", "payment", "payment_status", "outbox", "operator_note", "account")
# Not the keys: they are brought over while the store is closed. A request that writes one writes a payment, too.
STORE_TABLES = ("payment", "payment_status", "outbox")
OUTBOX = ("tobe", "outbox")
MAPPING = Path(__file__).resolve().parents[2] / "sandbox" / "project" / "reverse.yaml"


@dataclass
class Bridge:
    """The hand of the cutover: sets the route and both sides' fences by the actions of its steps."""

    project: Project
    epoch: int = 0

    @property
    def ends(self) -> Endpoints:
        return self.project.endpoints()

    @property
    def held(self) -> Fence:
        return Fence(WAVE, 1, "run")

    @property
    def sides(self) -> dict[str, str]:
        return {"legacy": self.ends.postgres_dsn, "store": self.ends.store_dsn}

    def fence(self, side: str, epoch: int, closed: bool) -> None:
        args: dict[str, Any] = {"side": side, "wave": WAVE, "epoch": epoch}
        if not closed:
            LiftFence(self.sides).perform(args, self.held)
            return
        names = LEGACY_TABLES if side == "legacy" else STORE_TABLES
        tables = [["payhub" if side == "legacy" else "tobe", name] for name in names]
        RaiseFence(self.sides).perform({**args, "tables": tables, "grace_seconds": 2}, self.held)

    def route(self, side: str, epoch: int | None = None) -> None:
        """Until the gateway says it: by the action itself."""
        self.epoch = self.epoch + 1 if epoch is None else epoch
        action = RouteSet(Route(self.ends))
        args = {"wave": WAVE, "side": side, "epoch": self.epoch}
        assert eventually(lambda: self._done(lambda: action.perform(args, self.held)))

    @staticmethod
    def _done(work: Callable[[], object]) -> bool:
        try:
            work()
        except Waiting:
            return False
        return True

    def dark(self) -> None:
        self.route("dark")
        self.fence("legacy", self.epoch, closed=True)
        self.fence("store", self.epoch, closed=True)

    def open(self, side: str) -> None:
        """Brings over what the other side has to know, then opens this one."""
        if side == "legacy":
            self.reverse()
        else:
            keys = {
                "source": ["payhub", "payment"],
                "target": ["tobe", "idempotency"],
                "constants": {"origin": "legacy"},
            }
            columns = {"key": "uetr", "uetr": "uetr", "payment_id": "payment_id"}
            copies = [{**keys, "columns": columns, "watermark": "payment_id"}]
            StoreKeys(self.ends.postgres_dsn, self.ends.store_dsn).perform(
                {"copies": copies, "complete": True}, self.held
            )
        taker = "legacy" if side == "legacy" else "store"
        pair = {"legacy": ["payhub", "payment", "payment_id"], "store": ["tobe", "payment", "payment_id"]}
        RaiseSequences(self.sides, [pair]).perform({"to": taker, "margin": 1000}, self.held)
        self.fence(taker, self.epoch + 1, closed=False)
        self.route(side)

    def reverse(self) -> None:
        """All that the store has committed, to the legacy side."""
        mapping = mapping_of(yaml.safe_load(MAPPING.read_text("utf-8")))
        sync = ReverseSync(self.ends.store_dsn, self.ends.postgres_dsn, WAVE, OUTBOX, mapping)
        try:
            assert eventually(lambda: sync.poll(self.held).caught_up)
        finally:
            sync.close()

    def clear(self) -> None:
        """Back to the legacy side, and no fence on either."""
        for side in self.sides:
            DropFence(self.sides).perform({"side": side, "wave": WAVE}, self.held)
        self.route("legacy")


@pytest.fixture(scope="module")
def project(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A sandbox of our own: routes and fences are no neighbours for other tests' traffic."""
    root = tmp_path_factory.mktemp("cutover")
    name = f"cutover-{secrets.token_hex(3)}"
    (root / "cutwater.toml").write_text(f'[project]\nname = "{name}"\n\n[endpoints]\nfrom = "sandbox"\n', "utf-8")
    found = load_project(root)
    try:
        servers.up(found)
        commands.seed(found, payments=1_500, days=3, seed=3)
        yield found
    finally:
        servers.down(found, delete=True)


@pytest.fixture
def bridge(project: Project) -> Iterator[Bridge]:
    found = Bridge(project)
    found.epoch = Route(project.endpoints()).read(WAVE).epoch
    yield found
    servers.up(project)
    found.clear()


@pytest.fixture
def gateway(project: Project) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=project.endpoints().gateway_url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def ibans(project: Project) -> tuple[str, str]:
    with psycopg.connect(project.endpoints().postgres_dsn) as db:
        one, other = db.execute(
            "SELECT iban FROM payhub.account WHERE currency = 'GBP' ORDER BY account_id LIMIT 2"
        ).fetchall()
    return one[0], other[0]


@pytest.fixture
def body(ibans: tuple[str, str]) -> dict[str, Any]:
    return {
        "end_to_end_id": "INVOICE-1", "debtor_iban": ibans[0], "creditor_iban": ibans[1], "amount": "12.34",
        "currency": "GBP", "value_date": "2026-11-23",
    }  # fmt: skip


def direct(url: str, body: dict[str, Any], key: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{url}/payments", json=body, headers={"Idempotency-Key": key, **headers}, trust_env=False)


def key() -> str:
    return secrets.token_hex(8)


def count(dsn: str, table: str, uetr: str) -> int:
    with psycopg.connect(dsn) as db:
        return int(db.execute(f"SELECT count(*) FROM {table} WHERE uetr = %s".encode(), [uetr]).fetchall()[0][0])


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
        traffic._posts_owed += 1
        ticks(traffic, 4)
        assert traffic.waiting, "what came while it was dark waits"
        assert traffic.api.waiting
        bridge.open(side)
        ticks(traffic, 8)
        assert not traffic.waiting
    traffic.drain()
    bridge.dark()
    bridge.open("legacy")
    traffic._save(clean=True)
    held, store = traffic._held(), uetrs(bridge.ends.store_dsn, "tobe")
    assert traffic.errors == {}
    assert min(held["payments"], held["statuses"], held["api"]) > 0
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
    listed = gateway.get("/payments", params={"limit": 500}).json()["data"]
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
