"""Does the outside stand as the journal says? Route, gateway and both fences are asked; what does not answer is not known."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cutwater.core.config import Endpoints, Project
from cutwater.core.errors import CutwaterError
from cutwater.core.redaction import redact
from cutwater.state.store import Store
from waves import life
from waves.whereabouts import KINDS, ROUTE, FenceSaid, RouteSaid, Whereabouts, whereabouts

ASK_SECONDS = 5


@dataclass(frozen=True)
class Look:
    """name: what was asked. word: pass, fail (not as the journal says), late (about to change) or unknown. next: what mends
    a difference."""

    name: str
    word: str
    text: str
    next: str = ""


Part = tuple[str, Callable[[], Look]]


def looks(project: Project, store: Store, wave: str) -> list[Look]:
    """One line per part that the journal says something of; [] for a wave whose route was never set. Raises nothing."""
    said = whereabouts(store.journal.records(wave, KINDS))
    if said.route is None and not said.fences:
        return []
    try:
        ends = project.endpoints()
    except CutwaterError as error:
        return [Look("route", "unknown", f"not known: {error.what}", error.next)]
    parts = list(_parts(ends, wave, said))
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(lambda part: _asked(part[0], part[1], wave), parts))


def money(state: str, found: Sequence[Look]) -> str:
    """Where customers are, as far as it is known: the journal's word alone is not enough."""
    told = life.money(state)
    bad = [item for item in found if item.word == "fail"]
    if bad:
        return f"THE JOURNAL AND THE WORLD DIFFER: the journal says {told}; {'; '.join(item.text for item in bad)}"
    if dark := [item.name for item in found if item.word == "unknown"]:
        return f"the journal says {told}; not known whether it is so: {', '.join(dark)} did not answer"
    return told


def _asked(name: str, ask: Callable[[], Look], wave: str) -> Look:
    try:
        return ask()
    except CutwaterError as error:
        cause = f": {redact(str(error.cause)).splitlines()[0][:80]}" if error.cause else ""
        if error.code == "CW3603":  # it answers, and what it says is no route: payments are refused now
            return Look(name, "fail", f"{error.what}{cause}", error.next)
        return Look(name, "unknown", f"not known: {error.what}{cause}", f"cutwater wave status {wave}")


def _parts(ends: Endpoints, wave: str, said: Whereabouts) -> Sequence[Part]:
    from adapters.aws.route import Route

    parts: list[Part] = []
    if route := said.route:
        asked = Route(ends)
        parts.append(("route", lambda: _route(asked, ends, wave, route, ROUTE in said.moving)))
        if ends.gateway_url:
            parts.append(("gateway", lambda: _gateway(asked, wave, route, ROUTE in said.moving)))
    dsns = {"legacy": ends.postgres_dsn, "store": ends.store_dsn}
    token = said.route.token if said.route else 0
    for side, fence in sorted(said.fences.items()):
        parts.append((f"fence {side}", _fence_part(dsns.get(side, ""), side, wave, fence, side in said.moving, token)))
    return parts


def _route(route: Any, ends: Endpoints, wave: str, said: RouteSaid, moving: bool) -> Look:
    from adapters.aws.route import UNSET, parameter

    now = route.read(wave)
    if (now.side, now.epoch) == (said.side, said.epoch):
        return Look("route", "pass", f"{now.side}, epoch {now.epoch}, as the journal says")
    if moving:
        return Look("route", "late", f"{now.side}, epoch {now.epoch}; it is being set")
    stands = "gone" if now == UNSET else f"{now.side}, epoch {now.epoch}"
    value = json.dumps({"side": said.side, "epoch": said.epoch, "token": max(said.token, now.token)})
    at = f" --endpoint-url {ends.aws_endpoint}" if ends.aws_endpoint else ""
    return Look(
        "route",
        "fail",
        f"the route of {wave} is {stands}; the journal says {said.side}, epoch {said.epoch}",
        f"aws ssm put-parameter{at} --name {parameter(wave)} --type String --overwrite --value '{value}'",
    )


def _gateway(route: Any, wave: str, said: RouteSaid, moving: bool) -> Look:
    again = f"cutwater wave status {wave}"
    now = route.at_gateway(wave)
    if now is None:
        return Look("gateway", "unknown", "not known: the gateway does not answer", again)
    if (now.side, now.epoch) == (said.side, said.epoch):
        return Look("gateway", "pass", f"acts on {now.side}, epoch {now.epoch}")
    text = f"the gateway acts on {now.side}, epoch {now.epoch}; the journal says {said.side}, epoch {said.epoch}"
    return Look(
        "gateway", "late" if moving else "fail", text, f"mend the route if it differs, else the gateway; {again}"
    )


def _fence_part(dsn: str, side: str, wave: str, said: FenceSaid, moving: bool, token: int) -> Callable[[], Look]:
    def ask() -> Look:
        from adapters.postgres.connection import connect, translated
        from adapters.postgres.fence_schema import read

        name, wanted = f"fence {side}", _told(said.closed, said.epoch)
        if not dsn:
            return Look(name, "unknown", f"not known: no address of the {side} side is configured")
        with connect(dsn, "status", statement_seconds=ASK_SECONDS, lock_seconds=ASK_SECONDS) as db, translated(name):
            row = read(db, wave)
        if row is not None and (row.epoch, row.closed) == (said.epoch, said.closed):
            return Look(name, "pass", f"{_told(row.closed, row.epoch)}, as the journal says")
        now = "gone" if row is None else _told(row.closed, row.epoch)
        if moving:
            return Look(name, "late", f"{now}; it is being set")
        closed = str(said.closed).lower()
        # Statements for a person, who runs them on that side.
        mend = f"UPDATE cutwater.fence SET epoch = {said.epoch}, closed = {closed} WHERE wave = '{wave}'"  # noqa: S608
        if row is None:
            values = f"'{wave}', {said.epoch}, {closed}, {token}, clock_timestamp()"
            mend = f"INSERT INTO cutwater.fence VALUES ({values})"  # noqa: S608
        text = f"the fence of the {side} side is {now}; the journal says {wanted}"
        return Look(name, "fail", text, f"on the {side} side: {mend}")

    return ask


def _told(closed: bool, epoch: int) -> str:
    return f"{'closed' if closed else 'open'}, epoch {epoch}"
