"""One reconciliation run of a wave: by the command, and by the runner at the fence point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from adapters.iceberg.mapping_data import mapping_of
from cutwater.core.clock import Clock, utc_now
from cutwater.core.config import Project
from cutwater.core.errors import BadInput
from cutwater.core.hashing import canonical_json, sha256_file
from cutwater.core.ids import new_id
from cutwater.core.progress import Progress, Silent
from inventory.model import TableMapping
from reconciliation.basis import Basis
from reconciliation.breaks import Break
from reconciliation.evidence import Frame, document
from reconciliation.options import ReconcileOptions
from reconciliation.ports import FeedView, Pinner, TableSide
from reconciliation.run import Context, RunResult, reconcile
from waves.approvals import PLANNED_BY
from waves.history import History

if TYPE_CHECKING:
    from cutwater.state.records import PlanRow
    from cutwater.state.store import Store

FEED_KINDS = ("kafka", "file", "swift")
SETTINGS = "reconcile.yaml"


@dataclass(frozen=True)
class Sides:
    """The systems of a run; `cutwater.wiring` makes them, tests bring their own."""

    source: TableSide
    target: TableSide
    pinner: Pinner
    feeds: FeedView | None


@dataclass(frozen=True)
class Ran:
    """A finished run: its evidence and where its files stand. result: all that was found, where this process ran it."""

    body: dict[str, Any]
    sha256: str
    folder: Path
    found: RunResult | None = None

    @property
    def result(self) -> RunResult:
        if self.found is None:
            raise ValueError("this run was read from its evidence")
        return self.found

    @property
    def report(self) -> Path:
        return self.folder / "report.html"


def settings_of(project: Project) -> ReconcileOptions:
    """reconcile.yaml of the project, else the strict defaults; BadInput CW4007 names the place of a mistake."""
    import yaml

    path = project.files_dir / SETTINGS
    if not path.is_file():
        return ReconcileOptions()
    try:
        loaded = yaml.safe_load(path.read_text("utf-8"))
        return ReconcileOptions.model_validate({} if loaded is None else loaded)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(
            "CW4007", f"{path} is no YAML", cause=" ".join(str(error).split()), next=f"mend {path}"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput("CW4007", f"{path}: {place}: {first['msg']}", next=f"mend {path}") from None


def plan_of(store: Store, wave: str) -> PlanRow:
    """The plan that the wave stands on, as the journal says; BadInput CW4008 where there is none.

    Not the one that was saved last: a file that was put back gives a plan that had been saved before.
    """
    stands = History.of(wave, store.journal.records(wave, PLANNED_BY)).plan_hash
    found = store.plans.row(stands) if stands else store.plans.latest(wave)
    if found is None:
        raise BadInput("CW4008", f"wave {wave} has no plan", next=f"cutwater wave plan {wave}")
    return found


def run(
    project: Project,
    wave: str,
    store: Store,
    sides: Sides | None = None,
    progress: Progress | None = None,
    clock: Clock = utc_now,
    basis: Basis | None = None,
    settings: ReconcileOptions | None = None,
) -> Ran:
    """One reconciliation of a wave: compares, keeps the evidence, writes the reports. The verdict is in the body.

    basis: of a run that follows an earlier one; `sides` then hold what was touched since.
    """
    row, settings = plan_of(store, wave), settings or settings_of(project)
    plan = row.body
    given = sides or _wired(project, plan)
    assets = [str(item) for item in plan.get("assets", ())]
    mappings = [mapping_of(item) for item in plan.get("mappings", ())]
    feeds = [item for item in assets if item.split(":", 1)[0] in FEED_KINDS]
    covered = {item.asset_id for item in mappings} | set(feeds)
    earlier = store.recon.runs(wave)
    context = Context(
        run=new_id("R", clock),
        settings=settings,
        previous=[Break.from_dict(item) for item in store.recon.breaks(run_id=earlier[0]["run"])] if earlier else (),
        clock=clock,
        progress=progress or Silent(),
        other_assets=[item for item in assets if item not in covered],
        basis=basis,
    )
    try:
        result = reconcile(wave, mappings, feeds, given.source, given.target, given.pinner, given.feeds, context)
    finally:
        for side in (given.source, given.target):
            close = getattr(side, "close", None)
            if close is not None:
                close()
        if sides is None or basis is not None:  # ours alone: what the lake was read by
            for lake in (given.target, given.feeds.lake if given.feeds is not None else None):
                reader = getattr(lake, "reader", None)
                if reader is not None:
                    reader.close()
    body = document(result, Frame(project.name, settings, clock(), earlier, row.plan_hash))
    return _keep(project, store, wave, body, result, mappings)


def _keep(
    project: Project,
    store: Store,
    wave: str,
    body: dict[str, Any],
    result: RunResult,
    mappings: Sequence[TableMapping],
) -> Ran:
    """Files first, then the store: what the store names is there."""
    folder = project.run_dir / "evidence" / result.run
    folder.mkdir(parents=True, exist_ok=True)
    evidence = folder / "run.json"
    evidence.write_text(canonical_json(body) + "\n", encoding="utf-8")
    digest = sha256_file(evidence)
    peers = _peers(folder, result, mappings)
    write_report(folder, body, digest, peers)
    store.recon.save_run(result.run, wave, {key: value for key, value in body.items() if key != "breaks"})
    store.recon.save_breaks(result.run, body["breaks"])
    kept = {
        "run": result.run,
        "verdict": body["verdict"],
        "open_breaks": body["open_breaks"],
        "not_checked": [item for item in body["not_checked"] if not item["declared"]],
        "value_at_risk": body["value_at_risk"],
        "self_check": {key: body["self_check"][key] for key in ("planted", "found", "bound")},
        "feeds": {item["stream"]: {"verdict": item["verdict"]} for item in body["feeds"]},
        "digests_sha256": body["digests_sha256"],
        "pins": body["pins"],
        "as_of": body["as_of"],
        "plan_hash": body["plan_hash"],
        "basis": body["basis"],
        "file": f".cutwater/evidence/{result.run}/run.json",
    }
    store.evidence.add("reconciliation", wave, kept, digest, result.run)
    facts = {key: kept[key] for key in ("run", "verdict", "open_breaks", "as_of", "plan_hash")}
    store.journal.append(wave, "reconciliation.run", {**facts, "sha256": digest}, result.run)
    return Ran(body, digest, folder, result)


def write_report(folder: Path, body: Mapping[str, Any], sha256: str, peers: Sequence[str] = ()) -> Path:
    """report.html from the evidence alone."""
    from reconciliation.reports.render import render

    path = folder / "report.html"
    path.write_text(render(body, sha256, peers), encoding="utf-8")
    return path


def _peers(folder: Path, result: RunResult, mappings: Sequence[TableMapping]) -> list[str]:
    """datacompy's report per table with differing rows; its absence is no reason to fail."""
    from reconciliation.peer import peer_report

    by_asset = {item.asset_id: item for item in mappings}
    written = []
    for table in result.tables:
        if not (table.witness.source or table.witness.target):
            continue
        name = f"datacompy-{table.asset.split(':', 1)[1].replace('/', '_')}.txt"
        try:
            text = peer_report(by_asset[table.asset], table.witness)
        except (ImportError, ValueError, TypeError, KeyError) as error:
            text = f"datacompy gave no report for {table.asset}: {type(error).__name__}: {error}\n"
        (folder / name).write_text(text, encoding="utf-8")
        written.append(name)
    return written


def _wired(project: Project, plan: dict[str, Any]) -> Sides:
    from cutwater import wiring

    source, target = wiring.compare_sides(project)
    return Sides(source, target, wiring.pinner(project, plan), wiring.feed_view(project))
