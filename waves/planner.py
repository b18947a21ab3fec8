"""The planner: a wave file and what discovery saw become a frozen plan, or a list of what has to be mended.

Pure: equal input gives an equal plan with an equal hash. Every asset and step carries the reason for its place.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from cutwater.core.errors import Refused
from cutwater.core.hashing import sha256_json
from inventory.model import Asset, AssetKind, Snapshot
from waves.cutover import cutover_steps
from waves.mapping import Findings, table_mapping
from waves.order import parents_first, references
from waves.plan import GateSpec, Plan, StepSpec
from waves.wave_file import CutoverSection, WaveDocument

FEED_KINDS = (AssetKind.KAFKA, AssetKind.FILE, AssetKind.SWIFT)
DEFAULT_GATES = (
    GateSpec("reconciliation", "reconciliation.verdict", "PASS", 60, "Both sides are the same at a stated point"),
    GateSpec("open-breaks", "reconciliation.open_breaks", "0", 60, "No break is open"),
)


def make_plan(document: WaveDocument, snapshot: Snapshot) -> Plan:
    """The plan of a wave.

    Raises BadInput with every finding and its place: CW3004 (unknown asset), CW3005 (replica identity), CW3006 (key),
    CW3007 (type), CW3025 (accepts_writes); the code is that of the first finding.
    """
    spec, findings = document.spec, Findings(document)
    assets = select_assets(document, snapshot, findings)
    tables = [item for item in assets if item.kind is AssetKind.POSTGRES]
    feeds = [item for item in assets if item.kind in FEED_KINDS]
    _check_overrides(document, assets, findings)
    _check_writes(document, tables, feeds, assets, findings)
    _check_files(document, feeds, findings)
    mappings = [table_mapping(item, spec.mappings.get(item.id), findings) for item in tables]
    findings.raise_any()
    ordered, reasons = parents_first(tables)
    by_asset = {asset.id: mapping for asset, mapping in zip(tables, mappings, strict=True)}
    plain = tuple(by_asset[asset.id] for asset in ordered)
    reasons.update(_asset_reasons(assets, feeds))
    reasons.update(_bridges(tables, {item.id for item in assets}))
    gates = tuple(GateSpec(**gate.model_dump()) for gate in spec.gates) or DEFAULT_GATES
    steps = _steps(document, [item.id for item in ordered], [item.id for item in feeds], gates, reasons)
    if spec.cutover is not None:
        steps = (*steps, *cutover_steps(spec.cutover, plain, [item.id for item in feeds], steps[0].params))
    return Plan(
        wave=spec.wave,
        title=spec.title,
        accepts_writes=spec.accepts_writes,
        assets=tuple(item.id for item in assets),
        steps=steps,
        gates=gates,
        inventory_hash=structure_hash(assets),
        mapping_hash=sha256_json(plain),
        window=_window(document),
        roles=dict(sorted(spec.roles.items())),
        mappings=plain,
        reasons=dict(sorted(reasons.items())),
    )


def structure_hash(assets: Sequence[Asset]) -> str:
    """What voids an approval when it changes: the assets' structures, not their traffic."""
    return sha256_json(sorted([item.id, item.structure_hash] for item in assets))


def drifted(plan: Plan, snapshot: Snapshot) -> list[str]:
    """Assets of the plan that are gone, or all of them where the structure differs; [] where nothing did."""
    gone = [name for name in plan.assets if snapshot.asset(name) is None]
    if gone:
        return gone
    assets = [item for name in plan.assets if (item := snapshot.asset(name)) is not None]
    return [] if structure_hash(assets) == plan.inventory_hash else list(plan.assets)


def refuse_drift(plan: Plan, names: Sequence[str]) -> Refused:
    """The stop message of structural drift."""
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return Refused(
        "CW3018",
        f"the structure of wave {plan.wave}'s assets is no longer what was planned",
        cause=f"to be looked at: {shown}",
        state=f"approvals of plan {plan.hash[:12]} are void; nothing was done",
        next=f"cutwater inventory diff, then cutwater wave plan {plan.wave}",
    )


def select_assets(document: WaveDocument, snapshot: Snapshot, findings: Findings) -> list[Asset]:
    """The assets that the file names, by id or by pattern (`postgres:payhub.*`), sorted by id."""
    known = {item.id: item for item in snapshot.assets}
    chosen: dict[str, Asset] = {}
    for place, pattern in enumerate(document.spec.assets):
        hits = [name for name in known if name == pattern or fnmatchcase(name, pattern)]
        if not hits:
            findings.unknown_asset(("assets", place), pattern, difflib.get_close_matches(pattern, known, 3, 0.5))
        chosen.update((name, known[name]) for name in hits)
    return [chosen[name] for name in sorted(chosen)]


def _check_overrides(document: WaveDocument, assets: Sequence[Asset], findings: Findings) -> None:
    tables = {item.id for item in assets if item.kind is AssetKind.POSTGRES}
    for name in document.spec.mappings:
        if name not in tables and not findings.found:
            close = difflib.get_close_matches(name, tables, 3, 0.5)
            findings.unknown_asset(("mappings", name), name, close)


def _check_writes(
    document: WaveDocument, tables: Sequence[Asset], feeds: Sequence[Asset], assets: Sequence[Asset], findings: Findings
) -> None:
    mode = document.spec.accepts_writes
    if mode == "feeds" and not feeds:
        findings.add(
            "CW3025",
            ("accepts_writes",),
            "`feeds` takes the writes, but the wave has no feed",
            "add its topics, files or SWIFT feeds, or choose readers",
        )
    if mode == "store" and document.spec.cutover is not None:
        _check_way_back(document.spec.cutover, findings)
    if mode in ("readers", "store") and assets and len(feeds) == len(assets):
        findings.add(
            "CW3025",
            ("accepts_writes",),
            f"`{mode}` needs a table or an operation, and the wave has only feeds",
            "choose feeds",
        )


def _check_way_back(section: CutoverSection, findings: Findings) -> None:
    """Where a store takes the writes, a rollback has to bring them back, keep others out of it, and prove both."""
    writes = section.reverse.writes if section.reverse is not None else {}
    lacks = {
        "reverse": ("how what the store accepts comes to the legacy side", bool(writes) and all(writes.values())),
        "store_tables": ("which tables of the store the way back fences", bool(section.store_tables)),
        "compare_back": (
            "which of its tables the legacy side has to hold after a rollback",
            bool(section.compare_back),
        ),
    }
    for name, (what, said) in lacks.items():
        if not said:
            place = ("cutover", name) if name in section.model_fields_set else ("cutover",)
            findings.add(
                "CW3025", place, f"`store` takes the writes, but cutover.{name} does not say {what}",
                "a rollback would lose payments: see docs/guides/cutover.md",
            )  # fmt: skip


def _check_files(document: WaveDocument, feeds: Sequence[Asset], findings: Findings) -> None:
    """Files are routed of feeds that the wave moves."""
    known = {item.id for item in feeds if item.kind is AssetKind.FILE}
    section = document.spec.cutover
    for place, item in enumerate(section.files if section else ()):
        if item.feed not in known:
            close = difflib.get_close_matches(item.feed, known, 3, 0.5)
            findings.unknown_asset(("cutover", "files", place), item.feed, close)


def _asset_reasons(assets: Sequence[Asset], feeds: Sequence[Asset]) -> dict[str, str]:
    reasons = {item.id: "tapped beside the legacy reader: nothing is taken away from it" for item in feeds}
    for item in assets:
        if item.kind is AssetKind.API:
            reasons[item.id] = "nothing to copy: its callers are switched at the cutover"
    return reasons


def _bridges(tables: Sequence[Asset], inside: set[str]) -> dict[str, str]:
    """Foreign keys that leave the wave: what they point to has to be kept current until it moves too."""
    notes: dict[str, str] = {}
    for table in tables:
        for key in references(table):
            target = str(key["references"])
            if target not in inside:
                notes[f"bridge:{table.id}->{target}"] = (
                    f"{table.name} refers to {target.removeprefix('postgres:')} by {', '.join(key['columns'])}, which is "
                    "not in this wave: the copy may hold references without a row until that table moves"
                )
    return notes


def _steps(
    document: WaveDocument,
    tables: Sequence[str],
    feeds: Sequence[str],
    gates: Sequence[GateSpec],
    reasons: dict[str, str],
) -> tuple[StepSpec, ...]:
    spec, options = document.spec, document.spec.options
    name = f"cutwater_{spec.wave.lower().replace('-', '_')}"
    names = {"slot": name, "publication": name} if tables else {}
    steps = [
        StepSpec("prepare", "prepare", "Check the source, create tables, publication and slot", (), "engine", names)
    ]
    throttle = {key: value for key, value in options.throttle.model_dump().items() if value is not None}
    for table in tables:
        params = {"asset": table, "chunk_rows": options.chunk_rows, "throttle": throttle, "parallel": options.parallel}
        short = table.removeprefix("postgres:")
        steps.append(StepSpec(f"backfill:{short}", "backfill", f"Copy {short}", ("prepare",), "engine", params))
        reasons[f"backfill:{short}"] = reasons.get(table, "")
    flows: list[str] = []
    if tables:
        needs = tuple(f"backfill:{table.removeprefix('postgres:')}" for table in tables)
        steps.append(StepSpec("stream", "stream", "Follow the change stream up to an own marker", needs))
        reasons["stream"] = "after every copy: changes are applied to rows that are there"
        flows.append("stream")
    if feeds:
        params = {"feeds": list(feeds), "parallel": max(2, len(feeds))}
        steps.append(StepSpec("feeds", "feeds", f"Tap {len(feeds)} feeds and catch up", ("prepare",), "engine", params))
        reasons["feeds"] = "the event store begins with what the feeds still hold"
        flows.append("feeds")
    grace = {"grace_seconds": document.spec.options.grace_seconds}
    needs = tuple(flows) or ("prepare",)
    steps.append(StepSpec("dual_run", "dual_run", "Both sides process the same input", needs, "engine", grace))
    return (*steps, *_decisions(document, gates))


def _window(document: WaveDocument) -> dict[str, str]:
    window = document.spec.window
    if window is None:
        return {}
    stated = {} if window.rollback_minutes is None else {"rollback_minutes": str(window.rollback_minutes)}
    return {"start": window.start, "end": window.end, **stated}


def _decisions(document: WaveDocument, gates: Sequence[GateSpec]) -> list[StepSpec]:
    """What people decide on: the gates over the dual run, then the approval."""
    who = "migration-lead"
    steps = [
        StepSpec(f"gate:{item.id}", "gate", f"Gate: {item.title or item.query}", ("dual_run",), who, {"gate": item.id})
        for item in gates
    ]
    needs, roles = tuple(step.id for step in steps), list(document.spec.approving_roles)
    several = document.spec.needed_approvers
    params: dict[str, Any] = {"roles": roles, **({"approvers": several} if several > 1 else {})}
    if document.spec.deciders is not None:
        params["deciders"] = sorted(document.spec.deciders)
    return [*steps, StepSpec("approval", "approval", "Approve this plan for the cutover", needs, who, params)]
