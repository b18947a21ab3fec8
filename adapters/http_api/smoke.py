"""The smoke test of a channel that speaks HTTP: a synthetic payment sent, seen, and reversed, as a file describes it.

`<project>/smoke/<channel>.yaml` holds the calls in order, each with method, path, perhaps json, and the status codes that
are right. In texts {key}, {uetr}, {today} and {mark} are filled in; key and uetr are the same whenever the same round is
tried again, so that a repeated test is one payment.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import httpx
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cutwater.core.clock import utc_now
from cutwater.core.errors import BadInput, Refused, Unavailable
from cutwater.core.hashing import sha256_file
from waves.ports import Fence, Outcome

# The gateway's own words: the side did not answer, or is not open yet. Said of a moment, they are no verdict on the new side.
_NOT_NOW = (502, 503, 504)
MARK_HEADER, KEY_HEADER = "X-Cutwater-Smoke", "Idempotency-Key"
_SECONDS = 10.0


class Call(BaseModel):
    """One request. name: send, see, reverse ... for the report. expect: the codes that are right."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    method: str = "GET"
    path: str
    body: dict[str, Any] | None = Field(default=None, alias="json")
    expect: Annotated[tuple[int, ...], Field(min_length=1)] = (200,)


class SmokeRun:
    """`smoke.run` {wave, epoch, channel}: out are the calls with their codes and milliseconds.

    Raises Refused (CW3044) where an answer is not what the file expects, Unavailable (CW3045) where there is none, or none
    but the gateway's that the side does not answer now.
    """

    def __init__(
        self,
        base_url: str,
        folder: Path,
        today: Callable[[], date] = lambda: utc_now().date(),
        approved: Mapping[str, str] | None = None,
    ) -> None:
        self.base_url, self.folder, self.today = base_url.rstrip("/"), folder, today
        self.approved = approved or {}  # name below the project's files -> SHA-256 of what was planned

    def _as_approved(self, channel: str) -> None:
        name, path = f"smoke/{channel}.yaml", self.folder / f"{channel}.yaml"
        if name in self.approved and path.is_file() and sha256_file(path) != self.approved[name]:
            raise Refused(
                "CW3011",
                f"{name} is no longer what was planned and approved",
                cause="it was edited since: a smoke test that proves something else opens no route",
                state="nothing was sent",
                next="put the file back, or plan and approve the wave anew",
            )

    def perform(self, args: Mapping[str, Any], fence: Fence) -> Outcome:
        channel, mark = str(args["channel"]), f"{args['wave']}-{args['epoch']}-{args['channel']}"
        known = {
            "key": f"smoke-{mark}",
            "uetr": str(uuid.uuid5(uuid.NAMESPACE_URL, f"cutwater:smoke:{mark}")),
            "today": self.today().isoformat(),
            "mark": mark,
        }
        self._as_approved(channel)
        calls = load_calls(self.folder / f"{channel}.yaml")
        headers = {MARK_HEADER: mark, KEY_HEADER: known["key"]}
        told: list[dict[str, Any]] = []
        try:
            with httpx.Client(base_url=self.base_url, timeout=_SECONDS, trust_env=False, headers=headers) as client:
                for call in calls:
                    answer = client.request(call.method, _filled(call.path, known), json=_filled(call.body, known))
                    spent = int(answer.elapsed.total_seconds() * 1000)
                    told.append({"call": call.name, "code": answer.status_code, "milliseconds": spent})
                    if answer.status_code in call.expect:
                        continue
                    if answer.status_code in _NOT_NOW:
                        raise _unanswered(channel, f"{call.name}: {answer.status_code} {answer.text[:120]}")
                    raise _wrong(channel, call, answer)
        except httpx.HTTPError as error:
            raise _unanswered(channel, f"{type(error).__name__}: {error}") from error
        return {"channel": channel, "uetr": known["uetr"], "calls": told}

    def observe(self, args: Mapping[str, Any], fence: Fence) -> Outcome | None:
        return None  # the same key: tried again, it is the same payment

    def describe(self, args: Mapping[str, Any]) -> str:
        return f"a marked payment through {args['channel']}, seen and reversed"


def load_calls(path: Path) -> list[Call]:
    """The calls of a channel; BadInput (CW3046) names the file and the place."""
    try:
        return [Call.model_validate(item) for item in yaml.safe_load(path.read_text("utf-8"))]
    except (OSError, yaml.YAMLError, ValidationError, TypeError, UnicodeDecodeError) as error:
        raise BadInput(
            "CW3046",
            f"the smoke test {path.name} cannot be read",
            cause=str(error).splitlines()[0][:200],
            state="nothing was sent",
            next=f"mend {path}: a list of calls with name, method, path, json and expect",
        ) from error


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in known.items():
            value = value.replace("{" + name + "}", text)
        return value
    if isinstance(value, dict):
        return {key: _filled(item, known) for key, item in value.items()}
    return [_filled(item, known) for item in value] if isinstance(value, list) else value


def _unanswered(channel: str, cause: str) -> Unavailable:
    return Unavailable(
        "CW3045",
        f"the smoke test of {channel} got no answer",
        cause=cause,
        state="the route has not opened",
        next="it is tried again; else the way back begins by itself",
    )


def _wrong(channel: str, call: Call, answer: httpx.Response) -> Refused:
    return Refused(
        "CW3044",
        f"the smoke test of {channel} failed at {call.name}",
        cause=f"{call.method} {call.path} answered {answer.status_code}, expected {', '.join(map(str, call.expect))}: {answer.text[:120]}",
        state="the route has not opened",
        money="customers are told to come back; the way back begins by itself",
        next="look at the new side's log, then cutwater wave cutover again",
    )
