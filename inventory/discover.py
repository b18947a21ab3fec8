"""All discoverers at once: one snapshot. What cannot be looked at is said, and never stops the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from cutwater.core.errors import CutwaterError
from cutwater.core.progress import Progress, Silent
from cutwater.core.redaction import redact
from inventory.model import AssetKind, Edge, Finding, Snapshot
from inventory.ports import Discoverer, Discovery


def discover(
    discoverers: Sequence[Discoverer],
    now: datetime,
    snapshot_id: str,
    progress: Progress | None = None,
    failed: Callable[[AssetKind, BaseException], None] = lambda kind, error: None,
) -> Snapshot:
    """One snapshot of the estate as the discoverers see it at `now`.

    A discoverer that fails leaves its kind in `not_checked` with the reason; a kind without a discoverer stands there too.
    failed: told of each failure, for whoever needs its class.
    """
    task = (progress or Silent()).task("discover", len(discoverers), "systems")
    results: list[tuple[AssetKind, Discovery]] = []
    not_checked = {kind.value: "no system of this kind is configured" for kind in AssetKind}
    with ThreadPoolExecutor(max(1, min(5, len(discoverers)))) as pool:
        running = [(item.kind, pool.submit(item.discover, now)) for item in discoverers]
        for kind, future in running:
            error = future.exception()
            not_checked.pop(kind.value, None)
            if error is not None:
                not_checked[kind.value] = _reason(error)
                failed(kind, error)
            else:
                results.append((kind, future.result()))
            task.advance(note=kind.value)
    return _snapshot(snapshot_id, now, results, not_checked)


def _reason(error: BaseException) -> str:
    """Why a discoverer failed. A defect of ours is named as such."""
    if isinstance(error, CutwaterError):
        return redact(str(error))
    return redact(f"defect of this discoverer: {type(error).__name__}: {error}")


def _snapshot(
    snapshot_id: str, now: datetime, results: list[tuple[AssetKind, Discovery]], not_checked: dict[str, str]
) -> Snapshot:
    assets = {asset.id: asset for _, found in results for asset in found.assets}
    edges, dangling = _resolved((edge for _, found in results for edge in found.edges), set(assets), set(not_checked))
    findings = {item for _, found in results for item in found.findings} | set(dangling)
    parts = {f"{kind}.{part}": why for kind, found in results for part, why in found.not_checked.items()}
    return Snapshot(
        id=snapshot_id,
        taken_at=now,
        assets=tuple(assets[key] for key in sorted(assets)),
        edges=edges,
        not_checked=dict(sorted({**not_checked, **parts}.items())),
        findings=tuple(sorted(findings, key=lambda item: (item.asset, item.state, item.text))),
        systems={kind.value: dict(found.system) for kind, found in results if found.system},
    )


def _resolved(edges: Iterable[Edge], known: set[str], unchecked: set[str]) -> tuple[tuple[Edge, ...], list[Finding]]:
    """Edges between assets that were seen. One to an asset that a checked system does not have is a finding."""
    kept, findings = set(), []
    for edge in edges:
        missing = [end for end in (edge.source, edge.target) if end not in known]
        if not missing:
            kept.add(edge)
        elif missing[0].partition(":")[0] not in unchecked and len(missing) == 1:
            seen = edge.target if edge.source == missing[0] else edge.source
            findings.append(
                Finding(seen, "unknown", f"{edge.kind} {missing[0]}, which no system has ({edge.evidence})")
            )
    return tuple(sorted(kept, key=lambda item: (item.source, item.target, item.kind))), findings
