"""An API's share of the inventory: what its document promises, and what its access log shows to be used, by whom."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from cutwater.core.clock import iso, parse_iso
from cutwater.core.errors import BadInput, Unavailable
from cutwater.core.hashing import sha256_json
from inventory.model import Asset, AssetKind, Finding
from inventory.pii import of_fields
from inventory.ports import Discovery

CLIENT_ID = "cutwater/inventory"
TIMEOUT_SECONDS = 10
LOG_BYTES = 256 << 20  # of a longer log its end is read
MOST_UNDOCUMENTED = 100
MANY_CALLERS = 50
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_VARIABLE = re.compile(r"/(\d+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9A-Z]{12,})(?=/|$)")


@dataclass
class Usage:
    """Calls of one operation. milliseconds: latency -> how often. callers: client id -> calls, '' for none given."""

    calls: int = 0
    callers: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    milliseconds: Counter[int] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, line: Mapping[str, Any], at: datetime) -> None:
        self.calls += 1
        self.callers[str(line.get("client_id") or "")] += 1
        self.statuses[f"{str(line.get('status', ''))[:1]}xx"] += 1
        if isinstance(line.get("ms"), int):
            self.milliseconds[line["ms"]] += 1
        self.first = min(self.first or at, at)
        self.last = max(self.last or at, at)

    def percentile(self, share: int) -> int | None:
        """The latency in ms that `share` per cent of the calls did not exceed; None without measurements."""
        left = -(-self.milliseconds.total() * share // 100)
        for value in sorted(self.milliseconds):
            left -= self.milliseconds[value]
            if left <= 0:
                return value
        return None


@dataclass(frozen=True)
class Operation:
    """One operation of the document. pattern: matches its paths."""

    id: str
    method: str
    path: str
    pattern: re.Pattern[str]
    structure: Mapping[str, object]
    fields: frozenset[str]


@dataclass(frozen=True)
class ApiDiscoverer:
    """Looks at one API. access_log: JSON lines with ts, method, path, operation_id, status, ms, client_id; '' for none."""

    url: str
    access_log: str = ""
    document_path: str = "/openapi.json"
    log_bytes: int = LOG_BYTES

    @property
    def kind(self) -> AssetKind:
        return AssetKind.API

    def discover(self, now: datetime) -> Discovery:
        """Raises Unavailable where the document cannot be had, BadInput where it is none."""
        document = self._document()
        operations = list(_operations(document))
        usage, not_checked = self._usage(operations)
        used, strays = _apart(operations, usage)
        assets = [_documented(item, used.get(item.id, Usage()), bool(self.access_log)) for item in operations]
        assets += [_undocumented(name, found) for name, found in strays.items()]
        callers = sorted({caller for found in usage.values() for caller in found.callers if caller})
        info = document.get("info", {})
        system = {"title": info.get("title", ""), "version": info.get("version", ""), "callers": callers}
        return Discovery(tuple(assets), (), tuple(_findings(assets)), system, not_checked)

    def _document(self) -> dict[str, Any]:
        try:
            answer = httpx.get(
                self.url.rstrip("/") + self.document_path, timeout=TIMEOUT_SECONDS, headers={"X-Client-Id": CLIENT_ID}
            ).raise_for_status()
        except httpx.HTTPError as error:
            raise Unavailable(
                "CW2109",
                f"the API at {self.url} did not answer discovery",
                cause=f"{type(error).__name__}: {error}",
                state="nothing was changed",
                next="start it, then cutwater inventory discover",
            ) from error
        try:
            document = json.loads(answer.text, parse_float=str)  # no float: the structure is hashed
        except ValueError as error:
            raise _no_document(self.url, str(error)) from error
        if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
            raise _no_document(self.url, "it has no paths")
        return document

    def _usage(self, operations: list[Operation]) -> tuple[dict[str, Usage], dict[str, str]]:
        """Name -> usage, where a name is an operation's id or `METHOD /path`; and what was not read, with the reason."""
        if not self.access_log:
            return {}, {"access_log": "none is configured: callers are not known"}
        found: defaultdict[str, Usage] = defaultdict(Usage)
        not_checked, unread = {}, 0
        try:
            skipped, lines = _tail(Path(self.access_log), self.log_bytes)
            for raw in lines:
                line = _line(raw)
                if line is None:
                    unread += 1
                elif line.get("client_id") != CLIENT_ID:
                    found[_name(line, operations)].add(line, parse_iso(str(line["ts"])))
        except OSError as error:
            return {}, {"access_log": f"{self.access_log}: {error.strerror}"}
        if skipped:
            not_checked["access_log"] = f"its first {skipped:,} bytes were left out"
        if unread:
            not_checked["access_log.lines"] = f"{unread:,} lines are no JSON with ts, method and path"
        return dict(found), not_checked


def _no_document(url: str, cause: str) -> BadInput:
    return BadInput(
        "CW2107",
        f"the API at {url} gave no OpenAPI document",
        cause=cause,
        state="nothing was changed",
        next="mend api_url in cutwater.toml",
    )


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in sorted(document["paths"].items()):
        for method in _METHODS:
            if method in item:
                body = item[method]
                parameters = [
                    _resolve(one, document) for one in (*item.get("parameters", ()), *body.get("parameters", ()))
                ]
                yield _operation(document, path, method, body, parameters)


def _operation(
    document: Mapping[str, Any], path: str, method: str, body: Mapping[str, Any], parameters: list[Any]
) -> Operation:
    told = sorted(
        ({"name": f"{one['in']}:{one['name']}", "required": bool(one.get("required"))} for one in parameters),
        key=lambda one: str(one["name"]),
    )
    whole = _resolve({**body, "parameters": parameters}, document)
    fields = {str(one["name"]) for one in parameters} | set(_properties(whole))
    structure = {
        "method": method.upper(),
        "path": path,
        "parameters": told,
        "responses": sorted(map(str, body.get("responses", {}))),
        "security": sorted({name for one in body.get("security", document.get("security", ())) for name in one}),
        "idempotency_key": any("idempotency-key" in str(one["name"]).lower() for one in told),
        "content_hash": sha256_json(whole),
    }
    pattern = re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in _parts(path)))
    return Operation(
        str(body.get("operationId") or f"{method.upper()} {path}"),
        method.upper(),
        path,
        pattern,
        structure,
        frozenset(fields),
    )


def _parts(path: str) -> list[str]:
    return [part for part in re.split(r"(\{[^}]*\})", path) if part]


def _resolve(value: Any, document: Mapping[str, Any], depth: int = 0) -> Any:
    """`value` with local references put in their place; 20 levels deep, since schemas may refer to themselves."""
    if isinstance(value, list):
        return [_resolve(item, document, depth) for item in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/") and depth < 20:
        target: Any = document
        for part in reference[2:].split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
        return _resolve(target, document, depth + 1)
    return {key: _resolve(item, document, depth) for key, item in value.items()}


def _properties(value: Any) -> Iterator[str]:
    """Names of all properties in a schema."""
    if isinstance(value, dict):
        if isinstance(value.get("properties"), dict):
            yield from map(str, value["properties"])
        for item in value.values():
            yield from _properties(item)
    elif isinstance(value, list):
        for item in value:
            yield from _properties(item)


def _tail(path: Path, limit: int) -> tuple[int, Iterator[bytes]]:
    """(bytes left out, lines of the rest); the first, broken line of a shortened log is left out too."""
    skipped = max(0, path.stat().st_size - limit)

    def lines() -> Iterator[bytes]:
        with path.open("rb") as log:
            if skipped:
                log.seek(skipped)
                log.readline()
            yield from log

    return skipped, lines()


def _line(raw: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(raw, parse_float=str)
        parse_iso(str(line["ts"]))
    except (ValueError, KeyError, TypeError):
        return None
    return line if isinstance(line, dict) and "method" in line and "path" in line else None


def _name(line: Mapping[str, Any], operations: Iterable[Operation]) -> str:
    """The operation that a call belongs to; else its method and its path without what looks like an identifier."""
    said, method = str(line.get("operation_id") or ""), str(line["method"])
    path = str(line["path"]).partition("?")[0]
    for item in operations:
        if said == item.id or (not said and method == item.method and item.pattern.fullmatch(path)):
            return item.id
    return said or f"{method} {_VARIABLE.sub('/{id}', path)}"


def _apart(operations: list[Operation], usage: Mapping[str, Usage]) -> tuple[dict[str, Usage], dict[str, Usage]]:
    """(of documented operations, of others). What was only ever answered 4xx is somebody's mistake, not an operation."""
    known = {item.id for item in operations}
    others = {
        name: found
        for name, found in sorted(usage.items(), key=lambda item: -item[1].calls)
        if name not in known and set(found.statuses) - {"4xx"}
    }
    return {name: usage[name] for name in usage if name in known}, dict(list(others.items())[:MOST_UNDOCUMENTED])


def _documented(item: Operation, usage: Usage, logged: bool) -> Asset:
    return Asset(
        f"api:{item.id}",
        AssetKind.API,
        item.id,
        structure=dict(item.structure),
        measures=_measures(usage, logged) | {"pii": of_fields({name: () for name in item.fields})},
        evidence="OpenAPI, access log" if usage.calls else "OpenAPI",
        last_seen=usage.last,
        confidence="0.90" if usage.calls else "0.60",
    )


def _undocumented(name: str, usage: Usage) -> Asset:
    return Asset(
        f"api:{name}",
        AssetKind.API,
        name,
        structure={"documented": False},
        measures=_measures(usage, True) | {"pii": {}},
        evidence="access log",
        last_seen=usage.last,
        confidence="0.40",
    )


def _measures(usage: Usage, logged: bool) -> dict[str, object]:
    return {
        "volume": usage.calls if logged else None,
        "unit": "calls",
        "exact": logged,
        "callers": dict(sorted(usage.callers.most_common(MANY_CALLERS))),
        "statuses": dict(sorted(usage.statuses.items())),
        "p50_ms": usage.percentile(50),
        "p99_ms": usage.percentile(99),
        "first_seen": iso(usage.first) if usage.first else None,
    }


def _findings(assets: Iterable[Asset]) -> Iterator[Finding]:
    for asset in assets:
        callers = asset.measures["callers"]
        if asset.structure.get("documented") is False:
            yield Finding(asset.id, "blocked", "in use, but not in the document")
        if isinstance(callers, dict) and callers.get(""):
            yield Finding(asset.id, "blocked", f"unknown caller: {callers['']:,} calls without a client id")
        if asset.measures["volume"] == 0:
            yield Finding(asset.id, "unknown", "never called, as far as the log reaches")
        elif asset.measures["volume"] is None:
            yield Finding(asset.id, "unknown", "no access log: callers are not known")
