"""The route over a real SSM (moto): nobody out of date moves it, twice is once, and it counts when the gateway says it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from adapters.aws import route as module
from adapters.aws.route import Route, RouteRead, RouteSet, RouteState, parameter, ssm_client
from cutwater.core.config import Endpoints
from cutwater.core.errors import BadInput, CutwaterError, LeaseHeld, Unavailable
from waves.ports import Fence, Waiting


@pytest.fixture
def wave() -> str:
    return f"R{secrets.token_hex(3)}"


@pytest.fixture(scope="module")
def ssm() -> Iterator[str]:
    """A parameter store of our own: the sandbox's gateway listens to the other one."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(ssm: str) -> Any:
    return ssm_client(ssm)


@pytest.fixture
def route(ssm: str) -> Route:
    return Route(Endpoints(aws_endpoint=ssm))


def fence(wave: str, token: int) -> Fence:
    return Fence(wave, token, "run")


def order(wave: str, side: str, epoch: int) -> dict[str, Any]:
    return {"wave": wave, "side": side, "epoch": epoch}


def test_a_wave_without_a_route_is_on_the_legacy_side(route: Route, wave: str) -> None:
    assert route.read(wave) == RouteState("legacy", 0, 0)
    assert RouteRead(route).perform({"wave": wave}, fence(wave, 4)) == {
        "wave": wave,
        "side": "legacy",
        "epoch": 0,
        "token": 0,
    }


def test_setting_it_twice_changes_nothing_the_second_time(route: Route, wave: str, client: Any) -> None:
    action = RouteSet(route)
    args = order(wave, "dark", 1)
    assert action.observe(args, fence(wave, 4)) is None
    first = action.perform(args, fence(wave, 4))
    assert first == {**args, "token": 4}
    assert action.perform(args, fence(wave, 4)) == first
    assert client.get_parameters(Names=[parameter(wave)])["Parameters"][0]["Version"] == 1
    assert action.observe(args, fence(wave, 4)) == first
    assert action.perform(args, fence(wave, 5))["token"] == 5
    assert wave in action.describe(args)


@pytest.mark.parametrize(
    ("side", "epoch", "token"), [("legacy", 4, 7), ("legacy", 6, 6), ("legacy", 5, 7), ("dark", 4, 8)]
)
def test_an_older_runner_an_older_epoch_and_another_side_of_the_same_are_refused(
    route: Route, wave: str, side: str, epoch: int, token: int
) -> None:
    action = RouteSet(route)
    action.perform(order(wave, "tobe", 5), fence(wave, 7))
    with pytest.raises(LeaseHeld) as caught:
        action.perform(order(wave, side, epoch), fence(wave, token))
    assert caught.value.code == "CW3601"
    assert route.read(wave) == RouteState("tobe", 5, 7)


def test_another_writer_at_the_same_time_is_noticed(
    route: Route, wave: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our writing and our reading back somebody else writes: there is no compare-and-set."""
    real, reads = route.read, []

    def read(name: str) -> RouteState:
        reads.append(name)
        if len(reads) == 2:
            value = json.dumps({"side": "legacy", "epoch": 1, "token": 9})
            client.put_parameter(Name=parameter(wave), Value=value, Type="String", Overwrite=True)
        return real(name)

    monkeypatch.setattr(route, "read", read)
    with pytest.raises(LeaseHeld) as caught:
        RouteSet(route).perform(order(wave, "dark", 1), fence(wave, 4))
    assert caught.value.code == "CW3602"


@pytest.mark.parametrize("text", ["no json", "[]", '{"side": "north", "epoch": 1, "token": 1}', '{"side": "dark"}'])
def test_a_parameter_that_is_no_route_is_bad_input(route: Route, wave: str, client: Any, text: str) -> None:
    client.put_parameter(Name=parameter(wave), Value=text, Type="String")
    with pytest.raises(BadInput) as caught:
        route.read(wave)
    assert caught.value.code == "CW3603"


def test_a_side_that_does_not_exist_is_never_written(route: Route, wave: str) -> None:
    with pytest.raises(BadInput) as caught:
        route.set(wave, "north", 1, 1)
    assert caught.value.code == "CW3606"
    assert route.read(wave) == RouteState()


def test_without_ssm_the_same_command_may_be_tried_again(wave: str) -> None:
    away = Route(Endpoints(aws_endpoint="http://127.0.0.1:9"))
    with pytest.raises(Unavailable) as caught:
        away.read(wave)
    assert caught.value.code == "CW3604"


@pytest.fixture
def gateway() -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of a gateway that says what the second value holds; nothing in it: it answers 500."""
    said: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if said else 500)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", said
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_is_done_when_the_gateway_says_it(
    route: Route, wave: str, gateway: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GATEWAY_WITHIN_SECONDS", 0.0)
    route.gateway_url, said = gateway
    action, args = RouteSet(route), order(wave, "dark", 1)
    for heard in ({}, {"side": "legacy", "epoch": 0}):
        said.update(heard)
        with pytest.raises(Waiting) as caught:
            action.perform(args, fence(wave, 4))
        assert caught.value.code == "CW3607"
        assert action.observe(args, fence(wave, 4)) is None
    said.update(side="dark", epoch=1)
    assert action.perform(args, fence(wave, 4)) == {**args, "token": 4}
    assert action.observe(args, fence(wave, 4)) is not None
    said.update(side="legacy", epoch=2)
    with pytest.raises(LeaseHeld):
        action.perform(args, fence(wave, 4))


def test_every_refusal_says_what_comes_next(route: Route, wave: str) -> None:
    provoked: list[Callable[[], object]] = [
        lambda: route.set(wave, "north", 1, 1),
        lambda: (route.set(wave, "dark", 2, 2), route.set(wave, "dark", 1, 1)),
    ]
    for work in provoked:
        with pytest.raises(CutwaterError) as caught:
            work()
        assert caught.value.state
