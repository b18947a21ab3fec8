"""The gateway in front of both sides: sends payments to the side that the route names.

    python -m sandbox.gateway FOLDER HOST PORT

It reads the route from SSM five to ten times a second and adds its epoch and wave to what it forwards; both sides refuse
another epoch, so that a gateway that lags does no harm. While the route is dark, or could not be read for FAIL_CLOSED_SECONDS,
or was there and is gone, it answers 503 with Retry-After; a payment whose sender cannot come back (`Prefer: respond-async`) is
held in the dark instead (sandbox.gateway_held). A request that carries X-Cutwater-Smoke goes to the To-Be side while
it is dark. It never repeats a request: 502 says that the side did not answer, 504 that it did not in time, and a client
repeats with its key.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.aws.route import RouteState, parse, ssm_client
from sandbox.epoch import EPOCH_HEADER, SMOKE_HEADER, WAVE_HEADER
from sandbox.gateway_held import Holder, asks_for_it
from sandbox.http import wrong
from sandbox.http_api import problem
from sandbox.layout import HOST, Layout, write_private
from sandbox.specs import Launch

POLL_SECONDS, FAIL_CLOSED_SECONDS, UPSTREAM_SECONDS = 0.1, 3.0, 10.0
PREFIX, SUFFIX = "/cutwater/", "/route"
_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "host", "content-length", "trailer"}
)
_RECODED = _HOP | {"content-encoding", "date", "server"}


@dataclass(frozen=True)
class InForce:
    """The route that the gateway acts on. wave '': no route was ever set, payments go to the legacy side. why: of a dark
    that no route asked for."""

    wave: str = ""
    state: RouteState = field(default_factory=RouteState)
    why: str = ""


def choose(routes: dict[str, RouteState]) -> InForce:
    """Of several waves' routes the one that moves payments: a dark one, else one to the new side, else the latest."""
    order = {"dark": 2, "tobe": 1, "legacy": 0}
    named = sorted(routes.items(), key=lambda item: (order[item[1].side], item[1].token, item[0]))
    return InForce(*named[-1]) if named else InForce()


class Watch(threading.Thread):
    """Reads the routes again and again. `read` returns wave -> route and may raise; `memory` is a file of what was seen last."""

    def __init__(self, read: Callable[[], dict[str, RouteState]], memory: Path) -> None:
        super().__init__(name="route", daemon=True)
        self.read, self.memory, self.stopping = read, memory, threading.Event()
        self.known = recall(memory)
        self.failed = ""
        self.seen_at: float | None = None

    def run(self) -> None:
        while not self.stopping.is_set():
            self.look()
            self.stopping.wait(POLL_SECONDS)

    def look(self) -> None:
        """One reading. A route that is gone, or older than before (a parameter store that forgot), is no word to go back."""
        try:
            found = self.read()
            self._refuse_forgotten(found)
        except Exception as error:  # noqa: BLE001 - whatever it is, the route is not known, and the gateway closes
            self.failed = str(error)[:200]
            return
        if found != self.known:
            write_private(self.memory, {wave: asdict(state) for wave, state in found.items()})
        self.known, self.failed, self.seen_at = found, "", time.monotonic()

    def _refuse_forgotten(self, found: dict[str, RouteState]) -> None:
        for wave, state in sorted(self.known.items()):
            if wave not in found or found[wave].epoch < state.epoch:
                raise LookupError(f"the route of {wave}, epoch {state.epoch}, is gone")

    def now(self, wave: str = "") -> InForce:
        """What to act on (for one wave, where it is named). The memory of a former life is never acted on before SSM was
        read once."""
        chosen = InForce(wave, self.known.get(wave, RouteState())) if wave else choose(self.known)
        if self.seen_at is None or time.monotonic() - self.seen_at > FAIL_CLOSED_SECONDS:
            why = f"the route cannot be read: {self.failed or 'not yet'}"
            return InForce(chosen.wave, RouteState("dark", chosen.state.epoch, chosen.state.token), why)
        return chosen


def recall(memory: Path) -> dict[str, RouteState]:
    """The routes that a gateway saw last; empty where none ever did."""
    try:
        document = json.loads(memory.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return {wave: RouteState(**state) for wave, state in document.items()}


def reader(layout: Layout) -> Callable[[], dict[str, RouteState]]:
    """Reads every wave's route from SSM; the port is asked again after a failure."""
    clients: list[Any] = []

    def read() -> dict[str, RouteState]:
        if not clients:
            clients.append(ssm_client(f"http://{HOST}:{layout.ports()['aws']}"))
        try:
            pages = clients[0].get_paginator("get_parameters_by_path").paginate(Path=PREFIX, Recursive=True)
            found = {item["Name"]: item["Value"] for page in pages for item in page["Parameters"]}
        except Exception:
            clients.clear()
            raise
        routes = {name: text for name, text in found.items() if name.endswith(SUFFIX) and name.count("/") == 3}
        return {name.split("/")[2]: parse(name, text) for name, text in routes.items()}

    return read


class Proxy:
    """Forwards. `sides` is asked with each request: the APIs' addresses, legacy and tobe."""

    def __init__(self, watch: Watch, sides: Callable[[], dict[str, str]], holder: Holder) -> None:
        self.watch, self.sides, self.holder = watch, sides, holder
        self.client: httpx.AsyncClient | None = None

    async def route(self, request: Request) -> Response:
        """The route that payments take, or with ?wave= what is known of one wave's."""
        now = self.watch.now(request.query_params.get("wave", ""))
        return JSONResponse({"wave": now.wave, **asdict(now.state), "why": now.why})

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok", "route": self.watch.now().state.side})

    async def payments(self, request: Request) -> Response:
        now, smoke = self.watch.now(), SMOKE_HEADER in request.headers
        headers = {
            name: value
            for name, value in request.headers.items()
            if name not in _HOP and name not in (EPOCH_HEADER, WAVE_HEADER)
        }
        headers[WAVE_HEADER], headers[EPOCH_HEADER] = now.wave, str(now.state.epoch)
        if now.state.side == "dark":
            if (
                asks_for_it(request) and not smoke and not now.why
            ):  # nobody would release what no route's dark asked for
                body = await request.body()
                return await run_in_threadpool(self.holder.hold, request, body, now.wave, now.state.epoch)
            if not smoke or now.why:
                detail = now.why or "payments wait while the route moves; repeat with the same key"
                return problem(request, 503, "The payments API is closed for the moment", detail, retry=True)
            # The side to be tried stands at the epoch with which it will open: the next one, or what the test says.
            headers[EPOCH_HEADER] = request.headers.get(EPOCH_HEADER, str(now.state.epoch + 1))
        side = "tobe" if now.state.side == "dark" else now.state.side
        return await self._forward(request, side, headers)

    async def held(self, request: Request) -> Response:
        return await run_in_threadpool(self.holder.state, request)

    async def status(self, request: Request) -> Response:
        """The To-Be status API: reading, whatever the route."""
        return await self._forward(request, "tobe", _without_hop(request))

    async def statements(self, request: Request) -> Response:
        """Statements stay with the legacy side: reading, whatever the route."""
        return await self._forward(request, "legacy", _without_hop(request))

    async def _forward(self, request: Request, side: str, headers: dict[str, str]) -> Response:
        url = f"{self.sides()[side]}{request.url.path}" + (f"?{request.url.query}" if request.url.query else "")
        if self.client is None:
            # Kept connections are let go before the side would close them: a request on a dying one has no known outcome.
            limits = httpx.Limits(max_connections=64, keepalive_expiry=2)
            self.client = httpx.AsyncClient(timeout=UPSTREAM_SECONDS, limits=limits, trust_env=False)
        try:
            answer = await self.client.request(request.method, url, headers=headers, content=await request.body())
        except httpx.ConnectError:
            return problem(request, 502, "The side does not answer", f"{side}: nothing was sent to it", retry=True)
        except httpx.TimeoutException:
            return problem(request, 504, "The side did not answer in time", f"{side}: {_UNKNOWN}", retry=True)
        except httpx.TransportError:
            return problem(request, 502, "The side broke off", f"{side}: {_UNKNOWN}", retry=True)
        kept = {name: value for name, value in answer.headers.items() if name not in _RECODED}
        return Response(answer.content, status_code=answer.status_code, headers={**kept, "X-Cutwater-Side": side})

    async def close(self) -> None:
        if self.client is not None:
            await self.client.aclose()


_UNKNOWN = "whether it did the work is not known; repeat with the same Idempotency-Key"


def _without_hop(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name not in _HOP}


def application(watch: Watch, sides: Callable[[], dict[str, str]], holder: Holder) -> Starlette:
    """The ASGI application. `watch` is started and ended with it."""
    proxy = Proxy(watch, sides, holder)

    @contextlib.asynccontextmanager
    async def life(_app: Starlette) -> AsyncIterator[None]:
        watch.start()
        yield
        watch.stopping.set()
        await proxy.close()

    methods = ["GET", "POST"]
    return Starlette(
        routes=[
            Route("/_route", proxy.route),
            Route("/health", proxy.health),
            Route("/payments", proxy.payments, methods=methods),
            Route("/payments/{rest:path}", proxy.payments, methods=methods),
            Route("/held/{wave}/{key:path}", proxy.held),
            Route("/status/{uetr}", proxy.status),
            Route("/accounts/{rest:path}", proxy.statements),
        ],
        lifespan=life,
    )


class Gateway:
    """The gateway's process. Well when it runs: a route that cannot be read closes it, and is no illness of its own."""

    name = "gateway"
    stop_signal = signal.SIGTERM

    def prepare(self, layout: Layout) -> Launch:
        folder = layout.seen_route.parent
        folder.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "sandbox.gateway", str(layout.home), HOST, str(layout.port(self.name))]
        return Launch(argv, cwd=folder)

    def healthy(self, layout: Layout) -> str:
        return wrong(layout.ports()[self.name], "/health")

    def settle(self, layout: Layout) -> None:
        return None


def main(argv: list[str]) -> None:
    """Serves until it is ended."""
    import uvicorn

    layout = Layout(Path(argv[0]))

    def sides() -> dict[str, str]:
        ports = layout.ports()
        return {"legacy": f"http://{HOST}:{ports['api']}", "tobe": f"http://{HOST}:{ports['tobe-api']}"}

    app = application(Watch(reader(layout), layout.seen_route), sides, Holder(lambda: layout.state_url))
    uvicorn.run(app, host=argv[1], port=int(argv[2]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1:])
