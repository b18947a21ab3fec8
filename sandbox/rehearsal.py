"""`cutwater wave rehearse`: a wave's whole round on a copy of the sandbox, under traffic; what it took is filed for the real one.

The copy is a sandbox and a project of its own below the project's run folder: own ports, own state, own lake. The original is
only read. The round is that of the plan, by the engine, its gates and its evidence; what people do (approve, decide) is
entered under names that say `rehearsal`, in the copy's journal alone.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from cutwater.commands import inventory, reconcile, rehearsal, wave, wave_run
from cutwater.commands.wave_run import Follower
from cutwater.commands.wave_status import runner_of
from cutwater.core.clock import Clock, utc_now
from cutwater.core.config import CONFIG_NAME, Project, load_project
from cutwater.core.errors import CutwaterError, LeaseHeld, Refused
from cutwater.core.ids import new_id
from cutwater.core.progress import Progress, Silent
from cutwater.jobs.wave_state import current_plan, history_of
from cutwater.state.store import open_store
from sandbox import clone
from sandbox.estate import commands as estate
from waves import life
from waves.approvals import NOBODY, Rule, person, standing
from waves.plan import Plan
from waves.rehearsal import Rehearsal

MAKER = "rehearsal"
ACCEPTED = 50  # payments that the new side has taken before the round goes back: a way back without any proves little
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal brought. kept: the folder with the copy's journal and logs; the copy itself is gone unless asked for."""

    found: Rehearsal
    seq: int
    hash: str
    kept: Path
    copy_stays: bool


def rehearse(
    project: Project,
    name: str,
    rate: float = 50,
    keep: bool = False,
    progress: Progress | None = None,
    follower: Follower | None = None,
    clock: Clock = utc_now,
) -> Rehearsed:
    """Copies, plans, runs to READY, cuts over, rolls back, measures, files, removes the copy.

    Raises what stopped the round (it is filed as `rehearsal.failed` and the copy is removed all the same), Refused CW3060
    where the project's systems are not the sandbox's, LeaseHeld CW3061 while another rehearsal of this wave runs.
    """
    _ours(project, name)
    plan, report, began, key = rehearsal.planned_for(project, name), progress or Silent(), clock(), new_id("R", clock)
    with _alone(project, name), ExitStack() as stack:
        copy = _project(project, name)
        if not keep:
            stack.callback(_away, project, copy, name, key)
        try:
            clone.clone(project, copy, report)
            payments = _round(copy, name, plan, project, key, rate, report, follower)
            found = rehearsal.measure(copy, name, plan, key, f"copy of the sandbox {project.name}", payments)
        except CutwaterError as error:
            with open_store(project.state_url) as store:
                rehearsal.file_failure(store, name, key, plan.hash, began, error.as_dict())
            raise
        with open_store(project.state_url) as store:
            record, _ = rehearsal.file(store, name, found)
    return Rehearsed(found, record.seq, record.hash, copy.root if keep else _folder(project) / key, keep)


def remove(project: Project, name: str) -> bool:
    """Removes a copy that was kept, or that a killed rehearsal left; False where there is none."""
    with _alone(project, name):
        root = _folder(project) / name
        if not (root / CONFIG_NAME).exists():
            return False
        _end(load_project(root), name)
        shutil.rmtree(root)
        return True


def _ours(project: Project, name: str) -> None:
    if project.endpoints_from != "sandbox":
        raise Refused(
            "CW3060",
            f"the systems of {project.name} are not the sandbox's: cutwater cannot copy them",
            state="nothing was done",
            next=f"restore a backup, carry a round out in a project of its own, then cutwater wave rehearse {name} --from DIR",
        )


def _folder(project: Project) -> Path:
    return project.run_dir / "rehearsals"


@contextmanager
def _alone(project: Project, name: str) -> Iterator[None]:
    _folder(project).mkdir(parents=True, exist_ok=True)
    with (_folder(project) / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LeaseHeld(
                "CW3061",
                f"another rehearsal of {name} is under way",
                state="nothing was done",
                next=f"wait for it; cutwater wave status {name} shows its result",
            ) from None
        yield


def _project(project: Project, name: str) -> Project:
    """The copy's project, anew: what an earlier rehearsal left is removed first."""
    root = _folder(project) / name
    if (root / CONFIG_NAME).exists():
        _end(load_project(root), name)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    shutil.copytree(
        project.files_dir, root / "files", ignore=shutil.ignore_patterns(".cutwater", "runbook-out", "demo-out", ".*")
    ) if project.files != "." else _files(project.root, root / "files")
    words = f'[project]\nname = "{project.name[:50]}-rehearsal"\nfiles = "files"\n\n[endpoints]\nfrom = "sandbox"\n'
    (root / CONFIG_NAME).write_text(words, "utf-8")
    return load_project(root)


def _files(root: Path, target: Path) -> None:
    """Of a project whose files stand beside everything else: what a wave is planned and carried out from."""
    target.mkdir()
    for name in ("waves", "smoke", "calendars", "inventory"):
        if (root / name).is_dir():
            shutil.copytree(root / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    for path in root.glob("*.yaml"):
        shutil.copy2(path, target / path.name)


def _round(
    copy: Project,
    name: str,
    of_plan: Plan,
    of: Project,
    key: str,
    rate: float,
    report: Progress,
    follower: Follower | None,
) -> dict[str, str]:
    """Everything between the copied estate and the finished way back."""
    rehearsal.begin(copy, name, of_plan, of, key)
    estate.traffic(copy, rate=rate, detach=True)
    inventory.discover(copy, report)
    planned = wave.plan_wave(copy, name, MAKER).plan
    if planned.work_hash != of_plan.work_hash:
        rehearsal.measure(copy, name, of_plan, key, "", {})  # says how they differ
    wave_run.run(copy, name, "dual-run", follower=follower)
    with open_store(copy.state_url) as store:
        reconcile.run(copy, name, store, progress=report)
    _approve(copy, name, planned)
    wave_run.run(copy, name, "ready", follower=follower)
    _carry(copy, name, life.CUT, follower)
    accepted = _accepted(copy)
    _carry(copy, name, life.BACK, follower)
    return {"per_second": f"{rate:g}", "accepted_by_the_new_side": str(accepted)}


def _approve(copy: Project, name: str, plan: Plan) -> None:
    """The words that the plan asks for, in the copy alone: by whom the plan names, else under a name that says what it is."""
    rule, note = Rule.of(plan), "entered by a rehearsal, holds for its copy"
    for role in (*rule.roles, *(item for item in plan.roles if item not in rule.roles)):
        with open_store(copy.state_url) as store:
            if standing(rule, wave.makers(store, name, plan.hash), store.approvals.of(plan.hash)).complete:
                return
        named = plan.roles.get(role, "")
        who = named if person(named) not in NOBODY else f"rehearsal as {role}"
        wave.approve(copy, name, who, role, plan.hash, note)


def _carry(copy: Project, name: str, target: str, follower: Follower | None) -> None:
    """As the verb does, without its questions about the window: a rehearsal is never in it."""
    with open_store(copy.state_url) as store:
        history = history_of(store, name)
        current_plan(store, history)
        life.check_verb(name, life.VERB_OF[target], history.state)
        wave_run.carry(copy, store, history, runner_of(store, history), target, follower=follower)


def _accepted(copy: Project) -> int:
    """Payments that the store has taken since it took the first one, once they are enough or patience ends."""
    deadline, began = time.monotonic() + PATIENCE_SECONDS, _count(copy)
    while (found := _count(copy) - began) < ACCEPTED and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def _count(copy: Project) -> int:
    with psycopg.connect(copy.endpoints().store_dsn, autocommit=True) as db:
        row = db.execute("SELECT count(*) FROM tobe.payment WHERE smoke IS NULL").fetchone()
    return int(row[0]) if row else 0


def _end(copy: Project, name: str) -> None:
    """Its runner, its traffic, its servers and their data."""
    if (copy.run_dir / "state.db").exists():
        with suppress(CutwaterError):  # one that does not stop loses its databases: it ends by itself
            wave_run.stop(copy, name)
    clone.removed(copy)


def _away(project: Project, copy: Project, name: str, key: str) -> None:
    """The copy goes; its journal and its runners' logs stay, so that what was filed can be looked up."""
    _end(copy, name)
    kept = _folder(project) / key
    kept.mkdir(parents=True, exist_ok=True)
    for path in (*copy.run_dir.glob("state.db*"), *copy.run_dir.glob("runs/*.jsonl")):
        shutil.move(str(path), kept / path.name)
    shutil.rmtree(copy.root, ignore_errors=True)
