"""`cutwater inventory discover|list|show|diff`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cutwater.cli.options import OutputOption, ProjectOption, opened, output
from cutwater.core.clock import iso, utc_now
from cutwater.core.hashing import canonical_json
from cutwater.core.output import Output, glyph
from cutwater.core.progress import progress_for

if TYPE_CHECKING:
    from cutwater.commands.inventory import AssetView, Discovered, Line, Listing, Observed
    from inventory.drift import Change, Drift

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
KindOption = Annotated[
    list[str] | None, typer.Option("--kind", help="postgres, kafka, api, file or swift; may be given again")
]
_COLUMNS = ("ID", "TYPE", "OWNER", "CRIT", "VOLUME", "PII", "SEEN", "CONF", "STATE")
_RIGHT = ("VOLUME", "SEEN", "CONF")
MOST_CHANGES = 40


@app.command()
def discover(project: ProjectOption = None, fmt: OutputOption = "text") -> None:
    """Look at all systems of the estate and save what was seen."""
    from cutwater.commands import inventory as command

    out = output(fmt)
    with progress_for(quiet=out.is_json) as progress:
        found = command.discover(opened(project), progress)
    if out.is_json:
        out.json("cutwater.inventory.discover/1", _discovered(found))
    else:
        _print_discovered(out, found)
    found.require()


@app.command("list")
def list_assets(
    project: ProjectOption = None,
    kind: KindOption = None,
    sort: str = typer.Option("id", help="id or risk"),
    fmt: OutputOption = "text",
) -> None:
    """The assets of the last snapshot."""
    from cutwater.commands import inventory as command

    out = output(fmt)
    found = command.listing(opened(project), kind or (), sort)
    if out.is_json:
        payload = asdict(found) | {
            "lines": None,
            "assets": [_asset(line) for line in found.lines],
            "filter": kind or [],
        }
        del payload["lines"]
        out.json("cutwater.inventory.list/1", payload)
    else:
        _print_listing(out, found, kind or ())


@app.command()
def show(
    asset: str = typer.Argument(help="An id as `list` shows it, e.g. postgres:payhub.payment"),
    project: ProjectOption = None,
    fmt: OutputOption = "text",
) -> None:
    """One asset: structure, measures, edges, findings."""
    from cutwater.commands import inventory as command

    out = output(fmt)
    found = command.show(opened(project), asset)
    if out.is_json:
        edges = {
            "feeds": [asdict(item) for item in found.outgoing],
            "fed_by": [asdict(item) for item in found.incoming],
        }
        body: dict[str, object] = {
            "asset": _asset(found.line),
            **edges,
            "snapshot": found.snapshot,
            "observed": asdict(found.observed),
        }
        out.json("cutwater.inventory.show/1", body)
    else:
        _print_asset(out, found)


@app.command()
def diff(
    project: ProjectOption = None,
    before: str = typer.Option("", "--from", help="Snapshot id (default: the last but one)"),
    after: str = typer.Option("", "--to", help="Snapshot id (default: the last)"),
    fmt: OutputOption = "text",
) -> None:
    """What changed between two snapshots; structure voids approvals, traffic does not."""
    from cutwater.commands import inventory as command

    out = output(fmt)
    found = command.diff(opened(project), before, after)
    if out.is_json:
        out.json("cutwater.inventory.diff/1", _drift(found))
    else:
        _print_drift(out, found)


def _asset(line: Line) -> dict[str, Any]:
    return asdict(line.asset) | {"state": line.state, "findings": list(line.findings)}


def _drift(found: Drift) -> dict[str, Any]:
    changes = [asdict(item) | {"structural": item.structural} for item in found.changes]
    return asdict(found) | {"changes": changes, "structural": len(found.structural)}


def _discovered(found: Discovered) -> dict[str, Any]:
    snapshot = found.snapshot
    return {
        "snapshot": snapshot.id,
        "taken_at": snapshot.taken_at,
        "milliseconds": found.milliseconds,
        "assets": found.counts,
        "edges": len(snapshot.edges),
        "findings": [asdict(item) for item in snapshot.findings],
        "not_checked": snapshot.not_checked,
        "structural_changes": None if found.drift is None else len(found.drift.structural),
    }


def _print_discovered(out: Output, found: Discovered) -> None:
    snapshot = found.snapshot
    counted = ", ".join(f"{count} {kind}" for kind, count in found.counts.items())
    seconds = f"{found.milliseconds // 1000}.{found.milliseconds % 1000 // 100} s"
    out.line(
        f"snapshot {snapshot.id}  {len(snapshot.assets)} assets ({counted}), {len(snapshot.edges)} edges, in {seconds}"
    )
    for kind, why in snapshot.not_checked.items():
        out.line(f"  {_word('unknown')} {kind}  not checked: {why}")
    _print_findings(out, [(item.state, item.asset, item.text) for item in snapshot.findings])
    if found.drift is not None:
        out.line(
            f"since {found.drift.before}: {len(found.drift.structural)} structural changes   cutwater inventory diff"
        )
    out.line("next: cutwater inventory list")


def _print_listing(out: Output, found: Listing, kinds: Sequence[str]) -> None:
    rows = [_row(line) for line in found.lines]
    for text in _aligned(_COLUMNS, rows, _RIGHT):
        out.line(text)
    out.line()
    _print_findings(out, [(line.state, line.asset.id, text) for line in found.lines for text in line.findings])
    for kind, why in found.not_checked.items():
        out.line(f"{_word('unknown')} {kind}  not checked: {why}")
    out.line(
        f"{len(found.lines)} shown, snapshot {found.snapshot} of {iso(found.taken_at)[:16]}Z; {_observed(found.observed)}"
    )
    if found.hidden:
        names = ", ".join(f"{count} {kind}" for kind, count in found.hidden.items())
        out.line(
            f"--kind {' --kind '.join(kinds)} hides {sum(found.hidden.values())}: {names}   (all: cutwater inventory list)"
        )


def _row(line: Line) -> tuple[str, ...]:
    asset = line.asset
    return (
        asset.id,
        asset.kind.value,
        asset.owner,
        asset.criticality,
        _volume(asset.measures),
        "yes" if asset.measures.get("pii") else "-",
        _age(asset.last_seen),
        asset.confidence,
        _word(line.state),
    )


def _volume(measures: Mapping[str, object]) -> str:
    """What was counted to the digit; an estimate of millions as `~126.4M`."""
    volume = measures.get("volume")
    if not isinstance(volume, int):
        return "?"
    if measures.get("exact"):
        return f"{volume:,}"
    return f"~{volume // 100_000 / Decimal(10):,}M" if volume >= 1_000_000 else f"~{volume:,}"


def _age(seen: datetime | None) -> str:
    """How long ago, in its largest unit; `-` for never."""
    if seen is None:
        return "-"
    seconds = max(0, int((utc_now() - seen).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _word(state: str) -> str:
    """Glyph and word; an asset without a finding was seen, which is less than a pass."""
    words = {"blocked": "blocked", "late": "note", "unknown": "unknown", "seen": "seen"}
    return f"{glyph('pass' if state == 'seen' else state).split()[0]} {words[state]}"


def _observed(observed: Observed) -> str:
    many = "snapshot" if observed.snapshots == 1 else "snapshots"
    return f"observed {observed.days} days ({observed.snapshots} {many})"


def _print_findings(out: Output, findings: Sequence[tuple[str, str, str]]) -> None:
    """One line per different text, with the assets that it is about."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for state, asset, text in findings:
        grouped.setdefault((state, text), []).append(asset)
    for (state, text), assets in grouped.items():
        more = f" and {len(assets) - 2} more" if len(assets) > 2 else ""
        out.line(f"{_word(state)}: {text}")
        out.line(f"    {', '.join(assets[:2])}{more}")


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> list[str]:
    """Lines of columns two blanks apart, so that nine of them fit 100 characters and ids are never folded."""
    widths = [max(len(row[place]) for row in (columns, *rows)) for place in range(len(columns))]
    return [
        "  ".join(
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        ).rstrip()
        for row in (columns, *rows)
    ]


def _print_asset(out: Output, found: AssetView) -> None:
    asset = found.line.asset
    out.line(f"{asset.id}  {_word(found.line.state)}  owner {asset.owner}  criticality {asset.criticality}")
    unit = asset.measures.get("unit", "")
    out.line(
        f"{_volume(asset.measures)} {unit}, seen {_age(asset.last_seen)} ago by {asset.evidence}, confidence {asset.confidence}"
    )
    for text in found.line.findings:
        out.line(f"  {_word(found.line.state).split()[0]} {text}")
    for title, values in (("structure", asset.structure), ("measures", asset.measures)):
        out.line()
        out.line(title)
        for key, value in values.items():
            _print_value(out, key, value)
    for title, edges, end in (("feeds", found.outgoing, "target"), ("fed by", found.incoming, "source")):
        if edges:
            out.line()
            out.line(title)
            for item in edges:
                out.line(f"  {item.kind:<6} {getattr(item, end)}   ({item.evidence})")
    out.line()
    out.line(f"structure hash {asset.structure_hash[:12]}, snapshot {found.snapshot}; {_observed(found.observed)}")


def _print_value(out: Output, key: str, value: object) -> None:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        out.line(f"  {key}")
        names = sorted(value[0], key=lambda name: (name != "name", name))
        rows = [[_cell(item.get(name)) for name in names] for item in value]
        for text in _aligned([name.upper() for name in names], rows):
            out.line(f"    {text}")
    elif isinstance(value, dict) and value:
        out.line(f"  {key}")
        for name, inner in value.items():
            out.line(f"    {name or '(none)'}  {_cell(inner)}")
    else:
        out.line(f"  {key:<18} {_cell(value)}")


def _cell(value: object) -> str:
    if value is None or value == "" or value == [] or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return canonical_json(value).replace('"', "").replace(",", ", ")


def _print_drift(out: Output, found: Drift) -> None:
    out.line(f"{found.before} ({iso(found.before_at)[:16]}Z) -> {found.after} ({iso(found.after_at)[:16]}Z)")
    structural = list(found.structural)
    traffic = [item for item in found.changes if not item.structural]
    for item in structural:
        out.line(f"  {_word('blocked').split()[0]} {_change(item)}")
    moved = [item for item in traffic if item.field == "volume" or item.what != "measure"]
    for item in moved[:MOST_CHANGES]:
        out.line(f"    {_change(item)}")
    rest = len(traffic) - len(moved[:MOST_CHANGES])
    for kind, why in found.not_comparable.items():
        out.line(f"  {_word('unknown')} {kind}  not compared: {why}")
    out.line(
        f"{len(structural)} structural changes (these void approvals), {len(traffic)} of traffic; {rest} of these not shown"
    )


def _change(item: Change) -> str:
    if item.what in ("added", "removed"):
        return f"{item.asset}  {item.what}"
    if item.what.startswith("edge"):
        return f"{item.asset}  {item.field} {item.what.removeprefix('edge_')}: {_cell(item.before or item.after)}"
    return f"{item.asset}  {item.field}: {_short(item.before)} -> {_short(item.after)}"


def _short(value: object) -> str:
    text = _cell(value)
    return text if len(text) <= 60 else text[:59] + "…"
