"""The route of a wave: which side takes payments, kept in SSM as `/cutwater/<wave>/route`.

A parameter store has no compare-and-set and its readers lag. So each change of side raises an epoch which both sides
check by themselves: a gateway that has not yet heard of a change can do no harm. Here, a change is refused that an older
runner or an older epoch asks for; it is read back after it was written; and it is done only when the gateway itself says it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from cutwater.core.config import Endpoints
from cutwater.core.errors import BadInput, CutwaterError, LeaseHeld, Unavailable
from waves.ports import Fence, Outcome, Waiting

SIDES = ("legacy", "dark", "tobe")
DEFAULT_REGION = "eu-west-2"
GATEWAY_WITHIN_SECONDS = 2.0  # one look of `route.set`; the engine asks again after it
_POLL_SECONDS = 0.03


@dataclass(frozen=True)
class RouteState:
    """side: legacy, dark or tobe. epoch: raised by one with each change. token: of the runner's lease that set it."""

    side: str = "legacy"
    epoch: int = 0
    token: int = 0


UNSET = RouteState()  # a wave whose route was never set


def parameter(wave: str) -> str:
    """The parameter's name."""
    return f"/cutwater/{wave}/route"


def parse(name: str, text: str) -> RouteState:
    """A parameter's value; raises BadInput CW3603."""
    try:
        found = json.loads(text)
        state = RouteState(str(found["side"]), int(found["epoch"]), int(found["token"]))
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(name, text) from error
    if state.side not in SIDES:
        raise _unreadable(name, text)
    return state


def ssm_client(endpoint: str) -> Any:
    """A client of SSM: at `endpoint` (a sandbox, which asks for no credentials of yours), else of AWS by the usual chain."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise CutwaterError(
            "CW3605", "boto3 is not installed, so the route cannot be read", next="pip install 'cutwater[sandbox]'"
        ) from None
    settings = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})
    if not endpoint:
        return boto3.client("ssm", config=settings)
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    keys = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox"}
    return boto3.client("ssm", endpoint_url=endpoint, region_name=region, config=settings, **keys)


class Route:
    """Reads and sets routes. `gateway_url` empty: no gateway is asked whether it has heard."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoint, self.gateway_url = endpoints.aws_endpoint, endpoints.gateway_url
        self._client: Any = None
        self._guard = threading.Lock()

    def read(self, wave: str) -> RouteState:
        """What SSM says; (legacy, 0, 0) where no route was ever set. Raises Unavailable CW3604, BadInput CW3603."""
        name = parameter(wave)
        with _asked("read", name):
            found = self._ssm().get_parameters(Names=[name])
        values = found.get("Parameters", [])
        return parse(name, values[0]["Value"]) if values else UNSET

    def set(self, wave: str, side: str, epoch: int, token: int) -> RouteState:
        """Writes the route unless it stands there already, and reads it back. Raises LeaseHeld CW3601 where a later runner
        or a later epoch stands there, or the same epoch with another side; CW3602 where another wrote at the same time."""
        if side not in SIDES:
            raise BadInput(
                "CW3606", f"a route goes to {', '.join(SIDES)}, not to {side!r}", state="nothing was written"
            )
        wanted, name = RouteState(side, epoch, token), parameter(wave)
        stored = self.read(wave)
        if stored == wanted:
            return wanted
        _refuse_late(wave, stored, wanted)
        value = json.dumps(asdict(wanted), sort_keys=True)
        with _asked("write", name):
            self._ssm().put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
        found = self.read(wave)
        if found != wanted:
            raise LeaseHeld(
                "CW3602",
                f"the route of {wave} was set by another at the same time",
                cause=f"written {_told(wanted)}, read back {_told(found)}",
                state="the route is the other's; both sides refuse what carries our epoch",
                next=f"cutwater wave status {wave}",
            )
        return wanted

    def at_gateway(self, wave: str) -> RouteState | None:
        """What the gateway acts on now for this wave; None where it does not answer."""
        try:
            answer = httpx.get(f"{self.gateway_url}/_route", params={"wave": wave}, timeout=2, trust_env=False)
            answer.raise_for_status()
            found = answer.json()
            return RouteState(str(found["side"]), int(found["epoch"]), int(found.get("token", 0)))
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None

    def await_gateway(self, wave: str, wanted: RouteState) -> None:
        """Returns when the gateway acts on `wanted`. Raises Waiting CW3607 until then, LeaseHeld where it is further on."""
        if not self.gateway_url:
            return
        deadline = time.monotonic() + GATEWAY_WITHIN_SECONDS
        while True:
            seen = self.at_gateway(wave)
            if seen is not None and (seen.side, seen.epoch) == (wanted.side, wanted.epoch):
                return
            if seen is not None and seen.epoch > wanted.epoch:
                _refuse_late(wave, seen, wanted)
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
        heard = "it does not answer" if seen is None else f"it acts on {_told(seen)}"
        raise Waiting(
            "CW3607",
            f"the gateway has not yet taken the route of {wave}: {_told(wanted)}",
            cause=heard,
            state="the route is written; both sides refuse what carries an older epoch",
            next="nothing: it is asked again",
        )

    def _ssm(self) -> Any:
        with self._guard:
            if self._client is None:
                self._client = ssm_client(self.endpoint)
            return self._client


class RouteSet:
    """Action `route.set` {wave, side, epoch}."""

    def __init__(self, route: Route) -> None:
        self.route = route

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        wave = str(args["wave"])
        wanted = self.route.set(wave, str(args["side"]), int(args["epoch"]), fence.token)
        self.route.await_gateway(wave, wanted)
        return {"wave": wave, **asdict(wanted)}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        wave = str(args["wave"])
        found = self.route.read(wave)
        if (found.side, found.epoch) != (args["side"], int(args["epoch"])):
            return None
        if self.route.gateway_url:
            seen = self.route.at_gateway(wave)
            if seen is None or (seen.side, seen.epoch) != (found.side, found.epoch):
                return None
        return {"wave": wave, **asdict(found)}

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"set {parameter(str(args['wave']))} to {args['side']}, epoch {args['epoch']}"


class RouteRead:
    """Action `route.read` {wave}: side, epoch and token of now."""

    def __init__(self, route: Route) -> None:
        self.route = route

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        return {"wave": str(args["wave"]), **asdict(self.route.read(str(args["wave"])))}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        """None: reading once more harms nobody, and an old answer would."""
        return None

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"read {parameter(str(args['wave']))}"


def _refuse_late(wave: str, stored: RouteState, wanted: RouteState) -> None:
    late = stored.token > wanted.token or stored.epoch > wanted.epoch
    if late or (stored.epoch == wanted.epoch and stored.side != wanted.side):
        raise LeaseHeld(
            "CW3601",
            f"the route of {wave} is not ours to set",
            cause=f"it stands at {_told(stored)}, wanted was {_told(wanted)}",
            state="the route was left as it is",
            next=f"cutwater wave status {wave}",
        )


def _told(state: RouteState) -> str:
    return f"{state.side}, epoch {state.epoch}, token {state.token}"


def _unreadable(name: str, text: str) -> BadInput:
    return BadInput(
        "CW3603",
        f"{name} holds no route",
        cause=f"{text[:80]!r} is not {{side, epoch, token}}",
        state="nothing was written; the gateway refuses payments while it cannot read the route",
        next=f"restore the parameter {name} from its history",
    )


class _asked:
    """Turns what boto3 raises into Unavailable CW3604."""

    def __init__(self, verb: str, name: str) -> None:
        self.verb, self.name = verb, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, CutwaterError):
            return
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, BotoCoreError | ClientError):
            raise Unavailable(
                "CW3604",
                f"SSM did not let {self.name} be {'read' if self.verb == 'read' else 'written'}",
                cause=str(error)[:300],
                state="the route is as it was, or as it was asked for: it is read again before anything else",
                next="the same command again",
            ) from error
